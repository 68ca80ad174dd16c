"""Continuation tokens of listings."""

from pilvi.core import marks
from pilvi.services.s3.errors import invalid_argument


def encode_mark(last: str) -> str:
    return marks.write(last)


def decode_mark(token: str) -> str:
    """Raises InvalidArgument for a token that no listing gave out (none begins behind nothing)."""
    try:
        last = marks.read(token)
    except ValueError:
        last = ""
    if not last:
        raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    return last
