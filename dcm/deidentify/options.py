"""The options of the Basic Application Level Confidentiality Profile (PS3.15 E.3), and their codes."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from dcm.errors import DcmError
from dcm.frozen import Frozen


class BadOption(DcmError):  # noqa: N818 - reads as the sentence it is
    """An option that does not exist, cannot be used, or contradicts another one."""


class Code(NamedTuple):
    """A code of PS3.16 CID 7050, De-identification Method; its scheme is DCM."""

    value: str
    meaning: str


class _Option(NamedTuple):
    """An option: its code, and the column of the table."""

    code: Code
    column: str = ""


BASIC: Final = Code("113100", "Basic Application Confidentiality Profile")
_DATES: Final = "Retain Longitudinal Temporal Information"
OPTIONS: Final[Mapping[str, _Option]] = {
    "clean-pixels": _Option(Code("113101", "Clean Pixel Data Option")),
    "clean-graphics": _Option(Code("113103", "Clean Graphics Option"), "graphics"),
    "clean-structured": _Option(Code("113104", "Clean Structured Content Option"), "structured"),
    "clean-descriptors": _Option(Code("113105", "Clean Descriptors Option"), "descriptors"),
    "full-dates": _Option(Code("113106", f"{_DATES} Full Dates Option"), "full-dates"),
    "modified-dates": _Option(Code("113107", f"{_DATES} Modified Dates Option"), "modified-dates"),
    "retain-patient": _Option(Code("113108", "Retain Patient Characteristics Option"), "patient"),
    "retain-device": _Option(Code("113109", "Retain Device Identity Option"), "device"),
    "retain-uids": _Option(Code("113110", "Retain UIDs Option"), "uids"),
    "retain-safe-private": _Option(Code("113111", "Retain Safe Private Option")),
    "retain-institution": _Option(
        Code("113112", "Retain Institution Identity Option"), "institution"
    ),
}
_REFUSED: Final = {
    "clean-faces": (
        "recognizable visual features cannot be removed from pixels here: use a program made for that"
        " (PS3.15 E.3.2), and de-identify its output"
    )
}


class Options(Frozen):
    """Options by their names in `OPTIONS`. Raises `BadOption`."""

    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in sorted(self.names):
            if name in _REFUSED:
                raise BadOption(f"{name}: {_REFUSED[name]}")
            if name not in OPTIONS:
                raise BadOption(f"unknown option {name!r}; choose from {', '.join(OPTIONS)}")
        if {"full-dates", "modified-dates"} <= self.names:
            raise BadOption("full-dates and modified-dates cannot be used together (PS3.15 E.3.6)")

    @classmethod
    def of(cls, text: str) -> "Options":
        """Parse names separated by commas; `basic` means no options."""
        names = {each.strip().casefold() for each in text.split(",")}
        return cls(frozenset(names - {"", "basic"}))

    def __contains__(self, name: str) -> bool:
        return name in self.names

    @property
    def columns(self) -> frozenset[str]:
        """Their columns in the table."""
        return frozenset(OPTIONS[name].column for name in self.names) - {""}

    def codes(self, *, cleaned_pixels: bool = False) -> list[Code]:
        """Return the codes for what was done to an object. cleaned_pixels: whether any were blanked."""
        found = [BASIC]
        for name, option in OPTIONS.items():
            if cleaned_pixels if name == "clean-pixels" else name in self.names:
                found.append(option.code)
        return found
