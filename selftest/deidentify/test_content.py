"""Reports, graphics and attributes without a rule: what is kept and what is removed."""

from pathlib import Path

from pydicom import Dataset, dcmread

from dcm.data.dictionary import vr_of
from dcm.deidentify import FileDeidentifier, make_deidentify_filter
from dcm.deidentify.table import table
from dcm.filt.base import Filter, MultiFilter
from dcm.filt.edits import make_edit_filter
from dcm.instances import data_of, instance_of
from dcm.store.layout import Layout
from harness.corpus import Maker

KEY = b"a key of the selftests"


def image() -> Dataset:
    """Make a CT image."""
    return Maker("DEID-CONTENT").instance(Modality="CT").dataset()


def result_of(data_set: Dataset, folder: Path, options: str = "") -> Dataset:
    """De-identify a data set."""
    data_set.save_as(folder / "source.dcm")
    writer = FileDeidentifier(
        make_deidentify_filter(options, key=KEY), str(folder / "out"), Layout("{SOPInstanceUID}")
    )
    return dcmread(writer.write(str(folder / "source.dcm")).file)


def node(value_type: str, **values: object) -> Dataset:
    """Make a content item."""
    concept = Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = "121071", "DCM"
    concept.CodeMeaning = "Finding"
    made = Dataset()
    made.RelationshipType, made.ValueType = "CONTAINS", value_type
    made.ConceptNameCodeSequence = [concept]
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def report() -> Dataset:
    """Make a report with one of each kind of item."""
    measured, reference, data_set = Dataset(), Dataset(), image()
    measured.NumericValue = "12"
    reference.ReferencedSOPClassUID = data_set.SOPClassUID
    reference.ReferencedSOPInstanceUID = data_set.SOPInstanceUID
    below = node("TEXT", TextValue="Lung nodule of Mrs. Mueller")
    data_set.ContentSequence = [
        node("CONTAINER", ContentSequence=[below]),
        node("TEXT", TextValue="Mueller"),
        node("PNAME", PersonName="Mueller^Anna"),
        node("NUM", MeasuredValueSequence=[measured]),
        node("DATE", Date="20240131"),
        node("UIDREF", UID="1.2.3.4"),
        node("IMAGE", ReferencedSOPSequence=[reference]),
    ]
    return data_set


def test_content_of_a_report_becomes_one_text(tmp_path: Path) -> None:
    """In the basic profile nothing else is kept."""
    [only] = result_of(report(), tmp_path).ContentSequence
    assert (only.ValueType, only.TextValue) == ("TEXT", "REMOVED")


def test_content_is_cleaned_as_the_option_says(tmp_path: Path) -> None:
    """Structure, codes and numbers are kept; texts, names, dates and UIDs are not."""
    found = result_of(report(), tmp_path, "clean-structured,modified-dates")
    container, text, name, number, date, uid, reference = found.ContentSequence
    assert container.ContentSequence[0].TextValue == "Lung nodule of"
    assert text.TextValue == "REMOVED"
    assert name.PersonName == "REMOVED"
    assert number.MeasuredValueSequence[0].NumericValue == 12
    assert date.Date not in ("20240131", "19000101")
    assert uid.UID.startswith("2.25.")
    referenced = reference.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert referenced == found.SOPInstanceUID
    assert text.ConceptNameCodeSequence[0].CodeMeaning == "Finding"


def test_graphics_are_cleaned_as_the_option_says(tmp_path: Path) -> None:
    """Without the option, lines move to the origin, and texts become dummies."""
    text, line, layer, data_set = Dataset(), Dataset(), Dataset(), image()
    text.UnformattedTextValue = "Mueller"
    line.GraphicData, line.NumberOfGraphicPoints, line.GraphicDimensions = [1.0, 2, 3, 4], 2, 2
    line.GraphicType = "POLYLINE"
    line.TrackingID = "Mueller"
    layer.GraphicLayer = "LAYER"
    layer.TextObjectSequence, layer.GraphicObjectSequence = [text], [line]
    data_set.GraphicAnnotationSequence = [layer]
    for options, points in (("", [0.0, 0, 0, 0]), ("clean-graphics", [1.0, 2, 3, 4])):
        [found] = result_of(data_set, tmp_path, options).GraphicAnnotationSequence
        assert found.TextObjectSequence[0].UnformattedTextValue == "REMOVED"
        assert found.GraphicObjectSequence[0].GraphicData == points
        assert found.GraphicObjectSequence[0].NumberOfGraphicPoints == 2
        assert found.GraphicLayer == "LAYER"
    basic = result_of(data_set, tmp_path).GraphicAnnotationSequence[0]
    assert basic.GraphicObjectSequence[0].TrackingID == "REMOVED"


def test_meanings_of_codes_are_cleaned_where_the_table_says_so(tmp_path: Path) -> None:
    """In sequences of descriptors; codes of anatomy and the like are kept."""
    diagnosis, region, data_set = Dataset(), Dataset(), image()
    diagnosis.CodeValue, diagnosis.CodingSchemeDesignator = "1", "99US"
    diagnosis.CodeMeaning = "Fracture of Mueller"
    region.CodeValue, region.CodingSchemeDesignator = "T-D3000", "SRT"
    region.CodeMeaning = "Thoraxwand"
    data_set.AdmittingDiagnosesCodeSequence, data_set.AnatomicRegionSequence = [diagnosis], [region]
    found = result_of(data_set, tmp_path, "clean-descriptors")
    assert found.AdmittingDiagnosesCodeSequence[0].CodeMeaning == "Fracture of"
    assert found.AnatomicRegionSequence[0].CodeMeaning == "Thoraxwand"
    assert "AdmittingDiagnosesCodeSequence" not in result_of(data_set, tmp_path)


def test_all_else_stays(tmp_path: Path) -> None:
    """Pixels, and attributes without a rule."""
    original = image()
    original.FilterType, original.KVP, original.ImageType = "FLAT", "120", ["ORIGINAL", "PRIMARY"]
    found = result_of(original, tmp_path)
    said = {0x00120062, 0x00120063, 0x00120064, 0x00280303}
    for element in original:
        if element.tag not in table() and element.tag not in said:
            assert found[element.tag] == element, element
    added = {int(element.tag) for element in found if element.tag not in original}
    assert added <= said | {0x00120062}


def test_it_works_among_other_filters(tmp_path: Path) -> None:
    """After earlier edits, and before later ones."""
    image().save_as(tmp_path / "a.dcm")
    through: Filter = MultiFilter(
        [
            make_edit_filter({"PatientID": "P1", "PatientComments": "Mueller"}),
            make_deidentify_filter(key=KEY),
            make_edit_filter({"PatientName": "Subject 1"}),
        ]
    )
    before = instance_of(str(tmp_path / "a.dcm"))
    after = through.apply(before)
    data = data_of(after)
    assert b"Mueller" not in data
    assert b"Subject 1" in data
    alone = make_deidentify_filter(key=KEY).forward({"PatientID": "P1"})
    assert alone is not None
    assert str(alone["PatientID"]).encode() in data
    assert after.sop_instance_uid != before.sop_instance_uid
    assert vr_of("PatientID") == "LO"
