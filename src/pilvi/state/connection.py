"""SQLite connections as the store wants them: the writer's, and the readers'."""

import sqlite3
from pathlib import Path

BUSY_SECONDS_MAX = 5.0  # wait for a foreign writer (someone with the sqlite3 shell) before giving up
STATEMENTS_CACHED_MAX = 1_024
PAGE_BYTES = 4_096
WRITER_CACHE_KIB = 8_192
READER_CACHE_KIB = 2_048


class Session:
    """One connection with the cursor that answers its point reads.

    Attributes:
        execute: runs a statement on a cursor that the next statement takes over: for what yields at most one row.
    """

    __slots__ = ("connection", "execute")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.cursor().execute

    def scan(self) -> sqlite3.Cursor:
        return self.connection.cursor()

    def close(self) -> None:
        self.connection.close()


def open_writer(path: Path) -> Session:
    """The one connection that changes the file. Makes the file when there is none."""
    connection = _connect(path)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")  # distributions switch it on; it doubles the cost of deleting
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
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
