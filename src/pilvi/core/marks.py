"""Where a list goes on: opaque to clients, stateless for us. Every service's markers and continuation tokens are these.

A mark is the last thing that was answered, behind a byte that tells our marks from invented ones.
"""

from base64 import b64decode, urlsafe_b64encode

_OURS = b"\x01"


def write(last: str) -> str:
    """Text of A-Z, a-z, 0-9, - and _ alone: it needs no quoting anywhere."""
    return urlsafe_b64encode(_OURS + last.encode()).decode().rstrip("=")


def read(mark: str) -> str:
    """What `write` was given.

    Raises:
        ValueError: no list gave out this mark.
    """
    raw = b64decode(mark + "=" * (-len(mark) % 4), b"-_", validate=True)
    if raw[:1] != _OURS:
        raise ValueError("not a mark of ours")
    return raw[1:].decode()
