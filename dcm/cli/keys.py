"""Keys of queries as people write them: KEY=VALUE.

    PatientID=1234   0010,0020=1234   StudyDate=20200101-20201231   PatientName='Mul*'   SeriesDescription=
    RequestAttributesSequence.ScheduledProcedureStepID=7

A value may contain `=`. A key without a value requests the element and does not limit the query.
"""

import os
from collections.abc import Iterable
from typing import cast

from dcm.cli.usage import UsageError
from dcm.data.dictionary import keyword_of, tag_of, vr_of
from dcm.data.match import Value

Keys = dict[str, Value]


def read_keys(words: Iterable[str]) -> Keys:
    """Read the keys of a command line. Raises `UsageError` and `UnknownElement`."""
    keys: Keys = {}
    for word in map(_text, words):
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"{word!r} is not KEY=VALUE; {word}= requests it, whatever its value")
        add_key(keys, name, value)
    return keys


def _text(word: str) -> str:
    """Return a word as UTF-8 where the locale's encoding, as ASCII, could not decode it."""
    try:
        return os.fsencode(word).decode()
    except UnicodeError:  # the locale's encoding is another, and could
        return word


def add_key(keys: Keys, name: str, value: str) -> None:
    """Add a key, which may be a path through sequences. Raises `UsageError` and `UnknownElement`."""
    *sequences, last = [_keyword(part) for part in name.strip().split(".")]
    for sequence in sequences:
        if vr_of(sequence) != "SQ":
            raise UsageError(f"{name}: {sequence} is not a sequence, so nothing is below it")
        items = cast("list[Keys]", keys.setdefault(sequence, [{}]) or [{}])
        keys[sequence] = items
        keys = items[0]
    is_sequence = vr_of(last) == "SQ"
    if is_sequence and value:
        raise UsageError(f"{name} is a sequence: {name}.KEY=VALUE names an element in it")
    if last in keys:
        raise UsageError(
            rf"{name} is given twice; of several values one must match: {name}=FIRST\SECOND"
        )
    keys[last] = [] if is_sequence else value


def _keyword(name: str) -> str:
    """Return the keyword of an element, given by keyword or tag. Raises as `add_key`."""
    if not name:
        raise UsageError("there is a value without a KEY: PatientID=1234 has both")
    tag = tag_of(name)
    known = keyword_of(tag)
    if known == f"{tag:08X}":
        raise UsageError(f"{name}: the standard has no such element")
    return known
