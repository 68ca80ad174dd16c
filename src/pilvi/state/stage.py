"""A body on its way in: in memory while it is small, then a file under staging/. Sealed, if it is to be, as it comes."""

import os
from collections.abc import Mapping

from pilvi.core import sealing
from pilvi.core.effects import Staged
from pilvi.state import checksums
from pilvi.state.files import BlobFiles

INLINE_BYTES_MAX = 256 * 1024  # larger blobs are files: below it, one commit is cheaper than file, rename and syncs
PIECE_BYTES = 256 * 1024  # of a write to the file
PLAIN = "crc64nvme"  # the digest that is the checksum of what is stored, where that is not sealed
SMALL_WRITE_BYTES = 64 * 1024  # what an event loop hands over at once


class BodyStage:
    """See the Stage protocol."""

    __slots__ = ("_buffered", "_checksum", "_fd", "_files", "_name", "_pieces", "_promised", "_sealer", "_size")

    def __init__(self, files: BlobFiles, seal: bytes = b"", promised: frozenset[str] = frozenset()) -> None:
        self._files = files
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._size = 0
        self._name = ""
        self._fd = -1
        self._checksum = 0
        self._promised = PLAIN in promised and not seal
        self._sealer: sealing.Sealer | None = None
        if seal:
            self._sealer = sealing.Sealer(seal, os.urandom(sealing.SALT_BYTES))
            self._keep(self._sealer.header)

    @property
    def in_memory(self) -> bool:
        return not self._name and self._size + SMALL_WRITE_BYTES <= INLINE_BYTES_MAX

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._sealer is None:
            self._keep(data)
        else:
            for chunk in self._sealer.update(data):
                self._keep(chunk)
        if self._buffered >= PIECE_BYTES and self._size > INLINE_BYTES_MAX:
            self._flush()

    def finish(self, digests: Mapping[str, bytes], trailers: Mapping[str, str]) -> Staged:
        stored, sealed = self._size, 0
        if self._sealer is not None:
            self._keep(self._sealer.finish())
            stored = sealed = sealing.sealed_size(self._size)
        if stored <= INLINE_BYTES_MAX:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            return Staged(self._size, digests, data=bytes(data), trailers=trailers, sealed=sealed)
        self._flush()
        disk = self._files.disk
        try:
            disk.sync(self._fd)
            self._close()
            path = self._files.settle(self._name)
        except BaseException:
            self.abort()
            raise
        if self._promised:
            self._checksum = int.from_bytes(digests[PLAIN], "big")
        checksum = checksums.signed(self._checksum)
        return Staged(self._size, digests, path=str(path), trailers=trailers, sealed=sealed, checksum=checksum)

    def abort(self) -> None:
        self._pieces.clear()
        if self._name:
            self._close()
            self._files.abandon(self._name)

    def _keep(self, data: bytes) -> None:
        self._pieces.append(data)
        self._buffered += len(data)

    def _flush(self) -> None:
        try:
            if not self._name:
                self._name, self._fd = self._files.begin()
            if self._pieces:
                self._files.disk.write(self._fd, self._pieces)
                self._sum()
        except BaseException:
            self.abort()
            raise
        self._pieces.clear()
        self._buffered = 0

    def _sum(self) -> None:
        """Adds what was written to the checksum, unless somebody computes the same beside us."""
        if not self._promised:
            add = checksums.crc64()
            for piece in self._pieces:
                self._checksum = add(piece, self._checksum)

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._files.disk.close(fd)
