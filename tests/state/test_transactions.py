"""Transactions: whole or not at all, seen by others only when committed, over when over."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest

from pilvi.core.errors import CloudError
from pilvi.state.errors import Conflict, ReadOnly, TransactionOver
from pilvi.state.store import OutboxEntry
from state_records import Thing, Word


class Refused(CloudError):
    code = "Refused"


def words(store: Any) -> list[str]:
    with store.read() as tx:
        return [word.text for word in tx[Word].scan()]


def test_returning_commits_and_the_result_is_handed_back(backend):
    """Also across a reopening."""
    store = backend.open(Word)
    assert store.write(lambda tx: (tx[Word].put(Word("a")), "answer")[1]) == "answer"
    assert words(backend.open(Word)) == ["a"]


def test_raising_undoes_everything_and_raises_to_the_caller(backend):
    """Records, events and blobs; the store goes on."""
    store = backend.open(Word)
    told: list[frozenset[str]] = []
    store.on_commit(told.append)

    def attempt(tx: Any) -> None:
        tx[Word].put(Word("a"))
        tx.publish("topic", b"event")
        tx.notify("other")
        tx.blobs.add(b"bytes")
        raise Refused("no")

    with pytest.raises(Refused, match="no"):
        store.write(attempt)
    store.write(lambda tx: tx[Word].put(Word("b")))
    with store.read() as tx:
        assert words(store) == ["b"]
        assert list(tx[OutboxEntry].scan()) == []
        with pytest.raises(KeyError):
            tx.blobs.size(1)
    assert told == []


def test_a_snapshot_sees_what_was_committed_when_it_began(backend):
    """Whatever is written meanwhile; a snapshot begun later sees that."""
    store = backend.open(Word)
    store.write(lambda tx: tx[Word].put(Word("a")))
    with store.read() as before:
        assert before[Word].count() == 1
        store.write(lambda tx: tx[Word].put(Word("b")))
        with store.read() as after:
            assert before[Word].get("b") is None
            assert after[Word].get("b") == Word("b")
            assert before[Word].count() == 1


def test_an_attempt_sees_its_own_changes(backend):
    """And those of attempts before it."""
    store = backend.open(Word)

    def attempt(tx: Any) -> list[str]:
        tx[Word].put(Word("b"))
        tx[Word].put(Word("a"))
        tx[Word].delete("b")
        return [word.text for word in tx[Word].scan()]

    assert store.write(attempt) == ["a"]


def test_a_snapshot_changes_nothing(backend):
    """Every way to change something raises."""
    store = backend.open(Word)
    blob = store.write(lambda tx: tx.blobs.add(b"x"))
    with store.read() as tx:
        for change in (
            lambda: tx[Word].put(Word("a")),
            lambda: tx[Word].add(Word("a")),
            lambda: tx[Word].delete("a"),
            partial(tx.next_id, "n"),
            partial(tx.publish, "t", b""),
            partial(tx.notify, "t"),
            lambda: tx.blobs.add(b""),
            lambda: tx.blobs.share(blob),
            lambda: tx.blobs.release(blob),
        ):
            with pytest.raises(ReadOnly):
                change()
        with tx.savepoint():
            assert tx.blobs.read(blob) == b"x"


@pytest.mark.parametrize("kind", ["read", "write"])
def test_nothing_works_after_the_end(backend, kind):
    """A transaction, its tables, scans and blobs raise; they cannot touch a later transaction."""
    store = backend.open(Word)
    store.write(lambda tx: [tx[Word].put(Word(text)) for text in "abc"])
    store.write(lambda tx: tx.next_id("n"))
    kept: list[Any] = []

    def keep(tx: Any) -> None:
        scan = tx[Word].scan()
        next(scan)
        kept.extend((tx, tx[Word], scan, tx.blobs))

    if kind == "write":
        store.write(keep)
    else:
        with store.read() as tx:
            keep(tx)
    tx, table, scan, blobs = kept
    for use in (
        lambda: tx[Word].get("a"),
        lambda: table.get("a"),
        table.scan,
        table.count,
        lambda: blobs.size(1),
        lambda: blobs.add(b""),
        lambda: table.put(Word("d")),
        lambda: tx.next_id("n"),
        lambda: tx.notify("t"),
        lambda: tx.publish("t", b""),
    ):
        with pytest.raises(TransactionOver if kind == "write" else (TransactionOver, ReadOnly)):
            use()
    with pytest.raises(Exception, match="closed"):
        next(scan)
    if kind == "write":
        with pytest.raises(TransactionOver), tx.savepoint():
            pass
    assert words(store) == ["a", "b", "c"]


def test_an_exception_inside_a_snapshot_ends_it_and_goes_on(backend):
    """The connection is fit for the next snapshot."""
    store = backend.open(Word)
    with pytest.raises(Refused), store.read():
        raise Refused
    store.write(lambda tx: tx[Word].put(Word("a")))
    assert words(store) == ["a"]


def test_a_savepoint_is_undone_alone(backend):
    """Its changes, events, notifications and blobs; what came before and after stays."""
    store = backend.open(Word)
    told: list[frozenset[str]] = []
    store.on_commit(told.append)

    def spoil(tx: Any) -> None:
        tx[Word].put(Word("inside"))
        tx[Word].delete("before")
        tx.publish("inside", b"")
        tx.notify("inside too")
        tx.blobs.add(b"inside")
        with tx.savepoint():
            tx[Word].put(Word("deep inside"))
        raise Refused

    def attempt(tx: Any) -> None:
        tx[Word].put(Word("before"))
        with pytest.raises(Refused), tx.savepoint():
            spoil(tx)
        with tx.savepoint():
            tx[Word].put(Word("kept"))
            tx.notify("kept")
            with pytest.raises(Refused), tx.savepoint():
                spoil(tx)
        tx[Word].put(Word("later"))

    store.write(attempt)
    assert words(store) == ["before", "kept", "later"]
    assert told == [frozenset({"kept"})]


def test_numbers_are_never_given_twice(backend):
    """1, 2, 3; each sequence by itself; not again after an undone attempt or savepoint, nor after a reopening."""
    store = backend.open(Word)
    given: list[int] = []

    def take(tx: Any) -> None:
        given.append(tx.next_id("a"))

    def take_and_raise(tx: Any) -> None:
        take(tx)
        raise Refused

    def take_in_undone_part(tx: Any) -> None:
        with pytest.raises(Refused), tx.savepoint():
            take_and_raise(tx)
        take(tx)

    with pytest.raises(Refused):
        store.write(take_and_raise)
    for _ in range(3):
        store.write(take)
        with pytest.raises(Refused):
            store.write(take_and_raise)
        store.write(take_in_undone_part)
    assert store.write(lambda tx: tx.next_id("b")) == 1
    store.write(lambda tx: [take(tx) for _ in range(3_000)])
    store = backend.open(Word)
    store.write(lambda tx: [take(tx) for _ in range(3)])
    assert given[0] == 1
    assert given == sorted(set(given))


def test_numbers_begin_at_one_and_go_on_by_one(backend):
    """While nothing goes wrong."""
    store = backend.open(Word)
    assert store.write(lambda tx: [tx.next_id("a") for _ in range(5)]) == [1, 2, 3, 4, 5]
    assert [store.write(lambda tx: tx.next_id("a")) for _ in range(3)] == [6, 7, 8]


def test_a_conflict_is_tried_again_three_times_in_all(backend):
    """Each try sees a transaction without the changes of the one before."""
    store = backend.open(Word)
    tries: list[int] = []

    def attempt(tx: Any, *, succeed_at: int) -> str:
        tries.append(tx[Word].count())
        tx[Word].put(Word("x"))
        if len(tries) < succeed_at:
            raise Conflict
        return "done"

    assert store.write(lambda tx: attempt(tx, succeed_at=3)) == "done"
    assert tries == [0, 0, 0]
    store.write(lambda tx: tx[Word].delete("x"))
    tries.clear()
    with pytest.raises(CloudError) as raised:
        store.write(lambda tx: attempt(tx, succeed_at=4))
    assert (raised.value.code, raised.value.status) == ("ServiceUnavailable", 503)
    assert tries == [0, 0, 0]
    assert words(store) == []


def test_snapshots_on_many_threads_are_independent(backend):
    """Each thread sees a whole state: two counters that always move together never differ."""
    store = backend.open(Thing)
    store.write(lambda tx: [tx[Thing].put(Thing("a")), tx[Thing].put(Thing("b"))])
    stop = threading.Event()
    wrong: list[Any] = []

    def look() -> None:
        while not stop.is_set():
            with store.read() as tx:
                first, second = tx[Thing].get("a", 0, b""), tx[Thing].get("b", 0, b"")
                if first.size != second.size:
                    wrong.append((first, second))

    readers = [threading.Thread(target=look) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(200):
        store.write(lambda tx, n=number: [tx[Thing].put(Thing("a", size=n)), tx[Thing].put(Thing("b", size=n))])
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_an_attempt_cannot_wait_for_another_one(backend):
    """It would wait for itself: a mistake that says so at once."""
    store = backend.open(Word)
    with pytest.raises(AssertionError):
        store.write(lambda _: store.write(lambda _: None))
