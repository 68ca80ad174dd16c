"""Events inside chunks: cut into them, and read back in order of time. Pure.

Every event has a position: its time, then the number of its chunk, then its place in the chunk. Positions are unique in
a group and are what tokens and event ids are made of. Chunks come ordered by their first event but overlap; since none
spans more than CHUNK_SPAN_MS_MAX, a reader holds few of them at a time.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pilvi.services.logs.limits import CHUNK_BYTES_MAX, CHUNK_SPAN_MS_MAX, EVENT_OVERHEAD_BYTES
from pilvi.services.logs.records import Chunk

Line = tuple[int, str]
_CHUNK_DIGITS = 10**16
_TIME_DIGITS = 10**36


class Event(NamedTuple):
    at_ms: int
    chunk_id: int
    place: int
    message: str
    chunk: Chunk

    @property
    def position(self) -> int:
        return position(self.at_ms, self.chunk_id, self.place)


def position(at_ms: int, chunk_id: int = 0, place: int = 0) -> int:
    """A number of at most 56 digits that orders events; without a chunk it lies before all events of its millisecond."""
    return at_ms * _TIME_DIGITS + chunk_id * _CHUNK_DIGITS + place


def time_of(place: int) -> int:
    """The millisecond that a position lies in."""
    return place // _TIME_DIGITS


def weight(message: str) -> int:
    """Bytes of an event, as AWS counts them."""
    return EVENT_OVERHEAD_BYTES + (len(message) if message.isascii() else len(message.encode()))


def cut(events: Sequence[Line]) -> Iterator[list[Line]]:
    """Splits ordered events into chunks."""
    piece: list[Line] = []
    size = 0
    for event in events:
        size += weight(event[1])
        if piece and (size > CHUNK_BYTES_MAX or event[0] - piece[0][0] > CHUNK_SPAN_MS_MAX):
            yield piece
            piece, size = [], weight(event[1])
        piece.append(event)
    if piece:
        yield piece


def ascending(chunks: Iterable[Chunk]) -> Iterator[Event]:
    """The events of chunks that come in order of their first event."""
    held: list[Event] = []
    for chunk in chunks:
        while held and held[0].at_ms < chunk.first_ms:
            yield heapq.heappop(held)
        for event in _events(chunk):
            heapq.heappush(held, event)
    while held:
        yield heapq.heappop(held)


def descending(chunks: Iterable[Chunk]) -> Iterator[Event]:
    """The same backwards, from chunks that come in reverse order of their first event."""
    held: list[tuple[int, Event]] = []
    for chunk in chunks:
        safe = position(chunk.first_ms + CHUNK_SPAN_MS_MAX + 1)
        while held and -held[0][0] >= safe:
            yield heapq.heappop(held)[1]
        for event in _events(chunk):
            heapq.heappush(held, (-event.position, event))
    while held:
        yield heapq.heappop(held)[1]


def _events(chunk: Chunk) -> Iterator[Event]:
    for place, (at_ms, message) in enumerate(chunk.events):
        yield Event(at_ms, chunk.chunk_id, place, message, chunk)
