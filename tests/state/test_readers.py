"""Snapshots that follow each other while nothing changes share one SQLite transaction; nobody sees less for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

import pytest

from pilvi.state import readers
from pilvi.state.connection import Session
from pilvi.state.sqlite import SqliteStore
from pilvi.state.stage import INLINE_BYTES_MAX
from pilvi.state.store import Record, TableSpec
from stores import open_store

MIB = 1 << 20


class Counter(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("test_counter", key=("name",), remembered=True)

    name: str
    value: int


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with open_store(tmp_path / "data", Counter) as opened:
        yield opened


def put(store: SqliteStore, value: int) -> None:
    store.write(lambda tx: tx[Counter].put(Counter("a", value)))


def value(store: SqliteStore) -> int:
    with store.read() as tx:
        found = tx[Counter].get("a")
    return found.value if found else 0


def outsider(folder: Path) -> sqlite3.Connection:
    """Somebody's sqlite3 shell."""
    return sqlite3.connect(folder / "data" / "data.db", isolation_level=None, timeout=0)


def statements(store: SqliteStore) -> list[str]:
    """What the resting connection is told from now on."""
    with store.read():
        pass
    told: list[str] = []
    store._readers._resting[-1].session.connection.set_trace_callback(told.append)
    return told


def test_reads_in_a_burst_share_a_transaction(store):
    """Neither BEGIN nor COMMIT between them, and a remembered record is read once."""
    put(store, 1)
    told = statements(store)
    assert [value(store) for _ in range(10)] == [1] * 10
    assert sum(text.startswith("SELECT") for text in told) == 1
    assert not {"BEGIN", "COMMIT"}.intersection(told)


def test_who_was_told_of_a_write_sees_it(store):
    """Readers of two threads never see less than what was acknowledged before they began."""
    acknowledged = [0]
    late: list[tuple[int, int]] = []
    over = Event()

    def read() -> None:
        while not over.is_set():
            least = acknowledged[0]
            seen = value(store)
            if seen < least:
                late.append((seen, least))

    threads = [Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, 50):
        put(store, number)
        acknowledged[0] = number
        assert value(store) == number
    over.set()
    for thread in threads:
        thread.join()
    assert late == []


def test_a_snapshot_stays_what_it_was(store):
    """A commit during a snapshot is not seen in it, remembered or not, and is seen in the next one."""
    put(store, 1)
    with store.read() as tx:
        before = [tx[Counter].get("a")]
        put(store, 2)
        before += [tx[Counter].get("a"), next(tx[Counter].scan("a"))]
    assert [found.value for found in before if found] == [1, 1, 1]
    assert value(store) == 2


def test_nothing_old_is_held_after_a_write(store, tmp_path):
    """The log can be emptied by whoever wants to: no resting snapshot from before the write is in the way."""
    put(store, 1)
    value(store)
    put(store, 2)
    busy, _, _ = outsider(tmp_path).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


def test_a_snapshot_that_outlasts_a_write_does_not_rest(store, tmp_path):
    """It was in use when its time was over, and is ended when it is given back."""
    put(store, 1)
    with store.read() as tx:
        tx[Counter].get("a")
        put(store, 2)
    busy, _, _ = outsider(tmp_path).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


def test_the_log_does_not_grow_under_reads_and_writes(store, tmp_path, monkeypatch):
    """It starts anew when it is copied, though a snapshot from before the copy always rests."""
    written = store._janitor.written

    def read_and_look(session: Session, pages: int) -> bool:
        value(store)
        return written(session, pages)

    monkeypatch.setattr(store._janitor, "written", read_and_look)
    data = bytes(INLINE_BYTES_MAX)
    for _ in range(600):
        store.write(lambda tx: tx.blobs.add(data))
    assert (tmp_path / "data" / "data.db-wal").stat().st_size < 60 * MIB


def test_changes_from_outside_are_seen_after_a_while(store, tmp_path, monkeypatch):
    """A resting snapshot is not used for ever, even when this process writes nothing."""
    now = [1_000.0]
    monkeypatch.setattr(readers, "monotonic", lambda: now[0])
    put(store, 1)
    assert value(store) == 1
    outsider(tmp_path).execute("UPDATE test_counter SET doc = json_set(doc, '$.value', 7)")
    now[0] += readers.REST_SECONDS_MAX + 0.1
    assert value(store) == 7


def test_a_connection_that_failed_is_not_used_again(store):
    """Its transaction may be in any state."""
    put(store, 1)
    value(store)
    failed = store._readers._resting[-1]
    with pytest.raises(sqlite3.OperationalError), store.read():
        raise sqlite3.OperationalError("disk I/O error")
    assert failed not in store._readers._resting
    assert value(store) == 1


def test_what_is_remembered_is_bounded(store):
    """However many records a burst of reads asks for."""
    names = [f"{number:03}" for number in range(readers.KNOWN_MAX * 3)]
    store.write(lambda tx: [tx[Counter].put(Counter(name, 1)) for name in names])
    for name in names:
        with store.read() as tx:
            assert tx[Counter].get(name) == Counter(name, 1)
    assert len(store._readers._resting[-1].known) <= readers.KNOWN_MAX
