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
    """Return a Basic Text SR with one finding, which rests on `images` (PS3.3 A.35.1)."""
    ds = general(place, BasicTextSRStorage, "SR")
    _document(ds, code("18748-4", "LN", "Diagnostic imaging report"), images)
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.PerformedProcedureCodeSequence = Sequence()
    finding = item(
        RelationshipType="CONTAINS",
        ValueType="TEXT",
        ConceptNameCodeSequence=code("121071", "DCM", "Finding"),
        TextValue=text,
    )
    ds.ContentSequence = Sequence([finding, *(_image_item(ref, "CONTAINS") for ref in images)])
    return ds


def key_object(place: Place, text: str, images: list[Dataset]) -> Dataset:
    """Return a Key Object Selection of `images` by template TID 2010 (PS3.3 A.35.4, PS3.16)."""
    ds = general(place, KeyObjectSelectionDocumentStorage, "KO")
    _document(ds, code("113000", "DCM", "Of Interest"), images)
    ds.ContentTemplateSequence = Sequence([item(MappingResource="DCMR", TemplateIdentifier="2010")])
    description = item(
        RelationshipType="CONTAINS",
        ValueType="TEXT",
        ConceptNameCodeSequence=code("113012", "DCM", "Key Object Description"),
        TextValue=text,
    )
    ds.ContentSequence = Sequence([description, *(_image_item(ref, "CONTAINS") for ref in images)])
    return ds


def encapsulated_pdf(place: Place, title: str) -> Dataset:
    """Return an Encapsulated PDF with one page that says `title` (PS3.3 A.45.1)."""
    ds = general(place, EncapsulatedPDFStorage, "DOC")
    document = pdf(title)
    ds.ConversionType = "WSD"
    ds.ContentDate, ds.ContentTime = DATE, TIME
    ds.AcquisitionDateTime = DATE + TIME
    ds.BurnedInAnnotation = "NO"
    ds.DocumentTitle = title
    ds.ConceptNameCodeSequence = Sequence()
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocumentLength = len(document)
    ds.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return ds


def pdf(text: str) -> bytes:
    """Write a PDF of one small page with `text` on it."""
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


def _document(ds: Dataset, title: Sequence, images: list[Dataset]) -> None:
    """Add what SR Document Series, General and Content have in common (PS3.3 C.17)."""
    ds.ReferencedPerformedProcedureStepSequence = Sequence()
    ds.ContentDate, ds.ContentTime = DATE, TIME
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = title
    ds.ContinuityOfContent = "SEPARATE"
    ds.CurrentRequestedProcedureEvidenceSequence = _evidence(images)


def _reference(image: Dataset) -> Dataset:
    return item(
        ReferencedSOPClassUID=image.SOPClassUID, ReferencedSOPInstanceUID=image.SOPInstanceUID
    )


def _image_item(image: Dataset, relationship: str) -> Dataset:
    return item(
        RelationshipType=relationship,
        ValueType="IMAGE",
        ReferencedSOPSequence=Sequence([_reference(image)]),
    )


def _evidence(images: list[Dataset]) -> Sequence:
    """List the referenced images by study and series (PS3.3 C.17.2.1); all of one series."""
    first = images[0]
    series = item(
        SeriesInstanceUID=first.SeriesInstanceUID,
        ReferencedSOPSequence=Sequence([_reference(image) for image in images]),
    )
    study = item(
        StudyInstanceUID=first.StudyInstanceUID, ReferencedSeriesSequence=Sequence([series])
    )
    return Sequence([study])
