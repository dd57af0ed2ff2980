"""Objects that may still identify people are refused, and not written."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import RLELossless, UltrasoundImageStorage

from dcm.data.plan import CannotEdit
from dcm.deidentify import (
    BadOption,
    BadRegion,
    CannotDeidentify,
    FileDeidentifier,
    Options,
    Region,
    make_deidentify_filter,
    read_region,
    read_rules,
)
from dcm.instances import instance_of
from dcm.store.layout import Layout
from harness.corpus import Maker, corpus

KEY = b"a key of the selftests"
LAYOUT = Layout("{SOPInstanceUID}.dcm")


def image(modality: str = "US", **values: Any) -> Dataset:
    """Make an image of 16 x 12 pixels with 16 bits, none of which is 0."""
    data_set = Maker("DEID").instance(Modality=modality).dataset()
    if modality == "US":
        data_set.SOPClassUID = UltrasoundImageStorage
    data_set.Rows, data_set.Columns = 12, 16
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit, data_set.SamplesPerPixel = 15, 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.PixelData = bytes(range(1, 193)) * 2
    data_set["PixelData"].VR = "OW"
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    return data_set


def saved(data_set: Dataset, folder: Path) -> str:
    """Write a data set."""
    path = folder / "source.dcm"
    data_set.save_as(path)
    return str(path)


def result_of(data_set: Dataset, folder: Path, options: str = "", **more: Any) -> Dataset:
    """De-identify a data set."""
    through = make_deidentify_filter(options, key=KEY, **more)
    done = FileDeidentifier(through, str(folder / "out"), LAYOUT).write(saved(data_set, folder))
    return dcmread(done.file)


@pytest.mark.parametrize(
    ("modality", "values", "words"),
    [
        ("US", {"BurnedInAnnotation": ""}, "ultrasound"),
        ("OT", {}, "secondary capture"),
        ("CT", {"BurnedInAnnotation": "YES"}, "burned-in text"),
        ("CT", {"ConversionType": "DF"}, "digitised"),
        ("CT", {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screen"),
        ("CT", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4"}, "photography"),
    ],
)
def test_images_that_may_have_text_in_them_are_refused(
    modality: str, values: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """Nothing is written unless they are allowed."""
    data_set = image(modality, **values)
    with pytest.raises(CannotDeidentify, match=words):
        result_of(data_set, tmp_path)
    assert not (tmp_path / "out").exists()
    found = result_of(data_set, tmp_path, allow_burned_in=True)
    assert [each.CodeValue for each in found.DeidentificationMethodCodeSequence] == ["113100"]


def test_images_that_say_that_nothing_is_burned_in_are_taken(tmp_path: Path) -> None:
    """The statement of an ultrasound image is trusted."""
    assert result_of(image(BurnedInAnnotation="NO"), tmp_path).Modality == "US"


@pytest.mark.parametrize("encoding", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", RLELossless])
def test_regions_are_blanked(encoding: str, tmp_path: Path) -> None:
    """Exactly these pixels become black, also in compressed images; the object records it."""
    data_set = image()
    before = data_set.pixel_array.copy()
    if encoding == RLELossless:
        data_set.compress(RLELossless, generate_instance_uid=False)
    else:
        data_set.file_meta.TransferSyntaxUID = encoding
        stream = BytesIO()
        data_set.save_as(stream, implicit_vr=encoding == "1.2.840.10008.1.2", little_endian=True)
        stream.seek(0)
        data_set = dcmread(stream)
    regions = [read_region("2,1,5,3"), read_region("4,2,100,2")]
    found = result_of(data_set, tmp_path, blank=regions)
    before[1:4, 2:7] = 0
    before[2:4, 4:] = 0
    assert (found.pixel_array == before).all()
    assert found.BurnedInAnnotation == "NO"
    codes = [each.CodeValue for each in found.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101"]


@pytest.mark.parametrize("planar", [0, 1])
def test_regions_of_colour_frames_are_blanked(planar: int, tmp_path: Path) -> None:
    """In each frame and each plane."""
    data_set = image()
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 3, "RGB"
    data_set.PlanarConfiguration, data_set.NumberOfFrames = planar, 2
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit = 7
    data_set.PixelData = bytes(range(1, 193)) * 6
    data_set["PixelData"].VR = "OB"
    before = data_set.pixel_array.copy()
    found = result_of(data_set, tmp_path, blank=[Region(3, 4, 5, 6)])
    before[:, 4:10, 3:8] = 0
    assert (found.pixel_array == before).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"BitsAllocated": 1}, "1 bits"),
        ({"PhotometricInterpretation": "YBR_FULL_422"}, "YBR_FULL_422"),
        ({"Rows": 13}, "bytes"),
        ({"Columns": 3, "Rows": 64}, "outside"),
    ],
)
def test_what_cannot_be_blanked_is_refused(
    values: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """The error has the reason."""
    with pytest.raises(CannotDeidentify, match=words):
        result_of(image(**values), tmp_path, blank=[Region(5, 5, 2, 2)])


RULES = """
[[rule]]
manufacturer = "acme*"
rows = 12
columns = 16
blank = ["0,0,16,2"]

[[rule]]
modality = "US"
manufacturer = "CLEAN INC"
blank = []
"""


def test_rules_tell_what_is_blanked(tmp_path: Path) -> None:
    """By manufacturer and size; a rule without regions declares that nothing is burned in."""
    (tmp_path / "rules.toml").write_text(RULES)
    rules = read_rules(tmp_path / "rules.toml")
    found = result_of(image(Manufacturer="ACME Inc"), tmp_path, rules=rules)
    assert not found.pixel_array[:2].any()
    assert found.pixel_array[2:].all()
    found = result_of(image(Manufacturer="Clean Inc"), tmp_path, rules=rules)
    assert found.pixel_array.all()
    with pytest.raises(CannotDeidentify, match="ultrasound"):
        result_of(image(Manufacturer="Other"), tmp_path, rules=rules)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rule]]\nmodell = 'x'\nblank = []", "modell"),
        ("[[rule]]\nblank = ['1,2,3']", "is not a region"),
        ("[[rule]]\nrows = 'x'\nblank = []", "rows is 'x'"),
        ("[[rule]]\n", "needs blank"),
        ("rule = 5", "only tables"),
        ("x", "is not TOML"),
    ],
)
def test_wrong_rules_are_refused(text: str, words: str, tmp_path: Path) -> None:
    """The error has the file, the rule and what is wrong."""
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(BadRegion, match=words):
        read_rules(tmp_path / "rules.toml")


def test_overlay_in_unused_bits_is_refused(tmp_path: Path) -> None:
    """It would remain in the pixels."""
    data_set = image("CT")
    data_set.add_new(0x60000100, "US", 16)
    data_set.add_new(0x60000102, "US", 12)
    with pytest.raises(CannotDeidentify, match="unused bits"):
        result_of(data_set, tmp_path)


def test_overlays_and_curves_go_as_a_whole(tmp_path: Path) -> None:
    """Without their data, the rest of the group would be invalid."""
    data_set = image("CT")
    data_set.add_new(0x60000010, "US", 12)
    data_set.add_new(0x60000102, "US", 0)
    data_set.add_new(0x60003000, "OW", bytes(24))
    data_set.add_new(0x50000005, "US", 1)
    found = result_of(data_set, tmp_path)
    assert not [each for each in found if each.tag.group in (0x5000, 0x6000)]


def test_sound_is_refused(tmp_path: Path) -> None:
    """A voice can be recognised."""
    with pytest.raises(CannotDeidentify, match="voice"):
        result_of(image("CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.9.4.1"), tmp_path)


def test_encapsulated_documents_are_replaced_or_refused(tmp_path: Path) -> None:
    """A PDF becomes an empty page, other types are refused."""
    data_set = corpus["m07"].dataset()
    data_set.EncapsulatedDocumentLength = len(data_set.EncapsulatedDocument)
    found = result_of(data_set, tmp_path)
    assert found.EncapsulatedDocumentLength == len(found.EncapsulatedDocument.rstrip(b"\0"))
    assert found.EncapsulatedDocument.startswith(b"%PDF-1.4")
    assert found.EncapsulatedDocument != data_set.EncapsulatedDocument
    data_set.MIMETypeOfEncapsulatedDocument = "text/XML"
    with pytest.raises(CannotDeidentify, match="not PDF"):
        result_of(data_set, tmp_path)


def test_truncated_file_leaves_nothing(tmp_path: Path) -> None:
    """Neither a partial file nor a temporary one."""
    path = Path(saved(image("CT"), tmp_path))
    path.write_bytes(path.read_bytes()[:-100])
    through = make_deidentify_filter(key=KEY)
    with pytest.raises(CannotEdit, match="beyond the end"):
        FileDeidentifier(through, str(tmp_path / "out"), LAYOUT).write(str(path))
    assert not [*(tmp_path / "out").glob("*")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("clean-faces", "cannot be removed"),
        ("everything", "unknown option"),
        ("full-dates,modified-dates", "cannot be used together"),
        ("clean-pixels", "needs regions"),
    ],
)
def test_options_that_cannot_be_done_are_refused(options: str, words: str) -> None:
    """The error explains it."""
    with pytest.raises(BadOption, match=words):
        make_deidentify_filter(options, key=KEY)


def test_short_key_is_refused() -> None:
    """It could be found by trying all."""
    with pytest.raises(CannotEdit, match="too short"):
        make_deidentify_filter(key=b"short")


def test_no_options_are_basic() -> None:
    """`basic` is the name of the empty set of options."""
    assert Options.of("basic") == Options.of("") == Options()


def test_dicomdir_is_refused(tmp_path: Path) -> None:
    """It contains the positions of its records."""
    data_set = image("CT", SOPClassUID="1.2.840.10008.1.3.10")
    with pytest.raises(CannotEdit, match="DICOMDIR"):
        make_deidentify_filter(key=KEY).apply(instance_of(saved(data_set, tmp_path)))
