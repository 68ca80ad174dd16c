"""Parts of an object: byte ranges (RFC 9110, section 14) and part numbers."""

import re
from collections.abc import Iterable

from pilvi.services.s3.errors import InvalidPartNumber, InvalidRange
from pilvi.services.s3.records import Piece, Run

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*")

Span = tuple[int, int]
"""[start, end) in bytes."""


def parse_range(header: str, size: int) -> Span | None:
    """The bytes that a Range header asks for; None when it is to be ignored (another unit, several ranges, nonsense).

    Raises:
        InvalidRange: it is well-formed and asks for nothing that is there.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise InvalidRange(fields={"RangeRequested": header, "ActualObjectSize": size})
    return start, end


def part_span(pieces: tuple[Piece, ...], number: int) -> tuple[Span, Piece]:
    """Where a part of an object lies.

    Raises:
        InvalidPartNumber: the object has no such part.
    """
    start = 0
    for piece in pieces:
        if piece.number == number:
            return (start, start + piece.size), piece
        start += piece.size
    raise no_part(number, len(pieces))


def no_part(number: int, count: int) -> InvalidPartNumber:
    return InvalidPartNumber(fields={"ActualPartCount": count, "PartNumberRequested": number})


def cut(pieces: Iterable[Piece], span: Span) -> tuple[Run, ...]:
    """The runs that make up a span of the pieces put together."""
    start, end = span
    found = []
    stop = 0
    for piece in pieces:
        begin, stop = stop, stop + piece.size
        if stop <= start:
            continue
        if begin >= end:
            break
        for blob, offset, length in piece.runs:
            low, high = max(start, begin), min(end, begin + length)
            if low < high:
                found.append((blob, offset + low - begin, high - low))
            begin += length
    return tuple(found)


def content_range(span: Span, size: int) -> str:
    return f"bytes {span[0]}-{span[1] - 1}/{size}"
