"""The authorization plugin: who may see, store, change and delete what, according to a service."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from harness.cases import (
    EVERYTHING,
    DicomWeb,
    Maker,
    Party,
    Profile,
    Rest,
    Sample,
    Stored,
    Suite,
    configured,
    orthanc_ids,
    study_path,
)

suite = Suite(level="product", needs="rest", ref="Orthanc Book: advanced authorization plugin")
pytestmark = configured(
    plugins="authorization",
    AuthenticationEnabled=False,
    StableAge=5000,
    Authorization={
        "WebServiceRootUrl": "{authorization}",
        "StandardConfigurations": ["orthanc-explorer-2", "stone-webviewer"],
        "CheckedLevel": "studies",
        # The harness itself is identified by the credentials that it always sends.
        "TokenHttpHeaders": ["user-token-key", "resource-token-key", "Authorization"],
        "TokenGetArguments": ["resource-token-key"],
        "UncheckedFolders": ["/plugins"],
    },
)

USERS = {
    "all": Profile("all", ("all",), (EVERYTHING,)),
    "view-a": Profile("view-a", ("view",), ("a",)),
    "upload-a": Profile("upload-a", ("view", "upload"), ("a",)),
    "delete-a": Profile("delete-a", ("delete",), ("a",)),
    "modify-a": Profile("modify-a", ("modify", "view"), ("a",)),
}
As = Callable[[str], Rest]


class Studies(NamedTuple):
    """Four studies, named by their labels."""

    a: Sample
    b: Sample
    none: Sample
    both: Sample


@pytest.fixture
def studies(rest: Rest, stored: Stored) -> Studies:
    """Store a study with label a, one with b, one without, and one with both."""
    made = Studies(*(stored.instance(PatientID=name) for name in ("A", "B", "N", "AB")))
    for sample, labels in ((made.a, "a"), (made.b, "b"), (made.both, "ab")):
        for each in labels:
            rest.put(f"{orthanc_ids(sample).path('study')}/labels/{each}")
    return made


@pytest.fixture
def as_(remote: Party) -> Iterator[As]:
    """Return a function that creates a client with a user's token, or a token for resources."""
    service = remote.server.adapter.authorization  # type: ignore[attr-defined]
    service.users |= USERS
    with ExitStack() as stack:

        def client(token: str) -> Rest:
            made = stack.enter_context(remote.new_rest(None))
            made.session.auth = None
            kind = "user" if token in service.users else "resource"
            made.session.headers[f"{kind}-token-key"] = token
            return made

        yield client


def tags_of(sample: Sample) -> str:
    """Return the path of the tags of an instance."""
    return f"{orthanc_ids(sample).path('instance')}/simplified-tags"


def found(client: Rest, *labels: str, constraint: str = "Any", **query: str) -> list[str]:
    """Return the identifiers of the studies that a client finds by labels."""
    asked = {"Level": "Study", "Query": query, "Labels": labels, "LabelsConstraint": constraint}
    return sorted(client.post("/tools/find", asked).json())


def ids(*samples: Sample) -> list[str]:
    """Return the identifiers of the studies of samples."""
    return sorted(orthanc_ids(each).study for each in samples)


@suite.case("AUTHZ-001", covers="Authorization.test_authorization.test_user_all")
def test_user_who_may_do_everything(as_: As, studies: Studies) -> None:
    """A user with all permissions and labels sees every study, and finds each by its labels."""
    client = as_("all")

    assert client.get("/system").ok
    for each in studies:
        assert client.get(tags_of(each)).ok
    assert found(client) == ids(*studies)
    assert found(client, "a", "b") == ids(studies.a, studies.b, studies.both)
    assert found(client, "a", constraint="None") == ids(studies.b, studies.none)
    assert sorted(client.json("/tools/labels")) == ["a", "b"]


@suite.case("AUTHZ-002", covers="Authorization.test_authorization.test_user_a")
def test_user_of_a_label_sees_its_studies(as_: As, studies: Studies) -> None:
    """A user of one label reads and finds its studies, and no others, whatever labels are asked for."""
    client = as_("view-a")

    for each in (studies.a, studies.both):
        assert client.get(tags_of(each)).ok
        assert client.get(f"{orthanc_ids(each).path('study')}/series").ok
    for each in (studies.b, studies.none):
        client.get(tags_of(each), expect=403)
        client.get(f"{orthanc_ids(each).path('study')}/series", expect=403)
    assert found(client) == ids(studies.a, studies.both)
    assert found(client, "a", "b") == ids(studies.a, studies.both)
    assert client.json("/tools/labels") == ["a"]


@suite.case("AUTHZ-003", covers="Authorization.test_authorization.test_user_a")
@pytest.mark.parametrize(
    "path",
    ["/patients?expand", "/studies?expand", "/series?expand", "/instances?expand", "/studies", "/studies/"],
)  # fmt: skip
def test_lists_are_closed_to_users_of_a_label(as_: As, studies: Studies, path: str) -> None:
    """A list of everything, which cannot be limited to a label, is rejected."""
    as_("view-a").get(path, expect=403)
    assert as_("all").get(path).ok
    assert len(studies) == 4


@suite.case(
    "AUTHZ-004", covers="Authorization.test_authorization.test_user_a", needs="plugin.dicomweb"
)
def test_dicomweb_keeps_to_the_labels(remote: Party, as_: As, studies: Studies) -> None:
    """By DICOMweb, a user of one label gets its studies, but no others."""
    web = DicomWeb(as_("view-a"), remote.dicomweb)

    assert len(web.metadata(study_path(studies.a))) == 1
    web.get(f"{study_path(studies.b)}/metadata", expect=403)


@suite.case("AUTHZ-005", covers="Authorization.test_authorization.test_uploader_a")
def test_who_may_upload(as_: As, studies: Studies, make: Maker, rest: Rest) -> None:
    """Only a user with upload permission can store, and still does not see studies without their label."""
    sample = make.instance(PatientID="New")

    as_("view-a").post("/instances", sample.data, expect=403)
    before = len(rest.json("/studies"))
    as_("upload-a").post("/instances", sample.data)

    assert before == len(studies)
    assert orthanc_ids(sample).study in rest.json("/studies")
    as_("upload-a").get(tags_of(studies.b), expect=403)


@suite.case("AUTHZ-006", covers="Authorization.test_authorization.test_resource_token")
def test_token_of_a_study(remote: Party, as_: As, studies: Studies) -> None:
    """A token for a study gives access to it, its archive and its children, but nothing else."""
    service = remote.server.adapter.authorization  # type: ignore[attr-defined]
    service.share("share-a", ids(studies.a))
    client = as_("share-a")
    mine, theirs = (orthanc_ids(each).path("study") for each in (studies.a, studies.b))

    assert client.get("/system").ok
    assert client.get(f"{mine}/series").ok
    assert client.get(f"{mine}/archive").content[:2] == b"PK"
    client.get(f"{theirs}/series", expect=403)
    client.get(f"{theirs}/archive", expect=403)
    for path in ("/tools/labels", "/studies", "/studies?expand"):
        client.get(path, expect=403)
    client.post("/tools/find", {"Level": "Study", "Query": {}}, expect=403)


@suite.case(
    "AUTHZ-007",
    covers="Authorization.test_authorization.test_delete",
    needs="plugin.authorization>=0.10.4",
)
@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("how", ["delete", "bulk"])
def test_who_may_delete(as_: As, studies: Studies, rest: Rest, level: str, how: str) -> None:
    """A user who may delete resources with a label can delete these at each level, but nothing else."""
    client = as_("delete-a")

    def delete(sample: Sample, expect: int) -> None:
        resource = orthanc_ids(sample)
        if how == "delete":
            client.delete(resource.path(level), expect=expect)
        else:
            client.post("/tools/bulk-delete", {"Resources": [resource.at(level)]}, expect=expect)

    delete(studies.b, 403)
    delete(studies.a, 200)

    assert sorted(rest.json("/studies")) == ids(studies.b, studies.none, studies.both)


@suite.case(
    "AUTHZ-008",
    covers="Authorization.test_authorization.test_modify",
    needs="plugin.authorization>=0.10.4",
)
def test_who_may_modify(as_: As, studies: Studies, rest: Rest) -> None:
    """A user who may modify resources with a label can modify these, but nothing else."""
    change = {
        "Replace": {"StudyDescription": "changed"}, "Force": True, "KeepSource": True,
        "Keep": ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"], "Synchronous": True,
    }  # fmt: skip
    client = as_("modify-a")

    client.post(f"{orthanc_ids(studies.b).path('study')}/modify", change, expect=403)
    client.post(f"{orthanc_ids(studies.a).path('study')}/modify", change)

    names = {
        each: rest.json(tags_of(each_sample)).get("StudyDescription")
        for each, each_sample in (("a", studies.a), ("b", studies.b))
    }
    assert names["a"] == "changed"
    assert names["b"] != "changed"


@suite.case("AUTHZ-009", covers="Authorization.test_authorization.test_user_a")
def test_nobody_sees_anything(as_: As, studies: Studies) -> None:
    """An unknown token gives access to nothing."""
    client = as_("nobody")

    client.get(tags_of(studies.a), expect=403)
    client.post("/tools/find", {"Level": "Study", "Query": {}}, expect=403)
    client.delete(orthanc_ids(studies.a).path("study"), expect=403)
