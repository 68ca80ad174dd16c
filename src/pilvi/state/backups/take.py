"""Taking a backup."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from pilvi.state import checksums
from pilvi.state.backups.manifest import FORMAT, Manifest, blob_name, chunk_name, encode, moment_of
from pilvi.state.backups.target import Target
from pilvi.state.connection import open_reader
from pilvi.state.errors import FolderInUse, UnusableData
from pilvi.state.files import path_of
from pilvi.state.migrate import check_format
from pilvi.state.still import FILE, hold

CHUNK_BYTES = 1024 * 1024
LIST_BYTES = 256 * 1024
PAGES = 4_096  # of the database that are copied between two words about progress
COPIERS = 4
WAITING_MAX = 64
SCRATCH = "backup.part"

Watch = Callable[[str, int, int], None]

_FILES = "SELECT file, size, crc FROM blobs WHERE file >= ? AND file < ? ORDER BY file"


class SourceDamaged(Exception):
    """A blob file's bytes are not those that were stored."""


class DatabaseDamaged(Exception):
    """data.db is damaged: nothing of it was taken."""


class Taken(msgspec.Struct, frozen=True):
    """How a backup went: its manifest, and how much had to be written for it."""

    manifest: Manifest
    files: int
    bytes: int


class Source(msgspec.Struct, frozen=True):
    """A blob file as the database knows it."""

    file: str
    size: int
    checksum: int | None


def backup(
    path: Path, target: Target, *, now_ms: int, version: str, extras: Mapping[str, bytes], watch: Watch
) -> Taken:
    """Copies to the target what it does not have, and writes the manifest.

    Args:
        extras: small files that belong to the folder.

    Raises:
        UnusableData, NewerData: there is no database of ours.
        FolderInUse: another backup of it is being taken.
        DatabaseDamaged, OSError, and what the target raises. What was copied so far serves the next try.
    """
    if not (path / FILE).is_file():
        raise UnusableData("there is no data.db in it")
    with hold(path), _scratch(target.scratch or path) as copy:
        _copy_database(path / FILE, copy, watch)
        return _Backup(path, target, copy, watch).run(now_ms, version, extras)


class _Backup:
    """One backup being written."""

    def __init__(self, path: Path, target: Target, copy: Path, watch: Watch) -> None:
        self._path = path
        self._target = target
        self._copy = copy
        self._watch = watch
        self._chunks = {name for name, _ in target.names("chunks/")}
        self._lock = threading.Lock()
        self._lost: list[str] = []
        self._there: set[str] = set()
        self._written = self._bytes = 0

    def run(self, now_ms: int, version: str, extras: Mapping[str, bytes]) -> Taken:
        database = self._database()
        lists, files, file_bytes = self._files()
        manifest = Manifest(
            format=FORMAT,
            made_ms=self._unused(now_ms),
            pilvi=version,
            database=tuple(database),
            database_bytes=self._copy.stat().st_size,
            lists=tuple(lists),
            files=files,
            file_bytes=file_bytes,
            extras={name: self._chunk(data) for name, data in extras.items()},
            lost=tuple(sorted(self._lost)),
        )
        data = encode(manifest)
        self._target.write(manifest.name, [data], len(data))
        return Taken(manifest, self._written, self._bytes)

    def _unused(self, now_ms: int) -> int:
        used = {moment_of(name) for name, _ in self._target.names("generations/")}
        while now_ms in used:
            now_ms += 1
        return now_ms

    def _database(self) -> list[str]:
        size = self._copy.stat().st_size
        names = []
        with self._copy.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK_BYTES):
                names.append(self._chunk(chunk))
                self._watch("database", min(file.tell(), size), size)
        return names

    def _chunk(self, data: bytes) -> str:
        """Keeps it, unless it is there; its name."""
        name = chunk_name(data)
        if name not in self._chunks:
            self._target.write(name, [data], len(data))
            self._chunks.add(name)
            self._bytes += len(data)
        return name

    def _files(self) -> tuple[list[str], int, int]:
        """Copies the blob files; (chunks of their list, how many, bytes)."""
        lists: list[str] = []
        lines: list[bytes] = []
        waiting: set[Future[None]] = set()
        count = size = 0
        with closing(open_copy(self._copy)) as database, ThreadPoolExecutor(COPIERS, "pilvi-backup") as pool:
            total = database.execute("SELECT count(*) FROM blobs WHERE file IS NOT NULL").fetchone()[0]
            try:
                for source in self._sources(database, lines, lists):
                    count += 1
                    size += source.size
                    if source.file not in self._there:
                        waiting.add(pool.submit(self._file, source))
                    if len(waiting) > WAITING_MAX:
                        waiting = finished(waiting)
                    self._watch("files", count, total)
                for future in waiting:
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return lists, count, size

    def _sources(self, database: sqlite3.Connection, lines: list[bytes], lists: list[str]) -> Iterator[Source]:
        """All blob files by name; of those of one folder it is known beforehand which the target has."""
        for prefix in (f"{number:02x}" for number in range(256)):
            rows = [Source(*row) for row in database.execute(_FILES, (prefix, f"{prefix}~"))]
            sizes = dict(self._target.names(f"blobs/{prefix}/")) if rows else {}
            self._there = {row.file for row in rows if sizes.get(blob_name(row.file)) == row.size}
            lines += [f"{row.file} {row.size} {row.checksum}\n".encode() for row in rows]
            if lines and (sum(map(len, lines)) >= LIST_BYTES or prefix == "ff"):
                lists.append(self._chunk(b"".join(lines)))
                lines.clear()
            yield from rows
        if lines:
            lists.append(self._chunk(b"".join(lines)))

    def _file(self, source: Source) -> None:
        try:
            self._target.write(blob_name(source.file), _pieces(self._path, source), source.size)
        except (SourceDamaged, FileNotFoundError):
            with self._lock:
                self._lost.append(source.file)
        else:
            with self._lock:
                self._written += 1
                self._bytes += source.size


def _pieces(path: Path, source: Source) -> Iterator[bytes]:
    """A file's bytes, verified as they go: raises SourceDamaged before the end when they are not those stored."""
    add = checksums.crc64()
    whole = length = 0
    held = b""
    with path_of(path / "blobs", source.file).open("rb", buffering=0) as file:
        while piece := file.read(checksums.PIECE_BYTES):
            whole = add(piece, whole)
            length += len(piece)
            if held:
                yield held
            held = piece
    if length != source.size or (source.checksum is not None and checksums.signed(whole) != source.checksum):
        raise SourceDamaged(source.file)
    yield held


def finished(waiting: set[Future[None]]) -> set[Future[None]]:
    """Those that are still to come, once one has. Raises what one raised."""
    done, rest = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return rest


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A file for the copy of the database, ours alone; it goes with us, or is taken over by the next backup."""
    path = folder / SCRATCH
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse("another backup is being taken") from None
        os.truncate(fd, 0)
        yield path
        path.unlink()
    finally:
        os.close(fd)


def _copy_database(path: Path, copy: Path, watch: Watch) -> None:
    """As it is at one moment; whoever writes goes on."""
    source = open_reader(path).connection
    try:
        check_format(source)
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the moment
        with closing(sqlite3.connect(copy, isolation_level=None)) as made:
            made.execute("PRAGMA synchronous = OFF")
            source.backup(made, pages=PAGES, progress=lambda _, left, total: watch("snapshot", total - left, total))
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(f"{path.name} cannot be copied: {error}") from None
    finally:
        source.close()
    with closing(open_copy(copy)) as made:
        problem = made.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise DatabaseDamaged(f"{path.name} is damaged: {problem}")


def open_copy(path: Path) -> sqlite3.Connection:
    """A database that nobody changes."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
