"""Digests that are computed while bytes go by."""

import hashlib
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final, Protocol


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check, big-endian as S3 writes it."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


@cache
def _awscrt(name: str) -> Callable[[bytes, int], int]:
    from awscrt import checksums  # noqa: PLC0415 - ten megabytes that most clouds never need

    found: Callable[[bytes, int], int] = getattr(checksums, name)
    return found


class _XXHash:
    """One of the xxHash family, seed 0, big-endian (its canonical form)."""

    __slots__ = ("_inner", "update")

    def __init__(self, name: str) -> None:
        from awscrt import checksums  # noqa: PLC0415 - as above

        self._inner = getattr(checksums.XXHash, name)()
        self.update: Callable[[bytes], None] = self._inner.update

    def digest(self) -> bytes:
        found: bytes = self._inner.finalize()
        return found


_MAKERS: Final[dict[str, Callable[[], Digest]]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "crc32": lambda: _Crc(zlib.crc32, 4),
    "crc32c": lambda: _Crc(_awscrt("crc32c"), 4),
    "crc64nvme": lambda: _Crc(_awscrt("crc64nvme"), 8),
    "xxhash64": lambda: _XXHash("new_xxhash64"),
    "xxhash3": lambda: _XXHash("new_xxhash3_64"),
    "xxhash128": lambda: _XXHash("new_xxhash3_128"),
}
KNOWN: Final = frozenset(_MAKERS)


def make(names: Iterable[str]) -> dict[str, Digest]:
    """A fresh digest for each name, of KNOWN."""
    return {name: _MAKERS[name]() for name in names}


# -- putting parts together ----------------------------------------------------------------------------------------------
#
# A CRC is the remainder of a polynomial over GF(2). Appending B to A multiplies A's by x^(8 * len B), so the CRC of A+B
# follows from crc(A), crc(B) and the length of B, without reading a byte again.

_CRC_BYTES: Final = {"crc32": 4, "crc32c": 4, "crc64nvme": 8}


def combined(name: str, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The CRC of a whole, from (CRC, length in bytes) of its parts in order. About 2 µs a part."""
    combine = _combiner(name)
    whole = 0
    for digest, size in parts:
        whole = combine(whole, int.from_bytes(digest, "big"), size)
    return whole.to_bytes(_CRC_BYTES[name], "big")


@cache
def _combiner(name: str) -> Callable[[int, int, int], int]:
    from awscrt import checksums  # noqa: PLC0415 - as above

    found: Callable[[int, int, int], int] = getattr(checksums, f"combine_{name}")
    return found
