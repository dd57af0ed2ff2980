"""Values that replace others: dummy values for each VR, and pseudonyms."""

import hashlib
import hmac
from base64 import b32encode
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

REMOVED: Final = "REMOVED"
DAY, MOMENT, TIME = "19000101", "19000101000000", "000000"
_BY_VR: Final[Mapping[str, Any]] = {
    "AE": REMOVED, "AS": "000Y", "AT": "00000000", "CS": REMOVED, "DA": DAY, "DS": "0", "DT": MOMENT,
    "IS": "0", "LO": REMOVED, "LT": REMOVED, "PN": REMOVED, "SH": REMOVED, "ST": REMOVED, "TM": TIME,
    "UC": REMOVED,
    "UR": "urn:removed", "UT": REMOVED, "OB": bytes(2), "OW": bytes(2), "UN": bytes(2), "OD": bytes(8),
    "OF": bytes(4), "OL": bytes(4), "OV": bytes(8), "FD": "0", "FL": "0", "SL": "0", "SS": "0", "SV": "0",
    "UL": "0", "US": "0", "UV": "0",
}  # fmt: skip
_CODE: Final = {
    "CodeValue": REMOVED, "CodingSchemeDesignator": "99REMOVED", "CodeMeaning": REMOVED,
}  # fmt: skip
_COMMENT: Final = {
    "CodeValue": "121106", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Comment",
}  # fmt: skip
_PERSON: Final = {"PersonIdentificationCodeSequence": [_CODE], "InstitutionName": REMOVED}
_BY_TAG: Final[Mapping[int, Any]] = {
    # Content Sequence: one text. Verifying Observer Sequence. Operator, Person and Institution codes.
    0x0040A730: [
        {
            "RelationshipType": "CONTAINS", "ValueType": "TEXT", "ConceptNameCodeSequence": [_COMMENT],
            "TextValue": REMOVED,
        }
    ],
    0x0040A073: [
        {
            "VerifyingOrganization": REMOVED, "VerificationDateTime": MOMENT,
            "VerifyingObserverName": REMOVED, "VerifyingObserverIdentificationCodeSequence": "",
        }
    ],
    0x00081072: [_PERSON],
    0x00401101: [_CODE],
    0x00080082: [_CODE],
    0x04000565: "COERCE",  # Reason for the Attribute Modification
}  # fmt: skip
ENCAPSULATED_DOCUMENT, DOCUMENT_LENGTH = 0x00420011, 0x00420015
PDF: Final = "application/pdf"


def dummy(tag: int, vr: str) -> Any:
    """Return a dummy value; None for a sequence that is kept, with its contents replaced."""
    if tag == ENCAPSULATED_DOCUMENT:
        return empty_page()
    if tag == DOCUMENT_LENGTH:
        return len(empty_page())
    return _BY_TAG.get(tag, _BY_VR.get(vr))


def pseudonym(key: bytes, patient: str) -> str:
    """Return the pseudonym of a patient, derived with the key: 12 letters and digits."""
    digest = hmac.digest(key, f"patient\0{patient}".encode(), hashlib.sha256)
    return b32encode(digest)[:12].decode()


@cache
def empty_page() -> bytes:
    """Return a PDF document with one empty page, which replaces an encapsulated document."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    )
    document, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(document))
        document += b"%d 0 obj%s endobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(document)
    document += b"xref\n0 4\n0000000000 65535 f \n" + table
    return document + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start
