"""Object storage is killed at every event of what it does: what was acknowledged is there, the rest whole or not at all."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crash.mortal import Mortal, fast_folder
from crash.s3_child import on_write
from crash.s3_stories import KEY, STORIES, small_parts
from harness import MASTER_KEY, SeededIds
from pilvi.config import MASTER_KEY_FILE
from pilvi.core import sealing
from pilvi.services.s3 import records
from pilvi.services.s3.copies.source import pieces_of
from pilvi.services.s3.encryption import seals
from pilvi.state.store import OutboxEntry
from s3kit import Buckets
from trust import checked

State = dict[str, Any]
SEEN = (
    records.Bucket, records.StoredObject, records.OlderVersion, records.Layout, records.Upload, records.UploadedPart, OutboxEntry
)  # fmt: skip


@pytest.fixture(scope="module")
def mortal() -> Iterator[Mortal]:
    mortal = Mortal("s3_child.py")
    yield mortal
    mortal.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with fast_folder(tmp_path) as made:
        yield made


@pytest.mark.parametrize("name", STORIES)
def test_killed_at_any_event_of_a_story(folder: Path, mortal: Mortal, name: str) -> None:
    """A check finds nothing wrong, no reference is lost, nothing is left over; and what is there is one of the states that
    the story passes through, not an earlier one than its teller knows of."""
    known, states = begun(folder / "begun", name)
    kill_at, survived = 0, False
    while not survived:
        kill_at += 1
        data, acks = folder / f"data{kill_at}", folder / f"acks{kill_at}"
        shutil.copytree(folder / "begun", data)
        acks.touch()
        status, _ = mortal.run(data, acks, kill_at, story=name, known=known)
        assert status in (0, -signal.SIGKILL)
        survived = status == 0
        verify(data, states, len(acks.read_bytes()))
        shutil.rmtree(data)
    assert kill_at > 2 * len(states)


def begun(folder: Path, name: str) -> tuple[dict[str, Any], list[State]]:
    """What the story knows, and all states that it passes through, one for each commit."""
    story = STORIES[name]
    with small_parts():
        with Buckets(folder) as s3:
            known = story.begin(s3)
        (folder / MASTER_KEY_FILE).write_bytes(MASTER_KEY)
        told = folder.with_name("told")
        shutil.copytree(folder, told)
        with Buckets(told) as s3:
            s3.ids = SeededIds(1)
            states = [look(s3)]
            on_write(s3, lambda: states.append(look(s3)))
            story.tell(s3, known)
    return known, states


def look(s3: Buckets) -> State:
    """All records of object storage, and the bytes of each version."""
    ids, s3.ids = s3.ids, SeededIds()  # those of the story stay in their order
    with s3.store.read() as tx:
        found: State = {record.__name__: [msgspec.to_builtins(row) for row in tx[record].scan()] for record in SEEN}
        ctx = s3.context(tx)
        versions = [*tx[records.StoredObject].scan(), *(row.state for row in tx[records.OlderVersion].scan())]
        found["bytes"] = [_content(ctx, one) for one in versions if not one.marker]
    s3.ids = ids
    return found


def _content(ctx: Any, state: records.StoredObject) -> bytes:
    if state.seal is not None and state.seal.kind == "customer":
        opened_by = sealing.unwrap(KEY, state.seal.wrapped, seals._CUSTOMER)
    else:
        opened_by = seals.data_key(ctx, records.Bucket("x", "", 0, "", 0), state.key, state.seal, {})
    runs = [run for piece in pieces_of(ctx, state) for run in piece.runs if run[2]]
    return b"".join(ctx.tx.blobs.read(*run, key=opened_by) for run in runs)


def verify(data: Path, states: list[State], acknowledged: int) -> None:
    summary, told = checked(data, quick=True)  # its bytes are looked at below
    assert not summary.damage, told
    with Buckets(data) as s3:
        found = look(s3)
        assert found in states[acknowledged : acknowledged + 2], f"half of step {acknowledged + 1}, or less than that"
        s3.store.sweep()
    _, told = checked(data)
    assert told == []
