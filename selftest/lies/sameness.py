"""Objects changed at one door, inbound or outbound: the sameness cases notice it only there."""

from dataclasses import replace

from support.lies import Group, SeededLie
from support.web_lies import lie, path_of, retrieves, runs

from harness.relay import DicomLie, Direction, HttpRequest, HttpResponse
from harness.relay.lies import replace_in_pdata

NAME, OTHER_NAME = b"Sample^Object", b"Sample^Objekt"
IN, OUT = ("c-store", "stow", "upload"), ("c-get", "c-move", "wado", "download")


def spelled_otherwise(answer: HttpResponse) -> HttpResponse:
    """Change the name in an object."""
    return replace(answer, body=answer.body.replace(NAME, OTHER_NAME))


def pixel_changed(answer: HttpResponse) -> HttpResponse:
    """Change the last pixel of a native image, which is the last element."""
    at = answer.body.rindex(b"\r\n--") - 2
    changed = bytes([answer.body[at] ^ 1])
    return replace(answer, body=answer.body[:at] + changed + answer.body[at + 1 :])


def downloads(ask: HttpRequest) -> bool:
    """Whether the request downloads a file."""
    return path_of(ask).endswith("/file")


def respelled(towards: Direction) -> DicomLie:
    """Change the name in objects sent by C-STORE."""
    return DicomLie(replace_in_pdata(NAME, OTHER_NAME, towards))


def all_from(
    *stores: str, to: tuple[str, ...], case: str = "SAME-001", of: str = "explicit"
) -> frozenset[str]:
    """Return the ids of a case's runs from each of some doors to each of others."""
    return frozenset(
        runs(case, *(f"{store}-{retrieve}-{of}" for store in stores for retrieve in to))
    )


BY_GET = all_from(*IN, to=("c-get",))

GROUP = Group(
    "sameness",
    crosswise=False,
    smoke=False,
    sample=(
        "SAME-001*explicit*", "SAME-002*rle*", "SAME-003*t01-known-vr*", "SAME-004", "SAME-005*rle*",
    ),
    lies=(
        SeededLie("C-GET spells a name otherwise", "remote.dicom", respelled(Direction.TO_CLIENT),
                  BY_GET | all_from(*IN, to=("c-get",), case="SAME-005", of="rle")),
        SeededLie("C-MOVE spells a name otherwise", "local.dicom", respelled(Direction.TO_SERVER),
                  all_from(*IN, to=("c-move",))),
        SeededLie("C-STORE spells a name otherwise", "remote.dicom", respelled(Direction.TO_SERVER),
                  all_from("c-store", to=OUT)),
        lie("WADO-RS spells a name otherwise", {*all_from(*IN, to=("wado",))}, retrieves, spelled_otherwise),
        lie("a download spells a name otherwise", {*all_from(*IN, to=("download",))}, downloads,
            spelled_otherwise),
        lie("a decoded pixel differs",
            {*all_from(*IN, to=("wado-native",), case="SAME-002", of="rle")}, retrieves, pixel_changed),
        SeededLie("C-GET changes a private element", "remote.dicom",
                  DicomLie(replace_in_pdata(b"private text", b"private tent", Direction.TO_CLIENT)),
                  all_from(*IN, to=("c-get",), case="SAME-003", of="t01-known-vr")),
        SeededLie("C-GET leads out another object", "remote.dicom", respelled(Direction.TO_CLIENT),
                  frozenset(runs("SAME-004", "c-get-c-move", "c-get-wado", "c-get-download"))),
    ),
)  # fmt: skip
