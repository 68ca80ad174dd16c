"""Events inside chunks: cut into them, and read back in order of time. Pure.

Every event has a position: its time, then the number of its chunk, then its place in the chunk. Positions are unique in
a group and are what tokens and event ids are made of. Chunks come ordered by their first event but overlap; since none
spans more than CHUNK_SPAN_MS_MAX, a reader holds few of them at a time.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from pilvi.services.logs import limits
from pilvi.services.logs.limits import CHUNK_BYTES_MAX, CHUNK_SPAN_MS_MAX, EVENT_OVERHEAD_BYTES
from pilvi.services.logs.records import Chunk

Line = tuple[int, str]
Matches = Callable[[str], bool]
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


def weights(events: Sequence[Line]) -> int:
    """The sum of `weight` over a batch."""
    return EVENT_OVERHEAD_BYTES * len(events) + len("".join([message for _, message in events]).encode())


def cut(events: Sequence[Line]) -> Iterator[list[Line]]:
    """Splits ordered events into chunks."""
    if events[-1][0] - events[0][0] <= CHUNK_SPAN_MS_MAX and weights(events) <= CHUNK_BYTES_MAX:
        yield list(events)
        return
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


def ascending(chunks: Iterable[Chunk], matches: Matches | None = None) -> Iterator[Event]:
    """The (matching) events of chunks that come in order of their first event."""
    held: list[Event] = []
    for chunk in chunks:
        ready = bisect_left(held, chunk.first_ms, key=_time)
        yield from held[:ready]
        del held[:ready]
        held += _events(chunk, matches)
        held.sort()
    yield from held


def descending(chunks: Iterable[Chunk], matches: Matches | None = None) -> Iterator[Event]:
    """The same backwards, from chunks that come in reverse order of their first event."""
    held: list[Event] = []
    for chunk in chunks:
        ready = bisect_left(held, chunk.first_ms + CHUNK_SPAN_MS_MAX + 1, key=_time)
        yield from reversed(held[ready:])
        del held[ready:]
        held += _events(chunk, matches)
        held.sort()
    yield from reversed(held)


def _time(event: Event) -> int:
    return event.at_ms


def _events(chunk: Chunk, matches: Matches | None) -> list[Event]:
    number = chunk.chunk_id
    return [
        Event(at_ms, number, place, message, chunk)
        for place, (at_ms, message) in enumerate(chunk.events)
        if matches is None or matches(message)
    ]


class Bounded:
    """Chunks for a search from a place on, as many as it may look at in one go.

    Attributes:
        resume: where the rest begins, once it stopped; what lies beyond is not to be used.
    """

    def __init__(self, chunks: Iterable[Chunk], begin: int, *, forward: bool) -> None:
        self.resume: int | None = None
        self._chunks = chunks
        self._begin = begin
        self._forward = forward

    def __iter__(self) -> Iterator[Chunk]:
        seen = 0
        for chunk in self._chunks:
            place = self._place_before(chunk)
            if place > self._begin if self._forward else place < self._begin:  # others only overlap the beginning
                if seen >= limits.SEARCH_EVENTS_MAX:
                    self.resume = place
                    return
                seen += len(chunk.events)
            yield chunk

    def _place_before(self, chunk: Chunk) -> int:
        """Where every event on this side lies in chunks that came before this one."""
        if self._forward:
            return position(chunk.first_ms)
        return position(chunk.first_ms + CHUNK_SPAN_MS_MAX + 1)

    def is_beyond(self, event: Event) -> bool:
        if self.resume is None:
            return False
        return event.position > self.resume if self._forward else event.position < self.resume
