"""Killed at the n-th event, for n = 1, 2, ... until nothing is left to kill: acknowledged is there, the rest is whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash import mortal as mortals
from crash import store_load as load
from crash import store_workload as workload
from crash.mortal import Mortal
from pilvi.state.store import OutboxEntry
from state_records import Thing
from stores import open_store

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def mortal() -> Iterator[Mortal]:
    mortal = Mortal("store_child.py")
    yield mortal
    mortal.close()


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    with mortals.fast_folder(tmp_path) as made:
        yield made


@pytest.mark.parametrize("batches", [False, True])
def test_killed_at_any_event_nothing_acknowledged_is_lost_and_nothing_is_half_there(fast_folder, mortal, batches):
    """Steps one by one, and sharing commits; after each death the store is whole, tidy, and fit to go on."""
    survived = False
    deaths = 0
    kill_at = 0
    while not survived:
        kill_at += 1
        folder, acks = fast_folder / f"data{kill_at}", fast_folder / f"acks{kill_at}"
        acks.touch()
        status, events = mortal.run(folder, acks, kill_at, batches=batches)
        assert status in (0, -signal.SIGKILL)
        survived = status == 0
        deaths += not survived
        verify(folder, acknowledged=len(acks.read_bytes()))
        shutil.rmtree(folder)
    assert events < kill_at
    assert deaths > (200 if batches else 300)


def verify(folder: Path, acknowledged: int) -> None:
    with open_store(folder, *workload.RECORDS) as store:
        found = workload.look(store)
        steps = next((n for n in range(workload.STEPS + 1) if workload.state_after(n) == found), None)
        assert steps is not None, f"a step happened in part: {sorted(found.numbers)}, events {found.events}"
        assert steps >= acknowledged, f"{acknowledged} steps were acknowledged, {steps} are there"
        store.sweep()
        assert workload.leaked_files(folder, found) == 0
        for step in range(steps, workload.STEPS):
            store.write(workload.take_step(store, step))
        store.sweep()
        assert workload.look(store) == workload.state_after(workload.STEPS)
        assert workload.leaked_files(folder, workload.state_after(workload.STEPS)) == 0


@pytest.mark.parametrize("acknowledged_min", [1, 7, 40, 150, 400, 900])
def test_killed_under_load_nothing_acknowledged_is_lost(tmp_path, acknowledged_min):
    """At an arbitrary moment, with several threads sharing commits: each one's records are there up to some number."""
    child = subprocess.Popen(
        [sys.executable, str(HERE / "store_load.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )
    acknowledged = [-1] * load.THREADS
    with child:
        assert child.stdout is not None
        for count, line in enumerate(child.stdout, 1):
            if count == acknowledged_min:
                child.kill()
            if line.endswith("\n"):
                thread, number = map(int, line.split())
                acknowledged[thread] = number
    with open_store(tmp_path, *workload.RECORDS) as store:
        large = 0
        for thread, last in enumerate(acknowledged):
            with store.read() as tx:
                things = list(tx[Thing].scan(f"t{thread}"))
                events = [int(entry.body) for entry in tx[OutboxEntry].scan(f"t{thread}", index="due")]
                assert [thing.number for thing in things] == list(range(len(things)))
                assert sorted(events) == list(range(len(things)))
                assert len(things) - 1 in (last, last + 1)
                assert [thing.number for thing in things if thing.parts] == list(range(len(things)))[-2:]
                for thing in things[-2:]:
                    data = tx.blobs.read(thing.parts[0])
                    assert data == load.content(thread, thing.number)
                    large += len(data) > 1_000
        store.sweep()
        files = [path for top in ("blobs", "staging") for path in (tmp_path / top).rglob("*") if path.is_file()]
        assert len(files) == large


@pytest.mark.parametrize("tail", ["cut", "garbage", "zeros"])
def test_a_torn_end_of_the_log_costs_nothing_that_was_acknowledged(fast_folder, tail):
    """A commit of which only a part reached the disk, wherever it broke off, is as if it had not been."""
    folder, image = fast_folder / "data", fast_folder / "image"
    chance = random.Random(1)
    with open_store(folder, *workload.RECORDS) as store:
        log = folder / "data.db-wal"
        for step in range(workload.STEPS):
            store.sweep()
            before = log.stat().st_size
            shutil.copytree(folder, image)
            store.write(workload.take_step(store, step))
            written = log.read_bytes()
            assert len(written) > before
            for cut in sorted(
                {before, before + 1, len(written) - 1, *chance.choices(range(before, len(written)), k=4)}
            ):
                rest = len(written) - cut
                end = {"cut": b"", "garbage": chance.randbytes(rest), "zeros": bytes(rest)}[tail]
                (image / "data.db-wal").write_bytes(written[:cut] + end)
                (image / "data.db-shm").unlink(missing_ok=True)
                torn = fast_folder / "torn"
                shutil.copytree(image, torn)
                with open_store(torn, *workload.RECORDS) as reopened:
                    assert workload.look(reopened) == workload.state_after(step), (step, cut - before)
                shutil.rmtree(torn)
            shutil.rmtree(image)
