"""SQLite connections as the store wants them: the writer's, and the readers'."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

BUSY_SECONDS_MAX = 2.0  # a try's wait for a foreign writer, e.g. somebody's sqlite3 shell
STATEMENTS_CACHED_MAX = 1_024
PAGE_BYTES = 4_096  # larger ones cost more for each 4 KB object, and save nothing for records
WRITER_CACHE_KIB = 8_192
READER_CACHE_KIB = 2_048
LOG_PAGES_MAX = 16_384  # should the janitor not keep up, the writer copies the log itself


class Session:
    """One connection with the cursor that answers its point reads.

    Attributes:
        execute: runs a statement on a cursor that the next statement takes over: for what yields at most one row.
    """

    __slots__ = ("connection", "execute")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.cursor().execute

    def checkpoint(self) -> tuple[int, int]:
        """Copies what it can of the write-ahead log into the file; pages in the log, and of them copied so far.

        Once all are copied and no reader needs the log, the next commit starts it anew.
        """
        _, pages, copied = self.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return pages, copied

    def close(self) -> None:
        self.connection.close()


def open_writer(path: Path, check: Callable[[sqlite3.Connection], None]) -> Session:
    """The one connection that changes the file. Makes the file when there is none; `check` may refuse one that is there."""
    connection = _connect(path)
    try:
        check(connection)
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return Session(connection)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")  # distributions switch it on; it doubles the cost of deleting
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES_MAX}")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_PAGES_MAX * PAGE_BYTES}")


def open_checkpointer(path: Path) -> Session:
    connection = _connect(path)
    connection.execute("PRAGMA cache_size = 0")
    return Session(connection)


def open_reader(path: Path) -> Session:
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return Session(connection)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path,
        timeout=BUSY_SECONDS_MAX,
        isolation_level=None,
        check_same_thread=False,  # one thread at a time, not always the same
        cached_statements=STATEMENTS_CACHED_MAX,
    )
