"""AWS's Lambda Runtime API: how any program, `bootstrap` by name, takes events over HTTP and answers them.

    GET  /2018-06-01/runtime/invocation/next             waits for an event
    POST /2018-06-01/runtime/invocation/{id}/response    its result
    POST /2018-06-01/runtime/invocation/{id}/error       its error
    POST /2018-06-01/runtime/init/error                  there will be no events to take

The server listens inside the worker's network namespace, on 127.0.0.1:9001: only that worker reaches it.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import cast

import httptools
import msgspec

from pilvi.runtime.backend import Answer, Ending, Event
from pilvi.runtime.worker.loader import RESPONSE_BYTES_MAX

HEADER_BYTES_MAX = 16 * 1024
_PREFIX = "/2018-06-01/runtime/"
_INVOCATION = re.compile(r"invocation/([^/]+)/(response|error)")
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    413: "Payload Too Large",
}


class Problem(msgspec.Struct, frozen=True):
    errorMessage: str  # noqa: N815 - AWS's names
    errorType: str  # noqa: N815


class RuntimeApi:
    """The API of one worker.

    Args:
        answered: told of each answer; READY when the program asks for its first event.
    """

    def __init__(self, answered: Callable[[Answer], None]) -> None:
        self._answered = answered
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._asking: _Connection | None = None
        self._event: Event | None = None  # to be taken
        self._current = ""  # id of the one that was taken
        self._ready = False

    async def start(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listening.setblocking(False)
        self._server = await loop.create_server(lambda: _Connection(self), sock=listening)

    def send(self, event: Event) -> None:
        self._event = event
        self._hand_over()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()

    # -- what the program asks for -------------------------------------------------------------------------------------

    def asked(self, connection: "_Connection", method: str, path: str, body: bytes, *, too_large: bool) -> None:
        """One request, complete. Answers now, or when there is an event."""
        name = path.removeprefix(_PREFIX)
        found = _INVOCATION.fullmatch(name)
        if (method, name) == ("GET", "invocation/next"):
            self._next(connection)
        elif method == "POST" and found is not None:
            self._finished(connection, found[1], found[2], body, too_large=too_large)
        elif (method, name) == ("POST", "init/error"):
            connection.accept()
            self._answered(Answer(Ending.INIT_ERROR, body))
        else:
            connection.refuse(404, "NotFound", "There is no such operation.")

    def opened(self, connection: "_Connection") -> None:
        self._connections.add(connection)

    def closed(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        if self._asking is connection:
            self._asking = None

    def _next(self, connection: "_Connection") -> None:
        if self._current or self._asking not in (None, connection):
            connection.refuse(403, "InvalidStateTransition", "An event is asked for while one is being worked on.")
            return
        self._asking = connection
        if not self._ready:
            self._ready = True
            self._answered(Answer(Ending.READY))
        self._hand_over()

    def _hand_over(self) -> None:
        event, connection = self._event, self._asking
        if event is not None and connection is not None:
            self._event = self._asking = None
            self._current = event.request_id
            connection.give(event)

    def _finished(self, connection: "_Connection", request_id: str, kind: str, body: bytes, *, too_large: bool) -> None:
        if request_id != self._current:
            connection.refuse(400, "InvalidRequestID", "Invalid request ID")
            return
        self._current = ""
        if too_large:
            message = f"Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            connection.refuse(413, "RequestEntityTooLarge", message)
            problem = Problem(
                f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).",
                "Function.ResponseSizeTooLarge",
            )
            self._answered(Answer(Ending.ERROR, msgspec.json.encode(problem)))
            return
        connection.accept()
        self._answered(Answer(Ending.RESULT if kind == "response" else Ending.ERROR, body))


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection of the program. Its requests come one after the other."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._head_bytes = 0
        self.on_message_begin()

    # -- the transport's calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._api.opened(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._api.closed(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()

    # -- the parser's calls ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._path = b""
        self._body = bytearray()
        self._too_large = False
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._path += url
        self._bound(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._bound(len(name) + len(value))
        if name.lower() == b"expect" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        if len(self._body) + len(data) > RESPONSE_BYTES_MAX:
            self._too_large = True
        else:
            self._body += data

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        path = self._path.decode("latin-1")
        self._api.asked(self, method, path, bytes(self._body), too_large=self._too_large)

    def _bound(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > HEADER_BYTES_MAX:
            self.close()

    # -- answers --------------------------------------------------------------------------------------------------------

    def give(self, event: Event) -> None:
        headers = [
            ("Lambda-Runtime-Aws-Request-Id", event.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(event.deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", event.arn),
            ("Lambda-Runtime-Trace-Id", event.trace_id),
        ]
        if event.client_context:
            headers.append(("Lambda-Runtime-Client-Context", _one_line(event.client_context)))
        self._write(200, event.payload, headers)

    def accept(self) -> None:
        self._write(202, b'{"status":"OK"}\n', [])

    def refuse(self, status: int, kind: str, message: str) -> None:
        self._write(status, msgspec.json.encode(Problem(message, kind)), [])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _write(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        if self._transport is None:
            return
        lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(f"Content-Length: {len(body)}\r\n\r\n")
        self._transport.write("\r\n".join(lines).encode() + body)


def _one_line(text: str) -> str:
    """JSON as a header's value: its newlines mean nothing, and would end the header."""
    return text.replace("\r", " ").replace("\n", " ")
