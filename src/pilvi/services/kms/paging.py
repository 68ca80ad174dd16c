"""Limit, Marker, Truncated, NextMarker: lists in pieces. A marker is the sort key of the last item given."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict, TypeVar

from pilvi.core import marks
from pilvi.core.errors import ValidationError
from pilvi.services.kms import limits
from pilvi.services.kms.errors import InvalidMarker

T = TypeVar("T")


class Paging(TypedDict, total=False):
    Truncated: bool
    NextMarker: str


def after_of(req: Mapping[str, Any]) -> str | None:
    """The sort key after which a request goes on; None from the beginning.

    Raises:
        InvalidMarker: no list gave out this marker.
    """
    marker = req.get("Marker")
    if marker is None:
        return None
    try:
        return marks.read(marker)
    except ValueError:
        raise InvalidMarker("Invalid marker") from None


def page(
    items: Iterable[T],
    key: Callable[[T], str],
    req: Mapping[str, Any],
    *,
    default: int = limits.PAGE_DEFAULT,
    most: int = 1000,
) -> tuple[list[T], Paging]:
    """The piece a request asks for, of items that come in the order of `key`, and what to say about the rest.

    Args:
        most: the largest Limit that this list accepts.
    """
    size, after = req.get("Limit", default), after_of(req)
    if size > most:
        raise ValidationError(
            f"1 validation error detected: Value '{size}' at 'limit' failed to satisfy constraint: Member must have value "
            f"less than or equal to {most}"
        )
    found: list[T] = []
    for item in items:
        if after is not None and key(item) <= after:
            continue
        if len(found) == size:
            return found, {"Truncated": True, "NextMarker": marks.write(key(found[-1]))}
        found.append(item)
    return found, {"Truncated": False}
