"""The contents of files by REST: tags in several formats, values, modules, and computed tags."""

import pytest

from harness.cases import Maker, Rest, Stored, Suite, file_of, orthanc_ids, single

suite = Suite(level="product", needs="rest")


@suite.case(
    "RHIE-008",
    ref="Orthanc REST API: GET /patients/{id}/shared-tags",
    covers="Orthanc.test_shared_tags",
)
def test_shared_tags_are_those_that_agree(rest: Rest, stored: Stored) -> None:
    """The shared tags are those that have the same value in all instances."""
    first = stored.instance(PatientName="Muller^Anna", number=1, SeriesDescription="Axial")
    stored.instance(PatientName="Muller^Anna", number=2, SeriesDescription="Axial")

    shared = rest.json(f"/patients/{orthanc_ids(first).patient}/shared-tags?simplify")

    assert shared["PatientName"] == "Muller^Anna"
    assert shared["SeriesDescription"] == "Axial"
    assert {"SOPInstanceUID", "InstanceNumber"} & set(shared) == set()


@suite.case(
    "RHIE-009",
    ref="Orthanc REST API: GET /studies/{id}/module and the like",
    covers="Orthanc.test_modules",
)
@pytest.mark.parametrize(
    ("level", "module", "keyword"),
    [
        ("patients", "module", "PatientName"),
        ("studies", "module-patient", "PatientName"),
        ("studies", "module", "StudyDescription"),
        ("series", "module", "SeriesDescription"),
        ("instances", "module", "SOPInstanceUID"),
    ],
)
def test_module_holds_the_elements_of_its_level(
    rest: Rest, stored: Stored, level: str, module: str, keyword: str
) -> None:
    """The module of a level has the elements of this level, and none of the others."""
    sample = stored.instance(PatientName="Muller^Anna")

    found = rest.json(f"{orthanc_ids(sample).path(level)}/{module}?simplify")

    telling = {"PatientName", "StudyDescription", "SeriesDescription", "SOPInstanceUID"}
    values = {name: value for name, value in found.items() if name in telling}
    assert values == {keyword: str(sample.dataset()[keyword].value)}


@suite.case(
    "RHIE-010", ref="Orthanc REST API: GET /instances/{id}/content", covers="Orthanc.test_raw_tags"
)
def test_content_is_the_value_with_its_padding(rest: Rest, stored: Stored) -> None:
    """The content of an element is its value in the file, with its padding."""
    sample = stored.instance(PatientName="Muller^Anna", SOPInstanceUID="2.25.1234")
    content = f"/instances/{orthanc_ids(sample).instance}/content"

    assert rest.get(f"{content}/0010-0010").content == b"Muller^Anna "
    assert rest.get(f"{content}/0008-0018").content == b"2.25.1234\0"


@suite.case(
    "RHIE-011", ref="Orthanc REST API: GET /instances/{id}/content", covers="Orthanc.test_raw_tags"
)
@pytest.mark.parametrize("path", ["0010-4000", "0040-a730/7/0040-a160", "0040-a160"])
def test_content_of_an_absent_element_is_not_found(rest: Rest, stored: Stored, path: str) -> None:
    """An element or an item that the file does not have is not found."""
    sample = stored.sample("t06-nested-10")

    rest.get(f"/instances/{orthanc_ids(sample).instance}/content/{path}", expect=404)


@suite.case(
    "RHIE-012", ref="Orthanc REST API: GET /instances/{id}/content", covers="Orthanc.test_raw_tags"
)
@pytest.mark.parametrize("level", [1, 2, 10])
def test_content_walks_down_sequences(rest: Rest, stored: Stored, level: int) -> None:
    """A path of sequences and item numbers leads to an element in an item."""
    sample = stored.sample("t06-nested-10")
    path = "0040-a730/0/" * level + "0040-a160"

    content = rest.get(f"/instances/{orthanc_ids(sample).instance}/content/{path}").text

    assert content.rstrip() == f"level {level}"


@suite.case(
    "RHIE-013",
    ref="Orthanc REST API: GET /instances/{id}/content",
    covers=("Orthanc.test_raw_tags", "Orthanc.test_raw_tags_mdn"),
)
@pytest.mark.parametrize("sample", ["t01-known-vr", "t01-implicit-vr"])
def test_content_of_a_private_element(rest: Rest, stored: Stored, sample: str) -> None:
    """The content of a private element can be read, even if its VR is not known."""
    instance = orthanc_ids(stored.sample(sample)).instance

    assert rest.get(f"/instances/{instance}/content/0099-1001").text == "private text"
    assert rest.get(f"/instances/{instance}/content/0099-1003").text.rstrip() == "1.5\\2.5"


@suite.case(
    "RHIE-014", ref="Orthanc Book: configuration, Dictionary", covers="Orthanc.test_private_tags"
)
@pytest.mark.parametrize(
    "transfer_syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"], ids=["implicit", "explicit"]
)
def test_private_elements_have_the_configured_names(
    rest: Rest, make: Maker, transfer_syntax: str
) -> None:
    """A private element of the configured dictionary has the configured name."""
    ds = make.instance(transfer_syntax=transfer_syntax).dataset()
    ds.private_block(0x0009, "Lunit", create=True).add_new(0x01, "DS", "0.75")
    instance = rest.upload(file_of(ds))["ID"]

    tags = rest.json(f"/instances/{instance}/tags?simplify")

    assert tags["LunitScore"] == "0.75"


@suite.case(
    "RHIE-015",
    ref="Orthanc REST API: GET /studies/{id}/instances-tags",
    covers="Orthanc.test_instances_tags",
)
@pytest.mark.parametrize("level", ["patients", "studies", "series"])
def test_tags_of_all_instances_at_once(rest: Rest, stored: Stored, level: str) -> None:
    """A single answer has the tags of all instances of a resource, by instance."""
    samples = stored.study(PatientName="Muller^Anna", instances=2)
    stored.study(PatientName="Mulder^Bob")

    tags = rest.json(f"{orthanc_ids(samples[0]).path(level)}/instances-tags?short")

    numbers = {instance: each["0020,0013"] for instance, each in tags.items()}
    first, second = (orthanc_ids(each).instance for each in samples)
    assert numbers == {first: "1", second: "2"}


@suite.case(
    "RHIE-016",
    ref="Orthanc REST API: GET /instances/{id}/tags",
    covers=("Orthanc.test_dicom_to_json_format", "Orthanc.test_upload_2"),
)
@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("tags", "0008,1010", {"Name": "StationName", "Type": "String", "Value": "STATION"}),
        ("tags?short", "0008,1010", "STATION"),
        ("tags?simplify", "StationName", "STATION"),
        ("simplified-tags", "StationName", "STATION"),
    ],
    ids=["full", "short", "simplify", "simplified"],
)
def test_tags_have_three_forms(
    rest: Rest, stored: Stored, path: str, key: str, value: object
) -> None:
    """Tags can be full, short by number, or simplified by name."""
    sample = stored.instance(StationName="STATION")

    tags = rest.json(f"/instances/{orthanc_ids(sample).instance}/{path}")

    assert tags[key] == value


@suite.case(
    "RHIE-017",
    ref="Orthanc REST API: GET /instances/{id}/tags?ignore-length",
    covers="Orthanc.test_long_tag",
)
def test_long_value_is_left_out_by_default(rest: Rest, stored: Stored) -> None:
    """A value of more than 256 characters is left out, unless `ignore-length` names its element."""
    versions = ["y" * 60] * 6
    sample = stored.instance(SoftwareVersions=versions)
    tags = f"/instances/{orthanc_ids(sample).instance}/tags"

    short = rest.json(tags)["0018,1020"]
    whole = rest.json(tags, **{"ignore-length": "SoftwareVersions"})["0018,1020"]

    assert short == {"Name": "SoftwareVersions", "Type": "TooLong", "Value": None}
    assert whole["Value"] == "\\".join(versions)


@suite.case(
    "RHIE-022",
    ref="Orthanc REST API: GET /instances/{id}/tags?simplify",
    covers="Orthanc.test_googlecode_issue_16",
)
def test_attribute_tag_is_shown_as_a_tag(rest: Rest, stored: Stored) -> None:
    """A value of VR AT is written as group and element."""
    sample = stored.instance(FrameIncrementPointer=0x00181063)

    tags = rest.json(f"/instances/{orthanc_ids(sample).instance}/tags?simplify")

    assert tags["FrameIncrementPointer"] == "0018,1063"


@suite.case(
    "RHIE-024",
    ref="Orthanc REST API: GET /instances/{id}/tags",
    covers=("Orthanc.test_tags_after_pixel_data", "Orthanc.test_dicom_to_json"),
    needs="orthanc>=1.9.1",
)
def test_tags_end_before_the_pixels(rest: Rest, make: Maker) -> None:
    """The tags are those of the elements before Pixel Data."""
    ds = make.instance().dataset()
    ds.private_block(0x7FE1, "HARNESS", create=True).add_new(0x01, "LO", "after the pixels")
    instance = rest.upload(file_of(ds))["ID"]

    tags = rest.json(f"/instances/{instance}/tags?short")

    assert tags["0010,0010"] == str(ds.PatientName)
    assert {tag for tag in tags if tag >= "7fe0,0010"} <= {"7fe0,0010"}


@suite.case(
    "RHIE-025",
    ref="Orthanc REST API: GET /instances/{id}/tags?whole",
    covers="Orthanc.test_tags_after_pixel_data",
    needs="orthanc>=1.12.4",
)
def test_whole_tags_go_beyond_the_pixels(rest: Rest, make: Maker) -> None:
    """With `whole` the tags are also those of the elements after Pixel Data."""
    ds = make.instance().dataset()
    ds.private_block(0x7FE1, "HARNESS", create=True).add_new(0x01, "LO", "after the pixels")
    instance = rest.upload(file_of(ds))["ID"]

    tags = rest.json(f"/instances/{instance}/tags?short&whole")

    assert tags["7fe1,1001"] == "after the pixels"


@suite.case(
    "RHIE-027",
    ref="Orthanc REST API: GET /patients/{id}/studies?requestedTags",
    covers="Orthanc.test_list_resources_requested_tags",
    needs="orthanc>=1.11.0",
)
def test_list_can_bring_requested_tags(rest: Rest, stored: Stored) -> None:
    """A list contains requested tags, even those that are not main DICOM tags."""
    sample = stored.instance(Modality="MR", PatientName="Muller^Anna")
    path = f"/studies/{orthanc_ids(sample).study}/series?expand&simplify"

    series = single(rest.json(f"{path}&requestedTags=MRAcquisitionType;PatientName"), "series")

    assert series["RequestedTags"] == {"MRAcquisitionType": "2D", "PatientName": "Muller^Anna"}


@suite.case(
    "RHIE-028",
    ref="Orthanc REST API: GET /studies/{id}?requested-tags",
    covers="Orthanc.test_computed_tags",
    needs="orthanc>=1.12.4",
)
def test_counts_are_computed_when_requested(rest: Rest, stored: Stored) -> None:
    """The numbers of series and instances, which the server computes, can be requested as tags."""
    sample, *_ = stored.study(series=2, instances=3)
    path = f"/studies/{orthanc_ids(sample).study}"

    study = rest.json(f"{path}?requested-tags=0020,1206;0020,1208")

    assert study["RequestedTags"] == {
        "NumberOfStudyRelatedInstances": "6",
        "NumberOfStudyRelatedSeries": "2",
    }
