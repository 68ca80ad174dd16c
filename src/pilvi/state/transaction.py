"""Transactions: snapshots for readers, and attempts of the writer.

What a transaction can do is a handful of bound functions. When it ends they are replaced by one that raises, so a table
or a scan that outlives its transaction cannot touch a later one.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from pilvi.core.clock import Clock
from pilvi.state.blobs import SqliteBlobs
from pilvi.state.connection import Session
from pilvi.state.errors import ReadOnly, TransactionOver
from pilvi.state.files import BlobFiles
from pilvi.state.layout import Layout
from pilvi.state.readers import Known, Readers
from pilvi.state.sequences import Sequences
from pilvi.state.store import OutboxEntry, Record, Table
from pilvi.state.table import SqliteTable

R = TypeVar("R", bound=Record)

Layouts = Mapping[type[Record], Layout[Any]]
Execute = Callable[..., sqlite3.Cursor]

OUTBOX_IDS = "outbox"


def over(*_: Any) -> NoReturn:
    raise TransactionOver("this transaction has ended")


def read_only(*_: Any) -> NoReturn:
    raise ReadOnly("a snapshot changes nothing: use a writing transaction")


class Transaction:
    """What snapshots and attempts have in common.

    Attributes:
        execute: runs a statement that yields at most one row.
        change: runs a statement that changes something.
        bulk_bytes: of blobs that it stored in the database.
        known: records that snapshots of this very moment have read, or the writer since anybody else wrote.
    """

    __slots__ = ("_blobs", "_layouts", "_scans", "_session", "bulk_bytes", "change", "execute", "files", "known")
    _session: Session

    def __init__(self, layouts: Layouts, files: BlobFiles) -> None:
        self._layouts = layouts
        self._scans: list[sqlite3.Cursor] | None = None
        self._blobs: SqliteBlobs | None = None
        self.files = files
        self.bulk_bytes = 0
        self.known: Known | None = None
        self.execute: Execute = over
        self.change: Execute = over

    def __getitem__(self, record: type[R]) -> Table[R]:
        return SqliteTable(self, self._layouts[record])

    @property
    def blobs(self) -> SqliteBlobs:
        found = self._blobs
        if found is None:
            found = self._blobs = SqliteBlobs(self)
        return found

    def next_id(self, sequence: str) -> int:
        raise NotImplementedError

    def publish(self, topic: str, body: bytes, *, due_ms: int = 0, key: str = "") -> int:
        raise NotImplementedError

    def notify(self, topic: str) -> None:
        raise NotImplementedError

    def savepoint(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def claim(self, file: str) -> None:
        """A staged file gets its row; undone with the attempt."""
        raise NotImplementedError

    def doom(self, file: str) -> None:
        """A file has lost its row; it goes after the commit."""
        raise NotImplementedError

    def scan(self, sql: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        """Runs a statement that yields rows for as long as the transaction lasts."""
        if self.execute is over:
            over()
        cursor = self._session.connection.cursor()
        if self._scans is None:
            self._scans = []
        self._scans.append(cursor)
        cursor.execute(sql, values)
        return cursor

    def _end(self) -> None:
        """An unfinished scan would keep the snapshot, and with it the write-ahead log, alive."""
        self.execute = self.change = over
        self.known = self._blobs = None  # which hold each other: nobody need look for such cycles
        if self._scans is not None:
            for cursor in self._scans:
                cursor.close()


class Reading(Transaction):
    """A transaction that changes nothing, and says so to who tries."""

    __slots__ = ()

    def savepoint(self) -> AbstractContextManager[None]:
        return nullcontext()

    def next_id(self, sequence: str) -> int:
        read_only(sequence)

    def publish(self, topic: str, body: bytes, *, due_ms: int = 0, key: str = "") -> int:
        read_only(topic, body, due_ms, key)

    def notify(self, topic: str) -> None:
        read_only(topic)

    def claim(self, file: str) -> None:
        read_only(file)

    def doom(self, file: str) -> None:
        read_only(file)


class Snapshot(Reading):
    """A reading transaction; begins when entered."""

    __slots__ = ("_reader", "_readers", "_ticket")

    def __init__(self, layouts: Layouts, files: BlobFiles, readers: Readers) -> None:
        super().__init__(layouts, files)
        self._readers = readers

    def __enter__(self) -> Self:
        self._ticket = self.files.enter()
        try:
            reader = self._reader = self._readers.take()
        except BaseException:
            self.files.leave(self._ticket)
            raise
        self._session = reader.session
        self.known = reader.known
        self.execute = reader.execute
        self.change = read_only
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self.files.leave(self._ticket)
        if isinstance(error, sqlite3.Error):
            self._session.close()
        else:
            self._readers.give(self._reader)


class Attempt(Transaction):
    """A writing transaction: one attempt inside the writer's batch.

    A guarded one opens its savepoint before its first change, so that it can be undone without what others in the batch
    have changed before.

    Attributes:
        changed: whether it changed anything.
        topics, claimed, doomed: what is to happen outside of the database once it is durable.
    """

    __slots__ = ("_clock", "_guarded", "_remembered", "_sequences", "changed", "claimed", "doomed", "topics")

    def __init__(
        self,
        session: Session,
        layouts: Layouts,
        files: BlobFiles,
        sequences: Sequences,
        clock: Clock,
        known: Known,
        *,
        guarded: bool,
    ) -> None:
        super().__init__(layouts, files)
        self.known = self._remembered = known
        self._session = session
        self._sequences = sequences
        self._clock = clock
        self._guarded = guarded
        self.changed = False
        self.topics: list[str] = []
        self.claimed: list[str] = []
        self.doomed: list[str] = []
        self.execute = session.execute
        self.change = self._first_change

    def _first_change(self, sql: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        self._begin_changes()
        return self._session.execute(sql, values)

    def _begin_changes(self) -> None:
        if not self.changed:
            if self._guarded:
                self._session.execute("SAVEPOINT attempt")
            self.changed = True
            self.change = self._session.execute

    def next_id(self, sequence: str) -> int:
        if self.execute is over:
            over()
        return self._sequences.next(self, sequence)

    def publish(self, topic: str, body: bytes, *, due_ms: int = 0, key: str = "") -> int:
        entry = OutboxEntry(
            id=self.next_id(OUTBOX_IDS),
            topic=topic,
            key=key,
            due_ms=due_ms or self._clock.now_ms(),
            created_ms=self._clock.now_ms(),
            attempts=0,
            body=body,
        )
        self[OutboxEntry].put(entry)
        self.topics.append(topic)
        return entry.id

    def notify(self, topic: str) -> None:
        if self.execute is over:
            over()
        self.topics.append(topic)

    def claim(self, file: str) -> None:
        self.files.claim(file)
        self.claimed.append(file)

    def doom(self, file: str) -> None:
        self.doomed.append(file)

    def savepoint(self) -> "Part":
        return Part(self)

    def begin_part(self) -> tuple[int, int, int]:
        self._begin_changes()
        self.execute("SAVEPOINT part")
        return len(self.topics), len(self.claimed), len(self.doomed)

    def keep_part(self) -> None:
        self.execute("RELEASE part")

    def undo_part(self, topics: int, claimed: int, doomed: int) -> None:
        self._sequences.forget()
        self._remembered.clear()
        for file in self.claimed[claimed:]:
            self.files.unclaim(file)
        del self.topics[topics:], self.claimed[claimed:], self.doomed[doomed:]
        if self._session.connection.in_transaction:  # a full disk undoes everything by itself
            self._session.execute("ROLLBACK TO part")
            self._session.execute("RELEASE part")

    def keep(self) -> None:
        """Ends it; its changes become part of the batch."""
        self._end()
        if self.changed and self._guarded:
            self._session.execute("RELEASE attempt")

    def undo(self) -> None:
        """Ends it; the batch is as if it had never been."""
        self._end()
        self.forget()
        connection, execute = self._session.connection, self._session.execute
        if not self.changed or not connection.in_transaction:
            return
        if self._guarded:
            execute("ROLLBACK TO attempt")
            execute("RELEASE attempt")
        else:
            execute("ROLLBACK")
            execute("BEGIN IMMEDIATE")

    def abandon(self) -> None:
        """Ends it; the whole batch is about to be undone."""
        self._end()
        self.forget()

    def forget(self) -> None:
        """What would have happened outside of the database will not."""
        self._sequences.forget()
        self._remembered.clear()
        for file in self.claimed:
            self.files.unclaim(file)
        self.topics, self.claimed, self.doomed = [], [], []


class Part:
    """A savepoint inside an attempt."""

    __slots__ = ("_attempt", "_before")

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __enter__(self) -> None:
        self._before = self._attempt.begin_part()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._attempt.keep_part()
        else:
            self._attempt.undo_part(*self._before)
