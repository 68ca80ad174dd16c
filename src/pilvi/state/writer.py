"""The one writer: attempts queue up, run one after the other, share one COMMIT, and are answered after it.

    submit ->  | a b c d |  ->  BEGIN IMMEDIATE   a   b   c   d   COMMIT (one fsync)   -> deliver [a b c d topics]
                                                      |
                                                      undone alone, if it raises

While a commit waits for the disk, the next attempts gather: the busier the store, the more of them share the wait.

Hardly any attempt raises after it has changed something, so none is guarded by a savepoint at first. When one does raise
then, the whole transaction is undone, and its attempts run once more, each within a savepoint: nobody has been answered.
"""

import contextlib
import errno
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from pilvi.core.errors import ServiceUnavailable
from pilvi.state.connection import PAGE_BYTES, Session
from pilvi.state.errors import Conflict
from pilvi.state.store import Attempt as Work
from pilvi.state.store import Done
from pilvi.state.transaction import Attempt

log = logging.getLogger("pilvi.state")

BATCH_MAX = 512  # attempts that share a commit
TRIES_MAX = 3  # of an attempt that conflicts with somebody else's

Delivered = tuple[Done, Any, BaseException | None]
Deliver = Callable[[Sequence[Delivered]], None]


class Job(NamedTuple):
    """An attempt in the queue. `direct`: its `done` is called on the writer's thread, not delivered."""

    work: Work[Any]
    done: Done
    direct: bool


class Writer:
    """Runs the queue on a thread of its own."""

    def __init__(
        self,
        session: Session,
        begin: Callable[[bool], Attempt],
        committed: Callable[[list[str], list[str]], None],
        written: Callable[[int], None],
        announce: Callable[[frozenset[str]], None],
        deliver: Deliver,
        opened: Callable[[], None],
    ) -> None:
        """Starts it.

        Args:
            begin: makes an attempt; told whether it must be undoable without what the batch holds already.
            opened: told that a transaction has begun.
            committed: told, before anyone is answered, which blob files got their row and which lost it.
            written: told, after everyone was answered, about how many pages the log grew.
            announce: told the topics of a commit, through `deliver`, after the answers.
        """
        self._session = session
        self._begin = begin
        self._committed = committed
        self._written = written
        self._announce = announce
        self._deliver = deliver
        self._opened = opened
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pilvi-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[Any], done: Done, *, direct: bool = False) -> None:
        with self._closing:
            if not self._closed:
                self._queue.put(Job(work, done, direct))
                return
        done(None, ServiceUnavailable("The store is closed."))

    def on_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def close(self) -> None:
        """Finishes what is queued."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            batch = Batch(self._session, self._begin, self._opened)
            open_ended = self._fill(batch, job)
            batch.commit()
            self._finish(batch)
            if not open_ended:
                return

    def _fill(self, batch: "Batch", job: Job) -> bool:
        """Runs attempts until the queue is empty; whether more may come."""
        while True:
            batch.run(job)
            if len(batch.answers) >= BATCH_MAX:
                return True
            try:
                following = self._queue.get_nowait()
            except Empty:
                return True
            if following is None:
                return False
            job = following

    def _finish(self, batch: "Batch") -> None:
        answers: list[Delivered] = []
        if batch.changed:
            self._committed(batch.claimed, batch.doomed)
        for job, result, error in batch.answers:
            if job.direct:
                job.done(result, error)
            else:
                answers.append((job.done, result, error))
        if batch.topics:
            topics = frozenset(batch.topics)
            answers.append((lambda *_: self._announce(topics), None, None))
        if answers:
            try:
                self._deliver(answers)
            except Exception:
                log.exception("answers could not be delivered")
        if batch.changed:
            self._written(batch.pages)


class Batch:
    """Attempts that share a transaction."""

    def __init__(self, session: Session, begin: Callable[[bool], Attempt], opened: Callable[[], None]) -> None:
        self._execute = session.execute
        self._connection = session.connection
        self._begin = begin
        self._opened = opened
        self._rows_before = self._connection.total_changes
        self._failure: BaseException | None = None
        self._kept: list[Attempt] = []
        self._wary = False  # attempts are guarded
        self.answers: list[tuple[Job, Any, BaseException | None]] = []
        self.changed = False
        self._start()

    @property
    def pages(self) -> int:
        """About how many pages of the log it took: a changed row is two to three, of which some coincide."""
        rows = self._connection.total_changes - self._rows_before
        return rows * 2 + sum(attempt.bulk_bytes for attempt in self._kept) // PAGE_BYTES

    @property
    def topics(self) -> list[str]:
        return [topic for attempt in self._kept for topic in attempt.topics]

    @property
    def claimed(self) -> list[str]:
        return [file for attempt in self._kept for file in attempt.claimed]

    @property
    def doomed(self) -> list[str]:
        return [file for attempt in self._kept for file in attempt.doomed]

    def run(self, job: Job) -> None:
        """One attempt, again when it conflicts."""
        for tried in range(1, TRIES_MAX + 1):
            if self._failure is not None:
                self.answers.append((job, None, self._failure))
                return
            result, error = self._try(job.work)
            if error is None:
                self.answers.append((job, result, None))
                return
            if not _is_conflict(error) or tried == TRIES_MAX:
                self.answers.append((job, None, _outward(error)))
                return

    def commit(self) -> None:
        """Makes it durable, or gives every attempt the same failure."""
        if self._failure is None:
            try:
                self._execute("COMMIT")
            except Exception as error:  # noqa: BLE001 - the writer lives on, whatever it is
                self._fail(error)
        if self._failure is not None:
            self.answers = [(job, None, _unavailable(self._failure)) for job, _, _ in self.answers]

    def _start(self) -> None:
        for tried in range(1, TRIES_MAX + 1):
            try:
                self._execute("BEGIN IMMEDIATE")
                self._opened()
            except sqlite3.Error as error:
                if not _is_conflict(error) or tried == TRIES_MAX:
                    self._fail(error)
                    return
            else:
                return

    def _try(self, work: Work[Any]) -> tuple[Any, BaseException | None]:
        attempt = self._begin(self.changed and self._wary)
        try:
            result = work(attempt)
            attempt.keep()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is this attempt's alone
            if attempt.changed and self.changed and not self._wary and self._connection.in_transaction:
                attempt.abandon()
                self._redo()
            else:
                self._undo(attempt)
            return None, error
        if attempt.changed or attempt.topics:
            self.changed = self.changed or attempt.changed
            self._kept.append(attempt)
        return result, None

    def _redo(self) -> None:
        """Undoes everything, and does the attempts before this one again, guarded."""
        before, self.answers = self.answers, []
        for kept in self._kept:
            kept.forget()
        self._kept, self.changed, self._wary = [], False, True
        try:
            self._execute("ROLLBACK")
        except sqlite3.Error as error:
            self._fail(error)
        else:
            self._start()
        for job, _, _ in before:
            self.run(job)

    def _undo(self, attempt: Attempt) -> None:
        try:
            attempt.undo()
        except Exception as error:  # noqa: BLE001 - the writer lives on, whatever it is
            self._fail(error)
        else:
            if not self._connection.in_transaction:  # SQLite gave up the whole of it: a full disk, an I/O error
                self._fail(sqlite3.OperationalError("the transaction was rolled back"))

    def _fail(self, error: BaseException) -> None:
        log.error("a transaction of %d attempts failed: %s", len(self.answers), error)
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # then the next batch cannot begin, and says so
                self._execute("ROLLBACK")
        for attempt in self._kept:
            attempt.forget()
        self._kept = []
        self.changed = False
        self._failure = error


_CONFLICTS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_REFUSALS = _CONFLICTS | {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
}  # fmt: skip
_SYSTEM_REFUSALS = frozenset({
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
})  # fmt: skip


def _is_conflict(error: BaseException | None) -> bool:
    return isinstance(error, Conflict) or _primary_code(error) in _CONFLICTS


def _outward(error: BaseException | None) -> BaseException | None:
    """What the machine refused is not the attempt's fault: the client may try again."""
    refused = isinstance(error, OSError) and error.errno in _SYSTEM_REFUSALS
    if error is not None and (refused or isinstance(error, Conflict) or _primary_code(error) in _REFUSALS):
        log.error("an attempt was refused by the machine: %s", error)
        return _unavailable(error)
    return error


def _primary_code(error: BaseException | None) -> int | None:
    """SQLite's result code, without its refinement; None for other errors."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _unavailable(error: BaseException) -> ServiceUnavailable:
    failure = ServiceUnavailable("The request could not be stored now. Please try again.")
    failure.__cause__ = error
    return failure
