"""The data folder: one process, ours, in order."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import pytest

from pilvi.state.errors import FolderInUse, UnusableData
from pilvi.state.sqlite import SqliteStore
from state_records import Word
from stores import FakeClock, open_store


def test_a_folder_that_is_open_is_refused(folder):
    """The message names the process; closing frees it."""
    with open_store(folder, Word), pytest.raises(FolderInUse, match=f"in use by process {os.getpid()}"):
        SqliteStore.open(folder, [Word], clock=FakeClock())
    with open_store(folder, Word) as store:
        assert store.write(lambda tx: tx[Word].add(Word("a")))


def test_the_lock_ends_with_its_process(folder):
    """Killed, it leaves a lock file that locks nobody out."""
    code = (
        "import os, pathlib, sys; from pilvi.state.lock import FolderLock;"
        "FolderLock(pathlib.Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    )
    folder.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout.readline() == "locked\n"
        with pytest.raises(FolderInUse, match=f"in use by process {child.pid}"):
            SqliteStore.open(folder, [Word], clock=FakeClock())
        child.kill()
    with open_store(folder, Word):
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as a header" * 40, None])
def test_what_is_not_ours_is_refused(folder, content):
    """Garbage, and another program's database; neither is changed, and the lock is free again."""
    folder.mkdir()
    path = folder / "data.db"
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE theirs (x)")
        connection.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(UnusableData, match=r"data\.db"):
            SqliteStore.open(folder, [Word], clock=FakeClock())
    assert path.read_bytes() == before


def test_close_leaves_one_file(folder):
    """The log is moved into the database: the folder can be copied as it is."""
    with open_store(folder, Word) as store:
        store.write(lambda tx: tx[Word].put(Word("a")))
    assert sorted(os.listdir(folder)) == ["blobs", "data.db", "lock", "staging"]
    connection = sqlite3.connect(folder / "data.db")
    assert connection.execute("SELECT text FROM test_word").fetchall() == [("a",)]
    connection.close()


def test_close_twice_is_fine(folder):
    """As shutting down often is."""
    store = SqliteStore.open(folder, [Word], clock=FakeClock())
    store.close()
    store.close()


def test_the_log_does_not_grow_without_end(folder):
    """The janitor moves it into the database while attempts go on; nothing is lost on the way."""
    with open_store(folder, Word) as store:
        for number in range(300):
            store.write(lambda tx, n=number: [tx[Word].put(Word(f"{n:03}{'x' * 1_000}{m}")) for m in range(50)])
        assert (folder / "data.db-wal").stat().st_size < 40 << 20
    with open_store(folder, Word) as store, store.read() as tx:
        assert tx[Word].count() == 15_000
