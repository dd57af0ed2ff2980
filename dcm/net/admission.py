"""Decide which associations and presentation contexts a listener accepts (PS3.8 7.1.1)."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from dcm.data.encoding import NATIVE
from dcm.frozen import Frozen
from dcm.net.echo import VERIFICATION
from dcm.net.establish import OUR_INFORMATION
from dcm.net.uids import STORAGE_COMMITMENT
from dcm.wire import (
    DICOM_APPLICATION_CONTEXT,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
    answer_contexts,
)

UserCheck = Callable[[UserIdentityRQ | None], Awaitable[bool | bytes]]
"""Authorises a user; the argument is None if the request has no user identity. If it returns bytes, the user
is authorised, and they are the server response of Kerberos or SAML (PS3.7 D.3.3.7.2)."""

_LOG: Final = logging.getLogger(__name__)
_UNKNOWN_CONTEXT: Final = AssociateRJ(result=1, source=1, reason=2)
_UNKNOWN_CALLING: Final = AssociateRJ(result=1, source=1, reason=3)
_UNKNOWN_CALLED: Final = AssociateRJ(result=1, source=1, reason=7)
_WRONG_USER: Final = AssociateRJ(result=1, source=1, reason=1)
_UNCHECKED_USER: Final = AssociateRJ(result=2, source=1, reason=1)
_TOO_MANY: Final = AssociateRJ(result=2, source=3, reason=2)

_WINDOW: Final = 16

_STORAGE_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
_OTHER_STORAGE: Final = frozenset(
    f"1.2.840.10008.5.1.4.{rest}"
    for rest in ("34.7", "34.10", "38.1", "39.1", "43.1", "44.1", "45.1")
)


def is_storage(abstract_syntax: str) -> bool:
    """Return whether a UID is that of a storage class (PS3.4 B.5 and GG.3), or private and may be one."""
    return (
        abstract_syntax.startswith(_STORAGE_ROOT)
        or abstract_syntax in _OTHER_STORAGE
        or not abstract_syntax.startswith("1.2.840.10008.")
    )


class Admission(Frozen, kw_only=True):
    """Which associations a listener accepts: by default all with valid AE titles.

    calling_ae_titles: accept only these.
    by_our_name: accept only requests with our AE title as the called one.
    sop_classes: accept only these storage SOP classes.
    services: also accept these SOP classes, for which the listener has handlers.
    storage: whether to accept instances (C-STORE).
    sending: whether to send instances on the association of the peer (C-GET), if it accepts that role.
    relational: the services for which relational queries or retrieval may be negotiated (PS3.4 C.5).
    associations: the maximum number at the same time.
    check_user: authorises the user of each association.
    """

    calling_ae_titles: frozenset[str] | None = None
    by_our_name: bool = False
    sop_classes: frozenset[str] | None = None
    services: frozenset[str] = frozenset()
    storage: bool = True
    sending: bool = False
    relational: frozenset[str] = frozenset()
    associations: int = 100
    check_user: UserCheck | None = None

    async def answer(
        self, request: AssociateRQ, our_title: str, open_now: int
    ) -> AssociateAC | AssociateRJ:
        """Answer a request; `open_now` is the number of open associations, including this one."""
        refusal = self._refusal(request, our_title, open_now)
        if refusal is not None:
            return refusal
        identity = await self._identity(request)
        if isinstance(identity, AssociateRJ):
            return identity
        roles = self._roles(request)
        sent = {role.sop_class_uid for role in roles if role.scp}
        supported: dict[str, list[str]] = {}
        for context in request.presentation_contexts:
            uid, syntaxes = context.abstract_syntax, context.transfer_syntaxes
            if self._serves(uid):  # these services receive no pixels
                supported.setdefault(uid, []).extend(each for each in syntaxes if each in NATIVE)
            elif self._stores(uid) or uid in sent:
                supported.setdefault(uid, []).extend(syntaxes)
        return AssociateAC(
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            presentation_contexts=answer_contexts(request.presentation_contexts, supported),
            user_information=(
                *OUR_INFORMATION,
                *roles,
                *_window(request, 1 if supported.keys() & self.services else _WINDOW),
                *_relational(request, self.relational),
                *identity,
            ),
            reserved=request.reserved,
        )

    def _refusal(self, request: AssociateRQ, our_title: str, open_now: int) -> AssociateRJ | None:
        """Return a rejection because of the AE titles or the number of associations, or None."""
        if request.application_context_name.rstrip("\0") != DICOM_APPLICATION_CONTEXT:
            return _UNKNOWN_CONTEXT
        calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
        if not (calling and called):  # the peer sent an invalid AE title
            return _UNKNOWN_CALLED if calling else _UNKNOWN_CALLING
        if open_now > self.associations:
            return _TOO_MANY
        if self.calling_ae_titles is not None and calling not in self.calling_ae_titles:
            return _UNKNOWN_CALLING
        if self.by_our_name and called != our_title.strip():
            return _UNKNOWN_CALLED
        return None

    def _serves(self, uid: str) -> bool:
        return uid in (VERIFICATION, STORAGE_COMMITMENT) or uid in self.services

    def _stores(self, uid: str) -> bool:
        if not self.storage:
            return False
        return is_storage(uid) if self.sop_classes is None else uid in self.sop_classes

    def _roles(self, request: AssociateRQ) -> list[RoleSelection]:
        """Accept roles of the peer (PS3.7 D.3.3.4).

        A peer that reports on storage commitment is its SCP (PS3.4 J.3.3), and a peer that receives instances
        for its C-GET is the SCP of their storage classes (PS3.4 C.5.3).
        """
        accepted = []
        for item in request.items(RoleSelection):
            uid = item.sop_class_uid
            if uid == STORAGE_COMMITMENT:
                accepted.append(item)
            elif self.sending and is_storage(uid):
                accepted.append(RoleSelection(uid, item.scu and self._stores(uid), item.scp))
        return accepted

    async def _identity(self, request: AssociateRQ) -> tuple[UserItem, ...] | AssociateRJ:
        """Check the user identity; return the items of the answer that confirm it (PS3.7 D.3.3.7)."""
        if self.check_user is None:
            return ()  # nothing was checked, so nothing is confirmed
        given = next(iter(request.items(UserIdentityRQ)), None)
        try:
            allowed = await self.check_user(given)
        except Exception:  # noqa: BLE001 - after any error, the user is not authorised
            _LOG.exception("the user of %s could not be checked", request.calling_ae_title)
            return _UNCHECKED_USER
        if not allowed and not isinstance(allowed, bytes):
            return _WRONG_USER
        if given is None or not given.positive_response_requested:
            return ()
        return (UserIdentityAC(allowed if isinstance(allowed, bytes) else b""),)


def _window(request: AssociateRQ, most: int) -> list[AsynchronousOperationsWindow]:
    """Allow a peer that asks for it to send requests before others are answered (PS3.7 D.3.3.3).

    They are answered one after the other, and wait in the connection until then. `most` is 1 for operations
    that can be cancelled, during which only the cancellation is expected.
    """
    return [
        AsynchronousOperationsWindow(min(item.operations_invoked or most, most), 1)
        for item in request.items(AsynchronousOperationsWindow)
    ]


def _relational(request: AssociateRQ, able: frozenset[str]) -> list[SOPClassExtendedNegotiation]:
    """Accept relational queries and retrieval, but no other extended negotiation."""
    return [
        SOPClassExtendedNegotiation(
            item.sop_class_uid, bytes(place == 0 and byte == 1 for place, byte in enumerate(asked))
        )
        for item in request.items(SOPClassExtendedNegotiation)
        if item.sop_class_uid in able and (asked := item.service_class_application_information)
    ]
