"""The durable truth, as the rest of the cloud sees it: Store, Tx, Table, Blobs and the records they hold.

A record is a frozen struct. Its key and index fields are real SQL columns, the rest is one JSON document, so range
scans are ordered, `sqlite3 data.db` is readable, and every backend passes one suite (tests/state).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from pilvi.core.effects import Segment, Staged

Key = str | int | bytes
Bound = Key | tuple[Key, ...]


class TableSpec(msgspec.Struct, frozen=True):
    """Where a record lives.

    Attributes:
        name: the SQL table, `<service>_<noun>`.
        key: fields that form the primary key, in order.
        indexes: further ordered access paths: index name -> fields (the key is appended by the store).
        version: of the record's stored shape.
        upgrades: {n: f}: f turns the stored JSON document (all fields, as a dict) of version n into version n + 1.
        remembered: snapshots of the same moment share what they read: for small records that every request asks for.
        view: the table is another record's; this one reads fewer of its fields, which is faster, and is never stored.
    """

    name: str
    key: tuple[str, ...]
    indexes: Mapping[str, tuple[str, ...]] = {}
    version: int = 1
    upgrades: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
    remembered: bool = False
    view: bool = False


class Record(msgspec.Struct, frozen=True):
    """Base of everything stored. A subclass sets `spec`; key and index fields are str, int or bytes (never None)."""

    spec: ClassVar[TableSpec]

    def blobs(self) -> Iterable[int]:
        """The references to blobs that it holds, each once for every time it was counted (`pilvi check` counts again)."""
        return ()


R = TypeVar("R", bound=Record)
T = TypeVar("T")


class Table(Protocol[R]):
    """The records of one type, ordered by key (text compares by its UTF-8 bytes)."""

    def get(self, *key: Key) -> R | None:
        """The record with this complete key."""

    def put(self, record: R) -> None:
        """Insert, or replace what has the same key."""

    def add(self, record: R) -> bool:
        """Insert; False, and nothing changed, when the key exists."""

    def delete(self, *key: Key) -> bool:
        """Remove; whether there was one."""

    def clear(self, *prefix: Key) -> int:
        """Remove all records with these leading values of the key, of which there is at least one; how many went."""

    def scan(
        self,
        *prefix: Key,
        index: str = "",
        start: Bound | None = None,
        after: Bound | None = None,
        end: Bound | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[R]:
        """Records in order.

        Args:
            prefix: values that the leading fields of the key (or of the index) must equal.
            start, after, end: inclusive lower, exclusive lower and exclusive upper bound on the fields that follow the
                prefix: a value for the next field, or a tuple for several.
            reverse: from the last to the first within the same bounds.
        """

    def columns(
        self, *prefix: Key, start: Key | None = None, end: Key | None = None, limit: int
    ) -> dict[str, list[Any]]:
        """The same records as of `scan`, in the same order, field by field: for many small ones half as dear.

        The prefix is the key without its last field, which is a text. The fields of the prefix and of indexes are left out.
        """

    def count(self, *prefix: Key, index: str = "") -> int:
        """How many records have this prefix."""


class Blobs(Protocol):
    """Byte strings of any size, counted by reference. Small ones live in the store, large ones are files."""

    def publish(self, staged: Staged) -> int:
        """Makes a staged body durable together with this transaction; its blob id (one reference)."""

    def add(self, data: bytes) -> int:
        """Stores bytes that an operation made itself."""

    def share(self, blob: int) -> None:
        """One reference more, e.g. for a copy."""

    def release(self, blob: int) -> None:
        """One reference less; the last one removes the bytes after the commit (readers that began keep theirs)."""

    def size(self, blob: int) -> int:
        """Length in bytes. Raises KeyError for an unknown blob."""

    def read(self, blob: int, offset: int = 0, length: int | None = None, *, key: bytes = b"") -> bytes:
        """Bytes in memory; for small blobs or bounded ranges. With a `key` the blob is a sealed one, and is opened.

        Raises:
            BlobDamaged: they are not those that were stored; or the key is not the one that they were sealed under.
        """


class Tx(Protocol):
    """One transaction: a snapshot, and for a writing one its changes."""

    @property
    def blobs(self) -> Blobs: ...

    def __getitem__(self, record: type[R]) -> Table[R]: ...

    def next_id(self, sequence: str) -> int:
        """1, 2, 3, ...: never the same again, gaps allowed (writing transactions only)."""

    def publish(self, topic: str, body: bytes, *, due_ms: int = 0, key: str = "") -> int:
        """Writes an event to the outbox, delivered at least once after the commit; its id."""

    def notify(self, topic: str) -> None:
        """After the commit, wakes one sleeper (WaitFor) on this topic. Lost if the process dies, like the sleeper."""

    def savepoint(self) -> AbstractContextManager[None]:
        """A part that can be undone alone: an exception that leaves it undoes its changes and goes on."""


class OutboxEntry(Record, frozen=True):
    """An event that waits for delivery."""

    spec: ClassVar[TableSpec] = TableSpec("outbox", key=("id",), indexes={"due": ("topic", "due_ms", "id")})

    id: int
    topic: str
    key: str
    due_ms: int
    created_ms: int
    attempts: int
    body: bytes
    failure: str = ""


Attempt = Callable[[Tx], T]
Done = Callable[[Any, BaseException | None], None]


class OpenBlob(Protocol):
    """What a reader holds of a blob: stays readable though the blob is released meanwhile, until closed.

    Attributes:
        data: the bytes asked for, when they are small or live in the store; else None: then they are in a file.
        length: how many bytes there are.
        fd, offset: where they are in the file, unless it is `sealed`. It is opened when `fd` is first asked for.
    """

    @property
    def data(self) -> bytes | None: ...

    @property
    def sealed(self) -> bool: ...

    @property
    def fd(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def length(self) -> int: ...

    def read_at(self, position: int, most: int) -> bytes:
        """At least one of the (plain) bytes from a position less than `length` on, `most` at most.

        Raises:
            BlobDamaged: see Blobs.read.
        """

    def close(self) -> None: ...


class Store(Protocol):
    """A folder (or a database) of records and blobs."""

    def read(self) -> AbstractContextManager[Tx]:
        """A snapshot: sees what was committed when it began, changes nothing. Any thread."""

    def write(self, attempt: Attempt[T]) -> T:
        """Runs an attempt on the writer and waits until it is durable; what it raises is raised here, undone."""

    def submit(self, attempt: Attempt[Any], done: Done) -> None:
        """Queues an attempt; `done(result, error)` is called through `deliver` once durable (or undone)."""

    def on_commit(self, listener: Callable[[frozenset[str]], None]) -> None:
        """`listener(topics)` is called after a commit with the topics notified and published in it (deliver thread)."""

    def stage(self, seal: bytes = b"", promised: frozenset[str] = frozenset()) -> "Stage":
        """Begins receiving a body, to be sealed under this data key if one is given.

        Args:
            promised: digests that `finish` will be given: what is computed anyway is not computed twice.
        """

    def open_blob(self, tx: Tx, segment: Segment) -> OpenBlob:
        """Opens a part of a blob inside the snapshot that found it."""

    def close(self) -> None:
        """Finishes what is queued, then lets go of everything."""


class Stage(Protocol):
    """A body on its way in: bytes in memory until they are too many, then a file. Called by one thread at a time."""

    @property
    def in_memory(self) -> bool:
        """Whether the next small write is cheap enough for an event loop."""

    def write(self, data: bytes) -> None:
        """Raises OSError when the disk is full."""

    def finish(self, digests: Mapping[str, bytes], trailers: Mapping[str, str]) -> Staged:
        """fsyncs; the body is complete but belongs to nobody yet."""

    def abort(self) -> None:
        """Removes what was received. Also right after finish, when the attempt failed."""
