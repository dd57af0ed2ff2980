"""Metadata by REST: of the server and of users, with revisions."""

import pytest

from harness.cases import (
    BLIND_CHANGES,
    REVISIONS,
    Dimse,
    Maker,
    Party,
    Rest,
    Stored,
    Suite,
    first_etag,
    header,
    if_match,
    number,
    orthanc_ids,
    wait_until,
)

METADATA = "Orthanc REST API: GET /instances/{id}/metadata"

suite = Suite(level="product", needs="rest", ref=METADATA)


@suite.case("RMET-001", covers=("Orthanc.test_metadata", "Orthanc.test_metadata_origin"))
@pytest.mark.parametrize("sample", ["p01", "p03", "p12-jpeg-2000"])
def test_metadata_describe_an_instance(rest: Rest, stored: Stored, sample: str) -> None:
    """The metadata have the SOP class, the transfer syntax and the position in the series."""
    uploaded = stored.sample(sample)

    metadata = rest.json(f"/instances/{orthanc_ids(uploaded).instance}/metadata?expand")

    assert metadata["SopClassUid"] == uploaded.sop_class_uid
    assert metadata["TransferSyntax"] == uploaded.transfer_syntax
    assert metadata["IndexInSeries"] == "1"


@suite.case("RMET-002", covers=("Orthanc.test_metadata", "Orthanc.test_metadata_origin"))
def test_upload_comes_from_a_user(rest: Rest, stored: Stored) -> None:
    """The origin of an upload by REST is its user, without an AE title."""
    ids = orthanc_ids(stored.instance())

    metadata = rest.json(f"/instances/{ids.instance}/metadata?expand")

    assert metadata["Origin"] == "RestApi"
    assert metadata["HttpUsername"] == rest.user
    assert metadata["RemoteAET"] == ""
    rest.get(f"/instances/{ids.instance}/metadata/CalledAET", expect=404)


@suite.case(
    "RMET-003",
    covers=("Orthanc.test_metadata_origin", "Orthanc.test_incoming_storescu"),
    needs="dimse.store",
)
def test_stored_object_comes_from_an_ae(
    rest: Rest, dimse: Dimse, make: Maker, remote: Party, local: Party
) -> None:
    """The origin of an object received by C-STORE is both AE titles, without a user."""
    sample = make.instance()
    dimse.store_all([sample])
    ids = orthanc_ids(sample)

    metadata = rest.json(f"/instances/{ids.instance}/metadata?expand")

    assert metadata["Origin"] == "DicomProtocol"
    assert metadata["RemoteAET"] == local.ae_title
    assert metadata["CalledAET"] == remote.ae_title
    assert "HttpUsername" not in metadata


@suite.case("RMET-004", covers="Orthanc.test_incoming_storescu")
def test_series_is_as_new_as_its_instance(rest: Rest, stored: Stored) -> None:
    """A series was last updated when its only instance was received."""
    ids = orthanc_ids(stored.instance())

    received = rest.get(f"/instances/{ids.instance}/metadata/ReceptionDate").text
    updated = rest.get(f"/series/{ids.series}/metadata/LastUpdate").text

    assert updated == received


@suite.case("RMET-005", covers="Orthanc.test_pixel_data_offset", needs="orthanc>=1.9.1")
@pytest.mark.parametrize("sample", ["p01", "p03", "p05", "p09-rle-gray", "p10-jpeg-gray", "t03"])
def test_offset_of_the_pixels(rest: Rest, stored: Stored, sample: str) -> None:
    """PixelDataOffset is the offset of the element Pixel Data in the file."""
    uploaded = stored.sample(sample)

    path = f"/instances/{orthanc_ids(uploaded).instance}/metadata/PixelDataOffset"
    offset = int(number(rest.get(path).text))

    tag = uploaded.data[offset : offset + 4]
    big_endian = uploaded.transfer_syntax == "1.2.840.10008.1.2.2"
    assert tag == (b"\x7f\xe0\x00\x10" if big_endian else b"\xe0\x7f\x10\x00")


@suite.case("RMET-006", covers="Orthanc.test_metadata")
@pytest.mark.parametrize("level", ["patients", "studies", "series"])
def test_metadata_of_another_level_are_not_found(rest: Rest, stored: Stored, level: str) -> None:
    """The identifier of an instance is not found at the other levels."""
    instance = orthanc_ids(stored.instance()).instance

    rest.get(f"/{level}/{instance}/metadata", expect=404)


@suite.case("RMET-007", ref=REVISIONS, covers="Orthanc.test_revisions_metadata")
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_metadata_of_the_server_cannot_be_changed(rest: Rest, stored: Stored, method: str) -> None:
    """Metadata of the server can be neither changed nor deleted."""
    sample = stored.instance()
    path = f"/instances/{orthanc_ids(sample).instance}/metadata/TransferSyntax"

    rest.request(method, path, data=b"nope", expect=403)

    assert rest.get(path).text == sample.transfer_syntax


@suite.case("RMET-008", covers="Orthanc.test_metadata")
@pytest.mark.parametrize("level", ["patient", "study", "series", "instance"])
def test_user_metadata_of_each_level(rest: Rest, stored: Stored, level: str) -> None:
    """A user's metadata is kept unchanged, is listed, and can be deleted, at every level."""
    resource = orthanc_ids(stored.instance()).path(level)
    before = rest.json(f"{resource}/metadata")

    rest.put(f"{resource}/metadata/5555", "any \u00e9 text")
    answer = rest.get(f"{resource}/metadata/5555")
    listed = rest.json(f"{resource}/metadata")
    rest.delete(f"{resource}/metadata/5555", headers={"If-Match": header(answer, "ETag")})

    assert answer.content.decode() == "any \u00e9 text"
    assert set(listed) - set(before) == {"5555"}
    assert rest.json(f"{resource}/metadata") == before


@suite.case("RMET-009", ref="Orthanc Book: configuration, UserMetadata")
def test_user_metadata_by_its_configured_name(rest: Rest, stored: Stored) -> None:
    """Metadata can be read by the name configured for its number."""
    metadata = f"/instances/{orthanc_ids(stored.instance()).instance}/metadata"

    rest.put(f"{metadata}/1098", "value")

    assert rest.get(f"{metadata}/my-metadata").text == "value"
    assert "my-metadata" in rest.json(metadata)


@suite.case(
    "RMET-010",
    ref=REVISIONS,
    covers=("Orthanc.test_metadata", "Orthanc.test_revisions_metadata"),
    needs="orthanc>=1.9.2",
)
def test_etag_of_metadata_is_revision_and_digest(rest: Rest, stored: Stored) -> None:
    """The ETag of new metadata is revision 0 and the MD5 of the value, when set and when read."""
    metadata = f"/instances/{orthanc_ids(stored.instance()).instance}/metadata/1024"

    tags = [header(answer, "ETag") for answer in (rest.put(metadata, "value"), rest.get(metadata))]

    expected = f'"{first_etag("value")}"'
    assert tags == [expected, expected]


@suite.case(
    "RMET-011",
    ref="RFC 9110 13.1.2",
    covers="Orthanc.test_revisions_metadata",
    level="must",
)
def test_known_value_is_not_sent_again(rest: Rest, stored: Stored) -> None:
    """GET with the current ETag in If-None-Match returns 304 and no body."""
    metadata = f"/instances/{orthanc_ids(stored.instance()).instance}/metadata/1024"
    rest.put(metadata, "value")
    known = header(rest.get(metadata), "ETag")

    answer = rest.get(metadata, headers={"If-None-Match": known}, expect=304)

    assert answer.content == b""
    assert header(answer, "ETag") == known


@suite.case(
    "RMET-012",
    ref="RFC 9110 13.1.2",
    covers="Orthanc.test_revisions_metadata",
    level="must",
)
def test_changed_value_is_sent(rest: Rest, stored: Stored) -> None:
    """GET with the ETag of an older value in If-None-Match returns the current value."""
    metadata = f"/instances/{orthanc_ids(stored.instance()).instance}/metadata/1024"
    rest.put(metadata, "old")
    old = header(rest.get(metadata), "ETag")
    rest.put(metadata, "new", headers={"If-Match": old})

    answer = rest.get(metadata, headers={"If-None-Match": old})

    assert answer.text == "new"


@suite.case(
    "RMET-013",
    ref=REVISIONS,
    covers=("Orthanc.test_revisions_metadata", "Orthanc.test_metadata"),
    needs="orthanc>=1.9.2",
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("etag", BLIND_CHANGES.values(), ids=BLIND_CHANGES)
def test_blind_change_of_metadata_is_refused(
    rest: Rest, stored: Stored, method: str, etag: str | None
) -> None:
    """Metadata cannot be changed or deleted without its current revision and digest."""
    metadata = f"/instances/{orthanc_ids(stored.instance()).instance}/metadata/1024"
    rest.put(metadata, "value")

    rest.request(method, metadata, data=b"other", headers=if_match(etag, "value"), expect=409)

    assert rest.get(metadata).text == "value"


@suite.case(
    "RMET-014", ref=REVISIONS, covers="Orthanc.test_revisions_metadata", needs="orthanc>=1.9.2"
)
def test_deleted_metadata_is_gone(rest: Rest, stored: Stored) -> None:
    """Deleted metadata is not found, cannot be deleted again, and restarts with revision 0."""
    metadata = f"/instances/{orthanc_ids(stored.instance()).instance}/metadata/1024"
    rest.put(metadata, "value")

    rest.delete(metadata, headers={"If-Match": first_etag("value")})

    rest.get(metadata, expect=404)
    rest.delete(metadata, headers={"If-Match": first_etag("value")}, expect=404)
    assert header(rest.put(metadata, "again"), "ETag") == f'"{first_etag("again")}"'


@suite.case(
    "RMET-015",
    ref="Orthanc REST API: GET /studies/{id}/metadata?numeric",
    covers="Orthanc.test_numeric_metadata",
    needs="orthanc>=1.12.0",
)
def test_metadata_by_number(rest: Rest, stored: Stored) -> None:
    """With `numeric` metadata are listed by number, and can be read by it."""
    metadata = f"/studies/{orthanc_ids(stored.instance()).study}/metadata"

    by_number = rest.json(f"{metadata}?expand&numeric")

    assert set(by_number) == {str(number) for number in rest.json(f"{metadata}?numeric")}
    assert by_number["7"] == rest.get(f"{metadata}/LastUpdate").text
    assert by_number["7"] == rest.get(f"{metadata}/7").text


@suite.case(
    "RMET-016",
    ref="Orthanc: release notes of 1.12.1",
    covers="Orthanc.test_delete_updates_parents_last_update_metadata",
    waits=1,
)
def test_deleted_instance_updates_its_parents(rest: Rest, stored: Stored) -> None:
    """Deleting one of two instances updates LastUpdate of its series, study and patient."""
    doomed, _ = (orthanc_ids(each) for each in stored.study(instances=2))
    parents = [
        f"/patients/{doomed.patient}",
        f"/studies/{doomed.study}",
        f"/series/{doomed.series}",
    ]
    before = [rest.get(f"{each}/metadata/LastUpdate").text for each in parents]
    wait_until(lambda: rest.get("/tools/now").text > before[0], what="the next second", within=3)

    rest.delete(f"/instances/{doomed.instance}")

    after = [rest.get(f"{each}/metadata/LastUpdate").text for each in parents]
    levels = zip(["patient", "study", "series"], before, after, strict=True)
    assert [level for level, old, new in levels if not new > old] == []
