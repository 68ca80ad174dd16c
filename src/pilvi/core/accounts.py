"""Canonical ids: who an account is to access control lists.

64 hexadecimal digits, made from the account's number alone, so that they need no table: ten that hold the number, masked
by what the rest, a digest of the number, digests to.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/finding-canonical-user-id.html
"""

from functools import lru_cache
from hashlib import sha256

ANONYMOUS = "anonymous"
"""Stands for the account of callers without credentials, where one must be written down."""
ANONYMOUS_ID = "65a011a29cdf8ec533ec3d1ccaae921c"  # as on AWS

_HEAD = 10  # hexadecimal digits: room for twelve decimal ones
_LENGTH = 64
_DIGITS = frozenset("0123456789abcdef")


@lru_cache(maxsize=4096)
def canonical_id(account: str) -> str:
    """The canonical id of an account (twelve digits), or of nobody in particular ("" or ANONYMOUS)."""
    if account in ("", ANONYMOUS):
        return ANONYMOUS_ID
    tail = sha256(b"pilvi:canonical-user:" + account.encode()).hexdigest()[: _LENGTH - _HEAD]
    return f"{int(account) ^ _mask(tail):0{_HEAD}x}{tail}"


def account_of(canonical: str) -> str:
    """The account that has this canonical id; "" where none can have it."""
    if canonical == ANONYMOUS_ID:
        return ANONYMOUS
    if len(canonical) != _LENGTH or not set(canonical) <= _DIGITS:
        return ""
    return _decoded(canonical)


@lru_cache(maxsize=4096)
def _decoded(canonical: str) -> str:
    account = f"{int(canonical[:_HEAD], 16) ^ _mask(canonical[_HEAD:]):012d}"
    return account if canonical_id(account) == canonical else ""


def _mask(tail: str) -> int:
    return int(sha256(b"pilvi:canonical-mask:" + tail.encode()).hexdigest()[:_HEAD], 16)
