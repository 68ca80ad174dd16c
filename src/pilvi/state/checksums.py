"""The checksums that are kept of stored bytes: CRC-32 of those in the database, CRC-64/NVME of those in files.

Both find every flipped bit, and every damaged stretch up to their own length. The second costs 0.1 ms a megabyte.
SQLite's integers are signed, so the second is kept as such.
"""

import os
from collections.abc import Callable
from functools import cache

PIECE_BYTES = 1024 * 1024
_SIGN = 1 << 63


def file_checksum(fd: int) -> tuple[int, int]:
    """(checksum, length) of everything in an open file."""
    add = crc64()
    whole = length = 0
    while piece := os.pread(fd, PIECE_BYTES, length):
        whole = add(piece, whole)
        length += len(piece)
    return signed(whole), length


def signed(unsigned: int) -> int:
    """As it is kept."""
    return unsigned - (_SIGN << 1) if unsigned >= _SIGN else unsigned


@cache
def crc64() -> Callable[[bytes, int], int]:
    """(bytes, CRC of what went before) -> CRC."""
    from awscrt import checksums  # noqa: PLC0415 - ten megabytes for who has large blobs

    found: Callable[[bytes, int], int] = checksums.crc64nvme
    return found
