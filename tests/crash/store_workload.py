"""What the crash tests do to a store, and what must be there afterwards.

A workload is a list of steps. Step n is one transaction: it writes a record, replaces or deletes an older one, publishes
an event that tells of it, and stores, shares and releases blobs small and large. `state_after(n)` says what the store
holds when exactly the first n steps have happened; anything else is a step that happened in part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from pilvi.state.stage import INLINE_BYTES_MAX
from pilvi.state.store import OutboxEntry
from state_records import Thing

RECORDS = (Thing, OutboxEntry)
STEPS = 14
TOPIC = "steps"
LARGE_BYTES = INLINE_BYTES_MAX + 1_000


class State(msgspec.Struct, frozen=True):
    """Everything that can be seen: records, events, and the bytes and references of blobs by the step that made them."""

    numbers: dict[int, int]
    events: list[int]
    blobs: dict[int, bytes]


def content(step: int) -> bytes:
    """Every third one is large."""
    size = LARGE_BYTES + step if step % 3 == 2 else 50 + step
    return step.to_bytes(2, "big") * (size // 2)


def state_after(steps: int) -> State:
    numbers: dict[int, int] = {}
    events: list[int] = []
    blobs: dict[int, bytes] = {}
    for step in range(steps):
        numbers[step] = step
        blobs[step] = content(step)
        events.append(step)
        if step >= 4:
            numbers[step - 2] = step
            del numbers[step - 4], blobs[step - 4]
        if step % 5 == 4:
            events.pop(0)
    return State(numbers, events, blobs)


def take_step(store: Any, step: int) -> Any:
    """Receives the step's body; its attempt. The blob's id is kept in the record."""
    stage = store.stage()
    body = content(step)
    for at in range(0, len(body), 100_000):
        stage.write(body[at : at + 100_000])
    staged = stage.finish({}, {})

    def attempt(tx: Any) -> None:
        blob = tx.blobs.publish(staged)
        tx[Thing].put(Thing("p", step, size=step, parts=(blob,)))
        tx.publish(TOPIC, str(step).encode(), due_ms=step + 1)
        if step >= 4:
            newer = tx[Thing].get("p", step - 2, b"")
            tx[Thing].put(msgspec.structs.replace(newer, size=step))
            older = tx[Thing].get("p", step - 4, b"")
            tx.blobs.share(older.parts[0])
            tx.blobs.release(older.parts[0])
            tx.blobs.release(older.parts[0])
            tx[Thing].delete("p", step - 4, b"")
        if step % 5 == 4:
            (due,) = tx[OutboxEntry].scan(TOPIC, index="due", end=step + 1, limit=1)
            tx[OutboxEntry].delete(due.id)

    return attempt


def look(store: Any) -> State:
    """What the store holds now; blobs are those that records name."""
    with store.read() as tx:
        things = list(tx[Thing].scan("p"))
        events = [int(entry.body) for entry in tx[OutboxEntry].scan(TOPIC, index="due")]
        blobs = {thing.number: tx.blobs.read(thing.parts[0]) for thing in things}
        assert tx.execute("SELECT count(*) FROM blobs", ()).fetchone()[0] == len(things), "a row of a blob leaked"
        assert tx.execute("SELECT count(*) FROM blobs WHERE refs <> 1", ()).fetchone()[0] == 0
        return State({thing.number: thing.size for thing in things}, events, blobs)


def leaked_files(folder: Path, state: State) -> int:
    """How many more files there are than large blobs."""
    found = sum(path.is_file() for top in ("blobs", "staging") for path in (folder / top).rglob("*"))
    return found - sum(len(data) > INLINE_BYTES_MAX for data in state.blobs.values())
