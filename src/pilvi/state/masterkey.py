"""The file that holds the master key: its owner's alone, made once, and durable before anything is encrypted under it."""

import os
from pathlib import Path

from pilvi.config import MASTER_KEY_BYTES, MASTER_KEY_FILE


class UnsafeKey(Exception):
    """The file is no key, or others can read it; the text says what to do."""


def read(folder: Path) -> bytes | None:
    """The key; None when there is no file.

    Raises:
        UnsafeKey: as ssh does, a file of ours that others can read is refused.
        OSError: it cannot be read.
    """
    path = folder / MASTER_KEY_FILE
    try:
        with path.open("rb") as file:
            known = os.fstat(file.fileno())
            key = file.read(MASTER_KEY_BYTES + 1)
    except FileNotFoundError:
        return None
    mode = known.st_mode & 0o777
    if known.st_uid == os.geteuid() and mode & 0o077:
        raise UnsafeKey(f"{path} can be read or changed by others (mode {mode:04o}): chmod 600 {path}")
    if len(key) != MASTER_KEY_BYTES:
        raise UnsafeKey(f"{path} is damaged: restore it from a backup")
    return key


def make(folder: Path) -> bytes:
    """A new key, and its file."""
    key = os.urandom(MASTER_KEY_BYTES)
    path = folder / MASTER_KEY_FILE
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return key
