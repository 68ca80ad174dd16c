"""Blobs that a reader holds: they stay readable though they are released meanwhile. See the OpenBlob protocol."""

import os
from collections.abc import Callable
from time import monotonic
from typing import Self, TypeVar

from pilvi.core import sealing
from pilvi.state import checksums
from pilvi.state.errors import BlobDamaged
from pilvi.state.files import BlobFiles
from pilvi.state.store import OpenBlob

T = TypeVar("T")

VERIFIED_BYTES_MAX = 1024 * 1024  # files up to here are verified before the first byte is sent
VERIFIED_SECONDS = 600.0  # and then not again for so long
VERIFIED_MAX = 10_000  # files of which that is remembered


class MemoryBlob:
    """An OpenBlob whose bytes are here."""

    __slots__ = ("data",)
    fd = -1
    offset = 0
    sealed = False

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def length(self) -> int:
        return len(self.data)

    def read_at(self, position: int, most: int) -> bytes:
        return self.data[position : position + most]

    def close(self) -> None:
        """Nothing is held."""


class FileBlob:
    """An OpenBlob in a file, which stays until closed. Opened on first use: an answer may consist of 10,000 of them.

    Args:
        checksum: of the whole file, where the whole is read: `read_at` from begin to end does not give its last bytes
            when they, or others before them, are not those that were stored.
    """

    __slots__ = ("_checksum", "_fd", "_files", "_name", "_sum", "_summed", "length", "offset")
    data = None
    sealed = False

    def __init__(self, files: BlobFiles, name: str, offset: int, length: int, checksum: int | None = None) -> None:
        self._files = files
        self._name = name
        self._fd = -1
        self._checksum = checksum
        self._sum = self._summed = 0
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

    def read_at(self, position: int, most: int) -> bytes:
        data = os.pread(self.fd, min(most, self.length - position), self.offset + position)
        if not data:
            raise BlobDamaged(f"blob file {self._name} is shorter than it was")
        if self._checksum is not None and position == self._summed:
            self._sum = checksums.crc64()(data, self._sum)
            self._summed += len(data)
            if self._summed == self.length and checksums.signed(self._sum) != self._checksum:
                raise self._damaged()
        return data

    def verify(self, checksum: int) -> None:
        """Reads the whole file. Not again, where that was done a short time ago.

        Raises:
            BlobDamaged: its bytes are not those that were stored.
        """
        now = monotonic()
        if self._files.verified.get(self._name, now) > now:
            return
        if checksums.file_checksum(self.fd)[0] != checksum:
            raise self._damaged()
        if len(self._files.verified) >= VERIFIED_MAX:
            self._files.verified.clear()
        self._files.verified[self._name] = now + VERIFIED_SECONDS

    def _damaged(self) -> BlobDamaged:
        return BlobDamaged(f"blob file {self._name}: its bytes are not those that were stored")

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


class SealedFileBlob(FileBlob):
    """A part of a sealed blob in a file, opened chunk by chunk. `fd` is of the sealed bytes."""

    __slots__ = ("_key", "_opener")
    sealed = True

    def __init__(self, files: BlobFiles, name: str, offset: int, length: int, key: bytes) -> None:
        super().__init__(files, name, offset, length)
        self._key = key
        self._opener: sealing.Opener | None = None

    def read_at(self, position: int, most: int) -> bytes:
        """To the end of a chunk, where `most` reaches so far: none is opened twice."""
        return opened(lambda: self._read_at(position, most))

    def _read_at(self, position: int, most: int) -> bytes:
        if self._opener is None:
            self._opener = sealing.Opener(self._key, self._pread, os.fstat(self.fd).st_size)
        begin = self.offset + position
        end = min(begin + most, self.offset + self.length)
        whole = end - end % sealing.CHUNK_BYTES
        return self._opener.read(begin, (whole if whole > begin and end < self.offset + self.length else end) - begin)

    def _pread(self, offset: int, length: int) -> bytes:
        data = os.pread(self.fd, length, offset)
        if len(data) < length:
            raise BlobDamaged(f"blob file {self._name} is shorter than it was")
        return data


def read_all(blob: OpenBlob) -> bytes:
    """Everything, in memory."""
    pieces: list[bytes] = []
    position = 0
    while position < blob.length:
        pieces.append(blob.read_at(position, blob.length - position))
        position += len(pieces[-1])
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def opened(read: Callable[[], T]) -> T:
    """What `read` gives; a seal that does not open is a damaged blob."""
    try:
        return read()
    except sealing.SealBroken as error:
        raise BlobDamaged(str(error)) from None
