"""Sealing: authenticated encryption of what is stored. Nothing here touches a disk.

A key is wrapped under another as one AES-256-GCM message. A blob is sealed in chunks, so that a range can be opened
without the rest and a stream without holding it:

    header    8 bytes of magic, 24 of salt
    chunk     AES-256-GCM of 64 KiB of plain text (the last one shorter), each with its tag of 16 bytes

The key of the chunks is HMAC-SHA-256 of header under the object's data key: no two blobs share a key, so the nonces may
count from zero. A nonce also says whether its chunk is the last: what is cut off, exchanged or moved does not open
(the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015). An empty blob has one empty chunk.
"""

import hmac
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
MAGIC = b"plvseal\x01"
SALT_BYTES = 24
HEADER_BYTES = len(MAGIC) + SALT_BYTES
CHUNK_BYTES = 64 * 1024
_SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
ONE_CHUNK_BYTES_MAX = HEADER_BYTES + _SEALED_CHUNK_BYTES
"""Sealed blobs up to here are one chunk."""

Read = Callable[[int, int], bytes]
"""(offset, length) -> that many bytes of a sealed blob."""


class SealBroken(Exception):
    """The bytes are not those that were sealed, or the key is another."""


def wrap(key: bytes, plain: bytes, context: bytes, nonce: bytes) -> bytes:
    """Nonce, cipher text and tag. Who unwraps must name the same context. A nonce serves once for a key."""
    return nonce + _cipher(key).encrypt(nonce, plain, context)


def unwrap(key: bytes, wrapped: bytes, context: bytes) -> bytes:
    """Raises SealBroken."""
    return _open(_cipher(key), wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose; it tells nothing of the secret or of other purposes' keys."""
    return hmac.digest(secret, b"pilvi:" + purpose.encode(), "sha256")


def sealed_size(plain_size: int) -> int:
    """How long a sealed blob is."""
    return HEADER_BYTES + plain_size + _chunks(plain_size) * TAG_BYTES


def plain_size(sealed_size: int) -> int:
    """How much is in a sealed blob of this length."""
    body = sealed_size - HEADER_BYTES
    return body - -(-body // _SEALED_CHUNK_BYTES) * TAG_BYTES


class Sealer:
    """Seals one blob as its plain text comes in pieces.

    Args:
        key: the data key.
        salt: 24 fresh random bytes.
    """

    def __init__(self, key: bytes, salt: bytes) -> None:
        assert len(salt) == SALT_BYTES
        self.header = MAGIC + salt
        self._cipher = _cipher(_blob_key(key, self.header))
        self._rest = b""
        self._index = 0

    def update(self, data: bytes) -> list[bytes]:
        """Sealed chunks that are complete now. The last one waits for `finish`, full or not."""
        missing = CHUNK_BYTES - len(self._rest)
        if len(data) <= missing:
            self._rest = self._rest + data if self._rest else data
            return []
        sealed, view, start = [], memoryview(data), 0
        if self._rest:
            sealed.append(self._chunk(self._rest + data[:missing] if missing else self._rest))
            start = missing
        while len(data) - start > CHUNK_BYTES:
            sealed.append(self._chunk(view[start : start + CHUNK_BYTES]))
            start += CHUNK_BYTES
        self._rest = data[start:]
        return sealed

    def _chunk(self, plain: "bytes | memoryview") -> bytes:
        """One that others follow."""
        sealed = self._cipher.encrypt(_nonce(self._index, last=False), plain, None)
        self._index += 1
        return sealed

    def finish(self) -> bytes:
        """The last chunk."""
        return self._cipher.encrypt(_nonce(self._index, last=True), self._rest, None)


def seal(key: bytes, salt: bytes, data: bytes) -> bytes:
    """A whole blob."""
    sealer = Sealer(key, salt)
    return b"".join((sealer.header, *sealer.update(data), sealer.finish()))


def opened(key: bytes, sealed: bytes) -> bytes:
    """The whole of a sealed blob that is one chunk. Raises SealBroken."""
    if len(sealed) < HEADER_BYTES or not sealed.startswith(MAGIC):
        raise SealBroken("this is no sealed blob")
    view = memoryview(sealed)
    return _open(_cipher(_blob_key(key, sealed[:HEADER_BYTES])), _ONLY, view[HEADER_BYTES:], None)


class Opener:
    """Opens parts of one sealed blob.

    Args:
        size: of the sealed blob, in bytes.

    Raises:
        SealBroken: its beginning is not that of a sealed blob.
    """

    def __init__(self, key: bytes, read: Read, size: int) -> None:
        header = read(0, HEADER_BYTES)
        if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
            raise SealBroken("this is no sealed blob")
        self._cipher = _cipher(_blob_key(key, header))
        self._read = read
        self.size = plain_size(size)
        self._last = _chunks(self.size) - 1

    def read(self, offset: int, length: int) -> bytes:
        """Plain bytes [offset, offset + length). Raises SealBroken."""
        if not length:
            return b""
        first, last = offset // CHUNK_BYTES, (offset + length - 1) // CHUNK_BYTES
        plain = self._chunks(first, last)
        skip = offset - first * CHUNK_BYTES
        if not skip and length == sum(map(len, plain)):
            return plain[0] if len(plain) == 1 else b"".join(plain)
        return b"".join(plain)[skip : skip + length]

    def _chunks(self, first: int, last: int) -> list[bytes]:
        size = min(self.size, (last + 1) * CHUNK_BYTES) - first * CHUNK_BYTES + (last - first + 1) * TAG_BYTES
        sealed = memoryview(self._read(HEADER_BYTES + first * _SEALED_CHUNK_BYTES, size))
        plain = []
        for index in range(first, last + 1):
            start = (index - first) * _SEALED_CHUNK_BYTES
            chunk = sealed[start : start + _SEALED_CHUNK_BYTES]
            plain.append(_open(self._cipher, _nonce(index, last=index == self._last), chunk, None))
        return plain

    def check(self) -> Iterable[int]:
        """Opens everything, chunk by chunk: how many plain bytes each had. Raises SealBroken."""
        for index in range(self._last + 1):
            yield len(self._chunks(index, index)[0])


def _open(cipher: "AESGCM", nonce: bytes, sealed: "bytes | memoryview", context: bytes | None) -> bytes:
    try:
        return cipher.decrypt(nonce, sealed, context)
    except _refusals():
        raise SealBroken("the bytes are not those that were sealed, or the key is another") from None


@cache
def _refusals() -> tuple[type[Exception], ...]:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _aes

    return InvalidTag, ValueError


def _cipher(key: bytes) -> "AESGCM":
    return _aes()(key)


@cache
def _aes() -> type["AESGCM"]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - megabytes for who never seals

    return AESGCM


def _blob_key(key: bytes, header: bytes) -> bytes:
    return hmac.digest(key, header, "sha256")


def _nonce(index: int, *, last: bool) -> bytes:
    return (index << 8 | last).to_bytes(NONCE_BYTES, "big")


_ONLY = _nonce(0, last=True)


def _chunks(size: int) -> int:
    return max(1, -(-size // CHUNK_BYTES))
