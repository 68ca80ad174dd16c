"""A full disk: the client is told, what is there stays readable, and with room again everything goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from crash import mortal
from crash import store_workload as workload
from pilvi.core.errors import ServiceUnavailable
from pilvi.state.disk import Disk
from state_records import Thing
from stores import open_store

HERE = Path(__file__).parent


class FullDisk(Disk):
    """Breaks the n-th file operation; removing fails, too, as on a broken disk."""

    def __init__(self) -> None:
        self.left = 0

    def _break(self, number: int = errno.ENOSPC) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(number, os.strerror(number))

    def create(self, path: Path) -> int:
        self._break()
        return super().create(path)

    def write(self, fd: int, pieces: Sequence[bytes]) -> None:
        half = b"".join(pieces)
        super().write(fd, [half[: len(half) // 2]])
        self._break()
        super().write(fd, [half[len(half) // 2 :]])

    def sync(self, fd: int) -> None:
        self._break()
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        self._break()
        super().rename(source, target)

    def remove(self, path: Path) -> None:
        self._break(errno.EIO)
        super().remove(path)

    def make_folder(self, path: Path) -> None:
        self._break()
        super().make_folder(path)

    def sync_folder(self, path: Path) -> None:
        self._break()
        super().sync_folder(path)


def open_blob_files(folder: Path) -> list[str]:
    """Large blobs' files, staged or published, that this process holds open."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            path = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:  # the listing's own
            continue
        if path.startswith((f"{folder}/staging/", f"{folder}/blobs/")) and not os.path.isdir(path):
            found.append(path)
    return found


def test_any_file_operation_may_fail(tmp_path):
    """The n-th, for every n: that step fails whole, leaves no file behind, and succeeds when tried again."""
    failures = 0
    broken_at = 0
    while True:
        broken_at += 1
        folder = tmp_path / str(broken_at)
        disk = FullDisk()
        with open_store(folder, *workload.RECORDS, disk=disk) as store:
            disk.left = broken_at
            failures = run_with_one_failure(store, folder)
            broke = disk.left <= 0
            disk.left = 0
            store.sweep()
            assert workload.look(store) == workload.state_after(workload.STEPS)
            assert workload.leaked_files(folder, workload.look(store)) == 0
            assert open_blob_files(folder) == []
        if not broke:
            break
        assert failures <= 1
    assert failures == 0
    assert broken_at > 20


def run_with_one_failure(store: Any, folder: Path) -> int:
    failures = 0
    for step in range(workload.STEPS):
        try:
            store.write(workload.take_step(store, step))
        except (OSError, ServiceUnavailable):
            failures += 1
            assert open_blob_files(folder) == []
            assert workload.look(store) == workload.state_after(step)
            store.write(workload.take_step(store, step))
    return failures


def test_an_operation_that_makes_a_large_blob_itself_hears_of_the_full_disk(tmp_path):
    """ServiceUnavailable; the attempt is undone, and the file with it."""
    disk = FullDisk()
    with open_store(tmp_path / "data", *workload.RECORDS, disk=disk) as store:

        def attempt(tx: Any) -> None:
            tx[Thing].put(Thing("a"))
            tx.blobs.add(bytes(1 << 20))

        disk.left = 2
        with pytest.raises(ServiceUnavailable):
            store.write(attempt)
        assert workload.leaked_files(tmp_path / "data", workload.State({}, [], {})) == 0
        with store.read() as tx:
            assert tx[Thing].count() == 0


FILL = '''
import resource, sys
from pathlib import Path
from state_records import Thing
from stores import open_store
from pilvi.core.errors import ServiceUnavailable

def fill(store, number):
    """Writes until there is no room; how many there are."""
    while True:
        try:
            store.write(lambda tx: tx[Thing].put(Thing("p", number, raw=bytes(20_000))))
        except ServiceUnavailable:
            return number
        number += 1

def check(store, count):
    with store.read() as tx:
        assert [thing.number for thing in tx[Thing].scan()] == list(range(count)), count

folder, room = Path(sys.argv[1]), sys.argv[2]
with open_store(folder, Thing) as store:
    store.write(lambda tx: tx[Thing].put(Thing("p", 0)))
    if room == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    count = fill(store, 1)
    assert count > 5, count
    check(store, count)
    assert fill(store, count) == count
    if room == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, resource.RLIM_INFINITY))
    else:
        Path(room).unlink()
    more = fill(store, count)
    assert more > count + 5, (count, more)
    check(store, more)
if room == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with open_store(folder, Thing) as store:
    check(store, more)
print("well")
'''


def fill(folder: Path, room: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(folder), room],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        timeout=60,
    )
    assert done.stdout == "well\n", done.stderr


def test_files_that_may_not_grow(tmp_path):
    """At the limit writing is refused, reading is not; with a higher limit writing goes on. As any user."""
    fill(tmp_path / "data", "limit")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mortal.small_disk(tmp_path / "disk", "6m") as made:
        yield made


def test_a_disk_that_is_really_full(small_disk):
    """No space left on the device: refused, readable, and well again when something else made room."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    fill(small_disk / "data", str(ballast))
