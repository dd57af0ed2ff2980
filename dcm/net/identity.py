"""Who the user is, for `DcmNode.user_identity` (PS3.7 D.3.3.7).

    mypacs = DcmNode("mypacs.org", "MYPACS", 2762, tls=Tls(), user_identity=user("anna", "secret"))

Passwords go over the wire as they are: use them with TLS. `confirmed`: the peer must say that it has checked
the identity; one that knows nothing of identities accepts the association and says nothing.
"""

from dcm.wire import UserIdentityRQ, UserIdentityType


def user(name: str, password: str | None = None, *, confirmed: bool = False) -> UserIdentityRQ:
    """Make the identity of somebody with a name, and a password if there is one."""
    kind = UserIdentityType.USERNAME
    if password is not None:
        kind = UserIdentityType.USERNAME_AND_PASSCODE
    return UserIdentityRQ(kind, name.encode(), (password or "").encode(), confirmed)


def kerberos(ticket: bytes, *, confirmed: bool = False) -> UserIdentityRQ:
    """Make the identity of somebody with a Kerberos service ticket."""
    return UserIdentityRQ(UserIdentityType.KERBEROS, ticket, b"", confirmed)


def saml(assertion: bytes, *, confirmed: bool = False) -> UserIdentityRQ:
    """Make the identity of somebody with a SAML assertion."""
    return UserIdentityRQ(UserIdentityType.SAML, assertion, b"", confirmed)


def token(web_token: str, *, confirmed: bool = False) -> UserIdentityRQ:
    """Make the identity of somebody with a JSON web token."""
    return UserIdentityRQ(UserIdentityType.JSON_WEB_TOKEN, web_token.encode(), b"", confirmed)
