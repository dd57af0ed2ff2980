"""Statuses, rejections and aborts in text form."""

import pytest
from pynetdicom import status as theirs

from dcm.wire import (
    Abort,
    AssociateRJ,
    CFindRSP,
    CGetRSP,
    CMoveRSP,
    CStoreRSP,
    NActionRSP,
    Response,
    StatusClass,
    describe,
    describe_abort,
    rejection,
    status_class,
)


@pytest.mark.parametrize(
    ("code", "response", "line"),
    [
        (0x0000, CStoreRSP, "0000H success"),
        (0xA700, CStoreRSP, "A700H failure: refused: out of resources"),
        (0xA7FE, CStoreRSP, "A7FEH failure: refused: out of resources"),
        (0xA901, CStoreRSP, "A901H failure: data set does not match SOP class"),
        (0xC123, CStoreRSP, "C123H failure: cannot understand"),
        (0xB000, CStoreRSP, "B000H warning: data elements were coerced"),
        (0xB006, CStoreRSP, "B006H warning: elements were discarded"),
        (0xB007, CStoreRSP, "B007H warning: data set does not match SOP class"),
        (0xB000, CMoveRSP, "B000H warning: sub-operations complete, one or more failures or warnings"),
        (0xA801, CMoveRSP, "A801H failure: refused: move destination unknown"),
        (0xA702, CGetRSP, "A702H failure: refused: out of resources, unable to perform sub-operations"),
        (0xA900, CFindRSP, "A900H failure: identifier does not match SOP class"),
        (0xFE00, CFindRSP, "FE00H cancel: ended by a cancel request"),
        (0x0112, NActionRSP, "0112H failure: no such SOP instance"),
        (0x0122, CStoreRSP, "0122H failure: refused: SOP class not supported"),
        (0x0107, None, "0107H warning: attribute list error"),
        (0xA700, None, "A700H failure"),
        (0x1234, CStoreRSP, "1234H failure"),
    ],
)  # fmt: skip
def test_a_status_in_a_line(code: int, response: type[Response] | None, line: str) -> None:
    """Code, class, and the meaning in the service that answered."""
    assert str(describe(code, response)) == line


@pytest.mark.parametrize(
    "table",
    [
        theirs.GENERAL_STATUS,
        theirs.STORAGE_SERVICE_CLASS_STATUS,
        theirs.QR_FIND_SERVICE_CLASS_STATUS,
        theirs.QR_MOVE_SERVICE_CLASS_STATUS,
        theirs.QR_GET_SERVICE_CLASS_STATUS,
        theirs.MODALITY_WORKLIST_SERVICE_CLASS_STATUS,
        theirs.STORAGE_COMMITMENT_SERVICE_CLASS_STATUS,
    ],
)
def test_pynetdicom_puts_each_status_into_the_same_class(table: dict[int, tuple[str, str]]) -> None:
    """A second, independent reading of PS3.7 Annex C and PS3.4."""
    assert {code: status_class(code).value for code in table} == {
        code: kind.lower() for code, (kind, _) in table.items()
    }


@pytest.mark.parametrize(
    ("table", "response"),
    [
        (theirs.GENERAL_STATUS, CStoreRSP),
        (theirs.STORAGE_SERVICE_CLASS_STATUS, CStoreRSP),
        (theirs.QR_FIND_SERVICE_CLASS_STATUS, CFindRSP),
        (theirs.QR_MOVE_SERVICE_CLASS_STATUS, CMoveRSP),
        (theirs.QR_GET_SERVICE_CLASS_STATUS, CGetRSP),
    ],
)
def test_no_status_of_these_services_is_without_words(
    table: dict[int, tuple[str, str]], response: type[Response]
) -> None:
    """All statuses that another implementation knows have a text here, too."""
    assert [hex(code) for code in table if code and not describe(code, response).words] == []


def test_each_class() -> None:
    """The possible results of an operation (PS3.7 Annex C)."""
    codes = (0x0000, 0xFF01, 0xFE00, 0xB123, 0xC000)
    assert [status_class(code) for code in codes] == [
        StatusClass.SUCCESS,
        StatusClass.PENDING,
        StatusClass.CANCEL,
        StatusClass.WARNING,
        StatusClass.FAILURE,
    ]


@pytest.mark.parametrize(
    ("pdu", "words"),
    [
        (
            AssociateRJ(1, 1, 7),
            "rejected permanently by the service user: called AE title not recognized",
        ),
        (
            AssociateRJ(2, 3, 2),
            "rejected transiently by the service provider, presentation: local limit exceeded",
        ),
        (
            AssociateRJ(1, 2, 2),
            "rejected permanently by the service provider, association: protocol version not supported",
        ),
        (AssociateRJ(9, 8, 7), "result 9 by the source 8: reason 7"),
    ],
)
def test_a_rejection_in_words(pdu: AssociateRJ, words: str) -> None:
    """Result, source and reason (PS3.8 9.3.4)."""
    assert rejection(pdu) == words


@pytest.mark.parametrize(
    ("pdu", "words"),
    [
        (Abort(0, 5), "aborted by the service user"),
        (Abort(2, 2), "aborted by the service provider: unexpected PDU"),
        (Abort(1, 9), "aborted by the source 1: reason 9"),
    ],
)
def test_an_abort_in_words(pdu: Abort, words: str) -> None:
    """Source, and the provider's reason (PS3.8 9.3.8)."""
    assert describe_abort(pdu) == words
