"""The files of large blobs: how they come into being, who still needs them, when they go.

    staging/<name>            being received; nobody's
    blobs/<2>/<30 digits>     complete and durable; a row of the table `blobs` names it, or an attempt is about to

A name is 32 random hexadecimal digits and never used twice. The row decides: a file without a row, and not about to get
one, is a leftover. Files are therefore durable before the row is committed, and removed only after the row's deletion is.

Removing is left to the janitor's thread: a large file takes its time to go. A reader that found a row in its snapshot may open the file a little later, when the row is already gone. So a doomed
file stays until every snapshot that began before its deletion has ended, and every OpenBlob on it is closed.
"""

import fcntl
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from pilvi.state.disk import Disk

log = logging.getLogger("pilvi.state")

Ticket = int


def path_of(blobs: Path, name: str) -> Path:
    """Where a complete file lies."""
    return blobs / name[:2] / name[2:]


class Standing(Enum):
    """A complete file whose row is not committed."""

    LOOSE = "finished, offered to nobody yet"
    CLAIMED = "an attempt has written its row"
    UNWANTED = "claimed, and its owner gave up: goes if the attempt is undone"


class BlobFiles:
    """The blob files of one data folder. Any thread."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.disk = disk
        self.on_burial: Callable[[], None] = _nobody  # called, on any thread, when `bury` may find something to do
        self._staging = folder / "staging"
        self._blobs = folder / "blobs"
        for path in (self._staging, self._blobs):
            if not path.exists():
                disk.make_folder(path)
        self.waiting = False  # whether something could not be buried because somebody else holds the files
        self.verified: dict[str, float] = {}  # small files whose bytes were found as they were stored -> valid until
        self._lock = threading.Lock()
        self._removing = threading.Lock()
        self._receiving: set[str] = set()
        self._standing: dict[str, Standing] = {}
        self._pins: dict[str, int] = {}
        self._doomed: dict[str, int] = {}  # file -> the commit that deleted its row
        self._commits = 0
        self._last_doom = 0
        self._tickets = itertools.count()
        self._snapshots: dict[Ticket, int] = {}  # -> the last commit it certainly sees

    def path(self, name: str) -> Path:
        return path_of(self._blobs, name)

    # -- coming into being -------------------------------------------------------------------------------------------

    def begin(self) -> tuple[str, int]:
        """A new name and its empty staging file, open for writing."""
        name = os.urandom(16).hex()
        with self._lock:
            self._receiving.add(name)
        try:
            return name, self.disk.create(self._staging / name)
        except BaseException:
            self._receiving.discard(name)
            raise

    def settle(self, name: str) -> Path:
        """Moves a written and synced file to where it stays; loose from now on."""
        target = self.path(name)
        with self._lock:
            self._standing[name] = Standing.LOOSE
        try:
            self.disk.rename(self._staging / name, target)
        except FileNotFoundError:
            self.disk.make_folder(target.parent)
            self.disk.rename(self._staging / name, target)
        self.disk.sync_folder(target.parent)
        self._receiving.discard(name)
        return target

    def abandon(self, name: str) -> None:
        """Nobody wants it: removes it, unless an attempt is just making it part of the truth."""
        with self._lock:
            standing = self._standing.get(name)
            if standing is not None and standing is not Standing.LOOSE:
                self._standing[name] = Standing.UNWANTED
                return
            self._standing.pop(name, None)
            if standing is None and name not in self._receiving:
                return  # it has its row, or is gone
        self._remove(self._staging / name)
        self._remove(self.path(name))
        self._receiving.discard(name)

    def claim(self, name: str) -> None:
        """An attempt writes the row.

        Raises:
            LookupError: it was abandoned, or already has a row.
        """
        with self._lock:
            if self._standing.get(name) is not Standing.LOOSE:
                raise LookupError(f"no staged body {name}")
            self._standing[name] = Standing.CLAIMED

    def unclaim(self, name: str) -> None:
        """The attempt was undone."""
        with self._lock:
            unwanted = self._standing.get(name) is Standing.UNWANTED
            self._standing[name] = Standing.LOOSE
        if unwanted:
            self.abandon(name)

    # -- going -------------------------------------------------------------------------------------------------------

    def enter(self) -> Ticket:
        """A snapshot is about to begin."""
        ticket = next(self._tickets)
        self._snapshots[ticket] = self._commits
        return ticket

    def leave(self, ticket: Ticket) -> None:
        if self._snapshots.pop(ticket) < self._last_doom:
            self.on_burial()

    def committed(self, claimed: Iterable[str], doomed: Iterable[str]) -> None:
        """The writer has committed: these files have their row, those have lost it."""
        with self._lock:
            self._commits += 1
            for name in claimed:
                self._standing.pop(name, None)
            for name in doomed:
                self._doomed[name] = self._last_doom = self._commits
        if self._last_doom == self._commits:
            self.on_burial()

    def pin(self, name: str) -> None:
        with self._lock:
            self._pins[name] = self._pins.get(name, 0) + 1

    def unpin(self, name: str) -> None:
        with self._lock:
            left = self._pins[name] - 1
            if left:
                self._pins[name] = left
            else:
                del self._pins[name]
        if name in self._doomed:
            self.on_burial()

    def bury(self) -> int:
        """Removes the doomed files that nobody can reach any more; how many."""
        if not self._doomed:
            return 0
        with self._unheld() as unheld:
            self.waiting = not unheld
            free = self._take_free() if unheld else []
            for name in free:
                self._remove(self.path(name))
        return len(free)

    def _take_free(self) -> list[str]:
        with self._lock:
            oldest = min(self._snapshots.copy().values(), default=self._commits)
            free = [name for name, commit in self._doomed.items() if commit <= oldest and name not in self._pins]
            for name in free:
                del self._doomed[name]
        return free

    @contextmanager
    def _unheld(self) -> Iterator[bool]:
        """Whether no backup or check in another process holds the files (see `still.hold`); none begins to meanwhile."""
        with self._removing:  # two threads of ours would take each other for another process
            fd = os.open(self._blobs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield False
                else:
                    yield True
            finally:
                os.close(fd)

    # -- leftovers ---------------------------------------------------------------------------------------------------

    def sweep_staging(self, idle_seconds: float) -> int:
        """Removes bodies that nobody is receiving, or nobody has touched for so long; how many files."""
        leftovers = [
            path for path in self._staging.iterdir() if path.name not in self._receiving or _idle(path) >= idle_seconds
        ]
        for path in leftovers:
            self._remove(path)
        return len(leftovers)

    def unclaimed(self, idle_seconds: float) -> list[str]:
        """Complete files that nobody is about to give a row. Takes that right from whoever let one lie for so long.

        Which of them have no row is for the writer to say, and must be asked after this: a file has its standing before it
        is seen here, and keeps it until its row is committed. So what has no standing now and no row later is a leftover;
        asked the other way round, it might be what somebody has just published.
        """
        names = [path.parent.name + path.name for path in self._blobs.glob("*/*")]
        return [name for name in names if not self._is_promised(name, idle_seconds)]

    def sweep(self, rowless: list[str]) -> int:
        """Removes those of these files (unclaimed, then found to have no row) that readers do not hold; how many."""
        with self._unheld() as unheld:
            with self._lock:
                leftovers = [name for name in rowless if name not in self._doomed] if unheld else []
            for name in leftovers:
                self._remove(self.path(name))
        return len(leftovers)

    def _is_promised(self, name: str, idle_seconds: float) -> bool:
        with self._lock:
            standing = self._standing.get(name)
            if standing is Standing.LOOSE and _idle(self.path(name)) >= idle_seconds:
                del self._standing[name]
                return False
            return standing is not None

    def _remove(self, path: Path) -> None:
        """A file that cannot be removed now is left to the next sweep."""
        try:
            self.disk.remove(path)
        except OSError:
            log.warning("cannot remove the blob file %s", path.name, exc_info=True)


def _nobody() -> None:
    """Until the store has its janitor."""


def _idle(path: Path) -> float:
    """Seconds since the file was written to (0 for one that is gone)."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
