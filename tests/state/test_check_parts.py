"""Parts of checks."""

from __future__ import annotations

import io
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pilvi.state.backups.s3target import _Pieces
from pilvi.state.checks.tally import Tally


@given(st.lists(st.sampled_from([1, 2, 4_095, 4_096, 9_000_000_000]), max_size=1_200))
def test_a_tally_counts(numbers):
    """As a Counter does, whatever the counts; what was taken is forgotten."""
    tally, wanted = Tally(), Counter(numbers)
    for number in numbers:
        tally.add(number)
    assert list(tally) == sorted(wanted)
    for number, count in wanted.items():
        assert tally.take(number) == count
        assert tally.take(number) == 0
    assert tally.take(77) == 0
    assert list(tally) == []


def test_a_tally_counts_beyond_a_byte():
    """Blobs that thousands of copies share are counted right."""
    tally = Tally()
    for _ in range(1_000):
        tally.add(5)
    assert tally.take(5) == 1_000


@given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 70))
def test_pieces_are_read_as_a_file(pieces, size):
    """In any portions, to the end."""
    file, read = _Pieces(pieces), io.BytesIO()
    while portion := file.read(size):
        assert len(portion) <= size
        read.write(portion)
    assert read.getvalue() == b"".join(pieces)
    assert _Pieces(pieces).read() == b"".join(pieces)
