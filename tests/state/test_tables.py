"""Tables: what is put is got, in order, within bounds."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilvi.state.sqlite import SqliteStore
from pilvi.state.store import Record, TableSpec
from state_records import Named, Thing, Word
from stores import FakeClock


def put_all(store: Any, *records: Record) -> None:
    def attempt(tx: Any) -> None:
        for record in records:
            tx[type(record)].put(record)

    store.write(attempt)


def test_a_record_comes_back_as_it_was(backend):
    """Every field survives, in columns and in the document, across a reopening."""
    thing = Thing(
        "here\x00\U0001f600", -(2**63), b"\x00\xff", 2**63 - 1, True, "old", "a\x00b", {"é": "\n"}, (1, 2), b"\xfe"
    )
    named = Named(title="t", name="n", rank=-1)
    put_all(backend.open(Thing, Word, Named), thing, Word(""), named)
    with backend.open(Thing, Word, Named).read() as tx:
        assert tx[Thing].get("here\x00\U0001f600", -(2**63), b"\x00\xff") == thing
        assert tx[Word].get("") == Word("")
        assert tx[Named].get("n") == named


def test_get_of_what_is_not_there_is_none(backend):
    """Each part of the key counts."""
    store = backend.open(Thing)
    put_all(store, Thing("a", 1, b"x"))
    with store.read() as tx:
        assert tx[Thing].get("a", 1, b"y") is None
        assert tx[Thing].get("a", 2, b"x") is None
        assert tx[Thing].get("A", 1, b"x") is None


def test_put_replaces_the_whole_record(backend):
    """Nothing of the old one stays, neither in the document nor in an index."""
    store = backend.open(Thing)
    put_all(store, Thing("a", size=1, note="old", labels={"k": "v"}))
    put_all(store, Thing("a", size=2))
    with store.read() as tx:
        assert list(tx[Thing].scan()) == [Thing("a", size=2)]
        assert list(tx[Thing].scan("a", 1, index="size")) == []
        assert list(tx[Thing].scan("a", 2, index="size")) == [Thing("a", size=2)]


def test_add_changes_nothing_when_the_key_exists(backend):
    """It says so, and the first record stays."""
    store = backend.open(Thing)
    assert store.write(lambda tx: tx[Thing].add(Thing("a", note="first"))) is True
    assert store.write(lambda tx: tx[Thing].add(Thing("a", note="second"))) is False
    with store.read() as tx:
        assert list(tx[Thing].scan()) == [Thing("a", note="first")]


def test_delete_says_whether_there_was_one(backend):
    """And takes it out of every index."""
    store = backend.open(Thing)
    put_all(store, Thing("a", 1), Thing("a", 2))
    assert store.write(lambda tx: tx[Thing].delete("a", 1, b"")) is True
    assert store.write(lambda tx: tx[Thing].delete("a", 1, b"")) is False
    with store.read() as tx:
        assert [thing.number for thing in tx[Thing].scan(index="size")] == [2]


def test_text_is_ordered_by_its_bytes(backend):
    """Upper case before lower, no locale, astral characters last, a prefix before what it begins."""
    words = ["", "\x00", "A", "Z", "a", "a\x00", "aa", "b", "é", "\uffff", "\U0001f600"]
    store = backend.open(Word)
    put_all(store, *(Word(word) for word in reversed(words)))
    with store.read() as tx:
        assert [word.text for word in tx[Word].scan()] == words == sorted(words, key=str.encode)
        assert [word.text for word in tx[Word].scan(reverse=True)] == words[::-1]


def test_numbers_and_bytes_are_ordered(backend):
    """Numbers by value, bytes by byte."""
    store = backend.open(Thing)
    keys = list(itertools.product([-10, -9, 0, 2, 10], [b"", b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff\x00"]))
    put_all(store, *(Thing("p", number, tag) for number, tag in reversed(keys)))
    with store.read() as tx:
        assert [(thing.number, thing.tag) for thing in tx[Thing].scan("p")] == keys


ROWS = [Thing(place, number, tag) for place in "abc" for number in (1, 2, 3) for tag in (b"x", b"y")]


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        ((), {}, ROWS),
        (("b",), {}, ROWS[6:12]),
        (("b", 2), {}, ROWS[8:10]),
        (("b", 2, b"y"), {}, ROWS[9:10]),
        (("d",), {}, []),
        ((), {"start": "b"}, ROWS[6:]),
        ((), {"after": "b"}, ROWS[12:]),
        ((), {"end": "b"}, ROWS[:6]),
        ((), {"start": ("b", 2)}, ROWS[8:]),
        ((), {"after": ("b", 2)}, ROWS[10:]),
        ((), {"after": ("b", 2, b"x")}, ROWS[9:]),
        ((), {"end": ("b", 2, b"y")}, ROWS[:9]),
        (("b",), {"start": 2, "end": 3}, ROWS[8:10]),
        (("b",), {"after": (1, b"x"), "end": (3, b"y")}, ROWS[7:11]),
        (("b",), {"start": 3, "after": 1}, ROWS[10:12]),
        (("b",), {"after": 2, "reverse": True}, ROWS[10:12][::-1]),
        (("b",), {"end": (2, b"y"), "reverse": True, "limit": 2}, ROWS[7:9][::-1]),
        ((), {"limit": 3}, ROWS[:3]),
        ((), {"limit": 0}, []),
        ((), {"reverse": True, "limit": 1}, ROWS[-1:]),
        (("b", 2), {"start": b"\x00", "end": b"y"}, ROWS[8:9]),
        ((), {"start": "c", "end": "b"}, []),
    ],
)
def test_scan_keeps_to_its_bounds(backend, arguments, options, expected):
    """Prefix, inclusive and exclusive ends, tuples of several fields, both directions, a limit."""
    store = backend.open(Thing)
    put_all(store, *ROWS)
    with store.read() as tx:
        assert list(tx[Thing].scan(*arguments, **options)) == expected


def test_an_index_is_ordered_by_its_fields_and_then_the_key(backend):
    """So that a page can go on after the last record of the one before."""
    store = backend.open(Thing)
    things = [Thing("p", number, size=number % 3) for number in range(9)]
    put_all(store, *things, Thing("q", 1))
    ordered = sorted(things, key=lambda thing: (thing.size, thing.number))
    with store.read() as tx:
        table = tx[Thing]
        assert list(table.scan("p", index="size")) == ordered
        assert list(table.scan("p", 1, index="size")) == ordered[3:6]
        assert list(table.scan("p", index="size", after=(1, 4))) == ordered[5:]
        assert list(table.scan("p", index="size", after=(1, 4, b""))) == ordered[5:]
        assert list(table.scan("p", 1, index="size", reverse=True, end=7)) == [things[4], things[1]]


def test_flags_and_words_are_index_fields(backend):
    """A bool comes back as a bool."""
    store = backend.open(Thing)
    put_all(store, Thing("a", open=True, state="old"), Thing("b"), Thing("c", open=True))
    with store.read() as tx:
        found = list(tx[Thing].scan(True, index="state"))
        assert [thing.place for thing in found] == ["c", "a"]
        assert found[0].open is True
        assert [thing.place for thing in tx[Thing].scan(True, "old", index="state")] == ["a"]


def test_count_counts_what_scan_yields(backend):
    """By prefix, of the key and of an index."""
    store = backend.open(Thing)
    put_all(store, *ROWS)
    with store.read() as tx:
        assert [tx[Thing].count(), tx[Thing].count("b"), tx[Thing].count("b", 2), tx[Thing].count("z")] == [18, 6, 2, 0]
        assert tx[Thing].count("b", 0, index="size") == 6


def test_a_scan_streams(backend):
    """Looking at the first record of many does not read the others; other statements may run meanwhile."""
    store = backend.open(Thing)
    put_all(store, *(Thing("p", number) for number in range(500)))
    with store.read() as tx:
        scan = tx[Thing].scan("p")
        assert next(scan).number == 0
        assert tx[Thing].get("p", 400, b"") is not None
        other = tx[Thing].scan("p", reverse=True)
        assert [next(other).number, next(scan).number, next(other).number] == [499, 1, 498]
    put_all(store, Thing("q"))  # the half-read scans keep nobody waiting
    with store.read() as tx:
        assert tx[Thing].get("q", 0, b"") is not None


def test_what_a_scan_yields_may_be_deleted_or_replaced_at_once(backend):
    """Each record is seen once, also when it is changed as soon as it is seen."""
    store = backend.open(Thing)
    put_all(store, *(Thing("p", number) for number in range(300)))

    def replace(tx: Any) -> list[int]:
        seen = []
        for thing in tx[Thing].scan("p"):
            seen.append(thing.number)
            tx[Thing].put(msgspec.structs.replace(thing, note="seen"))
        return seen

    def delete(tx: Any) -> list[str | None]:
        seen = []
        for thing in tx[Thing].scan("p"):
            seen.append(thing.note)
            tx[Thing].delete(thing.place, thing.number, thing.tag)
        return seen

    assert store.write(replace) == list(range(300))
    assert store.write(delete) == ["seen"] * 300
    with store.read() as tx:
        assert tx[Thing].count() == 0


def test_a_scan_of_too_many_fields_is_a_mistake(backend):
    """It says so instead of finding nothing."""
    store = backend.open(Thing)
    with store.read() as tx:
        with pytest.raises(TypeError):
            tx[Thing].scan("a", 1, b"", "more")
        with pytest.raises(TypeError):
            tx[Thing].scan("a", 1, start=(b"", "more"))
        with pytest.raises(TypeError):
            tx[Thing].count("a", 1, b"", "more")
        with pytest.raises(KeyError):
            tx[Thing].scan(index="none")


def test_a_record_type_that_the_store_was_not_opened_with_is_a_mistake(backend):
    """KeyError, not an empty table."""
    store = backend.open(Thing)
    with store.read() as tx, pytest.raises(KeyError):
        tx[Word].get("a")


class Odd(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("test_odd", key=("name",))

    name: float


class Missing(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("test_missing", key=("name",), indexes={"x": ("size",)})

    name: str


@pytest.mark.parametrize("record", [Odd, Missing])
def test_a_key_is_text_number_or_bytes_of_the_record(backend, record):
    """Anything else is refused when the store opens, by name."""
    with pytest.raises(TypeError, match=record.__name__):
        backend.open(record)


def test_a_view_reads_some_fields_and_stores_none(backend):
    """The same rows in the same order, with the fields that were asked for; putting one would lose the others."""

    class Whole(Record, frozen=True, omit_defaults=True):
        spec: ClassVar[TableSpec] = TableSpec("test_whole", key=("group", "name"))

        group: int
        name: str
        size: int = 0
        notes: str = ""

    class Line(Record, frozen=True):
        spec: ClassVar[TableSpec] = TableSpec("test_whole", key=("group", "name"), view=True)

        group: int
        name: str
        size: int = 0

    store = backend.open(Whole)
    store.write(lambda tx: [tx[Whole].put(Whole(1, name, len(name), "more")) for name in ("b", "aaa", "cc")])
    with store.read() as tx:
        assert list(tx[Line].scan(1, after="aaa")) == [Line(1, "b", 1), Line(1, "cc", 2)]
        assert tx[Line].get(1, "aaa") == Line(1, "aaa", 3)
    with pytest.raises(TypeError):
        store.write(lambda tx: tx[Line].put(Line(1, "b", 7)))


def test_what_begins_alike_is_cleared_at_once(backend):
    """Records with the leading values go, from indexes too; others stay; whole tables are never emptied."""
    store = backend.open(Thing)
    put_all(store, *(Thing(place, number, b"") for place in "abc" for number in range(3)))
    assert store.write(lambda tx: (tx[Thing].clear("b"), tx[Thing].clear("a", 1), tx[Thing].clear("z"))) == (3, 1, 0)
    with store.read() as tx:
        assert [(thing.place, thing.number) for thing in tx[Thing].scan()] == [
            ("a", 0), ("a", 2), ("c", 0), ("c", 1), ("c", 2),
        ]  # fmt: skip
    with pytest.raises(AssertionError, match="whole tables"):
        store.write(lambda tx: tx[Thing].clear())


HOSTILE = ["", "\x00", "a\x00b", "a", "a,b", '"', "\\", "\n", "é", "\ud7ff", "\ue000", "\U0010ffff", "z" * 1_000]


class Line(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("test_line", key=("group", "name"), indexes={"size": ("size",)})

    group: int
    name: str
    size: int = 0
    notes: str = ""
    tags: tuple[str, ...] = ()


@settings(max_examples=50, deadline=None)
@given(
    names=st.lists(st.sampled_from(HOSTILE) | st.text(max_size=5), unique=True),
    bounds=st.tuples(st.none() | st.sampled_from(HOSTILE), st.none() | st.sampled_from(HOSTILE)),
    limit=st.integers(0, 20),
)
def test_columns_are_what_a_scan_finds(names, bounds, limit):
    """Field by field, in the same order, within the same bounds, whatever the names are."""
    with TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "data", [Line], clock=FakeClock())
        try:
            lines = [Line(1, name, len(name), name[::-1], (name,) * (len(name) % 3)) for name in names]
            put_all(store, *lines, Line(0, "other"), Line(2, "other"))
            start, end = bounds
            with store.read() as tx:
                rows = list(tx[Line].scan(1, start=start, end=end, limit=limit))
                found = tx[Line].columns(1, start=start, end=end, limit=limit)
            assert found == {field: [getattr(row, field) for row in rows] for field in ("name", "notes", "tags")}
        finally:
            store.close()
