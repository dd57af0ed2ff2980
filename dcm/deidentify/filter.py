"""A filter that de-identifies (PS3.15 Annex E), at every depth of nesting.

    filter = make_deidentify_filter("modified-dates", key=read_key("secret.key"))
    instance = filter.apply(instance_of("image.dcm"))

New UIDs, pseudonyms and dates are derived from the old ones and the key: with the same key they are the same
in all files and runs, and references stay valid. Only someone with the key can try old ones until they match.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, NamedTuple

from dcm import __version__
from dcm.data.dictionary import tag_of, vr_of
from dcm.data.encoding import DEFLATED
from dcm.data.match import Attributes, Value
from dcm.data.plan import KEEP, CannotEdit, Change, Plan
from dcm.data.source import MemorySource, Source, inflated
from dcm.data.target import Target
from dcm.deidentify.account import Account
from dcm.deidentify.dates import days_of
from dcm.deidentify.inspection import CannotDeidentify, Known, burned_in, check_kind, inspect
from dcm.deidentify.options import BadOption, Code, Options
from dcm.deidentify.pixels import blanked
from dcm.deidentify.profile import Profile
from dcm.deidentify.regions import Region, RegionRule
from dcm.deidentify.subject import Subject
from dcm.deidentify.table import edition
from dcm.deidentify.values import pseudonym
from dcm.deidentify.words import own_words
from dcm.filt.base import UNIQUE_KEYS
from dcm.filt.instance import edited, opened
from dcm.filt.uid_map import UidMap
from dcm.filt.uids import UidFilter
from dcm.instances import Instance, data_of

_ALL: Final = "**.*"
_SAYS: Final = tuple(
    map(
        Target.of,
        (
            "PatientIdentityRemoved",
            "DeidentificationMethod",
            "DeidentificationMethodCodeSequence",
            "LongitudinalTemporalInformationModified",
            "BurnedInAnnotation",
        ),
    )
)
_INFLATED: Final = 1 << 30


def make_deidentify_filter(
    options: str | Options = "",
    *,
    key: bytes | None = None,
    blank: Iterable[Region] = (),
    rules: Iterable[RegionRule] = (),
    allow_burned_in: bool = False,
    words: Iterable[str] = (),
    uids: UidMap | None = None,
) -> "DeidentifyFilter":
    """Return a filter that de-identifies.

    options: names of `OPTIONS`, separated by commas. key: at least 16 bytes; None for a new one, in which
    case another filter creates other UIDs and dates. blank: regions to blank in all images that no rule
    matches; rules: for those that one matches. allow_burned_in: accept images that may have burned-in text.
    words: more words to keep in descriptions. uids: records which UID became which, so this can be reversed.

    Raises `BadOption`, and `CannotEdit` for a key that is too short.
    """
    given = options if isinstance(options, Options) else Options.of(options)
    every = (RegionRule(tuple(blank)),)
    regions = (*rules, *(each for each in every if each.regions))
    if "clean-pixels" in given and not regions:
        raise BadOption("clean-pixels needs regions to black out, or rules for them")
    return DeidentifyFilter(
        given, secrets.token_bytes(32) if key is None else key, regions,
        allow_burned_in=allow_burned_in, words=own_words() | {each.casefold() for each in words}, uids=uids,
    )  # fmt: skip


class DeidentifyFilter:
    """De-identifies; see `make_deidentify_filter` and `dcm.filt.base.Filter`."""

    reads: Final = frozenset((_ALL,))
    writes: Final = frozenset((_ALL,))
    invertible: Final = False

    def __init__(
        self,
        options: Options,
        key: bytes,
        regions: tuple[RegionRule, ...],
        *,
        allow_burned_in: bool,
        words: frozenset[str],
        uids: UidMap | None,
    ) -> None:
        self.options: Final = options
        self._profile: Final = Profile(options)
        self._key: Final = key
        self._regions: Final = regions
        self._allow: Final = allow_burned_in
        self._words: Final = words
        self._uids: Final = UidFilter(key, _Forgets() if uids is None else uids)
        self._patient: Final = lru_cache(maxsize=1024)(self._of_patient)

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:
        """De-identify an instance; see `Filter.apply`. Raises `CannotDeidentify` if it is refused."""
        return self.deidentified(instance, remarks)

    def deidentified(
        self,
        instance: Instance,
        remarks: list[str] | None = None,
        account: Account | None = None,
    ) -> Instance:
        """De-identify an instance, and record the actions in an account."""
        with _opened(instance) as (source, at, end):
            known = inspect(source, at, instance.kind[1], instance.kind[0])
            check_kind(known)
            regions = self._blanked(known)
            if regions:
                instance = blanked(instance, source, end, known, regions)
        if remarks is not None and known.text("RecognizableVisualFeatures").upper() == "YES":
            remarks.append(
                "it declares recognizable features in its pixels, which were not changed"
            )
        subject = self._subject(known.sop_class, known.patient, account)
        codes = self.options.codes(cleaned_pixels=bool(regions))
        says = _said(self.options, codes, known, blank=bool(regions))
        return edited(instance, Plan([Change(Target.of(_ALL), subject), *says]), remarks)

    def forward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.forward`. Nothing is rejected, as that depends on the instances."""
        text = {key: value for key, value in attributes.items() if isinstance(value, str)}
        known = Known(text.get("SOPClassUID", ""), text, overlay_bits=False, pixels=0)
        subject = self._subject(known.sop_class, known.patient, None)
        return _mapped(attributes, subject, nested=False)

    def backward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.backward`: only UIDs are known, and only with `uids`."""
        found: dict[str, Value] = {}
        for keyword in UNIQUE_KEYS & attributes.keys():
            uid = attributes[keyword]
            if vr_of(keyword) == "UI" and isinstance(uid, str) and uid:
                old = self._uids.uids.old(uid)
                if old is None:
                    return None
                found[keyword] = old
        return found or None

    def _subject(self, sop_class: str, patient: str, account: Account | None) -> Subject:
        days, name = self._patient(patient)
        return Subject(
            self._profile, sop_class, new_uid=self._uids.new, days=days, name=name, words=self._words,
            account=account,
        )  # fmt: skip

    def _of_patient(self, patient: str) -> tuple[int, str]:
        return days_of(self._key, patient), pseudonym(self._key, patient)

    def _blanked(self, known: Known) -> tuple[Region, ...]:
        """Return the regions to blank. Raises `CannotDeidentify` if burned-in text may remain."""
        if not known.text("Rows"):
            return ()
        fitting = next((each for each in self._regions if each.fits(known.for_rules)), None)
        if fitting is not None:
            return fitting.regions
        words = burned_in(known)
        if words and not self._allow:
            raise CannotDeidentify(
                f"{words}: give regions to black out, rules for them, or allow burned-in text"
            )
        return ()


def _said(options: Options, codes: list[Code], known: Known, *, blank: bool) -> list[Change]:
    """Return the changes that declare the de-identification (PS3.15 E.1.1, PS3.3 C.7.1.1, C.12.1)."""
    identity, method, sequence, dates, burned = _SAYS
    before = known.text("LongitudinalTemporalInformationModified").upper()
    if "full-dates" in options:
        said = before if before in ("MODIFIED", "REMOVED") else "UNMODIFIED"
    elif "modified-dates" in options and before != "REMOVED":
        said = "MODIFIED"
    else:
        said = "REMOVED"
    items = [
        {
            "CodeValue": code.value,
            "CodingSchemeDesignator": "DCM",
            "CodeMeaning": code.meaning,
        }
        for code in codes
    ]
    changes = [
        Change(identity, "YES"),
        Change(method, f"PS3.15 Table E.1-1 {edition()}; dcm {__version__}"[:64]),
        Change(sequence, items),
        Change(dates, said),
    ]
    return [*changes, Change(burned, "NO")] if blank else changes


class _Forgets:
    """A map of UIDs that stores nothing, since new UIDs can be derived again with the key."""

    def get(self, old: str) -> str | None:  # noqa: ARG002 - as all do
        """See `UidMap.get`."""
        return None

    def put(self, pairs: Mapping[str, str]) -> None:
        """See `UidMap.put`."""

    def old(self, new: str) -> str | None:  # noqa: ARG002 - as all do
        """See `UidMap.old`."""
        return None


class _Attribute(NamedTuple):
    """An attribute of an answer, as a `dcm.data.plan.Met`."""

    tag: int
    vr: str
    text: str
    nested: bool
    path: str
    creator: str = ""

    @property
    def value(self) -> bytes:
        """See `Met.value`."""
        return self.text.encode("utf-8", "replace")


def _mapped(attributes: Attributes, subject: Subject, *, nested: bool) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for keyword, value in attributes.items():
        text = value if isinstance(value, str) else ""
        met = _Attribute(tag_of(keyword), vr_of(keyword), text, nested, keyword)
        done: Any = subject(met)
        if done is KEEP:
            inner = [] if isinstance(value, str) else value
            items = [_mapped(item, subject, nested=True) for item in inner]
            found[keyword] = value if isinstance(value, str) else items
        else:
            found[keyword] = done if isinstance(done, str) else ""
    return found


@contextmanager
def _opened(instance: Instance) -> Iterator[tuple[Source, int, int]]:
    """Open a data set, inflated if it is deflated."""
    if instance.kind[1] not in DEFLATED:
        with opened(instance) as found:
            yield found
        return
    try:
        data = inflated(data_of(instance), _INFLATED)
    except ValueError as error:
        raise CannotEdit(str(error)) from None
    yield MemorySource(data), 0, len(data)
