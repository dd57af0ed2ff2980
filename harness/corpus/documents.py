"""Objects without pixels: structured reports, key objects, encapsulated documents."""

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    BasicTextSRStorage,
    EncapsulatedPDFStorage,
    KeyObjectSelectionDocumentStorage,
)

from harness.corpus.modules import DATE, TIME, code, general, item
from harness.corpus.place import Place


def basic_text_sr(place: Place, text: str, images: list[Dataset]) -> Dataset:
    """Return a Basic Text SR with one finding, based on `images` (PS3.3 A.35.1)."""
    ds = general(place, BasicTextSRStorage, "SR")
    title = code("18748-4", "LN", "Diagnostic imaging report")
    _document(ds, title, code("121071", "DCM", "Finding"), text, images)
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.PerformedProcedureCodeSequence = []
    return ds


def key_object(place: Place, text: str, images: list[Dataset]) -> Dataset:
    """Return a Key Object Selection of `images` by template TID 2010 (PS3.3 A.35.4, PS3.16)."""
    ds = general(place, KeyObjectSelectionDocumentStorage, "KO")
    description = code("113012", "DCM", "Key Object Description")
    _document(ds, code("113000", "DCM", "Of Interest"), description, text, images)
    ds.ContentTemplateSequence = [item(MappingResource="DCMR", TemplateIdentifier="2010")]
    return ds


def _document(
    ds: Dataset, title: Sequence, concept: Sequence, text: str, images: list[Dataset]
) -> None:
    """Add SR Document Series, General and Content: text and `images` of one series (PS3.3 C.17)."""
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.ContentDate, ds.ContentTime = DATE, TIME
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = title
    ds.ContinuityOfContent = "SEPARATE"
    said = item(ValueType="TEXT", ConceptNameCodeSequence=concept, TextValue=text)
    shown = [item(ValueType="IMAGE", ReferencedSOPSequence=[_reference(each)]) for each in images]
    for each in (said, *shown):
        each.RelationshipType = "CONTAINS"
    ds.ContentSequence = [said, *shown]
    series = item(
        SeriesInstanceUID=images[0].SeriesInstanceUID,
        ReferencedSOPSequence=[_reference(image) for image in images],
    )
    study_instance_uid = images[0].StudyInstanceUID
    study = item(StudyInstanceUID=study_instance_uid, ReferencedSeriesSequence=[series])
    ds.CurrentRequestedProcedureEvidenceSequence = [study]  # PS3.3 C.17.2.1


def _reference(image: Dataset) -> Dataset:
    return item(
        ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID
    )


def encapsulated_pdf(place: Place, title: str) -> Dataset:
    """Return an Encapsulated PDF with one page that contains `title` (PS3.3 A.45.1)."""
    ds = general(place, EncapsulatedPDFStorage, "DOC")
    document = _pdf(title)
    ds.ConversionType = "WSD"
    ds.ContentDate, ds.ContentTime = DATE, TIME
    ds.AcquisitionDateTime = DATE + TIME
    ds.BurnedInAnnotation = "NO"
    ds.DocumentTitle = title
    ds.ConceptNameCodeSequence = []
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocumentLength = len(document)
    ds.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return ds


def _pdf(text: str) -> bytes:
    """Return a PDF with one small page that contains `text`."""
    page = f"BT /F1 12 Tf 10 20 Td ({text}) Tj ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 50] /Contents 4 0 R /Resources 6 0 R >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Font << /F1 5 0 R >> >>",
    ]
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    out += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(out)
