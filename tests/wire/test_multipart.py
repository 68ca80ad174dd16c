"""HTML forms, read in whatever pieces they come."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import forms
from pilvi.wire import multipart
from pilvi.wire.multipart import FIELDS_BYTES_MAX, FormReader, MalformedForm, TooManyFields

KIND = f"multipart/form-data; boundary={forms.BOUNDARY}"
NAMES = st.text("abcdefghijklmnop-_.", min_size=1, max_size=12).filter(lambda name: name != "file")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda text: forms.BOUNDARY not in text)
ALMOST = f"\r\n--{forms.BOUNDARY}"
CONTENTS = st.lists(
    st.one_of(st.binary(max_size=30), st.integers(0, len(ALMOST) - 1).map(lambda end: ALMOST[:end].encode()))
).map(b"".join)


def read(body: bytes, cuts: list[int]) -> tuple[FormReader, bytes]:
    """The form, read in pieces that end at these places, and its file."""
    reader = FormReader(multipart.boundary_of(KIND))
    places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
    content = b"".join([reader.feed(body[start:end]) for start, end in pairwise(places)])
    reader.finish()
    return reader, content


@given(
    st.dictionaries(NAMES, TEXTS, max_size=5),
    CONTENTS,
    TEXTS.map(lambda name: name[:9]),
    st.lists(st.integers(0, 2000)),
)
@example({}, ALMOST[:-1].encode() * 3 + b"\r", "", [50, 60, 70, 80, 90])
def test_a_form_is_read_as_it_was_written(fields: dict[str, str], content: bytes, name: str, cuts: list[int]) -> None:
    """However it is cut: fields, file, and the file's name; also with what looks like a boundary in the file."""
    name = "".join(letter for letter in name if letter.isalnum())
    _, body = forms.posted(fields, content, name)
    reader, found = read(body, cuts)
    assert (reader.fields, found) == (fields, content)
    assert (reader.file_begun, reader.done, reader.file_name) == (True, True, name)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_what_is_no_form_is_refused_by_name(body: bytes, cuts: list[int]) -> None:
    """Whatever comes, nothing but the two errors leaves the reader."""
    try:
        reader, content = read(body, cuts)
    except (MalformedForm, TooManyFields):
        return
    assert reader.done
    assert content in body


def test_of_a_file_no_more_is_kept_than_a_boundary() -> None:
    """All else is passed on at once."""
    reader = FormReader(b"b")
    reader.feed(b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n')
    for piece in (b"x" * 100_000, b"\r" * 1000, b"\r\n--" * 10, b"\n" * 7):
        passed = reader.feed(piece)
        assert len(passed) >= len(piece) - len("\r\n--b")
    assert reader.feed(b"\r\n--b--\r\nafter") == b""
    assert reader.done
    assert reader.feed(b"ever after") == b""


def test_how_much_may_come_before_the_file() -> None:
    """Names, values and all between them count; a file does not."""
    _, body = forms.posted({"key": ""})
    room = FIELDS_BYTES_MAX - (body.index(b"content") + len("\r\n"))
    _, content = read(forms.posted({"key": "x" * room})[1], [])
    assert content == b"content"
    for cuts in ([], [100, 20_000]):
        with pytest.raises(TooManyFields):
            read(forms.posted({"key": "x" * (room + 1)})[1], cuts)


def test_fields_in_small_pieces_cost_no_more_than_they_are_long() -> None:
    """A sender of single bytes makes no work of ours that grows with their square."""
    _, body = forms.posted({f"x-{number}": "y" * 100 for number in range(90)})
    begun = time.perf_counter()
    read(body, list(range(len(body))))
    assert time.perf_counter() - begun < 2.0


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('filename="cat.jpg"', "cat.jpg"),
        ('filename="C:\\\\pictures\\\\cat.jpg"', "cat.jpg"),
        ('filename="/home/me/cat.jpg"', "cat.jpg"),
        ('filename="a\\"b%22c.jpg"', 'a"b"c.jpg'),
        ("filename=cat.jpg", "cat.jpg"),
        ("filename=\"x\"; filename*=UTF-8''caf%C3%A9.jpg", "café.jpg"),
        ("filename*=utf-8'en'..%2Fcaf%C3%A9.jpg", "café.jpg"),
        ('filename="café.jpg"', "café.jpg"),
        ('filename=""', ""),
        ("", ""),
    ],
)
def test_what_browsers_call_a_file(disposition: str, name: str) -> None:
    """Its own name, without the folders that it lies in, however it is written."""
    reader = FormReader(b"b")
    reader.feed(f'--b\r\ncontent-disposition: form-data; {disposition}; name="FILE"\r\n\r\n'.encode())
    assert (reader.file_begun, reader.file_name) == (True, name)


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("multipart/form-data; boundary=b", b"b"),
        ('multipart/form-data; charset=utf-8; Boundary="a b;c"', b"a b;c"),
        ("multipart/form-data; boundary=" + "b" * 70, b"b" * 70),
    ],
)
def test_boundaries(kind: str, boundary: bytes) -> None:
    """As the header names them."""
    assert multipart.boundary_of(kind) == boundary


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", "m; boundary=" + "b" * 71])
def test_boundaries_that_cannot_be(kind: str) -> None:
    """None, and one that is too long."""
    with pytest.raises(MalformedForm):
        multipart.boundary_of(kind)


def test_fields_of_the_same_name_and_the_file_s_name_in_all_of_them() -> None:
    """They are joined, as headers are."""
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % pair
        for pair in ((b"A", b"1"), (b"a", b"2"), (b"key", b"up/${filename}/${filename}"))
    )
    reader = FormReader(b"b")
    reader.feed(body + b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
    assert reader.named() == {"a": "1,2", "key": "up/f/f"}
