"""From a function's zip to a folder that workers can be shown.

Folders are named by the SHA-256 of their zip, so functions with the same package share one. They are a cache: made by
unpacking beside and renaming, never fsynced, thrown away when unused; after a crash they are unpacked again.

An archive is hostile input: names that leave the folder, links that point out of it, and bombs are refused.
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
"""

import base64
import contextlib
import errno
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path, PurePosixPath

from pilvi.runtime.errors import InvalidZipFile

UNPACKED_BYTES_MAX = 250 * 1024 * 1024
ENTRIES_MAX = 100_000
NAME_BYTES_MAX = 4096
CACHE_BYTES_MAX = 4 * 1024**3
_COPY_BYTES = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Packages:
    """The cache. Its methods are called from threads; each may be called for the same package at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Makes the folder, and removes what a crash left half unpacked and what was used longest ago."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        for left in self.folder.glob("*.part"):
            remove(left)
        self._trim()

    def name(self, code_sha256: str) -> str:
        """The folder's name for AWS's base64 hash."""
        return base64.b64decode(code_sha256).hex()

    def prepare(self, code_sha256: str, fetch: Callable[[], bytes]) -> str:
        """The name of the package's folder, unpacked if it was not.

        Raises:
            InvalidZipFile: the archive cannot be unpacked.
            OSError: the disk is full.
        """
        name = self.name(code_sha256)
        path = self.folder / name
        if path.is_dir():
            os.utime(path)
            return name
        part = Path(tempfile.mkdtemp(suffix=".part", dir=self.folder))
        try:
            part.chmod(0o755)
            unpack(fetch(), part)
            with contextlib.suppress(OSError):  # ENOTEMPTY: another thread was quicker
                part.rename(path)
        finally:
            if part.exists():
                remove(part)
        return name

    def _trim(self) -> None:
        sizes = [(path.stat().st_mtime, _size(path), path) for path in self.folder.iterdir()]
        total = sum(size for _, size, _ in sizes)
        for _, size, path in sorted(sizes):
            if total <= CACHE_BYTES_MAX:
                return
            remove(path)
            total -= size


def unpack(archive: bytes, folder: Path) -> None:
    """Unpacks a zip into an empty folder: everything readable, what was executable still is.

    Raises:
        InvalidZipFile: it is no zip, is too large, or names something outside.
    """
    try:
        with zipfile.ZipFile(BytesIO(archive)) as zipped:
            entries = zipped.infolist()
            if len(entries) > ENTRIES_MAX:
                raise InvalidZipFile(f"The package has more than {ENTRIES_MAX} entries.")
            if any(entry.compress_type not in _METHODS for entry in entries):
                raise InvalidZipFile("Could not unzip the package: only stored and deflated entries are read.")
            left = UNPACKED_BYTES_MAX
            links = [entry for entry in entries if _is_link(entry)]
            for entry in entries:
                if not _is_link(entry):
                    left -= _write(zipped, entry, folder, left)
            for entry in links:  # last: nothing is written through them
                _link(zipped, entry, folder)
        for path, _, _ in os.walk(folder):  # whatever the umask: workers are somebody else
            os.chmod(path, 0o755)  # noqa: PTH101, S103
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise InvalidZipFile(f"Could not unzip the package: {error}.") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise InvalidZipFile("Could not unzip the package: an entry stands in the way of another.") from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise  # the disk is full
        raise InvalidZipFile("Could not unzip the package: a name is too long.") from None


def remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _write(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, left: int) -> int:
    target = folder / _inside(entry.filename)
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o755 if entry.external_attr >> 16 & 0o111 else 0o644
    written = 0
    with zipped.open(entry) as source, open(target, "wb", opener=_opener(mode)) as file:
        while data := source.read(_COPY_BYTES):  # counted, not believed: the directory may lie about sizes
            written += len(data)
            if written > left:
                raise InvalidZipFile(f"Unzipped size must be smaller than {UNPACKED_BYTES_MAX} bytes")
            file.write(data)
    return written


def _opener(mode: int) -> Callable[[str, int], int]:
    def opener(path: str, flags: int) -> int:
        descriptor = os.open(path, flags | os.O_NOFOLLOW, mode)
        os.fchmod(descriptor, mode)
        return descriptor

    return opener


def _link(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    name = _inside(entry.filename)
    goal = zipped.read(entry).decode()
    if goal.startswith("/") or len(goal) > NAME_BYTES_MAX:
        raise InvalidZipFile("Could not unzip the package: a link leads out of it.")
    _inside(os.path.normpath(name.parent / goal))
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InvalidZipFile("Could not unzip the package: a link leads out of it.")
    target.symlink_to(goal)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or len(name.encode()) > NAME_BYTES_MAX:
        raise InvalidZipFile("Could not unzip the package: an entry lies outside of it.")
    return path


def _is_link(entry: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(entry.external_attr >> 16)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))
