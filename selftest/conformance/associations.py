"""Faults in the negotiation of an association: requests, answers, contexts, user information."""

from support.archive import IMPLICIT, Archive
from support.bending import (
    Change,
    Items,
    answers,
    bent_items,
    bent_user,
    fault,
    hears,
    of_type,
    refused,
    says,
)
from support.faults import HONEST, OPTIONS
from support.lies import Group

from dcm.frozen import replace
from dcm.wire import (
    DICOM_APPLICATION_CONTEXT,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    MaximumLength,
    RawItem,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    raw,
)
from dcm.wire.items import Item, PresentationContextAC

NO_REASON = AssociateRJ(1, 1, 1)
STRANGER = "NOBODY-KNOWS-ME"
CT, VERIFICATION = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.1"
CONTEXT, USER = 0x21, 0x50
IMPLEMENTATION, VERSION_NAME = 0x52, 0x55


class AnyApplication(Archive):
    """Ignores the application context."""

    def answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        """Treat it as DICOM's."""
        return super().answer(replace(request, application_context_name=DICOM_APPLICATION_CONTEXT))


class FewSyntaxes(Archive):
    """Reads no more than 50 transfer syntaxes of a context."""

    def contexts(self, request: AssociateRQ) -> tuple[PresentationContextAC, ...]:
        """Drop the others."""
        proposed = tuple(
            replace(each, transfer_syntaxes=each.transfer_syntaxes[:50])
            for each in request.presentation_contexts
        )
        return super().contexts(replace(request, presentation_contexts=proposed))


class ExplicitStorage(Archive):
    """Refuses storage if only Implicit VR Little Endian is offered."""

    def contexts(self, request: AssociateRQ) -> tuple[PresentationContextAC, ...]:
        """Accept the others as usual."""
        unread = {
            each.context_id
            for each in request.presentation_contexts
            if each.abstract_syntax == CT and each.transfer_syntaxes == (IMPLICIT,)
        }
        return tuple(
            replace(each, result=4) if each.context_id in unread else each
            for each in super().contexts(request)
        )


def _one_version(pdu: bytes) -> bytes:
    return pdu if pdu[6:8] == b"\0\1" else pdu[:6] + b"\0\2" + pdu[8:]


def _padded(pdu: bytes) -> bytes:
    context = raw.item(CONTEXT, bytes((1, 0, 0, 0)) + raw.item(0x40, IMPLICIT.encode() + b"\0"))
    items = raw.application_context() + context + raw.user_information()
    return raw.pdu(AssociateAC.TYPE, pdu[6:74] + items)


def _result(context_id: int, old: int, new: int) -> Change:
    """Set another result for a context."""

    def change(items: Items) -> Items:
        return [
            (kind, body[:2] + bytes((new,)) + body[3:])
            if kind == CONTEXT and body[0] == context_id and body[2] == old
            else (kind, body)
            for kind, body in items
        ]

    return bent_items(change)


def _same_syntax(items: Items) -> Items:
    first = next(body for kind, body in items if kind == CONTEXT)
    return [
        (kind, body[:4] + first[4:]) if kind == CONTEXT else (kind, body) for kind, body in items
    ]


def _with(item: Item) -> Change:
    """Add user information."""
    return bent_user(lambda items: [*items, (item.TYPE, item.body())])


def _without(kind: int) -> Change:
    return bent_user(lambda items: [each for each in items if each[0] != kind])


GROUP = Group(
    "associations",
    sample=tuple(
        f"{series}-{number:03}"
        for series, numbers in (("ASSOC", range(1, 22)), ("DMSG", range(20, 30)))
        for number in numbers
    ),
    honest=HONEST,
    options=OPTIONS,
    crosswise=False,
    lies=(
        hears("any version will do", of_type(1, lambda pdu: pdu[:6] + b"\0\1" + pdu[8:]),
              "ASSOC-001"),
        hears("the version is compared as a number", of_type(1, _one_version),
              "ASSOC-002[two-versions]", "ASSOC-002[all-versions]"),
        hears("reserved fields are tested", refused(lambda pdu: pdu[0] == 1 and pdu[1]),
              "ASSOC-003"),
        answers("an unknown item is refused", lambda request: request.other_items, NO_REASON,
                "ASSOC-004"),
        answers("unknown user information is refused", lambda request: request.items(RawItem),
                NO_REASON, "ASSOC-005"),
        answers("the maximum length must come first",
                lambda request: not isinstance(request.user_information[0], MaximumLength),
                NO_REASON, "ASSOC-006"),
        answers("spaces count in titles", lambda request: request.called_ae_title.startswith(" "),
                AssociateRJ(1, 1, 7), "ASSOC-007"),
        answers("the wrong reason for a called title",
                lambda request: request.called_ae_title.strip() == STRANGER,
                AssociateRJ(1, 1, 3), "ASSOC-008"),
        answers("the wrong reason for a calling title",
                lambda request: request.calling_ae_title.strip() == STRANGER,
                AssociateRJ(1, 1, 7), "ASSOC-009"),
        fault("any application context will do", AnyApplication, "ASSOC-010"),
        hears("a padded UID is another", lambda pdu: pdu.replace(b".1.1\0", b".1.9\0"),
              "ASSOC-011"),
        says("titles lose their spaces",
             of_type(2, lambda pdu: pdu[:26] + pdu[26:42].strip().ljust(16) + pdu[42:]),
             "ASSOC-012"),
        says("the reserved field is zero", of_type(2, lambda pdu: pdu[:42] + bytes(32) + pdu[74:]),
             "ASSOC-013"),
        says("two application contexts", bent_items(lambda items: [items[0], *items]),
             "ASSOC-014"),
        says("user information in two items", bent_items(lambda items: [*items, items[-1]]),
             "ASSOC-014", "ASSOC-015", "DMSG-020"),
        says("an answer of no version", of_type(2, lambda pdu: pdu[:6] + b"\0\0" + pdu[8:]),
             "ASSOC-014"),
        says("no maximum length", _without(MaximumLength.TYPE), "ASSOC-015"),
        says("padded UIDs", of_type(2, _padded), "ASSOC-016"),
        says("the last context is not answered", bent_items(lambda items: [*items[:-2], items[-1]]),
             "ASSOC-017", "ASSOC-018[abstract-syntax]", "ASSOC-018[transfer-syntaxes]",
             "ASSOC-019", "ASSOC-020"),
        says("the wrong reason for a class", _result(1, 3, 4), "ASSOC-018[abstract-syntax]"),
        says("the wrong reason for a syntax", _result(1, 4, 3), "ASSOC-018[transfer-syntaxes]"),
        says("all contexts have the syntax of the first", bent_items(_same_syntax), "ASSOC-019"),
        says("the last context ID is not used", _result(255, 0, 2), "ASSOC-020"),
        fault("50 transfer syntaxes are enough", FewSyntaxes, "ASSOC-021"),
        says("nobody implements it", _without(IMPLEMENTATION), "DMSG-020"),
        says("a long version name",
             bent_user(lambda items: [
                 (kind, body + b"-OF-A-GREAT-LENGTH" if kind == VERSION_NAME else body)
                 for kind, body in items
             ]),
             "DMSG-021"),
        says("a window unasked", _with(AsynchronousOperationsWindow(1, 1)), "DMSG-022[window]"),
        says("a role unasked", _with(RoleSelection(CT, True, True)), "DMSG-022[role]"),
        says("an extension unasked", _with(SOPClassExtendedNegotiation(CT, b"\1")),
             "DMSG-022[extended]"),
        says("an identity unasked", _with(UserIdentityAC()), "DMSG-022[identity]", "DMSG-027"),
        says("a wide window", _with(AsynchronousOperationsWindow(8, 8)),
             "DMSG-023[synchronous]", "DMSG-023[four-and-two]"),
        says("all roles are granted",
             bent_user(lambda items: [
                 (kind, body[:-2] + b"\1\1" if kind == RoleSelection.TYPE else body)
                 for kind, body in items
             ]),
             "DMSG-024[only-scu]", "DMSG-024[only-scp]"),
        says("a role for another class", _with(RoleSelection(VERIFICATION, True, False)),
             "DMSG-025"),
        answers("an unknown user may come again", lambda request: request.items(UserIdentityRQ),
                AssociateRJ(2, 1, 1), "DMSG-026[name]", "DMSG-026[passcode]"),
        answers("too many negotiations", lambda request: len(request.user_information) > 5,
                NO_REASON, "DMSG-028"),
        fault("storage needs an explicit VR", ExplicitStorage, "DMSG-029[store]"),
    ),
)  # fmt: skip
