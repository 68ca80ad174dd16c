"""One process at a time on a data folder."""

import contextlib
import fcntl
import os
from pathlib import Path

from pilvi.state.errors import FolderInUse

NAME = "lock"


class FolderLock:
    """Held from its making to `release`, or to the end of the process however it ends. The file tells whose it is."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise FolderInUse(
                f"{folder} is in use by process {holder or 'unknown'}: stop it, or choose another data folder"
            ) from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the note
            os.truncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
