"""The server's end of a worker: events go in, answers come out, output is collected.

What comes from a worker is hostile input: a function can write to the socket itself. A worker that does not keep to the
contract is killed.
"""

import asyncio
import os
from collections.abc import Callable
from typing import cast

import msgspec

from pilvi.runtime.backend import Answer, Ending, Event, OnOutput
from pilvi.runtime.worker import loader

ANSWER_BYTES_MAX = loader.RESPONSE_BYTES_MAX + 64 * 1024  # an error object may be a little larger than a response
OUTPUT_READ_BYTES = 64 * 1024
OUTPUT_BYTES_PER_SECOND = 4 * 1024 * 1024  # a chattier function waits in write()
OUTPUT_BURST_BYTES = 8 * 1024 * 1024

_ENDINGS = {
    loader.READY: Ending.READY,
    loader.INIT_ERROR: Ending.INIT_ERROR,
    loader.RESULT: Ending.RESULT,
    loader.ERROR: Ending.ERROR,
}
_BEFORE_READY = (loader.READY, loader.INIT_ERROR)
_HEAD = loader.ANSWER_HEAD


class Meta(msgspec.Struct):
    """What the loader is told beside the payload."""

    id: str
    arn: str
    deadline: int
    trace: str
    client_context: str


class Channel(asyncio.Protocol):
    """Frames on the worker's socket."""

    def __init__(self, answered: Callable[[Answer], None], broken: Callable[[], None]) -> None:
        self._answered = answered
        self._broken = broken
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._ready = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, event: Event) -> None:
        meta = msgspec.json.encode(
            Meta(event.request_id, event.arn, event.deadline_ms, event.trace_id, event.client_context)
        )
        if self._transport is not None:
            head = loader.EVENT_HEAD.pack(len(meta), len(event.payload))
            self._transport.write(b"".join((head, meta, event.payload)))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if len(buffer) < _HEAD.size:
            self._buffer = buffer
            return
        kind, length, memory_kb = _HEAD.unpack_from(buffer)
        end = _HEAD.size + length
        if (
            kind not in _ENDINGS
            or (kind in _BEFORE_READY) == self._ready
            or length > ANSWER_BYTES_MAX
            or len(buffer) > end
        ):
            self._break()
            return
        if len(buffer) < end:
            self._buffer = buffer
            return
        self._buffer = b""
        self._ready = True
        self._answered(Answer(_ENDINGS[kind], buffer[_HEAD.size :], memory_kb))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._broken()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _break(self) -> None:
        self._buffer = b""
        self._broken()
        self.close()


class Output:
    """The reading end of a worker's stdout and stderr.

    A function that writes more than it may is not read for a while: then it waits in write().
    """

    def __init__(self, fd: int, on_output: OnOutput, loop: asyncio.AbstractEventLoop) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._on_output = on_output
        self._loop = loop
        self._allowance = float(OUTPUT_BURST_BYTES)
        self._counted_at = loop.time()
        self._resume: asyncio.TimerHandle | None = None
        loop.add_reader(fd, self._readable)

    def drain(self) -> None:
        """Takes what is there now, at most a pipe full."""
        if self._fd >= 0:
            self._read()

    def close(self) -> None:
        if self._fd < 0:
            return
        self._read()
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _readable(self) -> None:
        if not self._read():
            self.close()
        elif self._allowance < 0:
            self._loop.remove_reader(self._fd)
            self._resume = self._loop.call_later(-self._allowance / OUTPUT_BYTES_PER_SECOND, self._again)

    def _again(self) -> None:
        self._resume = None
        self._loop.add_reader(self._fd, self._readable)

    def _read(self) -> bool:
        """False at the end of the pipe."""
        try:
            data = os.read(self._fd, OUTPUT_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if data:
            now = self._loop.time()
            gained = (now - self._counted_at) * OUTPUT_BYTES_PER_SECOND
            self._allowance = min(OUTPUT_BURST_BYTES, self._allowance + gained) - len(data)
            self._counted_at = now
            self._on_output(data)
        return bool(data)
