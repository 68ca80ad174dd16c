"""Events in chunks: whatever is cut comes back in order, from both ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilvi.services.logs import chunks, limits
from pilvi.services.logs.records import Chunk

events = st.lists(
    st.tuples(st.integers(0, 40_000), st.text("ab\u00e4", min_size=1, max_size=5)), min_size=1, max_size=30
).map(lambda found: sorted(found, key=lambda event: event[0]))


def stored(batches: list[list[tuple[int, str]]]) -> list[Chunk]:
    """The chunks of several batches, in the order of the table."""
    made: list[Chunk] = []
    for batch in batches:
        for piece in chunks.cut(batch):
            made.append(Chunk(1, piece[0][0], len(made) + 1, 1, "s", 0, piece))
    return sorted(made, key=lambda chunk: (chunk.first_ms, chunk.chunk_id))


@given(events)
def test_cutting_loses_nothing(batch):
    """The pieces of a batch, joined, are the batch, and none spans too long."""
    pieces = list(chunks.cut(batch))
    assert [event for piece in pieces for event in piece] == batch
    assert all(piece[-1][0] - piece[0][0] <= limits.CHUNK_SPAN_MS_MAX for piece in pieces)


def test_a_chunk_is_bounded_in_bytes():
    """Large messages go to chunks of their own."""
    big = "x" * (limits.CHUNK_BYTES_MAX - limits.EVENT_OVERHEAD_BYTES)
    assert [len(piece) for piece in chunks.cut([(1, big), (1, big), (1, "y")])] == [1, 1, 1]
    assert [len(piece) for piece in chunks.cut([(1, "a")] * 3)] == [3]


@given(st.lists(events, min_size=1, max_size=6))
def test_reading_is_ordered_from_both_ends(batches):
    """However batches overlap: ascending is sorted by position, and descending is its exact reverse."""
    rows = stored(batches)
    forward = list(chunks.ascending(rows))
    assert [event.position for event in forward] == sorted({event.position for event in forward})
    assert sorted((event.at_ms, event.message) for event in forward) == sorted(e for batch in batches for e in batch)
    backward = list(chunks.descending(reversed(rows)))
    assert [event.position for event in backward] == [event.position for event in reversed(forward)]


@given(st.integers(0, 2**62), st.integers(0, 10**16 - 1), st.integers(0, 10**6))
def test_positions_have_56_digits_and_remember_their_time(at_ms, chunk, place):
    """A position fits a token, and tells its millisecond."""
    found = chunks.position(at_ms, chunk, place)
    assert len(str(found)) <= 56
    assert chunks.time_of(found) == at_ms


def test_weights_are_bytes_of_utf8():
    """26 bytes an event and its text in UTF-8, as AWS counts."""
    assert chunks.weight("abc") == 29
    assert chunks.weight("\u00e4\u20ac") == 26 + 5
