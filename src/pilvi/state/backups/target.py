"""Where backups are kept: any place with names and bytes. A name is there with all of its bytes, or not at all."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

PIECE_BYTES = 1024 * 1024
_PARTIAL = "partial"


class NotThere(Exception):
    """The target has nothing of this name."""


class Target(Protocol):
    """Any thread."""

    @property
    def scratch(self) -> Path | None:
        """A folder on its side that has room; None: there is none here."""

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        """(name, size) of all whose names begin so; the prefix ends with a slash."""

    def write(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        """Durable when it returns. What `pieces` raises is raised, and nothing is there."""

    def read(self, name: str) -> Iterator[bytes]:
        """Raises NotThere."""

    def remove(self, name: str) -> None: ...


class FolderTarget:
    """A folder, for its owner's eyes only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial = folder / _PARTIAL

    @property
    def scratch(self) -> Path | None:
        self._make(self._partial)
        return self._partial

    def names(self, prefix: str) -> Iterator[tuple[str, int]]:
        root = self._folder / prefix
        for folder, _, files in os.walk(root):
            for file in files:
                path = Path(folder, file)
                yield path.relative_to(self._folder).as_posix(), path.stat().st_size

    def write(self, name: str, pieces: Iterable[bytes], size: int) -> None:  # noqa: ARG002 - others need to know it
        target = self._folder / name
        self._make(target.parent)
        self._make(self._partial)
        beside = self._partial / name.replace("/", "-")
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb", buffering=0) as file:
                for piece in pieces:
                    _write_all(file.fileno(), piece)
                os.fsync(fd)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        beside.rename(target)
        _sync(target.parent)

    def read(self, name: str) -> Iterator[bytes]:
        try:
            with (self._folder / name).open("rb", buffering=0) as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except FileNotFoundError:
            raise NotThere(name) from None

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._folder / name).unlink()

    def tidy(self, *unfinished: str) -> None:
        """Removes what writing needed, and what was written of these names when it was ended."""
        for name in unfinished:
            (self._partial / name.replace("/", "-")).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else writes
            self._partial.rmdir()

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            _sync(folder.parent)


def read_all(target: Target, name: str) -> bytes:
    """Raises NotThere."""
    return b"".join(target.read(name))


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
