"""The multitenant plugin: additional DICOM servers, each seeing the resources with its labels."""

from typing import Any

import pytest

from harness.cases import (
    AETitle,
    Dimse,
    Maker,
    Party,
    Rest,
    StorageScp,
    Stored,
    Suite,
    configured,
    orthanc_ids,
    values,
)

suite = Suite(
    level="product", needs=("rest", "orthanc>=1.12.0"), ref="Orthanc Book: multitenant DICOM plugin"
)
TENANT = AETitle("TENANT")


def tenant_of(constraint: str) -> pytest.MarkDecorator:
    """Return the set-up of a server with one tenant, which has the labels `a` and `b`."""
    one: dict[str, Any] = {
        "AET": TENANT, "Port": "{port}", "Labels": ["a", "b"], "LabelsConstraint": constraint,
        "LabelsStoreLevels": ["Study"],
    }  # fmt: skip
    return configured(plugins="multitenant-dicom", MultitenantDicom={"Servers": [one]})


@pytest.fixture
def tenant(remote: Party, dimse: Dimse) -> Dimse:
    """Return a DICOM client for the tenant's own server."""
    return Dimse(remote.more, TENANT, dimse.calling, dimse.time_limit, None)


def label(rest: Rest, path: str, *labels: str) -> None:
    """Add labels to a resource."""
    for each in labels:
        rest.put(f"{path}/labels/{each}")


@suite.case("TENANT-001")
@tenant_of("All")
def test_what_a_tenant_stores_has_its_labels(rest: Rest, tenant: Dimse, make: Maker) -> None:
    """Objects stored on a tenant's server get its labels at the configured levels, and no others."""
    ids = orthanc_ids(sample := make.instance())

    tenant.store(sample)

    assert sorted(rest.json(f"{ids.path('study')}/labels")) == ["a", "b"]
    for level in ("patient", "series", "instance"):
        assert rest.json(f"{ids.path(level)}/labels") == []


@suite.case("TENANT-002")
@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"Both"}, marks=tenant_of("All"), id="all"),
        pytest.param({"One", "Both"}, marks=tenant_of("Any"), id="any"),
        pytest.param({"Nothing", "Other"}, marks=tenant_of("None"), id="none"),
    ],
)
def test_tenant_finds_by_labels(
    rest: Rest, dimse: Dimse, tenant: Dimse, stored: Stored, seen: set[str]
) -> None:
    """A tenant finds the studies whose labels match its constraint; the server itself finds all."""
    labels = {"Nothing": (), "Other": ("c",), "One": ("a",), "Both": ("a", "b", "c")}
    for name, each in labels.items():
        sample = stored.instance(PatientName=name)
        label(rest, orthanc_ids(sample).path("study"), *each)

    found = set(values(tenant.find_studies(PatientName=""), "PatientName"))

    assert found == seen
    assert set(values(dimse.find_studies(PatientName=""), "PatientName")) == set(labels)


@suite.case("TENANT-003")
@tenant_of("Any")
def test_label_that_goes_hides_the_study(rest: Rest, tenant: Dimse, stored: Stored) -> None:
    """A study is hidden from the tenant as soon as its label is removed."""
    path = orthanc_ids(stored.instance(PatientName="Doe")).path("study")
    label(rest, path, "a")
    before = values(tenant.find_studies(PatientName=""), "PatientName")

    rest.delete(f"{path}/labels/a")

    assert before == ["Doe"]
    assert tenant.find_studies(PatientName="") == []


@suite.case("TENANT-004", needs="dimse.move.study")
@tenant_of("Any")
def test_tenant_moves_what_it_sees(
    rest: Rest, tenant: Dimse, stored: Stored, destination: StorageScp, local: Party
) -> None:
    """A C-MOVE of the tenant sends a study with its label, and nothing of a study without."""
    mine, theirs = stored.instance(PatientID="A"), stored.instance(PatientID="B")
    label(rest, orthanc_ids(mine).path("study"), "a")

    for each in (mine, theirs):
        tenant.move("STUDY", local.ae_title, StudyInstanceUID=each.study_instance_uid)

    assert destination.received_uids(1) == [mine.sop_instance_uid]


@suite.case("TENANT-005")
@tenant_of("Any")
def test_other_titles_and_services(tenant: Dimse, dimse: Dimse, remote: Party) -> None:
    """The tenant's server answers a C-ECHO, and so does the server itself."""
    assert tenant.echo() == dimse.echo()
    assert remote.more != remote.server.dicom
