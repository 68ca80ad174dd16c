"""The outbox from the deliverer's side: what is due, what comes again later, what is done with.

An entry is written in the transaction that made the change it tells of, and removed in the one that records its delivery:
at least once, never lost, in between.
"""

from collections.abc import Iterator

import msgspec

from pilvi.state.store import OutboxEntry, Tx


def due(tx: Tx, topic: str, now_ms: int, limit: int) -> Iterator[OutboxEntry]:
    """Entries of a topic whose time has come, the longest due first."""
    return tx[OutboxEntry].scan(topic, index="due", end=now_ms + 1, limit=limit)


def next_due_ms(tx: Tx, topic: str) -> int | None:
    """When the topic's next entry is due (perhaps in the past); None when there is none."""
    first = next(tx[OutboxEntry].scan(topic, index="due", limit=1), None)
    return first.due_ms if first else None


def reschedule(tx: Tx, entry: OutboxEntry, due_ms: int, failure: str = "") -> OutboxEntry:
    """One more attempt has failed: the entry as it is now, due again at `due_ms`."""
    later = msgspec.structs.replace(entry, due_ms=due_ms, attempts=entry.attempts + 1, failure=failure)
    tx[OutboxEntry].put(later)
    return later


def remove(tx: Tx, entry: OutboxEntry) -> bool:
    """Delivered, or given up; whether it was still there."""
    return tx[OutboxEntry].delete(entry.id)
