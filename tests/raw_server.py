"""A Server in a thread with a loop of its own, a handler that does whatever a test asks by path, and raw sockets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from pilvi.core.effects import StagePlan
from pilvi.core.errors import CloudError
from pilvi.gateway.answer import Answer, Plan, Streamed, plain, streamed
from pilvi.gateway.limits import Limits
from pilvi.gateway.server import Server
from pilvi.wire.http import Request, Response

FAST = Limits(
    head_seconds=0.4,
    idle_seconds=0.4,
    body_idle_seconds=0.4,
    body_grace_seconds=0.6,
    write_idle_seconds=0.5,
    linger_seconds=0.5,
    sweep_seconds=0.05,
)


class FakeBlob:
    """An OpenBlob that knows whether it was closed."""

    sealed = False

    def __init__(self, data: bytes | None = None, path: Path | None = None, offset: int = 0, length: int = 0) -> None:
        self.data = data
        self.fd = os.open(path, os.O_RDONLY) if path else -1
        self.offset = offset
        self.length = len(data) if data is not None else length
        self.closed = 0

    def read_at(self, position: int, most: int) -> bytes:
        if self.data is not None:
            return self.data[position : position + most]
        return os.pread(self.fd, min(most, self.length - position), self.offset + position)

    def close(self) -> None:
        self.closed += 1
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Tap:
    """A receiver that a test opens and closes; remembers all it got."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.open = True
        self.failed = False
        self.settles = True
        self.resume: Callable[[], None] | None = None
        self.done: Callable[[], None] | None = None

    def feed(self, data: bytes, resume: Callable[[], None]) -> bool:
        self.got += data
        self.resume = resume
        return self.open

    def end(self, done: Callable[[], None]) -> bool:
        self.done = done
        return self.settles


class Handler:
    """Answers by path; everything it was asked stays for the test to see."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.finished = 0
        self.aborted = 0
        self.blobs: list[FakeBlob] = []
        self.tap = Tap()
        self.later: list[asyncio.Future[Response]] = []
        self.body_max = 1_000_000
        self.files: dict[str, list[Callable[[], FakeBlob]]] = {}

    def begin(self, request: Request) -> Plan | Response:
        self.requests.append(request)
        path = request.path
        if path == "/refuse":
            return Response(403, [("X-Reason", "no")], b"refused")
        if path == "/crash":
            raise ValueError("a bug")
        receiver = self.tap if path == "/tap" else None
        return Plan(self.body_max, receiver, lambda: self.finish(request), self.abort, self.refuse)

    def refuse(self, error: CloudError) -> Response:
        return Response(error.status, [("X-Error", error.code)], error.message.encode())

    def abort(self) -> None:
        self.aborted += 1

    def finish(self, request: Request) -> Answer:
        self.finished += 1
        path = request.path
        if path == "/crash-later":
            raise ValueError("a bug")
        if path == "/future":
            future = asyncio.get_running_loop().create_future()
            self.later.append(future)
            return future
        if path == "/task":
            return self.slowly(request)
        if path in self.files:
            return self.stream(path)
        if path == "/head":
            return Response(200, [("ETag", '"x"')], b"", length=1234)
        if path == "/nothing":
            return Response(204, [])
        if path == "/unchanged":
            return Response(304, [("ETag", '"x"')])
        if path == "/inject":
            return Response(200, [("X-A", "1\r\nSet-Cookie: evil=1"), ("X-B", "ä"), ("X-C", "雪")], b"")
        if path == "/big":
            return Response(200, [], b"x" * int(request.query))
        if path == "/tap":
            return plain(409, "failed") if self.tap.failed else Response(200, [], b"%d" % len(self.tap.got))
        return Response(200, [("Content-Type", "application/json")], seen(request))

    def stream(self, path: str) -> Streamed:
        blobs = [make() for make in self.files[path]]
        self.blobs += blobs
        return streamed(Response(200, []), blobs)

    async def slowly(self, request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, [], seen(request))


def seen(request: Request) -> bytes:
    return json.dumps(
        {
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "body": request.body.decode("latin-1"),
        }
    ).encode()


class Running:
    """A server to talk to."""

    def __init__(self, handler: Any, limits: Limits, tls: ssl.SSLContext | None = None, loop: str = "uvloop") -> None:
        self.handler = handler
        self.errors: list[dict[str, Any]] = []
        self.clients: list[socket.socket] = []
        self._limits = limits
        self._tls = tls
        self._ready = threading.Event()
        self._kind = loop
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self._ready.wait(20)

    def _run(self) -> None:
        make = uvloop.new_event_loop if self._kind == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=make) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self.server = Server(self.handler, self._limits)
        self.address = await self.server.start("127.0.0.1", 0, self._tls)
        self._over = asyncio.Event()
        self._ready.set()
        await self._over.wait()
        await self.server.stop(0.2)

    def call(self, function: Callable[[], Any]) -> Any:
        """Runs something on the server's loop; its result."""

        async def on_loop() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(20)

    def submit(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.loop.call_soon_threadsafe(self._over.set)
        self.thread.join(20)
        assert not self.thread.is_alive()

    def connect(self, **options: int) -> socket.socket:
        client = socket.socket()
        self.clients.append(client)
        if "receive_buffer" in options:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_buffer"])
        client.settimeout(20)
        client.connect(self.address)
        return client


@contextmanager
def running(
    handler: Any = None, limits: Limits | None = None, tls: ssl.SSLContext | None = None, loop: str = "uvloop"
) -> Iterator[Running]:
    server = Running(handler if handler is not None else Handler(), limits or Limits(), tls, loop)
    try:
        yield server
    finally:
        server.stop()
    assert server.errors == [], server.errors
    assert server.server.connections == 0
    assert server.server.bodies_bytes == 0


class Reply:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


class Reader:
    """Reads answers off a socket, strictly: what follows one answer must be the next one."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.buffer = b""

    def reply(self, *, bodiless: bool = False) -> Reply:
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        line, *fields = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        size = 0 if bodiless or status in ("100", "204", "304") else int(headers["content-length"])
        while len(self.buffer) < size:
            self._more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return Reply(int(status), headers, body)

    def closed(self) -> bool:
        """Whether the server has closed, with nothing left to read."""
        assert self.buffer == b"", self.buffer
        try:
            return self.client.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        data = self.client.recv(1 << 20)
        assert data, f"the server closed in the middle of an answer: {self.buffer!r}"
        self.buffer += data


def stage_plan(*digests: str, bytes_max: int = 1 << 40) -> StagePlan:
    return StagePlan(frozenset(digests), bytes_max)
