"""Marks come back as they were written, and no others are taken for ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilvi.core import marks


@given(st.text())
def test_what_was_written_is_read(text: str) -> None:
    """Whatever the last thing is called; the mark itself needs no quoting in a URL or a header."""
    mark = marks.write(text)
    assert marks.read(mark) == text
    assert mark.replace("-", "").replace("_", "").isalnum()
    assert mark.isascii()


@pytest.mark.parametrize("invented", ["", "x", "abc", "!!!!", "ä", "AQ==x", "YQ", "Af8", "AQ Ph"])
def test_inventions_are_refused(invented: str) -> None:
    """Other bytes before the text, no UTF-8, letters that marks do not use, padding in the middle."""
    with pytest.raises(ValueError):
        marks.read(invented)


@given(st.text(max_size=40))
def test_nothing_else_is_raised(text: str) -> None:
    """A client may send anything; the caller has one error to translate."""
    try:
        found = marks.read(text)
    except ValueError:
        return
    assert marks.read(marks.write(found)) == found
