"""Blobs inside a transaction: rows that count references and hold small contents, or name the file of a large one."""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from pilvi.core import sealing
from pilvi.core.effects import Segment, Staged
from pilvi.state.errors import BlobDamaged
from pilvi.state.openblobs import VERIFIED_BYTES_MAX, FileBlob, MemoryBlob, SealedFileBlob, opened, read_all
from pilvi.state.stage import INLINE_BYTES_MAX, BodyStage
from pilvi.state.store import OpenBlob

if TYPE_CHECKING:
    from pilvi.state.transaction import Transaction

# `data` comes last: whoever asks for the other columns does not load it. `crc` is of the stored bytes: CRC-32 of `data`,
# CRC-64/NVME of a file (NULL where the file is of a pilvi that kept none).
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
        return self._insert(staged.sealed or staged.size, staged.checksum, name, None)

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

    def read(self, blob: int, offset: int = 0, length: int | None = None, *, key: bytes = b"") -> bytes:
        stored, crc, file, data = self._get(blob)
        size = sealing.plain_size(stored) if key else stored
        end = size if length is None else min(offset + length, size)
        if offset >= end:
            return b""
        if data is not None:
            return _cut(data, offset, end - offset, key)
        assert file is not None
        with self._in_file(file, Segment(blob, offset, end - offset, key), stored, crc) as opened:
            return read_all(opened)

    def open(self, segment: Segment) -> OpenBlob:
        size, crc, file, data = self._get(segment.blob)
        offset, length = segment.offset, segment.length
        if data is not None:
            assert segment.key or offset + length <= size, segment
            return MemoryBlob(_cut(data, offset, length, segment.key))
        assert file is not None
        return self._in_file(file, segment, size, crc)

    def _in_file(self, file: str, segment: Segment, size: int, crc: int | None) -> FileBlob:
        """What can be verified is: sealed bytes as they are opened, small files at once, whole ones as they are read."""
        files, offset, length = self._tx.files, segment.offset, segment.length
        if segment.key:
            return SealedFileBlob(files, file, offset, length, segment.key)
        found = FileBlob(files, file, offset, length, crc if length == size else None)
        if size <= VERIFIED_BYTES_MAX and crc is not None:
            try:
                found.verify(crc)
            except BaseException:
                found.close()
                raise
        return found

    def rowless(self, files: list[str]) -> list[str]:
        """Those of these files that no row names."""
        return [file for file in files if self._tx.execute(_HAS_FILE, (file,)).fetchone() is None]

    def _insert(self, size: int, crc: int | None, file: str | None, data: bytes | None) -> int:
        blob = self._tx.next_id(SEQUENCE)
        if data is not None:
            self._tx.bulk_bytes += len(data)
        self._tx.change(_INSERT, (blob, size, crc, file, data))
        return blob

    def _get(self, blob: int) -> tuple[int, int | None, str | None, bytes | None]:
        row = self._tx.execute(_GET, (blob,)).fetchone()
        if row is None:
            raise KeyError(blob)
        size, crc, file, data = row
        if data is not None and zlib.crc32(data) != crc:
            raise BlobDamaged(f"blob {blob}: its bytes are not those that were stored")
        return size, crc, file, data


def _cut(data: bytes, offset: int, length: int, key: bytes) -> bytes:
    if key:
        if len(data) <= sealing.ONE_CHUNK_BYTES_MAX:
            plain = opened(lambda: sealing.opened(key, data))
            return plain if length == len(plain) else plain[offset : offset + length]
        return opened(
            lambda: sealing.Opener(key, lambda at, size: data[at : at + size], len(data)).read(offset, length)
        )
    return data if length == len(data) else data[offset : offset + length]
