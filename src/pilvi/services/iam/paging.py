"""Marker, MaxItems, IsTruncated: lists in pieces.

A marker is the sort key of the last item given, so nothing is skipped or repeated when items come and go in between.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict, TypeVar

from pilvi.core import marks
from pilvi.core.errors import ValidationError
from pilvi.services.iam.limits import ITEMS_DEFAULT

T = TypeVar("T")


class Paging(TypedDict, total=False):
    IsTruncated: bool
    Marker: str


def page(items: Iterable[T], key: Callable[[T], str], req: Mapping[str, Any]) -> tuple[list[T], Paging]:
    """The piece a request asks for, of items that come in the order of `key`, and what to say about the rest."""
    most = req.get("MaxItems", ITEMS_DEFAULT)
    after = after_of(req)
    found: list[T] = []
    for item in items:
        if after is not None and key(item) <= after:
            continue
        if len(found) == most:
            return found, {"IsTruncated": True, "Marker": marks.write(key(found[-1]))}
        found.append(item)
    return found, {"IsTruncated": False}


def after_of(req: Mapping[str, Any]) -> str | None:
    """The sort key after which a request goes on; None from the beginning."""
    marker = req.get("Marker")
    if marker is None:
        return None
    try:
        return marks.read(marker)
    except ValueError:
        raise ValidationError("Invalid Marker.") from None
