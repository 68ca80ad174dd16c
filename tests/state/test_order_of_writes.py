"""Large blobs: durable before the row is committed, removed only after the row is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilvi.state import connection, sqlite
from pilvi.state.disk import Disk
from waiting import wait_until

LARGE = bytes(600 * 1024)


class Recorder(Disk):
    """Writes down what happens, in order; the writer's commits too."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def create(self, path: Path) -> int:
        self.log.append(f"create {path.parent.name}")
        return super().create(path)

    def write(self, fd: int, pieces: Any) -> None:
        self.log.append(f"write {sum(map(len, pieces)) // 1024} KiB")
        super().write(fd, pieces)

    def sync(self, fd: int) -> None:
        self.log.append("sync file")
        super().sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.log.append(f"rename to {target.parent.parent.name}")

    def remove(self, path: Path) -> None:
        self.log.append(f"remove from {path.parent.parent.name}")
        super().remove(path)

    def sync_folder(self, path: Path) -> None:
        self.log.append("sync folder" if path.parent.name == "blobs" else f"sync {path.name}")
        super().sync_folder(path)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    original = sqlite.open_writer

    def opened(path: Path, check: Any) -> connection.Session:
        session = original(path, check)
        execute = session.execute

        def watched(sql: str, *values: Any) -> Any:
            if sql == "COMMIT":
                recorder.log.append("COMMIT")
            return execute(sql, *values)

        session.execute = watched
        return session

    monkeypatch.setattr(sqlite, "open_writer", opened)
    return recorder


def test_a_large_blob_is_on_the_disk_before_its_row(backend, recorder):
    """Written in large pieces, synced, renamed, its folder synced; then the commit."""
    store = backend.open(disk=recorder)
    store.write(lambda tx: tx.blobs.add(LARGE))  # makes one of the folders
    recorder.log.clear()
    stage = store.stage()
    for _ in range(10):
        stage.write(bytes(64 * 1024))
    staged = stage.finish({}, {})
    store.write(lambda tx: tx.blobs.publish(staged))
    log = [line for line in recorder.log if line != "sync blobs"]  # a folder that is new is made known, too
    assert log == [
        "create staging", "write 320 KiB", "write 256 KiB", "write 64 KiB", "sync file", "rename to blobs", "sync folder",
        "COMMIT",
    ]  # fmt: skip


def test_a_new_folder_is_known_before_the_file_in_it_is(backend, recorder):
    """Its parent is synced before the rename."""
    store = backend.open(disk=recorder)
    recorder.log.clear()
    store.write(lambda tx: tx.blobs.add(LARGE))
    assert recorder.log == [
        "create staging", "write 600 KiB", "sync file", "sync blobs", "rename to blobs", "sync folder", "COMMIT",
    ]  # fmt: skip


def test_a_file_is_removed_after_the_commit_that_released_it(backend, recorder):
    """And not by the thread that committed, nor before anyone could be answered."""
    store = backend.open(disk=recorder)
    blob = store.write(lambda tx: tx.blobs.add(LARGE))
    recorder.log.clear()
    store.write(lambda tx: tx.blobs.release(blob))
    wait_until(lambda: len(recorder.log) == 2, "the file was removed")
    assert recorder.log == ["COMMIT", "remove from blobs"]
