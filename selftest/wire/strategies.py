"""Hypothesis strategies for all values of dcm.wire."""

import string
from typing import Any

from hypothesis import strategies as st

from dcm.frozen import fields
from dcm.wire import (
    MESSAGES,
    PDU,
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    Message,
    PDataTF,
    PresentationContextAC,
    PresentationContextRQ,
    RawItem,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
)

VISIBLE = "".join(set(string.printable) - set(string.whitespace) - {"\\"})

bytes_8 = st.integers(0, 255)
numbers_16 = st.integers(0, 0xFFFF)
tags = st.integers(0, 0xFFFFFFFF)
flags = st.booleans()
short_data = st.binary(max_size=40)
even_data = st.binary(max_size=20).map(lambda data: data * 2)
uids = st.text("0123456789.", min_size=1, max_size=64)
context_ids = st.integers(0, 127).map(lambda number: 2 * number + 1)


def texts(longest: int) -> st.SearchStrategy[str]:
    """Return texts of 1 to `longest` characters, with spaces anywhere but at the end."""
    return st.builds(
        str.__add__, st.text(VISIBLE + " ", max_size=longest - 1), st.sampled_from(VISIBLE)
    )


ae_titles = texts(16)

user_items: st.SearchStrategy[UserItem] = st.one_of(
    st.builds(MaximumLength, st.integers(0, 0xFFFFFFFF)),
    st.builds(ImplementationClassUID, uids),
    st.builds(AsynchronousOperationsWindow, numbers_16, numbers_16),
    st.builds(RoleSelection, uids, flags, flags),
    st.builds(ImplementationVersionName, texts(16)),
    st.builds(SOPClassExtendedNegotiation, uids, short_data),
    st.builds(SOPClassCommonExtendedNegotiation, uids, uids, st.lists(uids, max_size=3).map(tuple)),
    st.builds(UserIdentityRQ, bytes_8, short_data, short_data, flags),
    st.builds(UserIdentityAC, short_data),
    st.builds(RawItem, st.integers(0x5A, 0xFF), short_data),
)
user_information = st.lists(user_items, max_size=6).map(tuple)
other_items = st.lists(st.builds(RawItem, st.integers(0x60, 0xFF), short_data), max_size=2).map(
    tuple
)

proposed_contexts = st.builds(
    PresentationContextRQ,
    context_ids,
    uids,
    st.lists(uids, min_size=1, max_size=4).map(tuple),
)
accepted_contexts = st.builds(PresentationContextAC, context_ids, st.just(0), uids)
refused_contexts = st.builds(
    PresentationContextAC,
    context_ids,
    st.integers(1, 255),
    st.one_of(st.none(), st.just(""), uids),
)


def _unique(contexts: st.SearchStrategy[Any], least: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(
        contexts, min_size=least, max_size=5, unique_by=lambda context: context.context_id
    ).map(tuple)


requests = st.builds(
    AssociateRQ,
    called_ae_title=ae_titles,
    calling_ae_title=ae_titles,
    user_information=user_information,
    presentation_contexts=_unique(proposed_contexts, 1),
    application_context_name=uids,
    protocol_version=numbers_16,
    other_items=other_items,
)
answers = st.builds(
    AssociateAC,
    called_ae_title=st.one_of(st.just(""), ae_titles),
    calling_ae_title=st.one_of(st.just(""), ae_titles),
    user_information=user_information,
    presentation_contexts=_unique(st.one_of(accepted_contexts, refused_contexts), 0),
    application_context_name=uids,
    protocol_version=numbers_16,
    other_items=other_items,
)
pdvs = st.builds(PDV, context_ids, flags, flags, short_data)
p_data = st.builds(PDataTF, st.lists(pdvs, min_size=1, max_size=4).map(tuple))
pdus: st.SearchStrategy[PDU] = st.one_of(
    requests,
    answers,
    st.builds(AssociateRJ, bytes_8, bytes_8, bytes_8),
    p_data,
    st.just(ReleaseRQ()),
    st.just(ReleaseRP()),
    st.builds(Abort, bytes_8, bytes_8),
)

_FIELDS = {
    "offending_element": st.lists(tags, max_size=3).map(tuple),
    "attribute_identifier_list": st.lists(tags, max_size=3).map(tuple),
    "error_comment": st.one_of(
        st.just(""), texts(64), st.just("Größe".encode().decode("ascii", "surrogateescape"))
    ),
    "move_destination": ae_titles,
    "move_originator_application_entity_title": ae_titles,
    "foreign_elements": st.just(()),
    # No field of a message has this number.
    "other_elements": st.lists(
        st.tuples(st.integers(0x5000, 0x5FFF), even_data),
        max_size=2,
        unique_by=lambda element: element[0],
    ).map(lambda elements: tuple(sorted(elements))),
}


def messages(kind: type[Message]) -> st.SearchStrategy[Message]:
    """Return messages of one kind, with and without their optional fields."""
    made: dict[str, st.SearchStrategy[Any]] = {}
    for name, default in fields(kind).items():
        usual = uids if name.endswith("_uid") else numbers_16
        values = _FIELDS.get(name, usual)
        optional = default is None
        made[name] = st.one_of(st.none(), values) if optional else values
    return st.builds(kind, **made)


all_messages = st.sampled_from(sorted(MESSAGES)).flatmap(lambda number: messages(MESSAGES[number]))
