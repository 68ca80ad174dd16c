"""Receiving forms: the fields first, then a file that is never held; refused, given up, cut anywhere."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping

import pytest

import forms
from pilvi.core.effects import Staged, StagePlan
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.gateway.bodies import BEHIND_BYTES, Receiver
from pilvi.gateway.forms import FormReceiver
from pilvi.wire.multipart import FormReader


class MemoryStage:
    """A stage that keeps everything, and can be told to wait."""

    in_memory = True

    def __init__(self) -> None:
        self.data = bytearray()
        self.aborted = 0
        self.gate: threading.Event | None = None

    def write(self, data: bytes) -> None:
        if self.gate is not None:
            assert self.gate.wait(20)
        self.data += data

    def finish(self, values: Mapping[str, bytes], trailers: Mapping[str, str]) -> Staged:
        return Staged(len(self.data), dict(values), bytes(self.data), trailers=dict(trailers))

    def abort(self) -> None:
        self.aborted += 1


class Door:
    """What is behind a form: remembers its fields, and says what takes its file."""

    def __init__(self, plan: StagePlan | None = None, error: BaseException | None = None) -> None:
        self.stage = MemoryStage()
        self.plan = plan or StagePlan(frozenset({"md5"}))
        self.error = error
        self.fields: list[dict[str, str]] = []
        self.held = 0
        self.receiver = FormReceiver(FormReader(forms.BOUNDARY.encode()), self.begin)

    def begin(self, fields: dict[str, str]) -> Receiver:
        self.fields.append(fields)
        if self.error is not None:
            raise self.error
        return Receiver(self.stage, self.plan)

    def take(self, body: bytes, piece: int = 65_536) -> Staged:
        asyncio.run(self.receive(body, piece))
        return self.receiver.result()

    async def receive(self, body: bytes, piece: int) -> None:
        """As a connection does: stops when it is told to, and ends."""
        loop = asyncio.get_running_loop()
        for at in range(0, len(body), piece):
            resumed = asyncio.Event()
            if not self.receiver.feed(body[at : at + piece], resumed.set):
                self.held += 1
                if self.stage.gate is not None:
                    self.stage.gate.set()
                await resumed.wait()
            if self.receiver.failed:
                return
        ended = loop.create_future()
        if not self.receiver.end(lambda: ended.set_result(None)):
            await ended


@pytest.mark.parametrize(("size", "piece"), [(0, 7), (1, 65_536), (3000, 1), (65_537, 1000), (5_000_000, 100_001)])
def test_the_file_is_what_was_sent(size: int, piece: int) -> None:
    """Of any size, in pieces of any size; the door is opened once, with all fields."""
    data, door = os.urandom(size), Door()
    staged = door.take(forms.posted({"key": "up/${filename}", "A": "b"}, data, "f")[1], piece)
    assert (staged.size, staged.data) == (size, data)
    assert door.fields == [{"key": "up/f", "a": "b"}]


def test_a_large_file_is_held_back_by_a_slow_disk() -> None:
    """The client is told to wait, like the one of any other body."""
    door = Door()
    door.stage.gate = threading.Event()
    staged = door.take(forms.posted({}, bytes(BEHIND_BYTES * 2))[1])
    assert door.held > 0
    assert staged.size == BEHIND_BYTES * 2


@pytest.mark.parametrize("error", [AccessDenied("no"), RuntimeError("ours")])
def test_a_door_that_stays_shut(error: Exception) -> None:
    """Why is what the client is told; the file is not taken."""
    door = Door(error=error)
    with pytest.raises(type(error)):
        door.take(forms.posted({"key": "k"}, bytes(1_000_000))[1])
    assert (len(door.fields), bytes(door.stage.data)) == (1, b"")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"nonsense", "MalformedPOSTRequest"),
        (forms.posted({"key": "k"})[1][:-8], "MalformedPOSTRequest"),
        (forms.posted({"key": "k"}, None)[1], "InvalidArgument"),
        (forms.posted({"key": "k" * 30_000})[1], "MaxPostPreDataLengthExceededError"),
    ],
)
def test_forms_that_are_none(body: bytes, code: str) -> None:
    """What was staged of them is given up."""
    door = Door()
    with pytest.raises(CloudError) as caught:
        door.take(body)
    assert caught.value.code == code
    assert door.stage.aborted == len(door.fields)


def test_files_that_are_too_large() -> None:
    """They are refused as soon as they are; nothing of them is kept after the form is given up."""
    door = Door(StagePlan(bytes_max=10))
    with pytest.raises(CloudError) as caught:
        door.take(forms.posted({"key": "k"}, bytes(11))[1])
    assert caught.value.code == "EntityTooLarge"
    door.receiver.abort()
    assert door.stage.aborted == 1
