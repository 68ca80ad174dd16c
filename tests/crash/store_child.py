"""The process that is killed. Forked afresh for each run, from a parent that has everything imported and no threads.

    stdin:  one line of JSON per run: {"folder": ..., "acks": ..., "kill_at": n, "batches": bool}
    stdout: one line per run: how the child ended (0, or minus the signal), and how many events it had

An event is a file operation (before it, in its middle, after it) or a statement of the writer (before it, after it).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crash import store_workload as workload
from pilvi.state import sqlite
from pilvi.state.disk import Disk
from pilvi.state.sqlite import SqliteStore
from stores import FakeClock


class Fate:
    """Counts events and kills the process at the chosen one, whichever thread it happens on."""

    def __init__(self, kill_at: int) -> None:
        self.count = 0
        self._kill_at = kill_at
        self._lock = threading.Lock()

    def event(self) -> None:
        with self._lock:
            self.count += 1
            if self.count == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


class MortalDisk(Disk):
    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def create(self, path: Path) -> int:
        self._fate.event()
        return super().create(path)

    def write(self, fd: int, pieces: Sequence[bytes]) -> None:
        self._fate.event()
        data = b"".join(pieces)
        super().write(fd, [data[: len(data) // 2]])
        self._fate.event()
        super().write(fd, [data[len(data) // 2 :]])

    def sync(self, fd: int) -> None:
        self._fate.event()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._fate.event()
        super().rename(source, target)
        self._fate.event()

    def remove(self, path: Path) -> None:
        self._fate.event()
        super().remove(path)
        self._fate.event()

    def make_folder(self, path: Path) -> None:
        self._fate.event()
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self._fate.event()
        super().sync_folder(path)


def watch_statements(fate: Fate) -> None:
    original = sqlite.open_writer

    def opened(path: Path, check: Any) -> Any:
        session = original(path, check)
        execute = session.execute

        def mortal(sql: str, *values: Any) -> Any:
            fate.event()
            result = execute(sql, *values)
            fate.event()
            return result

        session.execute = mortal
        return session

    sqlite.open_writer = opened


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


def main() -> None:
    for line in sys.stdin:
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            count = run(json.loads(line))
            os.write(write_end, str(count).encode())
            os._exit(0)
        os.close(write_end)
        _, status = os.waitpid(child, 0)
        count = os.read(read_end, 100).decode() or "0"
        os.close(read_end)
        print(os.waitstatus_to_exitcode(status), count, flush=True)


if __name__ == "__main__":
    main()
