"""The file operations that blobs need, behind one seam: tests break the n-th of them."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

PIECES_MAX = 512  # of one writev; Linux takes 1,024


class Disk:
    """Every method raises OSError."""

    def create(self, path: Path) -> int:
        """A new file, open for writing; nobody else may read it. The file must not exist."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, fd: int, pieces: Sequence[bytes]) -> None:
        """Writes everything, in as few calls as the system allows."""
        for at in range(0, len(pieces), PIECES_MAX):
            _write_all(fd, pieces[at : at + PIECES_MAX])

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        source.rename(target)

    def remove(self, path: Path) -> None:
        """A file that is gone already is fine."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def make_folder(self, path: Path) -> None:
        """Also durably known to its parent."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.sync_folder(path.parent)

    def sync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _write_all(fd: int, pieces: Sequence[bytes]) -> None:
    written = os.writev(fd, pieces)
    if written < sum(map(len, pieces)):  # interrupted, or nearly full: the next call says which
        rest = memoryview(b"".join(pieces))[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]
