"""Blobs inside a transaction: rows that count references and hold small contents, or name the file of a large one."""

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pilvi.core.effects import Segment, Staged
from pilvi.state.errors import BlobDamaged
from pilvi.state.files import BlobFiles
from pilvi.state.stage import INLINE_BYTES_MAX, BodyStage
from pilvi.state.store import OpenBlob

if TYPE_CHECKING:
    from pilvi.state.transaction import Transaction

# `data` comes last: whoever asks for the other columns does not load it.
CREATE = (
    """CREATE TABLE IF NOT EXISTS blobs (
        id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, size INTEGER NOT NULL, crc INTEGER, file TEXT, data BLOB)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS blobs__file ON blobs (file) WHERE file IS NOT NULL",
)
SEQUENCE = "blobs"

_INSERT = "INSERT INTO blobs VALUES (?, 1, ?, ?, ?, ?)"
_SHARE = "UPDATE blobs SET refs = refs + 1 WHERE id = ?"
_RELEASE = "UPDATE blobs SET refs = refs - 1 WHERE id = ? AND refs > 1"
_DELETE = "DELETE FROM blobs WHERE id = ? AND refs = 1 RETURNING file"
_SIZE = "SELECT size FROM blobs WHERE id = ?"
_GET = "SELECT size, crc, file, data FROM blobs WHERE id = ?"
_HAS_FILE = "SELECT 1 FROM blobs WHERE file = ?"


class SqliteBlobs:
    """See the Blobs protocol."""

    __slots__ = ("_tx",)

    def __init__(self, tx: "Transaction") -> None:
        self._tx = tx

    def publish(self, staged: Staged) -> int:
        """Raises LookupError when the staged body was aborted, or is published already."""
        if staged.data is not None:
            return self.add(staged.data)
        path = Path(staged.path)
        name = path.parent.name + path.name
        self._tx.claim(name)
        return self._insert(staged.size, None, name, None)

    def add(self, data: bytes) -> int:
        if len(data) <= INLINE_BYTES_MAX:
            return self._insert(len(data), zlib.crc32(data), None, data)
        stage = BodyStage(self._tx.files)
        stage.write(data)
        staged = stage.finish({}, {})
        try:
            blob = self.publish(staged)
        except BaseException:
            stage.abort()
            raise
        stage.abort()  # wanted by this attempt alone: should it be undone, the file goes
        return blob

    def share(self, blob: int) -> None:
        if self._tx.change(_SHARE, (blob,)).rowcount != 1:
            raise KeyError(blob)

    def release(self, blob: int) -> None:
        row = self._tx.change(_DELETE, (blob,)).fetchone()
        if row is None:
            if self._tx.change(_RELEASE, (blob,)).rowcount != 1:
                raise KeyError(blob)
        elif row[0] is not None:
            self._tx.doom(row[0])

    def size(self, blob: int) -> int:
        row = self._tx.execute(_SIZE, (blob,)).fetchone()
        if row is None:
            raise KeyError(blob)
        found: int = row[0]
        return found

    def read(self, blob: int, offset: int = 0, length: int | None = None) -> bytes:
        size, file, data = self._get(blob)
        end = size if length is None else min(offset + length, size)
        if offset >= end:
            return b""
        if data is not None:
            return data if end - offset == size else data[offset:end]
        assert file is not None
        with FileBlob(self._tx.files, file, offset, end - offset) as opened:
            return opened.read()

    def open(self, segment: Segment) -> OpenBlob:
        size, file, data = self._get(segment.blob)
        offset, length = segment.offset, segment.length
        assert offset + length <= size, segment
        if data is not None:
            return MemoryBlob(data if length == size else data[offset : offset + length])
        assert file is not None
        return FileBlob(self._tx.files, file, offset, length)

    def rowless(self, files: list[str]) -> list[str]:
        """Those of these files that no row names."""
        return [file for file in files if self._tx.execute(_HAS_FILE, (file,)).fetchone() is None]

    def _insert(self, size: int, crc: int | None, file: str | None, data: bytes | None) -> int:
        blob = self._tx.next_id(SEQUENCE)
        if data is not None:
            self._tx.bulk_bytes += len(data)
        self._tx.change(_INSERT, (blob, size, crc, file, data))
        return blob

    def _get(self, blob: int) -> tuple[int, str | None, bytes | None]:
        row = self._tx.execute(_GET, (blob,)).fetchone()
        if row is None:
            raise KeyError(blob)
        size, crc, file, data = row
        if data is not None and zlib.crc32(data) != crc:
            raise BlobDamaged(f"blob {blob}: its bytes are not those that were stored")
        return size, file, data


class MemoryBlob:
    """An OpenBlob whose bytes are here."""

    __slots__ = ("data",)
    fd = -1
    offset = 0

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def length(self) -> int:
        return len(self.data)

    def close(self) -> None:
        """Nothing is held."""


class FileBlob:
    """An OpenBlob in a file, which stays until closed. Opened on first use: an answer may consist of 10,000 of them."""

    __slots__ = ("_fd", "_files", "_name", "length", "offset")
    data = None

    def __init__(self, files: BlobFiles, name: str, offset: int, length: int) -> None:
        self._files = files
        self._name = name
        self._fd = -1
        self.offset = offset
        self.length = length
        files.pin(name)

    @property
    def fd(self) -> int:
        """Raises BlobDamaged when the file is gone or too short."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._files.path(self._name), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise BlobDamaged(f"blob file {self._name} is gone") from None
            if os.fstat(self._fd).st_size < self.offset + self.length:
                raise BlobDamaged(f"blob file {self._name} is shorter than it was")
        return self._fd

    def read(self) -> bytes:
        data = os.pread(self.fd, self.length, self.offset)
        while len(data) < self.length:
            more = os.pread(self.fd, self.length - len(data), self.offset + len(data))
            if not more:
                raise BlobDamaged(f"blob file {self._name} is shorter than it was")
            data += more
        return data

    def close(self) -> None:
        if not self._name:
            return
        name, self._name = self._name, ""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._files.unpin(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
