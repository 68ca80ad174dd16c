"""Digests that are computed while bytes go by."""

import hashlib
import zlib
from collections.abc import Callable, Iterable
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


def _crc32c() -> Digest:
    from awscrt import checksums  # noqa: PLC0415 - ten megabytes that most clouds never need

    return _Crc(checksums.crc32c, 4)


def _crc64nvme() -> Digest:
    from awscrt import checksums  # noqa: PLC0415

    return _Crc(checksums.crc64nvme, 8)


_MAKERS: Final[dict[str, Callable[[], Digest]]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "crc32": lambda: _Crc(zlib.crc32, 4),
    "crc32c": _crc32c,
    "crc64nvme": _crc64nvme,
}
KNOWN: Final = frozenset(_MAKERS)


def make(names: Iterable[str]) -> dict[str, Digest]:
    """A fresh digest for each name: md5, sha1, sha256, crc32, crc32c, crc64nvme."""
    return {name: _MAKERS[name]() for name in names}
