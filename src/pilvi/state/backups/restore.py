"""Making a data folder of a backup, verifying every byte on the way."""

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec

from pilvi.state import checksums
from pilvi.state.backups.manifest import (
    GENERATIONS,
    BackupDamaged,
    Manifest,
    blob_name,
    check_chunk,
    check_file,
    decode,
    moment_of,
)
from pilvi.state.backups.take import COPIERS, WAITING_MAX, Source, Watch, finished, open_copy
from pilvi.state.backups.target import FolderTarget, NotThere, Target, read_all
from pilvi.state.errors import UnusableData
from pilvi.state.files import path_of
from pilvi.state.still import FILE

MARK = "restoring.json"
"""In a folder that is not restored to its end: no cloud starts on it."""

_FILES = "SELECT file, size, crc FROM blobs WHERE file IS NOT NULL ORDER BY file"


class Restored(msgspec.Struct, frozen=True):
    """How it went; `lost` are blob files that the backup does not have as they were stored."""

    manifest: Manifest
    lost: tuple[str, ...]


def generations(target: Target) -> list[int]:
    """The moments (milliseconds) that there are backups of, oldest first."""
    return sorted(moment for name, _ in target.names(GENERATIONS) if (moment := moment_of(name)) is not None)


def manifest_of(target: Target, made_ms: int) -> Manifest:
    """Raises BackupDamaged."""
    name = name_at(made_ms)
    return decode(name, read_all(target, name))


def name_at(made_ms: int) -> str:
    """The name of the manifest of a moment."""
    return msgspec.structs.replace(_NONE, made_ms=made_ms).name


def restore(target: Target, manifest: Manifest, path: Path, watch: Watch) -> Restored:
    """Fills the folder, which must be empty, or left by a restoration of this very backup that did not come to its end.

    Raises:
        UnusableData: there is something else in it.
        BackupDamaged, NotThere: the backup's database is not what was put there. (Single blobs are `Restored.lost`.)
    """
    _begin(path, manifest)
    database = path / f"{FILE}.restoring"
    _database(target, manifest, database, watch)
    lost = _files(target, manifest, path, database, watch)
    folder = FolderTarget(path)
    for name, chunk in manifest.extras.items():
        data = check_chunk(chunk, read_all(target, chunk))
        folder.write(name, [data], len(data))
    database.rename(path / FILE)
    (path / "staging").mkdir(mode=0o700, exist_ok=True)
    (path / "blobs").mkdir(mode=0o700, exist_ok=True)
    folder.tidy()
    _sync(path)
    (path / MARK).unlink()
    _sync(path)
    return Restored(manifest, tuple(lost))


def _begin(path: Path, manifest: Manifest) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = path / MARK
    wanted = msgspec.json.encode({"backup": manifest.name})
    target = FolderTarget(path)
    target.tidy(MARK)  # of a restoration that was ended before it left its mark
    if any(path.iterdir()):
        if not mark.exists() or mark.read_bytes() != wanted:
            raise UnusableData("it is not empty: choose another folder")
        return
    path.chmod(0o700)
    target.write(MARK, [wanted], len(wanted))


def _database(target: Target, manifest: Manifest, path: Path, watch: Watch) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        for done, name in enumerate(manifest.database, 1):
            file.write(check_chunk(name, read_all(target, name)))
            watch("database", done, len(manifest.database))
        file.flush()
        os.fsync(fd)
    if path.stat().st_size != manifest.database_bytes:
        raise BackupDamaged(f"{manifest.name} does not agree with itself")


def _files(target: Target, manifest: Manifest, path: Path, database: Path, watch: Watch) -> list[str]:
    lost: list[str] = []
    folder = FolderTarget(path)

    def fetch(source: Source) -> None:
        if _is_there(path, source):
            return
        try:
            folder.write(blob_name(source.file), _verified(target, source), source.size)
        except (BackupDamaged, NotThere):
            lost.append(source.file)

    waiting: set[Future[None]] = set()
    with closing(open_copy(database)) as rows, ThreadPoolExecutor(COPIERS, "pilvi-restore") as pool:
        try:
            for done, row in enumerate(rows.execute(_FILES), 1):
                waiting.add(pool.submit(fetch, Source(check_file(row[0]), *row[1:])))
                if len(waiting) > WAITING_MAX:
                    waiting = finished(waiting)
                watch("files", done, manifest.files)
            for future in waiting:
                future.result()
        except sqlite3.DatabaseError as error:
            raise BackupDamaged(f"its database cannot be read: {error}") from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return sorted(lost)


def _is_there(path: Path, source: Source) -> bool:
    """From a restoration before, as it was stored."""
    try:
        fd = os.open(path_of(path / "blobs", source.file), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        checksum, size = checksums.file_checksum(fd)
    finally:
        os.close(fd)
    return size == source.size and source.checksum in (None, checksum)


def _verified(target: Target, source: Source) -> Iterator[bytes]:
    """Raises BackupDamaged before the end when the bytes are not those that were stored."""
    add = checksums.crc64()
    whole = length = 0
    for piece in target.read(blob_name(source.file)):
        whole = add(piece, whole)
        length += len(piece)
        yield piece
    if length != source.size or (source.checksum is not None and checksums.signed(whole) != source.checksum):
        raise BackupDamaged(source.file)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_NONE = Manifest(0, 0, "", (), 0, (), 0, 0, {})
