"""Where a list or a reading goes on: opaque to clients."""

from typing import Literal, NamedTuple

from pilvi.core import marks
from pilvi.services.logs.errors import InvalidParameter

_DIGITS = 56
Direction = Literal["f", "b"]


class Place(NamedTuple):
    """Between two events: forward from here come those after `position`, backward those before it."""

    direction: Direction
    position: int


def place_token(direction: Direction, position: int) -> str:
    """A token in the form that AWS's have: f/ and b/ with 56 digits."""
    return f"{direction}/{position:0{_DIGITS}d}/s"


def place_of(token: str) -> Place:
    """Raises InvalidParameter."""
    direction, _, rest = token.partition("/")
    digits, _, end = rest.partition("/")
    if end == "s" and len(digits) == _DIGITS and digits.isascii() and digits.isdigit():
        if direction == "f":
            return Place("f", int(digits))
        if direction == "b":
            return Place("b", int(digits))
    raise InvalidParameter("The specified nextToken is invalid.")


def name_token(name: str) -> str:
    return marks.write(name)


def name_of(token: str | None) -> str | None:
    """Raises InvalidParameter."""
    if token is None:
        return None
    try:
        return marks.read(token)
    except ValueError:
        raise InvalidParameter("The specified nextToken is invalid.") from None
