"""Whom a listener takes, and for what: the answer to a request for an association (PS3.8 7.1.1)."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from dcm.frozen import Frozen
from dcm.net.association import OUR_INFORMATION
from dcm.net.commitment import STORAGE_COMMITMENT
from dcm.net.echo import VERIFICATION
from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    RoleSelection,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
    answer_contexts,
)

UserCheck = Callable[[UserIdentityRQ | None], Awaitable[bool | bytes]]
"""Says whether a user may come, None: one who does not say who he is. Bytes: yes, and this is the server's
response, of Kerberos or SAML (PS3.7 D.3.3.7.2)."""

_LOG: Final = logging.getLogger(__name__)
_UNKNOWN_CALLING: Final = AssociateRJ(result=1, source=1, reason=3)
_UNKNOWN_CALLED: Final = AssociateRJ(result=1, source=1, reason=7)
_WRONG_USER: Final = AssociateRJ(result=1, source=1, reason=1)
_UNCHECKED_USER: Final = AssociateRJ(result=2, source=1, reason=1)
_TOO_MANY: Final = AssociateRJ(result=2, source=3, reason=2)

_STORAGE_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
_OTHER_STORAGE: Final = frozenset(
    f"1.2.840.10008.5.1.4.{rest}"
    for rest in ("34.7", "34.10", "38.1", "39.1", "43.1", "44.1", "45.1")
)


def is_storage(abstract_syntax: str) -> bool:
    """Whether it is a storage class (PS3.4 B.5 and GG.3), or a private one, which may be."""
    return (
        abstract_syntax.startswith(_STORAGE_ROOT)
        or abstract_syntax in _OTHER_STORAGE
        or not abstract_syntax.startswith("1.2.840.10008.")
    )


class Admission(Frozen, kw_only=True):
    """Whom a listener takes: everybody, unless something else is said.

    calling_ae_titles: only those that call themselves so.
    by_our_name: only those that call us by our AE title.
    sop_classes: only these of the storage classes.
    associations: how many at once.
    check_user: asked about the user of each association.
    """

    calling_ae_titles: frozenset[str] | None = None
    by_our_name: bool = False
    sop_classes: frozenset[str] | None = None
    associations: int = 100
    check_user: UserCheck | None = None

    async def answer(
        self, request: AssociateRQ, our_title: str, open_now: int
    ) -> AssociateAC | AssociateRJ:
        """Answer a request; `open_now` counts the associations with this one."""
        if open_now > self.associations:
            return _TOO_MANY
        if self.calling_ae_titles is not None and (
            request.calling_ae_title.strip() not in self.calling_ae_titles
        ):
            return _UNKNOWN_CALLING
        if self.by_our_name and request.called_ae_title.strip() != our_title.strip():
            return _UNKNOWN_CALLED
        identity = await self._identity(request)
        if isinstance(identity, AssociateRJ):
            return identity
        supported: dict[str, list[str]] = {}
        for context in request.presentation_contexts:
            if self._takes(context.abstract_syntax):
                supported.setdefault(context.abstract_syntax, []).extend(context.transfer_syntaxes)
        return AssociateAC(
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            presentation_contexts=answer_contexts(request.presentation_contexts, supported),
            user_information=(*OUR_INFORMATION, *_roles(request), *identity),
            reserved=request.reserved,
        )

    def _takes(self, uid: str) -> bool:
        if uid in (VERIFICATION, STORAGE_COMMITMENT):
            return True
        return is_storage(uid) if self.sop_classes is None else uid in self.sop_classes

    async def _identity(self, request: AssociateRQ) -> tuple[UserItem, ...] | AssociateRJ:
        """Check who the user is; give what the answer says about it (PS3.7 D.3.3.7)."""
        if self.check_user is None:
            return ()  # who does not check does not confirm
        given = next(iter(request.items(UserIdentityRQ)), None)
        try:
            allowed = await self.check_user(given)
        except Exception:  # noqa: BLE001 - whatever it was, he is not known to be allowed
            _LOG.exception("the user of %s could not be checked", request.calling_ae_title)
            return _UNCHECKED_USER
        if not allowed and not isinstance(allowed, bytes):
            return _WRONG_USER
        if given is None or not given.positive_response_requested:
            return ()
        return (UserIdentityAC(allowed if isinstance(allowed, bytes) else b""),)


def _roles(request: AssociateRQ) -> list[RoleSelection]:
    """Accept the roles for storage commitment: who comes to report is its SCP (PS3.4 J.3.3)."""
    return [
        item for item in request.items(RoleSelection) if item.sop_class_uid == STORAGE_COMMITMENT
    ]
