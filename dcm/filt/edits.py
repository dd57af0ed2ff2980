"""A filter that sets and deletes elements."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from dcm.data.dictionary import keyword_of, vr_of
from dcm.data.match import Attributes, Value
from dcm.data.plan import DELETE, CannotEdit, Change, Content, Plan
from dcm.data.target import Target
from dcm.data.values import check_text, text_of
from dcm.filt.base import UNIQUE_KEYS
from dcm.filt.instance import edited
from dcm.instances import Instance

TextFunction = Callable[[str], Content]
"""Returns the new value of an element, given the text of its value."""
_FILE_META: Final = 0x0002
_NEEDED: Final = frozenset(("SOPClassUID", "SOPInstanceUID"))
_STRUCTURED: Final = ("set", "set_if_present", "delete")


def make_edit_filter(
    edits: Mapping[str, Content | TextFunction],
    *,
    if_present: Mapping[str, Content | TextFunction] | None = None,
    delete: Iterable[str] = (),
) -> "EditFilter":
    """Return a filter that sets elements to new values.

    edits: new values by target (`dcm.data.target`); missing elements are added. A function is called with the
    text of an existing element. if_present: only for existing elements. delete: elements to delete.

    Raises `BadTarget`, `UnknownElement`, and `CannotEdit` for impossible edits.
    """
    return EditFilter(
        [
            *(Change(Target.of(key), _function(value)) for key, value in edits.items()),
            *(
                Change(Target.of(key), _function(value), if_present=True)
                for key, value in (if_present or {}).items()
            ),
            *(Change(Target.of(key), DELETE) for key in delete),
        ]
    )


def read_edits(document: object) -> "EditFilter":
    """Return the filter described by a JSON document, in one of these forms.

        {"set": {"PatientID": "4711"}, "set_if_present": {"StationName": ""}, "delete": ["**.PN"]}
        {"PatientID": "4711", "PatientName": null}

    In the second form, null deletes. Raises the same errors as `make_edit_filter`.
    """
    edits = structured(document)
    return make_edit_filter(
        edits["set"], if_present=edits["set_if_present"], delete=edits["delete"]
    )


def structured(document: object) -> dict[str, Any]:
    """Convert a document to the first form. Raises `BadTarget`, and `CannotEdit` if it has neither form."""
    if not isinstance(document, Mapping):
        raise CannotEdit(f"edits are a JSON object, not {document!r:.40}")
    if not any(key in document for key in _STRUCTURED):
        present = {key: value for key, value in document.items() if value is not None}
        document = {"set": present, "delete": [key for key in document if key not in present]}
    for key in document:
        if key not in _STRUCTURED:
            raise CannotEdit(f"{key!r} is not known; known keys are {', '.join(_STRUCTURED)}")
    delete = document.get("delete", [])
    if not (isinstance(delete, list) and all(isinstance(each, str) for each in delete)):
        raise CannotEdit(f'"delete" is {delete!r:.40}; expected a list of texts')
    found: dict[str, Any] = {"delete": [str(Target.of(each)) for each in delete]}
    for key in _STRUCTURED[:2]:
        table = document.get(key, {})
        if not isinstance(table, Mapping):
            raise CannotEdit(f'"{key}" is {table!r:.40}; expected an object')
        found[key] = {str(Target.of(each)): value for each, value in table.items()}
    return found


class EditFilter:
    """Applies a plan of edits; see `Filter`."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._plan: Final = Plan(changes)
        for change in self._plan.changes:
            _check(change)
            _check_value(change)
        targets = [(str(each.target), each) for each in self._plan.changes]
        self.writes: Final = frozenset(name for name, _ in targets)
        self.reads: Final = frozenset(name for name, each in targets if callable(each.value))
        self._top: Final = {
            keyword_of(each.target.steps[0].tag): each
            for _, each in targets
            if len(each.target.steps) == 1
            and each.target.steps[0].tag is not None
            and not each.target.steps[0].creator
        }
        wide = any(each.target.steps[0].tag is None for _, each in targets)
        self.invertible: Final = not (wide or UNIQUE_KEYS & self._top.keys())

    def apply(self, instance: Instance, remarks: list[str] | None = None) -> Instance:
        """Apply the edits; see `Filter.apply`."""
        return edited(instance, self._plan, remarks)

    def forward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.forward`."""
        found: dict[str, Value] = dict(attributes)
        for keyword, change in self._top.items():
            there = found.get(keyword, "")
            if not isinstance(there, str):
                found.pop(keyword, None)
            elif callable(change.value):
                if keyword in found:
                    found[keyword] = text_of(_text_function(change)(there))
            elif change.makes or there:
                found[keyword] = "" if change.value is DELETE else text_of(change.value)
        return found

    def backward(self, attributes: Attributes) -> Attributes | None:
        """See `Filter.backward`."""
        if not self.invertible:
            return None
        return {key: value for key, value in attributes.items() if key not in self._top}


def _function(value: Content | TextFunction) -> Any:
    """Convert a function of texts to one of elements; return anything else unchanged."""
    if not callable(value):
        return value

    def of_met(met: Any) -> Content:
        return value(met.text)

    of_met.of_text = value  # type: ignore[attr-defined]
    return of_met


def _text_function(change: Change) -> TextFunction:
    function: TextFunction = change.value.of_text  # type: ignore[union-attr]
    return function


def _check(change: Change) -> None:
    """Raise `CannotEdit` for an element that cannot be edited."""
    step = change.target.steps[0]
    if step.tag is None:
        return
    if step.tag >> 16 == _FILE_META:
        raise CannotEdit(
            f"{step} is part of the file meta information, which is derived from the data set"
        )
    if change.value is DELETE and keyword_of(step.tag) in _NEEDED and len(change.target.steps) == 1:
        raise CannotEdit(f"{step} cannot be deleted: an object needs it")


def _check_value(change: Change) -> None:
    """Raise `CannotEdit` for a text that is not valid in any data set, before any is edited."""
    step, value = change.target.steps[-1], change.value
    if step.tag is None or (step.creator and not step.vr):
        return
    if isinstance(value, bytes | Mapping) or value is DELETE or callable(value):
        return
    if isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        return
    try:
        vr = step.vr or vr_of(step.tag)
        check_text(text_of(value, vr), vr)
    except ValueError as error:
        raise CannotEdit(f"{change.target} cannot be {value!r:.80}: {error}") from None


_ASSIGNMENT: Final = re.compile(r"\s*=")


def read_assignment(text: str) -> tuple[str, str]:
    """Split KEY=VALUE, where both may contain `=`. Raises `BadTarget` and `UnknownElement`."""
    target, at = Target.at(text, 0)
    found = _ASSIGNMENT.match(text, at)
    if found is None:
        raise CannotEdit(f"{text!r} is not KEY=VALUE; write {target}= to make it empty")
    return str(target), text[found.end() :]
