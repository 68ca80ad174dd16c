"""Walking over keys in order, folding those behind a delimiter into common prefixes.

A folder of a million keys costs as much as one of five: after a few steps inside a common prefix the walk seeks to the
first key behind it.
"""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

from pilvi.services.s3.names import successor

STEPS_MAX = 4  # rows read one by one before a seek is cheaper


class Keyed(Protocol):
    @property
    def key(self) -> str: ...


R = TypeVar("R", bound=Keyed)
R_co = TypeVar("R_co", bound=Keyed, covariant=True)


class Scan(Protocol[R_co]):
    """Opens a scan: rows whose key is at least `start` and less than `end` ("" for no bound), `limit` at most."""

    def __call__(self, start: str, end: str, limit: int | None) -> Iterator[R_co]: ...


class Page(msgspec.Struct, Generic[R]):
    """What one answer shows.

    Attributes:
        last: the last thing shown: a key or a common prefix, whichever is greater; "" when nothing is.
    """

    entries: list[R]
    prefixes: list[str]
    truncated: bool
    last: str


def walk(scan: Scan[R], *, prefix: str, delimiter: str, start: str, most: int) -> Page[R]:
    """At most `most` keys and common prefixes, from `start` on (inclusive), of those that begin with `prefix`."""
    start = max(start, prefix)
    end = successor(prefix)
    if most == 0:
        return Page([], [], truncated=False, last="")
    if end and start >= end:
        return Page([], [], truncated=False, last="")
    if not delimiter:
        rows = list(scan(start, end, most + 1))
        shown = rows[:most]
        return Page(shown, [], len(rows) > most, shown[-1].key if shown else "")
    return _folded(scan, prefix, delimiter, start, end, most)


def _folded(scan: Scan[R], prefix: str, delimiter: str, start: str, end: str, most: int) -> Page[R]:
    page: Page[R] = Page([], [], truncated=False, last="")
    skip = len(prefix)
    rows = scan(start, end, None)
    row = next(rows, None)
    for _ in range(most):
        if row is None:
            return page
        cut = row.key.find(delimiter, skip)
        if cut < 0:
            page.entries.append(row)
            page.last = row.key
            row = next(rows, None)
        else:
            page.last = row.key[: cut + len(delimiter)]
            page.prefixes.append(page.last)
            rows, row = _behind(rows, page.last, lambda bound: scan(bound, end, None))
    page.truncated = row is not None
    return page


def _behind(rows: Iterator[R], common: str, reopen: Callable[[str], Iterator[R]]) -> tuple[Iterator[R], R | None]:
    """The first row behind a common prefix, and the rows after it."""
    for _ in range(STEPS_MAX):
        row = next(rows, None)
        if row is None or not row.key.startswith(common):
            return rows, row
    bound = successor(common)
    rows = reopen(bound) if bound else iter(())
    return rows, next(rows, None)


def after(last: str, prefix: str, delimiter: str) -> str:
    """Where a walk begins that follows the key or common prefix `last` (which it does not show again)."""
    if delimiter and last.startswith(prefix):
        cut = last.find(delimiter, len(prefix))
        if cut >= 0 and cut + len(delimiter) == len(last):
            return successor(last) or last + "\0"
    return last + "\0"
