"""Lies about clauses that Orthanc's DICOMweb breaks itself, told to tiny-pacs, which keeps them."""

from support.lies import Group
from support.web_lies import data_sets, in_json, lie, retrieves, runs, searches, status, stores

LOST = {"vr": "LO", "Value": ["below"]}
ENCODED = ("ampersand", "equals", "number-sign", "caret", "letter")
BELOW = ("0008103E", "00200011", "00200013")

GROUP = Group(
    "web elsewhere",
    crosswise=False,
    smoke=False,
    options=("--remote=tiny-pacs",),
    sample=("CWEB-001", "CWEB-110", "CWEB-111", "CWEB-112", "CWEB-201"),
    lies=(
        lie("what is not acceptable is a bad request", runs("CWEB-001", "type", "transfer-syntax", "image"),
            retrieves, status(406, 400)),
        lie("a study has elements of its series", runs("CWEB-110", *BELOW), searches,
            data_sets(lambda each: {**each, **dict.fromkeys(BELOW, LOST)})),
        lie("what is encoded is not found",
            runs("CWEB-111", *ENCODED),
            searches,
            in_json(lambda found: found * 0)),
        lie("keys are not heard", {"CWEB-112"}, searches, in_json(lambda found: found * 2)),
        lie("a part is as good as all", {"CWEB-201"}, stores, status(202, 200)),
    ),
)  # fmt: skip
