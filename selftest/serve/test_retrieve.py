"""Retrieval (PS3.18 10.4): files, metadata, bulk data, frames and images."""

import io
import json
from pathlib import Path

import pytest
import requests
from net.files import make
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian
from serve.service import Service, serving

from dcm.data.header import scan_bytes
from harness.clients import multipart
from harness.corpus import Sample, corpus

STUDY = "1.2.3.7"
DICOM = 'multipart/related; type="application/dicom"'


def path_of(sample: Sample) -> str:
    """Return the path of an instance."""
    return (
        f"/studies/{sample.study_instance_uid}/series/{sample.series_instance_uid}"
        f"/instances/{sample.sop_instance_uid}"
    )


def get(
    service: Service, path: str, accept: str | None = None, status: int = 200
) -> requests.Response:
    """Return an answer, after checking its status."""
    answer = requests.get(service.url + path, headers={"Accept": accept}, timeout=30)
    assert answer.status_code == status, answer.text[:500]
    return answer


def test_each_level_by_dicomweb_client(service: Service) -> None:
    """A study, a series and an instance arrive complete."""
    client = service.client
    assert len(client.retrieve_study(STUDY)) == 7
    assert len(client.retrieve_series(STUDY, f"{STUDY}.2")) == 4
    image = client.retrieve_instance(STUDY, f"{STUDY}.2", f"{STUDY}.3.1")
    assert image.SOPInstanceUID == f"{STUDY}.3.1"


def test_file_is_sent_as_it_is_stored(service: Service, samples: list[Sample]) -> None:
    """With any transfer syntax, a file arrives byte for byte, and its length is announced."""
    for sample in samples:
        answer = get(service, path_of(sample), "application/dicom; transfer-syntax=*")
        assert answer.content == sample.data
        assert answer.headers["Content-Length"] == str(len(sample.data))
        (part,) = multipart.parts_of(get(service, path_of(sample), f"{DICOM}; transfer-syntax=*"))
        assert part.content == sample.data
        assert part.transfer_syntax == sample.transfer_syntax


@pytest.mark.parametrize("name", ["p05", "p08", "p09-rle-gray", "h03-sr"])
def test_conversion(service: Service, name: str) -> None:
    """Without a requested transfer syntax, images become Explicit VR Little Endian if possible."""
    sample = corpus[name]
    answer = get(service, path_of(sample), "application/dicom")
    converted, original = dcmread(io.BytesIO(answer.content)), sample.dataset()
    assert converted.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert converted.file_meta.MediaStorageSOPInstanceUID == original.SOPInstanceUID
    assert [each.tag for each in converted] == [each.tag for each in original]


def test_lossy_image_stays_as_it_is(service: Service) -> None:
    """A lossy compressed image is not decompressed unless requested, and its part says so."""
    sample = corpus["p10-jpeg-gray"]
    (part,) = multipart.parts_of(get(service, path_of(sample), DICOM))
    assert part.content == sample.data
    assert part.transfer_syntax == sample.transfer_syntax
    explicit = f"{DICOM}; transfer-syntax={ExplicitVRLittleEndian}"
    (part,) = multipart.parts_of(get(service, path_of(sample), explicit))
    assert scan_bytes(part.content).transfer_syntax_uid == ExplicitVRLittleEndian


def test_what_is_not_there(service: Service, samples: list[Sample]) -> None:
    """Unknown studies and instances are 404, and so is an instance below another study."""
    sample = samples[0]
    for path in (
        "/studies/1.2.99", f"/studies/{STUDY}/series/1.2", path_of(sample) + "9",
        path_of(sample).replace(sample.study_instance_uid, STUDY),
    ):  # fmt: skip
        for tail in ("", "/metadata", "/rendered"):
            get(service, path + tail, "*/*", status=404)


def test_file_that_is_gone(tmp_path: Path) -> None:
    """An instance whose file was removed is 410; its part is not silently omitted."""
    for number in (1, 2):
        make(tmp_path, number)
    with serving(tmp_path) as service:
        make(tmp_path, 1).unlink()
        answer = get(service, "/studies/1.2.3.4.1", "*/*", status=410)
        assert "1 of 2 files" in answer.text


@pytest.mark.parametrize(
    "accept", ["image/png", f"{DICOM}; transfer-syntax=1.2.840.10008.1.2.4.90", "application/pdf"]
)
def test_not_acceptable(service: Service, accept: str) -> None:
    """An unavailable representation is 406, and the answer lists the available ones."""
    answer = get(service, path_of(corpus["h01-ct-1-1"]), accept, status=406)
    assert "application/dicom" in answer.text


def test_head(service: Service) -> None:
    """HEAD returns the size and sends no body."""
    sample = corpus["h01-ct-1-1"]
    answer = requests.head(
        service.url + path_of(sample),
        headers={"Accept": "application/dicom; transfer-syntax=*"}, timeout=20,
    )  # fmt: skip
    assert answer.headers["Content-Length"] == str(len(sample.data))
    assert answer.content == b""


def test_metadata_by_dicomweb_client(service: Service, samples: list[Sample]) -> None:
    """The metadata has all attributes, and each URI in it leads to the stored bytes."""
    client = service.client
    assert len(client.retrieve_study_metadata(STUDY)) == 7
    assert len(client.retrieve_series_metadata(STUDY, f"{STUDY}.2")) == 4
    for sample in samples:
        uids = sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid
        model = client.retrieve_instance_metadata(*uids)
        original = sample.dataset()
        assert {*model} == {f"{each.tag:08X}" for each in original if each.tag.element}
        for tag, element in model.items():
            if "BulkDataURI" in element and not sample.transfer_syntax.is_encapsulated:
                (value,) = client.retrieve_bulkdata(element["BulkDataURI"])
                if sample.transfer_syntax.is_little_endian:
                    assert value == original[tag].value


def test_bulk_data_in_an_item(service: Service) -> None:
    """A URI leads into the items of sequences."""
    sample = corpus["t05"]
    text = json.dumps(get(service, path_of(sample) + "/metadata").json())
    uris = [each for each in text.split('"') if "/bulkdata/" in each]
    assert uris
    for uri in uris:
        answer = requests.get(uri, headers={"Accept": "application/octet-stream"}, timeout=20)
        assert answer.status_code == 200
        assert len(answer.content) == int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize(
    ("place", "status"),
    [("7FE00011", 404), ("00100010", 404), ("nothing", 400), ("00400275/1", 400), ("../1", 404)],
)
def test_bulk_data_that_is_not_there(service: Service, place: str, status: int) -> None:
    """A place without bulk data is 404; an invalid place is 400."""
    sample = corpus["h01-ct-1-1"]
    get(service, f"{path_of(sample)}/bulkdata/{place}", "*/*", status=status)


def test_frames_by_dicomweb_client(service: Service) -> None:
    """Frames are in the order of the request."""
    sample = corpus["m01-native"]
    uids = sample.study_instance_uid, sample.series_instance_uid, sample.sop_instance_uid
    frames = service.client.retrieve_instance_frames(*uids, [3, 1])
    assert frames == [sample.frame(2).tobytes(), sample.frame(0).tobytes()]


@pytest.mark.parametrize(
    "accept",
    [
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        'multipart/related; type="application/octet-stream"; transfer-syntax=*, */*;q=0.1',
        "multipart/related; type=image/jls; transfer-syntax=1.2.840.10008.1.2.4.80",
    ],
)
def test_compressed_frame_for_a_viewer(service: Service, accept: str) -> None:
    """A viewer that decodes frames itself gets the stored streams with their type."""
    sample = corpus["p13-offsets"]
    (part,) = multipart.parts_of(get(service, path_of(sample) + "/frames/2", accept))
    assert part.transfer_syntax == sample.transfer_syntax
    assert part.content[:2] == b"\xff\xd8"
    stored = [*generate_frames(sample.dataset().PixelData, number_of_frames=3)]
    assert part.content == stored[1]


def test_frame_as_pixels(service: Service) -> None:
    """A compressed frame is decompressed if pixels are requested."""
    sample = corpus["p09-rle-gray"]
    accept = "multipart/related; type=application/octet-stream"
    (part,) = multipart.parts_of(get(service, path_of(sample) + "/frames/1", accept))
    assert part.content == sample.frame(0).tobytes()
    single = get(service, path_of(sample) + "/frames/1", "application/octet-stream")
    assert single.content == part.content


@pytest.mark.parametrize(("frames", "status"), [("0", 404), ("13", 404), ("1,x", 400), ("-1", 400)])
def test_frames_that_are_not_there(service: Service, frames: str, status: int) -> None:
    """Frames are counted from 1."""
    get(service, f"{path_of(corpus['m01-native'])}/frames/{frames}", "*/*", status=status)


def test_document_has_no_frames(service: Service) -> None:
    """An object without pixels has no frames and no image."""
    for tail in ("/frames/1", "/rendered", "/thumbnail"):
        get(service, path_of(corpus["h03-sr"]) + tail, "*/*", status=404)


@pytest.mark.parametrize("accept", ["image/jpeg", "image/png"])
@pytest.mark.parametrize("name", ["h01-ct-1-1", "p05", "p09-rle-gray", "p10-jpeg-colour"])
def test_rendered(service: Service, name: str, accept: str) -> None:
    """A rendered image has the size of the object, and an accepted type."""
    sample = corpus[name]
    answer = get(service, path_of(sample) + "/rendered", accept)
    assert answer.headers["Content-Type"] == accept
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (sample.dataset().Columns, sample.dataset().Rows)


def test_frames_are_rendered_as_parts(service: Service) -> None:
    """All frames of an image are parts; a thumbnail is one image, no larger than requested."""
    path = path_of(corpus["m01-native"])
    parts = multipart.parts_of(get(service, path + "/rendered", "*/*"))
    assert len(parts) == corpus["m01-native"].dataset().NumberOfFrames
    get(service, path + "/rendered", "image/png", status=406)
    answer = get(service, path + "/thumbnail?viewport=10,20", "image/png")
    assert max(Image.open(io.BytesIO(answer.content)).size) <= 20


@pytest.mark.parametrize(
    "query", ["window=1", "window=1,0,linear", "window=1,2,cubic", "viewport=0,1", "quality=101"]
)
def test_malformed_view(service: Service, query: str) -> None:
    """An invalid rendering parameter is 400."""
    get(service, f"{path_of(corpus['h01-ct-1-1'])}/rendered?{query}", "*/*", status=400)


def test_same_object_in_two_files(tmp_path: Path) -> None:
    """An object with several copies is sent once."""
    original = make(tmp_path, 1)
    make(tmp_path, 2)
    (tmp_path / "copy.dcm").write_bytes(original.read_bytes())
    with serving(tmp_path, "--no-dicom") as service:
        found = service.client.retrieve_study("1.2.3.4.1")
        assert sorted(each.SOPInstanceUID for each in found) == ["1.2.3.1", "1.2.3.2"]
        assert len(service.client.retrieve_study_metadata("1.2.3.4.1")) == 2
