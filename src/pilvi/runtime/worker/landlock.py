"""Landlock: which files may be read, and which written, whatever the permissions of user and mount say.

https://docs.kernel.org/userspace-api/landlock.html
"""

import os
import struct
from typing import Final

from . import linux

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_MAKE_CHAR: Final = 1 << 6
_MAKE_BLOCK: Final = 1 << 11
_ALL_OF_ABI_1: Final = (1 << 13) - 1
_REFER: Final = 1 << 13  # ABI 2
_TRUNCATE: Final = 1 << 14  # ABI 3
_IOCTL_DEVICE: Final = 1 << 15  # ABI 5

_ABSTRACT_SOCKETS: Final = 1 << 0  # ABI 6
_SIGNALS: Final = 1 << 1

_READ: Final = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE


def restrict(readable: list[str], writable: list[str], devices: list[str]) -> None:
    """From now on only what lies beneath these paths: read, written, and devices read and written.

    Raises:
        OSError: this kernel has no Landlock, or it is switched off.
    """
    abi = linux.landlock_abi()
    handled = _ALL_OF_ABI_1
    handled |= _REFER if abi >= 2 else 0
    handled |= _TRUNCATE if abi >= 3 else 0
    handled |= _IOCTL_DEVICE if abi >= 5 else 0
    attributes = struct.pack("=Q", handled)
    if abi >= 6:
        attributes = struct.pack("=QQQ", handled, 0, _ABSTRACT_SOCKETS | _SIGNALS)
    ruleset = linux.landlock_ruleset(attributes)
    try:
        _allow(ruleset, readable, _READ & handled)
        _allow(ruleset, writable, handled & ~(_MAKE_CHAR | _MAKE_BLOCK))
        _allow(ruleset, devices, (_READ_FILE | _WRITE_FILE | _TRUNCATE) & handled)
        linux.landlock_restrict(ruleset)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, paths: list[str], access: int) -> None:
    for path in paths:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            mask = access if os.path.isdir(path) else access & _OF_FILES  # noqa: PTH112 - pathlib costs a millisecond
            linux.landlock_allow_path(ruleset, mask, folder)
        finally:
            os.close(folder)
