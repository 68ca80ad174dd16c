"""A data folder that is looked at from outside of its server: by checks and backups. Nothing in it is changed.

A stopped folder is kept from being started meanwhile. A running one goes on; only its blob files are held: what the server
lets go of stays until the hold ends (see BlobFiles.bury). The kernel ends a hold with the process that has it.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilvi.state import lock
from pilvi.state.connection import READER_CACHE_KIB, Session
from pilvi.state.disk import Disk
from pilvi.state.errors import UnusableData
from pilvi.state.files import BlobFiles
from pilvi.state.layout import Layout, quote
from pilvi.state.migrate import FORMAT, check_format, format_of, stored_shapes
from pilvi.state.store import Record
from pilvi.state.transaction import Reading, read_only

FILE = "data.db"


class Still(Reading):
    """A snapshot of a folder's database, for as long as it is open."""

    def __init__(self, session: Session, layouts: Mapping[type[Record], Layout[Any]], files: BlobFiles) -> None:
        super().__init__(layouts, files)
        self._session = session
        self.connection = session.connection
        self.execute = session.execute
        self.change = read_only

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """A statement of its own cursor."""
        return self.connection.execute(sql, values)

    def end(self) -> None:
        self._end()
        self._session.close()


class StillFolder:
    """A folder that may be looked at. Made by `look`.

    Attributes:
        running: a server is at work on it; `shared`: somebody has its database open for writing.
    """

    def __init__(
        self, path: Path, layouts: Mapping[type[Record], Layout[Any]], *, running: bool, shared: bool = False
    ) -> None:
        self.path = path
        self.running = running
        self._shared = running or shared
        self.files = BlobFiles(path, _Untouched())
        self._layouts = layouts

    @contextmanager
    def snapshot(self) -> Iterator[Still]:
        """Any thread, one thread at a time.

        Raises:
            UnusableData, NewerData: it is not pilvi's, or of another version.
        """
        try:
            connection = _connect(self.path / FILE, shared=self._shared)
        except sqlite3.Error as error:
            raise UnusableData(f"{self.path / FILE} cannot be opened: {error}") from None
        still = Still(Session(connection), self._layouts, self.files)
        try:
            self._prepare(connection)
            yield still
        finally:
            still.end()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Tables that a newer pilvi has made up and this folder does not have yet are empty."""
        try:
            check_format(connection)
            connection.text_factory = _text
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB * 8}")
            stored = stored_shapes(connection)
            if stored and format_of(connection) < FORMAT:
                raise UnusableData(f"{self.path / FILE} was written by an older pilvi: start the cloud once")
            for layout in self._layouts.values():
                shape = stored.get(layout.table)
                if shape is None:
                    connection.execute(layout.create().replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
                    for sql in layout.create_indexes().values():
                        connection.execute(sql.replace("CREATE INDEX ", "CREATE INDEX temp.", 1))
                elif (shape.version, shape.columns) != (layout.version, tuple(one.name for one in layout.columns)):
                    raise UnusableData(
                        f"table {quote(layout.table)} is of another version of pilvi: start the cloud once"
                    )
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the snapshot begins here
        except sqlite3.DatabaseError as error:
            raise UnusableData(f"{self.path / FILE} cannot be used: {error}") from None


@contextmanager
def look(path: Path, layouts: Mapping[type[Record], Layout[Any]]) -> Iterator[StillFolder]:
    """The folder, kept as it is: locked where no server runs on it, else its blob files held.

    Raises:
        UnusableData: there is no database.
    """
    if not (path / FILE).is_file():
        raise UnusableData("there is no data.db in it")
    with _lock(path) as mine:
        if mine:
            with _beside_as_before(path):
                yield StillFolder(path, layouts, running=False)
        else:
            with hold(path):
                yield StillFolder(path, layouts, running=True)


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """No blob file goes as long as this lasts."""
    fd = os.open(path / "blobs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """The folder's lock, without writing into it; whether it was to be had."""
    try:
        fd = os.open(path / lock.NAME, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # nobody ever started it: just restored
        yield True
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            mine = False
        else:
            mine = True
        yield mine
    finally:
        os.close(fd)


@contextmanager
def _beside_as_before(path: Path) -> Iterator[None]:
    """What SQLite makes beside the database while it is read goes again."""
    beside = [path / f"{FILE}{suffix}" for suffix in ("-wal", "-shm")]
    missing = [file for file in beside if not file.exists()]
    try:
        yield
    finally:
        for file in missing:
            with contextlib.suppress(FileNotFoundError):
                file.unlink()


def _connect(path: Path, *, shared: bool) -> sqlite3.Connection:
    """Reads also what only stands in the log. A log that is there but not in use is read without its shared index."""
    log, index = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
    how = "mode=ro"
    if not shared:
        if not log.exists() or not log.stat().st_size:
            how = "immutable=1"
        elif index.exists():
            how = "mode=ro&readonly_shm=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False)


def _text(raw: bytes) -> str:
    """Damaged text is still text, so that the rest of its table can be read."""
    return raw.decode("utf-8", "surrogateescape")


class _Untouched(Disk):
    """Makes nothing."""

    def make_folder(self, path: Path) -> None:
        """It is looked at as it is."""
