"""User identities, for `Remote.user_identity` (PS3.7 D.3.3.7).

    node = DcmNode("mypacs.org", "MYPACS", 2762)
    mypacs = Remote(node, tls=Tls(), user_identity=user("anna", "secret"))

Names and passwords are not encrypted by DICOM, so without TLS they are only sent if the node has
`allow_plaintext`. `confirmed`: the peer must confirm that it has checked the identity; a peer that does not
support identities accepts the association without confirming, which is then an error.
"""

from dcm.wire import UserIdentityRQ, UserIdentityType


def user(name: str, password: str | None = None, *, confirmed: bool = False) -> UserIdentityRQ:
    """Return the identity of a user with a name and, if given, a password."""
    kind = UserIdentityType.USERNAME
    if password is not None:
        kind = UserIdentityType.USERNAME_AND_PASSCODE
    return UserIdentityRQ(kind, name.encode(), (password or "").encode(), confirmed)


def kerberos(ticket: bytes, *, confirmed: bool = False) -> UserIdentityRQ:
    """Return the identity of a user with a Kerberos service ticket."""
    return UserIdentityRQ(UserIdentityType.KERBEROS, ticket, b"", confirmed)


def saml(assertion: bytes, *, confirmed: bool = False) -> UserIdentityRQ:
    """Return the identity of a user with a SAML assertion."""
    return UserIdentityRQ(UserIdentityType.SAML, assertion, b"", confirmed)


def token(web_token: str, *, confirmed: bool = False) -> UserIdentityRQ:
    """Return the identity of a user with a JSON web token."""
    return UserIdentityRQ(UserIdentityType.JSON_WEB_TOKEN, web_token.encode(), b"", confirmed)
