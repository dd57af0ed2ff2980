"""Parse the keys of queries on the command line: KEY=VALUE.

    PatientID=1234   0010,0020=1234   StudyDate=20200101-20201231   PatientName='Mul*'   SeriesDescription=
    RequestAttributesSequence.ScheduledProcedureStepID=7

A value may contain `=`. A key with an empty value requests the element without limiting the query.
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
            raise UsageError(
                f"{word!r} is not KEY=VALUE; write {word}= to request it with any value"
            )
        add_key(keys, name, value)
    return keys


def _text(word: str) -> str:
    """Return a word decoded as UTF-8 if the encoding of the locale, such as ASCII, could not decode it."""
    try:
        return os.fsencode(word).decode()
    except UnicodeError:  # the locale has another encoding, which could decode it
        return word


def add_key(keys: Keys, name: str, value: str) -> None:
    """Add a key, which may be a path through sequences. Raises `UsageError` and `UnknownElement`."""
    *sequences, last = [_keyword(part) for part in name.strip().split(".")]
    for sequence in sequences:
        if vr_of(sequence) != "SQ":
            raise UsageError(f"{name}: {sequence} is not a sequence, so it has no elements")
        items = cast("list[Keys]", keys.setdefault(sequence, [{}]) or [{}])
        keys[sequence] = items
        keys = items[0]
    is_sequence = vr_of(last) == "SQ"
    if is_sequence and value:
        raise UsageError(f"{name} is a sequence: write {name}.KEY=VALUE for an element in it")
    if last in keys:
        raise UsageError(
            rf"{name} is given twice; to match any of several values, write {name}=FIRST\SECOND"
        )
    keys[last] = [] if is_sequence else value


def _keyword(name: str) -> str:
    """Return the keyword of an element, given by keyword or tag. Raises the same errors as `add_key`."""
    if not name:
        raise UsageError("the KEY is missing: write KEY=VALUE, as in PatientID=1234")
    tag = tag_of(name)
    known = keyword_of(tag)
    if known == f"{tag:08X}":
        raise UsageError(f"{name}: no such element in the standard")
    return known
