"""The rights of a DICOM client: by called and calling AE title, by host, and by its permissions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pynetdicom import sop_class

from dcm.wire import AssociateAC, AssociateRJ
from harness.cases import (
    CT,
    ECHO,
    FIND,
    NATIVE,
    SUCCESS,
    AETitle,
    Dimse,
    Heard,
    Maker,
    Party,
    Rest,
    Sample,
    Stored,
    Suite,
    Wire,
    configured,
    identifier_of,
    unique_keys,
)

suite = Suite(
    level="product", needs="rest", ref="Orthanc Book: configuration, DicomAlwaysAllowStore"
)

CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED = 7, 3  # PS3.8 Table 9-21
PERMISSIONS = ("AllowEcho", "AllowStore", "AllowFind", "AllowFindWorklist", "AllowMove", "AllowGet")


def modality(title: str, *allowed: str, host: str = "127.0.0.1") -> dict[str, object]:
    """Return the definition of a modality that has only these permissions."""
    permissions = {each: each in allowed for each in PERMISSIONS}
    return {"AET": title, "Host": host, "Port": 1, **permissions}


def title_of(permission: str) -> AETitle:
    """Return the AE title of the modality with only one permission: ONLY-STORE."""
    return AETitle(f"ONLY-{permission.removeprefix('Allow').upper()}"[:16])


RESTRICTED: dict[str, Any] = {
    **{f"DicomAlways{each}": False for each in PERMISSIONS},
    "DicomModalities": {
        "none": modality("NOTHING"),
        "all": modality("EVERYTHING", *PERMISSIONS),
        **{each.lower(): modality(title_of(each), each) for each in PERMISSIONS},
    },
}
"""Every client may do only what its modality is allowed to do."""


# Each permission


def _echo(dimse: Dimse, _: Sample, __: Party) -> int:
    return dimse.echo()


def _store(dimse: Dimse, sample: Sample, _: Party) -> int:
    [status] = dimse.store(sample)
    return status


def _find(dimse: Dimse, sample: Sample, _: Party) -> int:
    return dimse.find("STUDY", StudyInstanceUID=sample.study_instance_uid).status


def _find_worklist(dimse: Dimse, *_: object) -> int:
    return dimse.worklist(identifier_of({"PatientName": ""})).status


def _move(dimse: Dimse, sample: Sample, local: Party) -> int:
    return dimse.move("STUDY", local.ae_title, **_keys(sample)).status


def _get(dimse: Dimse, sample: Sample, _: Party) -> int:
    return dimse.get("STUDY", storage=CT, **_keys(sample)).status


def _keys(sample: Sample) -> dict[str, Any]:
    return dict(unique_keys(sample, "STUDY"))


SERVICES: dict[str, Callable[[Dimse, Sample, Party], int]] = {
    "AllowEcho": _echo,
    "AllowStore": _store,
    "AllowFind": _find,
    "AllowFindWorklist": _find_worklist,
    "AllowMove": _move,
    "AllowGet": _get,
}


def served(dimse: Dimse, title: AETitle, sample: Sample, local: Party) -> set[str]:
    """Return the permissions whose services end with Success for a client with this title."""
    client = replace(dimse, calling=title)

    def is_served(service: Callable[[Dimse, Sample, Party], int]) -> bool:
        try:
            return service(client, sample, local) == SUCCESS
        except AssertionError:  # no association, or no response on it
            return False

    return {name for name, service in SERVICES.items() if is_served(service)}


@suite.case("PERM-001", needs=("plugin.worklists", "orthanc>=1.10.0"))
@configured(**RESTRICTED)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_permission_is_for_one_service(
    dimse: Dimse, stored: Stored, local: Party, permission: str
) -> None:
    """A modality with one permission can use this service, and no other."""
    sample = stored.instance()

    assert served(dimse, title_of(permission), sample, local) == {permission}


@suite.case("PERM-002", needs=("plugin.worklists", "orthanc>=1.10.0"))
@configured(**RESTRICTED)
@pytest.mark.parametrize(
    ("title", "expected"),
    [("EVERYTHING", set(PERMISSIONS)), ("NOTHING", set()), ("UNKNOWN", set())],
    ids=["all", "none", "unknown"],
)
def test_modality_with_all_permissions_or_none(
    dimse: Dimse, stored: Stored, local: Party, title: str, expected: set[str]
) -> None:
    """A modality with all permissions can use all services; one without any, or an unknown one, none."""
    sample = stored.instance()

    assert served(dimse, AETitle(title), sample, local) == expected


@suite.case("PERM-003")
@configured(**RESTRICTED)
@pytest.mark.parametrize("title", ["UNKNOWN", "EVERYTHIN", "EVERYTHING2"])
def test_unknown_title_gets_no_association(wire: Wire, title: str) -> None:
    """An unknown calling title is rejected as not recognized, even if it is similar to a known one."""
    heard = propose(replace(wire, calling=AETitle(title)))

    assert refusal(heard) == CALLING_NOT_RECOGNIZED


@suite.case("PERM-004")
@configured(**RESTRICTED)
def test_refused_store_stores_nothing(dimse: Dimse, rest: Rest, make: Maker) -> None:
    """Objects sent by a modality without the permission are not stored; one with it can send the same."""
    sample = make.instance()

    with pytest.raises(AssertionError):
        replace(dimse, calling=AETitle("ONLY-ECHO")).store_all([sample])
    assert rest.json("/instances") == []

    replace(dimse, calling=AETitle("ONLY-STORE")).store_all([sample])
    assert len(rest.json("/instances")) == 1


@suite.case("PERM-005", ref="Orthanc Book: configuration, DicomAlwaysAllowFind")
@configured(**RESTRICTED | {"DicomAlwaysAllowFind": True})
def test_service_that_is_always_allowed(dimse: Dimse, stored: Stored, local: Party) -> None:
    """Only services that are always allowed can be used with an unknown title."""
    sample = stored.instance()

    assert served(dimse, AETitle("UNKNOWN"), sample, local) == {"AllowFind"}


# Called title


def propose(wire: Wire) -> Heard:
    """Propose an association for C-ECHO, and return the answer."""
    return wire.propose(wire.request([ECHO]))


def refusal(heard: Heard) -> int | None:
    """Return the reason of a rejection by the service user, or None if it is accepted."""
    if isinstance(heard, AssociateAC):
        return None
    assert isinstance(heard, AssociateRJ), f"the request was answered with {heard}"
    assert (heard.result, heard.source) == (1, 1)
    return int(heard.reason)


@suite.case("PERM-006", ref="PS3.8 9.3.4 (2024e); Orthanc Book: DicomCheckCalledAet")
@configured(DicomCheckCalledAet=True)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda title: title, None),
        (lambda title: title.lower(), None),
        (lambda title: title[:-1], CALLED_NOT_RECOGNIZED),
        (lambda title: f"{title}X", CALLED_NOT_RECOGNIZED),
        (lambda _: "OTHER", CALLED_NOT_RECOGNIZED),
    ],
    ids=["own", "lower-case", "prefix", "longer", "other"],
)
def test_called_title_is_checked(
    wire: Wire, change: Callable[[str], str], expected: int | None
) -> None:
    """With DicomCheckCalledAet, another called title is rejected as not recognized, ignoring case."""
    heard = propose(replace(wire, called=AETitle(change(wire.called))))

    assert refusal(heard) == expected


@suite.case("PERM-007", ref="Orthanc Book: configuration, StrictAetComparison")
@configured(DicomCheckCalledAet=True, StrictAetComparison=True)
@pytest.mark.parametrize(
    ("change", "expected"),
    [(str.upper, None), (str.lower, CALLED_NOT_RECOGNIZED)],
    ids=["own", "lower-case"],
)
def test_strict_comparison_of_titles(
    wire: Wire, remote: Party, change: Callable[[str], str], expected: int | None
) -> None:
    """With StrictAetComparison, a called title in a different case is rejected."""
    assert remote.ae_title == remote.ae_title.upper()

    heard = propose(replace(wire, called=AETitle(change(wire.called))))

    assert refusal(heard) == expected


@suite.case("PERM-008", ref="Orthanc Book: configuration, DicomCheckCalledAet")
@configured(DicomCheckCalledAet=False)
def test_called_title_is_not_checked(wire: Wire) -> None:
    """Without DicomCheckCalledAet, an association with any called title is accepted."""
    assert refusal(propose(replace(wire, called=AETitle("ANYBODY")))) is None


# Host


@suite.case("PERM-009", ref="Orthanc Book: configuration, DicomCheckModalityHost")
@configured(
    **RESTRICTED
    | {
        "DicomCheckModalityHost": True,
        "DicomModalities": {
            "here": modality("HERE", *PERMISSIONS),
            "elsewhere": modality("ELSEWHERE", *PERMISSIONS, host="192.0.2.1"),
        },
    }
)
@pytest.mark.parametrize(
    ("title", "expected"), [("HERE", {"AllowEcho"}), ("ELSEWHERE", set())], ids=["right", "other"]
)
def test_host_of_a_modality_is_checked(
    dimse: Dimse, stored: Stored, local: Party, title: str, expected: set[str]
) -> None:
    """With DicomCheckModalityHost, a modality is served only from its own address."""
    sample = stored.instance()

    assert served(dimse, AETitle(title), sample, local) & {"AllowEcho"} == expected


# Permissions that change while the server runs


@suite.case("PERM-010", ref="Orthanc REST API: PUT /modalities/{id}")
@configured(**RESTRICTED)
def test_permission_is_given_and_taken(dimse: Dimse, rest: Rest) -> None:
    """An added modality is served at once, and is unknown again after its removal."""
    newcomer = replace(dimse, calling=AETitle("NEWCOMER"))

    rest.put("/modalities/newcomer", modality("NEWCOMER", "AllowEcho"))
    assert newcomer.echo() == SUCCESS

    rest.delete("/modalities/newcomer")
    with pytest.raises(AssertionError, match="rejected"):
        newcomer.echo()


@suite.case("PERM-011", needs="dimse.worklist")
@configured(**RESTRICTED)
def test_permission_for_worklists_is_not_for_studies(dimse: Dimse) -> None:
    """A modality that may query studies cannot query worklists on the same association."""
    client = replace(dimse, calling=title_of("AllowFind"))
    models = (FIND["study"], sop_class.ModalityWorklistInformationFind)
    asked = identifier_of({"QueryRetrieveLevel": "STUDY", "PatientID": ""})

    with client.associate([(each, NATIVE) for each in models]) as association:
        of_studies = [status.Status for status, _ in association.send_c_find(asked, models[0])]
        of_worklists = [status for status, _ in association.send_c_find(asked, models[1])]

    assert of_studies == [SUCCESS]
    assert SUCCESS not in [each.get("Status") for each in of_worklists]
