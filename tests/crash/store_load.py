"""A store under load, until its process is killed: several threads, each writing its own numbered records.

Each acknowledged one is told on stdout: `thread number`.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

from pilvi.state.sqlite import SqliteStore
from pilvi.state.stage import INLINE_BYTES_MAX
from pilvi.state.store import OutboxEntry
from state_records import Thing
from stores import FakeClock

THREADS = 6


def content(thread: int, number: int) -> bytes:
    """Every fourth one is large."""
    size = INLINE_BYTES_MAX + 100 if number % 4 == 3 else 200
    return bytes([thread, number % 251]) * (size // 2)


def write_for_ever(store: SqliteStore, thread: int) -> None:
    number = 0
    while True:
        stage = store.stage()
        stage.write(content(thread, number))
        staged = stage.finish({}, {})

        def attempt(tx: Any, number: int = number) -> None:
            tx[Thing].put(Thing(f"t{thread}", number, parts=(tx.blobs.publish(staged),)))  # noqa: B023 - runs at once
            tx.publish(f"t{thread}", str(number).encode())
            if number >= 2:
                older = tx[Thing].get(f"t{thread}", number - 2, b"")
                tx.blobs.release(older.parts[0])
                tx[Thing].put(Thing(f"t{thread}", number - 2))

        store.write(attempt)
        os.write(1, f"{thread} {number}\n".encode())
        number += 1


def main() -> None:
    store = SqliteStore.open(Path(sys.argv[1]), [Thing, OutboxEntry], clock=FakeClock())
    for thread in range(THREADS):
        threading.Thread(target=write_for_ever, args=(store, thread), daemon=True).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
