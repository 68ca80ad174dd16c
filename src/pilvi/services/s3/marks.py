"""Continuation tokens: where a listing goes on. Opaque to clients, stateless for us.

A token is the last thing that was answered, behind a byte that tells our tokens from invented ones.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from pilvi.services.s3.errors import invalid_argument

_MAGIC = b"\x01"


def encode_mark(last: str) -> str:
    return urlsafe_b64encode(_MAGIC + last.encode()).decode().rstrip("=")


def decode_mark(token: str) -> str:
    """Raises InvalidArgument for a token that no listing gave out."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        if raw[:1] == _MAGIC and len(raw) > 1:
            return raw[1:].decode()
    except (Base64Error, ValueError):
        pass
    raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
