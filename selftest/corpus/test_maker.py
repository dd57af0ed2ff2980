"""Generated objects: as requested, reproducible, and without collisions."""

import io
from typing import Any

import pydicom
import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from harness.corpus import Maker, make
from harness.errors import CorpusError


def test_elements_are_overridden() -> None:
    """Any keyword sets its element; everything else is filled in."""
    sample = make.instance(PatientID="P1", Modality="MR", StudyDate="20200101", EchoTime=30)
    ds = sample.dataset()
    assert (ds.PatientID, ds.Modality, ds.StudyDate, ds.EchoTime) == ("P1", "MR", "20200101", 30)
    assert sample.patient_id == "P1"
    assert sample.sop_class_uid == ds.file_meta.MediaStorageSOPClassUID == MRImageStorage


@pytest.mark.parametrize(
    ("modality", "sop_class"), [("CT", CTImageStorage), ("XA", SecondaryCaptureImageStorage)]
)
def test_the_modality_chooses_the_object(modality: str, sop_class: str) -> None:
    """CT and MR have their own objects, all others a Secondary Capture."""
    sample = make.instance(Modality=modality)
    assert (sample.sop_class_uid, sample.dataset().Modality) == (sop_class, modality)


def test_overridden_uids_reach_the_meta_header() -> None:
    """File meta information and data set name the same instance."""
    ds = make.instance(SOPInstanceUID="2.25.1").dataset()
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID == "2.25.1"


def test_the_same_call_gives_the_same_bytes() -> None:
    """Nothing depends on the time or the number of calls."""
    assert make.instance(PatientID="P1").data == make.instance(PatientID="P1").data


def test_names_are_patients_of_their_own() -> None:
    """Two names without a Patient ID share no UID."""
    anna = make.instance(PatientName="Muller^Anna")
    bob = make.instance(PatientName="Mulder^Bob")
    assert anna.patient_id != bob.patient_id
    assert anna.study_instance_uid != bob.study_instance_uid
    assert anna.sop_instance_uid != bob.sop_instance_uid


def test_scopes_do_not_meet() -> None:
    """The same call in two scopes shares neither patient nor UID."""
    one, two = (Maker(scope).instance() for scope in ("CFIND-001", "CFIND-002"))
    assert one.patient_id == "CFIND-001"
    for name in ("patient_id", "study_instance_uid", "series_instance_uid", "sop_instance_uid"):
        assert getattr(one, name) != getattr(two, name)


def test_a_study_has_the_series_and_instances_asked_for() -> None:
    """Two series of three make six objects of one study."""
    study = make.study(PatientName="Study^Whole", series=2, instances=3)
    assert [sample.dataset().InstanceNumber for sample in study] == [1, 2, 3, 1, 2, 3]
    assert len({sample.study_instance_uid for sample in study}) == 1
    assert len({sample.series_instance_uid for sample in study}) == 2
    assert len({sample.sop_instance_uid for sample in study}) == 6


def test_text_beyond_ascii_is_utf_8_unless_told_otherwise() -> None:
    """The character set is declared, and the bytes use it."""
    utf8 = make.instance(PatientName="Müller^Anna")
    latin = make.instance(PatientName="Müller^Anna", character_set="ISO_IR 100")
    assert utf8.dataset().SpecificCharacterSet == "ISO_IR 192"
    assert "Müller".encode("latin-1") in latin.data
    assert str(utf8.dataset().PatientName) == str(latin.dataset().PatientName) == "Müller^Anna"
    assert "SpecificCharacterSet" not in make.instance().dataset()


@pytest.mark.parametrize("transfer_syntax", [ImplicitVRLittleEndian, RLELossless])
def test_the_transfer_syntax_is_as_asked(transfer_syntax: str) -> None:
    """The object is written in it, and its pixels are those of the oracle."""
    sample = make.instance(transfer_syntax=transfer_syntax, number=7, rows=20, columns=24)
    ds = sample.dataset()
    assert ds.file_meta.TransferSyntaxUID == sample.transfer_syntax == transfer_syntax
    assert (ds.pixel_array == sample.frame(0)).all()
    assert sample.frame(0).shape == (20, 24)


def test_other_compressions_are_refused_with_a_hint() -> None:
    """There is no encoder at run time; the error says where to find such an object."""
    with pytest.raises(CorpusError, match=r"JPEG 2000.*pixel samples"):
        make.instance(transfer_syntax=JPEG2000Lossless)


def test_without_pixels() -> None:
    """An object with headers only is smaller, and has no frame."""
    sample = make.instance(pixels=False)
    assert "PixelData" not in sample.dataset()
    with pytest.raises(CorpusError, match="has no pixels"):
        sample.frame(0)


def test_a_word_that_is_no_keyword_is_refused() -> None:
    """A misspelt keyword is not silently ignored."""
    with pytest.raises(CorpusError, match="PatientsName is not the keyword"):
        make.instance(PatientsName="Muller^Anna")


def test_worklist_items_put_elements_where_they_belong() -> None:
    """Elements of the scheduled step are put into its item, all others into the data set."""
    data = make.worklist_item(
        PatientName="Muller^Anna", Modality="MR", ScheduledStationAETitle="SCANNER"
    )
    ds = pydicom.dcmread(io.BytesIO(data))
    step = ds.ScheduledProcedureStepSequence[0]
    assert (ds.PatientName, step.Modality) == ("Muller^Anna", "MR")
    assert step.ScheduledStationAETitle == "SCANNER"
    assert "Modality" not in ds


@pytest.mark.parametrize("modality", ["CT", "MR", "US"])
@pytest.mark.parametrize("transfer_syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"study": "Knee", "series": "12", "number": 3},
        {"pixels": False, "AccessionNumber": "", "PositionReferenceIndicator": None},
        {"rows": 20, "columns": 31, "PatientName": "Muller^Anna", "SOPInstanceUID": "2.25.1234"},
        {"ImagePositionPatient": [-8, -8, 20], "SoftwareVersions": ["y" * 60] * 6},
        {"PixelSpacing": [1.0, 1.0], "SliceThickness": 2.5, "EchoTime": "15"},
        {"FrameIncrementPointer": 0x00181063, "ImagesInAcquisition": 2, "SeriesNumber": 7},
    ],
    ids=["plain", "place", "empty", "texts", "lists", "decimals", "numbers"],
)
def test_templates_do_not_change_a_byte(
    monkeypatch: pytest.MonkeyPatch,
    modality: str,
    transfer_syntax: str,
    elements: dict[str, Any],
) -> None:
    """An object built from a template equals the one that pydicom writes."""
    asked = {"Modality": modality, "transfer_syntax": transfer_syntax, **elements}
    maker = Maker("TEMPLATE-001")

    made = [maker.instance(**asked) for _ in range(2)]
    monkeypatch.setattr("harness.corpus.maker.suits", lambda _: False)
    whole = maker.instance(**asked)

    for each in made:
        assert each.data == whole.data
        assert each.properties == whole.properties
        for name in ("patient_id", "study_instance_uid", "series_instance_uid", "sop_class_uid"):
            assert getattr(each, name) == getattr(whole, name)
        assert each.sop_instance_uid == whole.sop_instance_uid


def test_equal_values_can_be_written_otherwise() -> None:
    """The cached encoding of 0.0 is not used for -0.0, although the two are equal."""
    written = [
        make.instance(SliceLocation=each).dataset().SliceLocation.original_string
        for each in (0.0, -0.0)
    ]

    assert written == ["0.0", "-0.0"]
