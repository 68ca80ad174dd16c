"""Who is behind an access key id."""

from enum import Enum
from typing import TYPE_CHECKING

from pilvi.core.caller import Credential
from pilvi.core.operation import Directory
from pilvi.identity.tokens import BadToken, Tokens

if TYPE_CHECKING:
    from pilvi.state.store import Tx


class Problem(Enum):
    """Why a key does not authenticate; the wire gives each its protocol's error code."""

    UNKNOWN_KEY = "unknown key"
    INACTIVE_KEY = "inactive key"
    BAD_TOKEN = "bad token"  # noqa: S105 - a reason, no secret
    EXPIRED_TOKEN = "expired token"  # noqa: S105


class AuthenticationFailed(Exception):
    """The access key id, or the session token with it, belongs to nobody."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def credential(
    tx: "Tx", directory: Directory, tokens: Tokens, access_key_id: str, token: str | None, now_ms: int
) -> Credential:
    """The secret to verify a signature with, and whose it is. A temporary key counts only with its token.

    Raises:
        AuthenticationFailed: with the problem.
    """
    if not token:
        found = directory.credential(tx, access_key_id)
        if found is None:
            raise AuthenticationFailed(Problem.UNKNOWN_KEY)
        if not found.active:
            raise AuthenticationFailed(Problem.INACTIVE_KEY)
        return found
    try:
        caller, secret = tokens.open(access_key_id, token)
    except BadToken:
        raise AuthenticationFailed(Problem.BAD_TOKEN) from None
    if caller.session_expires_ms <= now_ms:
        raise AuthenticationFailed(Problem.EXPIRED_TOKEN)
    if not directory.exists(tx, caller):
        raise AuthenticationFailed(Problem.UNKNOWN_KEY)
    return Credential(access_key_id, secret, caller)
