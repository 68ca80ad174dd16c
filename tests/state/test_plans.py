"""Every scan is a search in order: never the whole table, never a sort."""

from __future__ import annotations

import itertools

import pytest

from pilvi.state.layout import Layout
from pilvi.state.sqlite import SqliteStore
from pilvi.state.store import OutboxEntry
from state_records import Thing


def plan(store: SqliteStore, sql: str, values: int) -> str:
    with store.read() as tx:
        rows = tx.scan(f"EXPLAIN QUERY PLAN {sql}", (1,) * values)
        return "; ".join(row[3] for row in rows)


FORMS = [
    (prefix, bounds, reverse)
    for prefix in range(4)
    for bounds in itertools.product(range(3), repeat=3)
    for reverse in (False, True)
    if prefix + max(bounds) <= 3 and sum(map(bool, bounds)) <= 2
]


@pytest.mark.parametrize("index", ["", "size", "state"])
def test_every_form_of_scan_uses_its_index(backend, index):
    """With any prefix and bounds: SEARCH with all of them, no temporary B-tree; without any, the index in its order."""
    store = backend.open(Thing)
    path = Layout(Thing).paths[index]
    for prefix, (start, after, end), reverse in FORMS:
        sql = path.scan(prefix, start, after, end, reverse)
        found = plan(store, sql, prefix + start + after + end + 1)
        bounded = prefix or start or after or end
        assert found.startswith("SEARCH test_thing USING" if bounded else "SCAN test_thing"), (sql, found)
        assert "TEMP B-TREE" not in found, (sql, found)
        assert (f"test_thing__{index}" if index else "PRIMARY KEY") in found or not (bounded or index), (sql, found)
        for field in path.fields[:prefix]:
            assert f"{field}=?" in found, (sql, found)
        if start or after:
            assert ">" in found, (sql, found)
        if end:
            assert "<" in found, (sql, found)


def test_counting_a_prefix_is_a_search(backend):
    """Of the key and of an index."""
    store = backend.open(Thing)
    for index, path in Layout(Thing).paths.items():
        found = plan(store, path.count(1), 1)
        assert found.startswith("SEARCH test_thing"), (index, found)


def test_clearing_a_prefix_is_a_search(backend):
    """Of the key, however few of its fields are given."""
    store = backend.open(Thing)
    assert plan(store, Layout(Thing).paths[""].clear(1), 1).startswith("SEARCH test_thing")


def test_point_reads_and_writes_use_the_key(backend):
    """get and delete."""
    store = backend.open(Thing)
    layout = Layout(Thing)
    for sql in (layout.get, layout.delete):
        assert plan(store, sql, 3) == "SEARCH test_thing USING PRIMARY KEY (place=? AND number=? AND tag=?)"


def test_due_events_are_a_search(backend):
    """However many wait for later."""
    store = backend.open()
    path = Layout(OutboxEntry).paths["due"]
    assert path.fields == ("topic", "due_ms", "id")
    assert plan(store, path.scan(1, 0, 0, 1, reverse=False), 3) == (
        "SEARCH outbox USING INDEX outbox__due (topic=? AND due_ms<?)"
    )


def test_finding_the_row_of_a_file_is_a_search(backend):
    """The sweep asks for each file."""
    found = plan(backend.open(), "SELECT 1 FROM blobs WHERE file = ?", 1)
    assert "blobs__file (file=?)" in found
