"""Counting by blob id, in little memory: a page of bytes for each 4,096 ids that occur, and a dict for large counts."""

from collections.abc import Iterator

_PAGE = 4_096
_FULL = 255


class Tally:
    """How often each number was added."""

    __slots__ = ("_large", "_pages")

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._large: dict[int, int] = {}

    def add(self, number: int) -> None:
        page, at = divmod(number, _PAGE)
        counts = self._pages.get(page)
        if counts is None:
            counts = self._pages[page] = bytearray(_PAGE)
        if counts[at] < _FULL:
            counts[at] += 1
        else:
            self._large[number] = self._large.get(number, 0) + 1

    def take(self, number: int) -> int:
        """The count of a number, which is forgotten."""
        page, at = divmod(number, _PAGE)
        counts = self._pages.get(page)
        if counts is None:
            return 0
        count, counts[at] = counts[at], 0
        return count + self._large.pop(number, 0)

    def __iter__(self) -> Iterator[int]:
        """Numbers that were added and not taken, in order."""
        for page in sorted(self._pages):
            counts = self._pages[page]
            if any(counts):
                yield from (page * _PAGE + at for at, count in enumerate(counts) if count)
