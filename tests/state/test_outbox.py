"""The outbox: events are as durable as the change they tell of."""

from __future__ import annotations

from typing import Any

import msgspec

from pilvi.state.store import OutboxEntry
from state_records import Word


def due(store: Any, topic: str, now_ms: int, limit: int = 100) -> list[bytes]:
    with store.read() as tx:
        return [entry.body for entry in tx[OutboxEntry].scan(topic, index="due", end=now_ms + 1, limit=limit)]


def test_an_event_is_due_at_once_unless_told_otherwise(backend):
    """It carries its time, and survives a reopening."""
    store = backend.open(Word)
    now = backend.clock.now_ms()
    first = store.write(lambda tx: tx.publish("t", b"\x00now", key="k"))
    later = store.write(lambda tx: tx.publish("t", b"later", due_ms=now + 1))
    store = backend.open(Word)
    assert first < later
    assert (due(store, "t", now), due(store, "t", now + 1)) == ([b"\x00now"], [b"\x00now", b"later"])
    with store.read() as tx:
        assert tx[OutboxEntry].get(first) == OutboxEntry(first, "t", "k", now, now, 0, b"\x00now")


def test_topics_are_apart(backend):
    """Each has its own order: the longest due first, then the first published."""
    store = backend.open(Word)
    for body, moment in ((b"c", 30), (b"a", 10), (b"b1", 20), (b"b2", 20)):
        store.write(lambda tx, body=body, moment=moment: tx.publish("t", body, due_ms=moment))
    store.write(lambda tx: tx.publish("u", b"other", due_ms=5))
    assert due(store, "t", 100) == [b"a", b"b1", b"b2", b"c"]
    assert due(store, "t", 20, limit=2) == [b"a", b"b1"]
    assert due(store, "u", 100) == [b"other"]
    assert due(store, "v", 100) == []


def test_a_failed_delivery_comes_again(backend):
    """At its new time, and no longer at the old one."""
    store = backend.open(Word)
    store.write(lambda tx: tx.publish("t", b"x", due_ms=10))

    def fail(tx: Any) -> None:
        (entry,) = tx[OutboxEntry].scan("t", index="due")
        tx[OutboxEntry].put(msgspec.structs.replace(entry, due_ms=50, attempts=1, failure="timed out"))

    store.write(fail)
    assert (due(store, "t", 49), due(store, "t", 50)) == ([], [b"x"])


def test_a_delivered_event_is_gone(backend):
    """Removing it twice does no harm."""
    store = backend.open(Word)
    store.write(lambda tx: tx.publish("t", b"x", due_ms=10))
    with store.read() as tx:
        (entry,) = tx[OutboxEntry].scan("t", index="due")
    assert store.write(lambda tx: tx[OutboxEntry].delete(entry.id)) is True
    assert store.write(lambda tx: tx[OutboxEntry].delete(entry.id)) is False
    assert due(store, "t", 100) == []


def test_listeners_hear_of_published_and_notified_topics(backend):
    """Once per commit, all of them together; a commit without any is no news."""
    store = backend.open(Word)
    told: list[frozenset[str]] = []
    store.on_commit(told.append)
    store.on_commit(told.append)

    def attempt(tx: Any) -> None:
        tx.publish("a", b"")
        tx.publish("a", b"")
        tx.notify("b")

    store.write(attempt)
    store.write(lambda tx: tx[Word].put(Word("quiet")))
    store.write(lambda tx: tx.notify("c"))
    backend.close()
    assert told == [frozenset("ab")] * 2 + [frozenset("c")] * 2
