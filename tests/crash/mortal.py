"""Processes that are killed at a chosen event. Forked afresh for each run, from a parent that has everything imported.

    stdin:  one line of JSON per run: {"folder": ..., "acks": ..., "kill_at": n, ...}
    stdout: one line per run: how the child ended (0, or minus the signal), and how many events it had

An event is a file operation (before it, in its middle, after it) or a statement of the writer (before it, after it).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pilvi.state import sqlite
from pilvi.state.disk import Disk

HERE = Path(__file__).parent


class Mortal:
    """Runs work in processes that die when told. `child`: the script that does the work, see `serve`."""

    def __init__(self, child: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        )

    def run(self, folder: Path, acks: Path, kill_at: int, **more: Any) -> tuple[int, int]:
        """How it ended, and how many events there were (0 when killed). `more`: whatever the child wants to know."""
        order = {"folder": str(folder), "acks": str(acks), "kill_at": kill_at, **more}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status, count = self._process.stdout.readline().split()
        return int(status), int(count)

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


class Fate:
    """Counts events and kills the process at the chosen one, whichever thread it happens on.

    Attributes:
        armed: before, nothing counts.
    """

    def __init__(self, kill_at: int, *, armed: bool = True) -> None:
        self.count = 0
        self.armed = armed
        self._kill_at = kill_at
        self._lock = threading.Lock()

    def event(self) -> None:
        if not self.armed:
            return
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


def watch_statements(fate: Fate, *, every: bool = True) -> None:
    """Events around the writer's statements; `every`: also around those that change nothing, and after each."""
    original = sqlite.open_writer

    def opened(path: Path, check: Any) -> Any:
        session = original(path, check)
        execute = session.execute

        def mortal(sql: str, *values: Any) -> Any:
            if every or not sql.startswith(("SELECT", "PRAGMA")):
                fate.event()
            result = execute(sql, *values)
            if every or sql == "COMMIT":
                fate.event()
            return result

        session.execute = mortal
        return session

    sqlite.open_writer = opened


def serve(run: Callable[[dict[str, Any]], int]) -> None:
    """In the script of a child: does `run` (which tells the number of events) in a fork of its own for each order."""
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
        counted = os.read(read_end, 100).decode() or "0"
        os.close(read_end)
        print(os.waitstatus_to_exitcode(status), counted, flush=True)


@contextmanager
def fast_folder(other: Path) -> Iterator[Path]:
    """In memory where there is such a place (else in `other`): a killed process loses nothing of it, and syncing is free."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else other) as made:
        yield Path(made)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, of this size; skips the test where none can be made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
