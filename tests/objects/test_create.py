"""Objects created by the server from tags, images and documents: /tools/create-dicom."""

import base64
import io
import struct
import zlib
from typing import Any, Final

import numpy as np
import pydicom
import pytest
from PIL import Image

from harness.cases import (
    Frame,
    Rest,
    Stored,
    Suite,
    colour,
    error_of,
    gray,
    image_of,
    largest_difference,
    levels_of,
    orthanc_ids,
)

suite = Suite(
    level="product", needs="orthanc>=1.10.0", ref="Orthanc REST API: POST /tools/create-dicom"
)

SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
GRAY: Final = gray(3, 20, 30, bits=8)
COLOUR: Final = colour(3, 20, 30)
PDF: Final = b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\n%%EOF"
"""A document with an odd number of bytes, so that it is padded."""
UNKNOWN: Final = "-".join(["0" * 8] * 5)


def uri(media_type: str, data: bytes) -> str:
    """Return content as a data URI (RFC 2397)."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def png(frame: Frame) -> str:
    """Return a frame as the data URI of a PNG."""
    return uri("image/png", _encoded(frame, "PNG"))


def _encoded(frame: Frame, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, kind)
    return buffer.getvalue()


def created(rest: Rest, **order: Any) -> str:
    """Create an object on the server, and return its path."""
    path: str = rest.post("/tools/create-dicom", order).json()["Path"]
    return path


def file_at(rest: Rest, path: str) -> pydicom.FileDataset:
    """Return the file at a path of an instance, as pydicom reads it."""
    return pydicom.dcmread(io.BytesIO(rest.get(f"{path}/file").content))


def refused(rest: Rest, **order: Any) -> tuple[int, int]:
    """Return status and error code of a rejected request; fails the case if anything was stored."""
    before = rest.json("/instances")
    refusal = error_of(rest.post("/tools/create-dicom", order, expect=None))
    assert rest.json("/instances") == before, "the refused order has left an instance behind"
    return refusal


# Answers and tags


@suite.case("CRE-001", covers="Orthanc.test_create")
@pytest.mark.parametrize("form", ["tags", "flat"])
def test_answer_names_the_instance(rest: Rest, form: str) -> None:
    """The answer has identifier and path of the created instance, in both forms of a request."""
    tags = {"PatientName": "Made^Object", "Modality": "CR", "SOPClassUID": SECONDARY_CAPTURE}

    answer = rest.post("/tools/create-dicom", {"Tags": tags} if form == "tags" else tags).json()

    assert rest.json("/instances") == [answer["ID"]]
    assert answer["Path"] == f"/instances/{answer['ID']}"
    described = rest.json(answer["Path"])
    assert (described["Type"], described["ID"]) == ("Instance", answer["ID"])


@suite.case("CRE-002", covers="Orthanc.test_create")
def test_tags_are_those_of_the_order(rest: Rest) -> None:
    """The object has the requested tags, given by keyword or by number."""
    path = created(
        rest, Tags={"PatientName": "Made^Object", "0008,0060": "CR", "0010-0020": "ID-1"}
    )

    made = file_at(rest, path)

    assert (made.PatientName, made.Modality, made.PatientID) == ("Made^Object", "CR", "ID-1")


@suite.case("CRE-003")
def test_identifiers_are_made(rest: Rest) -> None:
    """Two objects requested without identifiers belong to two patients, with different UIDs."""
    made = [file_at(rest, created(rest, Tags={"PatientName": "Made^Object"})) for _ in range(2)]

    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        first, second = (str(each[keyword].value) for each in made)
        assert first
        assert first != second


@suite.case("CRE-004", covers="Orthanc.test_create", needs="orthanc>=1.12.5")
def test_several_numbers(rest: Rest) -> None:
    """A numeric tag with a backslash in its text has several values."""
    made = file_at(rest, created(rest, Tags={"TimeRange": "1.5\\2.25"}))

    assert list(made.TimeRange) == [1.5, 2.25]


@suite.case("CRE-005", ref="PS3.3 C.12.1.1.2", covers="Orthanc.test_create_series")
@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ("ISO_IR 100", "Größe^Zoë"),
        ("ISO_IR 101", "Dvořák^Eliška"),
        ("ISO_IR 144", "Иванов^Пётр"),
        ("ISO_IR 126", "Παπαδόπουλος^Ελένη"),
        ("ISO_IR 192", "王^小東"),
        ("GB18030", "王^小东"),
    ],
)
def test_text_is_in_the_requested_character_set(rest: Rest, terms: str, name: str) -> None:
    """Text is written in the requested character set, and read back unchanged."""
    path = created(rest, Tags={"SpecificCharacterSet": terms, "PatientName": name})

    assert str(file_at(rest, path).PatientName) == name
    assert rest.json(f"{path}/tags?simplify")["PatientName"] == name


@suite.case("CRE-006", covers="Orthanc.test_create_sequence")
def test_nested_sequence(rest: Rest) -> None:
    """Lists of objects become sequences of items, nested as in the request."""
    inner = [{"CodeValue": "A"}, {"CodeValue": "B", "CodeMeaning": "Größe"}]
    tags = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ContentSequence": [
            {"TextValue": "one", "ConceptCodeSequence": inner},
            {"TextValue": "two"},
        ],
    }

    path = created(rest, Tags=tags)

    content = f"{path}/content/ContentSequence"
    assert rest.get(f"{content}/0/TextValue").text.strip() == "one"
    assert rest.get(f"{content}/1/TextValue").text.strip() == "two"
    codes = file_at(rest, path).ContentSequence[0].ConceptCodeSequence
    assert [each.CodeValue for each in codes] == ["A", "B"]
    raw = rest.get(f"{content}/0/ConceptCodeSequence/1/CodeMeaning").content
    assert raw.rstrip() == "Größe".encode("latin-1")


@suite.case("CRE-007", covers="Orthanc.test_create_binary")
def test_binary_content_of_a_private_element(rest: Rest) -> None:
    """A data URI in a private element is stored as its decoded bytes."""
    data = bytes(range(256))

    path = created(
        rest, Tags={"8899,8899": uri("application/octet-stream", data)}, PrivateCreator="HARNESS"
    )

    assert rest.get(f"{path}/content/8899-8899").content == data


@suite.case("CRE-008", covers="Orthanc.test_create_binary")
def test_data_uri_as_text(rest: Rest) -> None:
    """With InterpretBinaryTags off, a data URI is stored as text."""
    text = uri("application/octet-stream", b"\1\2\3\4")

    path = created(
        rest, Tags={"8899,8899": text}, PrivateCreator="HARNESS", InterpretBinaryTags=False
    )

    assert rest.get(f"{path}/content/8899-8899").text.rstrip("\0 ") == text


# Images


@suite.case("CRE-009", covers=("Orthanc.test_create", "Orthanc.test_create_series"))
@pytest.mark.parametrize(
    ("frame", "photometric", "bits"),
    [(GRAY, "MONOCHROME2", 8), (gray(3, 20, 30, bits=16), "MONOCHROME2", 16), (COLOUR, "RGB", 8)],
    ids=["gray", "gray-16", "colour"],
)
def test_image_has_every_pixel(rest: Rest, frame: Frame, photometric: str, bits: int) -> None:
    """A PNG becomes native pixels, all unchanged, with the module that describes them."""
    made = file_at(rest, created(rest, Tags={}, Content=png(frame)))

    assert made.PhotometricInterpretation == photometric
    assert (made.BitsAllocated, made.BitsStored, made.HighBit) == (bits, bits, bits - 1)
    assert made.pixel_array.tolist() == frame.tolist()


@suite.case("CRE-010", covers="Orthanc.test_create")
def test_transparency_is_dropped(rest: Rest) -> None:
    """A PNG with an alpha channel becomes an RGB image without it."""
    opaque = Image.fromarray(COLOUR).convert("RGBA")
    buffer = io.BytesIO()
    opaque.save(buffer, "PNG")

    path = created(rest, Tags={}, Content=uri("image/png", buffer.getvalue()))

    assert largest_difference(levels_of(rest.get(f"{path}/preview")), COLOUR) == 0


@suite.case("CRE-011", covers="Orthanc.test_create_png16RBGA", needs="orthanc>=1.12.7")
@pytest.mark.parametrize("route", ["preview", "rendered"])
def test_png_of_16_bits_and_alpha(rest: Rest, route: str) -> None:
    """A PNG of 16 bits per channel with alpha becomes an image of the same size, shown in colour."""
    order = {
        "PatientName": "Jarvis",
        "Modality": "CT",
        "SOPClassUID": SECONDARY_CAPTURE,
        "PixelData": uri("image/png", png_of_16_bits(colour(3, 32, 32, bits=16))),
    }

    path = rest.post("/tools/create-dicom", order).json()["Path"]

    shown = rest.get(f"{path}/{route}")
    assert (image_of(shown).mode, image_of(shown).size) == ("RGB", (32, 32))
    assert largest_difference(levels_of(shown), colour(3, 32, 32, bits=16) >> 8) <= 1


def png_of_16_bits(frame: Frame) -> bytes:
    """Encode a colour frame as an opaque 16-bit PNG (ISO 15948), which Pillow cannot do."""
    rows, columns = frame.shape[:2]
    opaque = np.dstack([frame, np.full((rows, columns), 65535, "u2")]).astype(">u2")
    lines = b"".join(b"\0" + line.tobytes() for line in opaque)
    head = struct.pack(">IIBBBBB", columns, rows, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    )


@suite.case("CRE-012", covers="Orthanc.test_create")
@pytest.mark.parametrize("frame", [GRAY, COLOUR], ids=["gray", "colour"])
def test_jpeg_is_decompressed(rest: Rest, frame: Frame) -> None:
    """A JPEG becomes native pixels, with the values of another decoder."""
    jpeg = _encoded(frame, "JPEG")

    made = file_at(rest, created(rest, Tags={}, Content=uri("image/jpeg", jpeg)))

    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert largest_difference(made.pixel_array, levels_of(jpeg)) <= 2


@suite.case("CRE-013", covers="Orthanc.test_embed_jpeg", needs="orthanc>=1.12.7")
@pytest.mark.parametrize(
    ("frame", "photometric", "samples"),
    [(GRAY, "MONOCHROME2", 1), (COLOUR, "YBR_FULL_422", 3)],
    ids=["gray", "colour"],
)
def test_jpeg_is_embedded(rest: Rest, frame: Frame, photometric: str, samples: int) -> None:
    """With Encapsulate, a JPEG is the one frame of a JPEG baseline object, byte for byte."""
    jpeg = _encoded(frame, "JPEG")

    path = created(
        rest,
        Tags={"SOPClassUID": SECONDARY_CAPTURE},
        Content=uri("image/jpeg", jpeg),
        Encapsulate=True,
    )

    assert rest.json(f"{path}/content/7fe0-0010") == ["0", "1"]
    fragment = rest.get(f"{path}/content/7fe0-0010/1").content
    assert fragment == jpeg + b"\0" * (len(jpeg) % 2)
    made = file_at(rest, path)
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert (made.Rows, made.Columns, made.BitsAllocated, made.PixelRepresentation) == (20, 30, 8, 0)
    assert (made.SamplesPerPixel, made.PhotometricInterpretation) == (samples, photometric)


@suite.case("CRE-014", covers="Orthanc.test_create_series")
def test_series_of_several_images(rest: Rest) -> None:
    """A list of images becomes a complete series with an instance for each, with its pixels and tags."""
    second = gray(4, 16, 16, bits=8)
    content = [png(GRAY), {"Content": png(second), "Tags": {"ImageComments": "second"}}]

    answer = rest.post(
        "/tools/create-dicom",
        {
            "Tags": {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Größe"},
            "Content": content,
        },
    ).json()

    series = rest.json(answer["Path"])
    assert (series["Type"], series["ExpectedNumberOfInstances"]) == ("Series", 2)
    assert (series["Status"], len(series["Instances"])) == ("Complete", 2)
    made = {
        each.get("ImageComments"): each
        for each in (file_at(rest, f"/instances/{id_}") for id_ in series["Instances"])
    }
    assert {key: each.pixel_array.tolist() for key, each in made.items()} == {
        None: GRAY.tolist(),
        "second": second.tolist(),
    }
    assert {str(each.PatientName) for each in made.values()} == {"Größe"}


# Documents


@suite.case("CRE-015", covers="Orthanc.test_create_pdf")
def test_pdf_is_encapsulated(rest: Rest) -> None:
    """A PDF becomes an Encapsulated PDF with every byte and one of padding, and is returned without it."""
    path = created(rest, Tags={"PatientName": "Made^Object"}, Content=uri("application/pdf", PDF))

    made = file_at(rest, path)

    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    assert (made.MIMETypeOfEncapsulatedDocument, made.ConversionType) == ("application/pdf", "WSD")
    assert len(PDF) % 2 == 1
    assert made.EncapsulatedDocument == PDF + b"\0"
    assert rest.get(f"{path}/pdf").content == PDF


@suite.case("CRE-016", covers="Orthanc.test_create_pdf")
@pytest.mark.parametrize(
    ("given", "modality"), [({}, "OT"), ({"Modality": "CR"}, "CR")], ids=["default", "given"]
)
def test_modality_of_a_pdf(rest: Rest, given: dict[str, str], modality: str) -> None:
    """The modality of a PDF is the requested one, or else OT."""
    path = created(rest, Tags=given, Content=uri("application/pdf", PDF))

    assert file_at(rest, path).Modality == modality


@suite.case("CRE-017", covers="Orthanc.test_create_pdf")
@pytest.mark.parametrize("name", ["p02", "h03-sr"])
def test_no_pdf_of_another_object(rest: Rest, stored: Stored, name: str) -> None:
    """An object that is not an Encapsulated PDF has no PDF: 404."""
    path = orthanc_ids(stored.sample(name)).path("instance")

    rest.get(f"{path}/pdf", expect=404)


@suite.case("CRE-018", covers="Orthanc.test_encapsulate_stl", needs="orthanc>=1.12.1")
@pytest.mark.parametrize(
    ("media_type", "sop_class"),
    [
        ("model/stl", "1.2.840.10008.5.1.4.1.1.104.3"),
        ("model/obj", "1.2.840.10008.5.1.4.1.1.104.4"),
        ("model/mtl", "1.2.840.10008.5.1.4.1.1.104.5"),
    ],
    ids=["stl", "obj", "mtl"],
)
def test_model_is_encapsulated(rest: Rest, media_type: str, sop_class: str) -> None:
    """A model becomes an object of the class of its format, with every byte."""
    data = b"solid cube\nendsolid cube\n"

    path = created(rest, Tags={"PatientName": "Made^Object"}, Content=uri(media_type, data))

    made = file_at(rest, path)
    assert (made.SOPClassUID, made.MIMETypeOfEncapsulatedDocument) == (sop_class, media_type)
    assert (made.Modality, made.PatientName) == ("M3D", "Made^Object")
    assert made.EncapsulatedDocument.rstrip(b"\0") == data


# Parents


@suite.case("CRE-019", covers=("Orthanc.test_create_pdf", "Orthanc.test_bitbucket_issue_141"))
@pytest.mark.parametrize("level", ["patient", "study", "series"])
def test_object_below_a_parent(rest: Rest, stored: Stored, level: str) -> None:
    """An object with a parent has the parent's elements, down to its level, and belongs to it."""
    parent = stored.instance(PatientName="Größe^Zoë", StudyDescription="Höhe")
    ids = orthanc_ids(parent)

    path = created(rest, Parent=ids.at(level), Tags={}, Content=uri("application/pdf", PDF))

    made, source = file_at(rest, path), parent.dataset()
    assert (made.PatientID, made.PatientName) == (source.PatientID, source.PatientName)
    assert made.SpecificCharacterSet == source.SpecificCharacterSet
    assert (made.StudyInstanceUID == source.StudyInstanceUID) == (level != "patient")
    assert (made.SeriesInstanceUID == source.SeriesInstanceUID) == (level == "series")
    assert made.get("StudyDescription") == (None if level == "patient" else "Höhe")
    assert rest.json(f"{path}/patient")["ID"] == ids.patient


@suite.case("CRE-020", covers="Orthanc.test_create_pdf")
@pytest.mark.parametrize(
    ("level", "keyword"),
    [("patient", "PatientName"), ("study", "StudyDescription"), ("series", "SeriesDescription")],
)
def test_element_of_the_parent_is_not_overridden(
    rest: Rest, stored: Stored, level: str, keyword: str
) -> None:
    """A tag of the parent's level is rejected, and nothing is created."""
    ids = orthanc_ids(stored.instance())

    refusal = refused(rest, Parent=ids.at(level), Tags={keyword: "Other"}, Content=png(GRAY))

    assert refusal == (400, 2020)  # CreateDicomOverrideTag


@suite.case("CRE-021", covers="Orthanc.test_create_pdf")
@pytest.mark.parametrize("level", ["patient", "study"])
def test_element_below_the_parent(rest: Rest, stored: Stored, level: str) -> None:
    """A tag of a level below the parent's is taken from the request."""
    ids = orthanc_ids(stored.instance(SeriesDescription="Old"))

    path = created(rest, Parent=ids.at(level), Tags={"SeriesDescription": "New"}, Content=png(GRAY))

    assert file_at(rest, path).SeriesDescription == "New"


@suite.case("CRE-022")
def test_parent_is_not_changed(rest: Rest, stored: Stored) -> None:
    """The instances of the parent stay as they are, byte for byte."""
    parent = stored.instance()
    ids = orthanc_ids(parent)

    created(rest, Parent=ids.series, Tags={}, Content=png(GRAY))

    assert rest.get(f"{ids.path('instance')}/file").content == parent.data
    assert len(rest.json(f"{ids.path('series')}/instances")) == 2


# Rejected requests


@suite.case("CRE-023")
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"Parent": UNKNOWN, "Tags": {}}, (400, 2024)),
        ({"Tags": {"SOPInstanceUID": "1.2.3"}}, (400, 2020)),
        ({"Tags": {}, "Content": "data:image/png;base64,!!!!"}, (400, 15)),
        ({"Tags": {}, "Content": "no data URI"}, (400, 15)),
        ({"Tags": {}, "Content": uri("application/pdf", b"no PDF")}, (400, 15)),
        ({"Tags": {}, "Content": uri("image/png", b"\x89PNG\r\n\x1a\n")}, (400, 15)),
        ({"Tags": {}, "Content": uri("image/jpeg", b"\xff\xd8\xff\xd9")}, None),
        ({"Tags": {"NoSuchKeyword": "x"}}, (500, 27)),
        ({"Tags": {}, "Content": uri("text/plain", b"text")}, (500, 2)),
    ],
    ids=[
        "parent",
        "uid",
        "base64",
        "no-uri",
        "no-pdf",
        "png-cut",
        "jpeg-cut",
        "keyword",
        "media-type",
    ],
)
def test_order_that_is_refused(
    rest: Rest, order: dict[str, Any], expected: tuple[int, int] | None
) -> None:
    """An impossible request is rejected with a specific error, and leaves nothing behind."""
    refusal = refused(rest, **order)

    assert refusal[0] >= 400
    assert expected in (None, refusal)


@suite.case("CRE-024")
def test_uid_is_taken_with_force(rest: Rest) -> None:
    """With Force, an identifier in the request is used as it is."""
    path = created(rest, Tags={"SOPInstanceUID": "1.2.3.4"}, Force=True)

    assert file_at(rest, path).SOPInstanceUID == "1.2.3.4"


@suite.case("CRE-025")
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"'], ids=["empty", "broken", "list", "text"]
)
def test_body_that_is_no_order(rest: Rest, body: bytes) -> None:
    """A body that is not a JSON object is rejected with 400, and the server still answers."""
    status, _ = error_of(rest.post("/tools/create-dicom", body, expect=None))

    assert status == 400
    assert rest.json("/instances") == []
