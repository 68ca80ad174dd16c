"""The process that is killed while it does the store's workload: see crash.mortal; "batches": steps share commits."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from crash import store_workload as workload
from crash.mortal import Fate, MortalDisk, serve, watch_statements
from pilvi.state.sqlite import SqliteStore
from stores import FakeClock


def run(order: dict[str, Any]) -> int:
    """The workload; the number of events. Each acknowledged step is written down, as a client would remember it."""
    fate = Fate(order["kill_at"])
    watch_statements(fate)
    folder = Path(order["folder"])
    store = SqliteStore.open(folder, workload.RECORDS, clock=FakeClock(), disk=MortalDisk(fate))
    with open(order["acks"], "ab", buffering=0) as acks:
        if order["batches"]:
            in_batches(store, acks)
        else:
            for step in range(workload.STEPS):
                store.write(workload.take_step(store, step))
                acks.write(b".")
    store.close()
    return fate.count


def in_batches(store: SqliteStore, acks: Any) -> None:
    """All steps submitted while the writer is held back: they share commits."""
    answered = threading.Semaphore(0)
    entered, go = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        entered.set()
        go.wait()

    def done(_: Any, error: BaseException | None) -> None:
        assert error is None
        acks.write(b".")
        answered.release()

    store.submit(hold, lambda *_: None)
    entered.wait()
    for step in range(workload.STEPS):
        store.submit(workload.take_step(store, step), done)
    go.set()
    for _ in range(workload.STEPS):
        answered.acquire()


if __name__ == "__main__":
    serve(run)
