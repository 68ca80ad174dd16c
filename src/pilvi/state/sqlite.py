"""The store in one folder of one machine.

    data.db (+ -wal, -shm)   every record, the outbox, blobs up to 256 KiB
    blobs/, staging/         larger blobs, and those on their way in
    lock                     held while open; says by which process

Durable means: in the write-ahead log, with fsync, before anyone is told. SQLite's own recovery does the rest.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from pilvi.core.clock import Clock
from pilvi.core.effects import Segment
from pilvi.state.connection import Session, open_reader, open_writer
from pilvi.state.disk import Disk
from pilvi.state.errors import UnusableData
from pilvi.state.files import BlobFiles
from pilvi.state.janitor import Janitor
from pilvi.state.layout import Layout, Layouts
from pilvi.state.lock import FolderLock
from pilvi.state.migrate import check_format, migrate
from pilvi.state.readers import Known, Readers
from pilvi.state.sequences import Sequences
from pilvi.state.stage import BodyStage
from pilvi.state.store import Attempt as Work
from pilvi.state.store import Done, OpenBlob, OutboxEntry, Record, Tx
from pilvi.state.transaction import Attempt, Snapshot, Transaction
from pilvi.state.writer import Deliver, Delivered, Writer

log = logging.getLogger("pilvi.state")

T = TypeVar("T")
Listener = Callable[[frozenset[str]], None]

FILE = "data.db"
IDLE_SECONDS_MAX = 3_600.0  # of a body that is being received, until the sweep takes it for abandoned
SWEPT_AT_ONCE = 256  # files whose rows the writer looks up in one attempt


class SqliteStore:
    """See the Store protocol. Make one with `open`."""

    def __init__(
        self,
        writer: Session,
        path: Path,
        layouts: dict[type[Record], Layout[Any]],
        files: BlobFiles,
        lock: FolderLock,
        clock: Clock,
        deliver: Deliver,
    ) -> None:
        self._session = writer
        self._layouts = layouts
        self._files = files
        self._lock = lock
        self._clock = clock
        self._listeners: tuple[Listener, ...] = ()
        self._sequences = Sequences()
        self._known = Known()  # to the writer
        self._known_version = 0
        self._readers = Readers(lambda: open_reader(path))
        self._janitor = Janitor(path, files.bury, self.sweep, lambda: files.waiting)
        files.on_burial = self._janitor.wake
        self._writer = Writer(
            writer, self._attempt, self._committed, self._written, self._announce, deliver, self._opened
        )
        self._janitor.start()

    @classmethod
    def open(
        cls,
        folder: Path,
        records: Iterable[type[Record]],
        *,
        clock: Clock,
        deliver: Deliver | None = None,
        disk: Disk | None = None,
    ) -> Self:
        """Opens the folder, making or upgrading what is in it. What a crash left over is removed soon after.

        Args:
            deliver: takes what is to be told after a commit, to tell it elsewhere (an event loop) by `tell`; without
                it the writer's thread tells.
            disk: the file operations of large blobs.

        Raises:
            FolderInUse: another process has it.
            NewerData: a newer pilvi wrote it.
            UnusableData: it is not pilvi's, or damaged.
        """
        disk = disk or Disk()
        _make(folder, disk)
        layouts = Layouts((record, Layout(record)) for record in records)
        layouts.setdefault(OutboxEntry, Layout(OutboxEntry))
        lock = FolderLock(folder)
        try:
            writer = _open_database(folder / FILE, layouts.values())
            files = BlobFiles(folder, disk)
            return cls(writer, folder / FILE, layouts, files, lock, clock, deliver or tell)
        except BaseException:
            lock.release()
            raise

    def read(self) -> Snapshot:
        return Snapshot(self._layouts, self._files, self._readers)

    def write(self, attempt: Work[T]) -> T:
        assert not self._writer.on_thread(), "an attempt cannot wait for another one"
        answer = _Answer()
        self._writer.submit(attempt, answer.set, direct=True)
        result: T = answer.wait()
        return result

    def submit(self, attempt: Work[Any], done: Done) -> None:
        self._writer.submit(attempt, done)

    def on_commit(self, listener: Listener) -> None:
        self._listeners += (listener,)

    def stage(self, seal: bytes = b"", promised: frozenset[str] = frozenset()) -> BodyStage:
        return BodyStage(self._files, seal, promised)

    def open_blob(self, tx: Tx, segment: Segment) -> OpenBlob:
        assert isinstance(tx, Transaction)
        return tx.blobs.open(segment)

    def sweep(self) -> int:
        """Removes files that a crash, a release, or a client that went away left behind; how many."""
        removed = self._files.bury() + self._files.sweep_staging(IDLE_SECONDS_MAX)
        names = self._files.unclaimed(IDLE_SECONDS_MAX)
        for at in range(0, len(names), SWEPT_AT_ONCE):
            if not self._janitor.stopping:
                rowless = self.write(partial(_rowless, names[at : at + SWEPT_AT_ONCE]))
                removed += self._files.sweep(rowless)
        return removed

    def close(self) -> None:
        if self._janitor.stopping:
            return
        self._janitor.stop()
        self._writer.close()
        self._files.bury()
        self._readers.close()
        self._session.close()
        self._janitor.close()
        self._lock.release()

    def _committed(self, claimed: list[str], doomed: list[str]) -> None:
        self._readers.renew()  # first: who enters after these files are doomed must not see their rows
        self._files.committed(claimed, doomed)

    def _written(self, pages: int) -> None:
        if self._janitor.written(self._session, pages):
            self._readers.renew()

    def _attempt(self, guarded: bool) -> Attempt:
        return Attempt(
            self._session, self._layouts, self._files, self._sequences, self._clock, self._known, guarded=guarded
        )

    def _opened(self) -> None:
        """What the writer knows holds until somebody else writes: a sqlite3 shell."""
        (version,) = self._session.execute("PRAGMA data_version").fetchone()
        if version != self._known_version:
            self._known.clear()
            self._known_version = version

    def _announce(self, topics: frozenset[str]) -> None:
        for listener in self._listeners:
            listener(topics)


def _rowless(files: list[str], tx: Tx) -> list[str]:
    assert isinstance(tx, Transaction)
    return tx.blobs.rowless(files)


def tell(answers: Iterable[Delivered]) -> None:
    """Calls each `done`; one that raises harms no other."""
    for done, result, error in answers:
        try:
            done(result, error)
        except Exception:
            log.exception("an answer could not be handed over")


def _make(folder: Path, disk: Disk) -> None:
    """The folder, and those above it that are missing; each durably known to its parent."""
    if not folder.exists():
        _make(folder.parent, disk)
        disk.make_folder(folder)


def _open_database(path: Path, layouts: Iterable[Layout[Any]]) -> Session:
    path.touch(mode=0o600)
    try:
        session = open_writer(path, check_format)
    except sqlite3.DatabaseError as error:
        raise UnusableData(f"{path} cannot be opened: {error}") from error
    try:
        migrate(session.connection, layouts)
    except sqlite3.DatabaseError as error:
        session.close()
        raise UnusableData(f"{path} cannot be used: {error}") from error
    except BaseException:
        session.close()
        raise
    return session


class _Answer:
    """What a thread waits for."""

    __slots__ = ("_error", "_ready", "_result")

    def __init__(self) -> None:
        self._ready = threading.Lock()
        self._ready.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def set(self, result: Any, error: BaseException | None) -> None:
        self._result, self._error = result, error
        self._ready.release()

    def wait(self) -> Any:
        self._ready.acquire()
        if self._error is not None:
            raise self._error
        return self._result
