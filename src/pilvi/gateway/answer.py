"""What the edge asks of whoever answers, and how an answer becomes bytes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from pilvi.core.errors import CloudError
from pilvi.state.store import OpenBlob
from pilvi.wire.http import Request, Response

Answer = Response | Awaitable[Response]


class Receives(Protocol):
    """Takes a streaming body as it comes. Called on the loop's thread, never concurrently.

    Attributes:
        failed: what came is broken or cannot be kept: the rest is not read, `Plan.finish` is called to say so.
    """

    @property
    def failed(self) -> bool: ...

    def feed(self, data: bytes, resume: Callable[[], None]) -> bool:
        """Takes a piece. False: no more until `resume` has been called, on the loop's thread."""

    def end(self, done: Callable[[], None]) -> bool:
        """The body is complete. True: so is its reception; else `done` is called, on the loop's thread, when it is."""


class Plan(msgspec.Struct):
    """What is to happen with a request whose headers are complete.

    Attributes:
        bytes_max: a longer body is refused.
        receiver: takes the body; None collects it into `request.body`.
        finish: called once when the body is there. A Response in hand is sent at once, without a task; anything
            awaitable is awaited, and cancelled when the client goes away.
        abort: called instead of `finish` when the client goes away before, or its body is malformed or too slow.
        refuse: puts an error of the edge (too large, too slow, malformed) in the words of the request's protocol;
            called after `abort`.
    """

    bytes_max: int
    receiver: Receives | None
    finish: Callable[[], Answer]
    abort: Callable[[], None]
    refuse: Callable[[CloudError], Response] | None = None


class Handler(Protocol):
    """Who answers requests."""

    def begin(self, request: Request) -> Plan | Response:
        """The headers are complete. A Response is the answer; the body is then not read at all."""


class Streamed(Response):
    """A response whose body is blobs, already open. They are closed whatever happens to it.

    Attributes:
        on_close: told then, once, how many bytes of the body were not sent: `unsent`.
    """

    segments: Sequence[OpenBlob] = ()
    on_close: Callable[[int], None] | None = None
    unsent: int = 0

    @property
    def size(self) -> int:
        return sum(len(blob.data) if blob.data is not None else blob.length for blob in self.segments)

    def inline(self, bytes_max: int) -> bytes | None:
        """The whole body, when it is one segment in memory and small."""
        if len(self.segments) != 1:
            return None
        data = self.segments[0].data
        return data if data is not None and len(data) <= bytes_max else None

    def close(self) -> None:
        segments, self.segments = self.segments, ()
        for blob in segments:
            blob.close()
        if self.on_close is not None:
            tell, self.on_close = self.on_close, None
            tell(self.unsent)

    def __del__(self) -> None:  # an answer that nobody waited for any more
        self.close()


def streamed(response: Response, segments: Sequence[OpenBlob]) -> Streamed:
    """`response` with these opened blobs as its body."""
    return Streamed(response.status, response.headers, b"", response.length, segments=segments)


CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})


def has_body(method: str, status: int) -> bool:
    return method != "HEAD" and status not in _BODILESS


def head_bytes(response: Response, size: int, common: str, connection: str) -> bytes:
    """Status line and headers, with their empty line.

    Args:
        response: its status and headers.
        size: of the body, for Content-Length.
        common: lines of every response (Date, Server), each with CRLF.
        connection: the Connection line with CRLF, or "".
    """
    line = _LINES.get(response.status) or f"HTTP/1.1 {response.status} Status\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in response.headers])
    count = len(response.headers)
    if fields.count("\n") != count or fields.count("\r") != count or "\0" in fields:
        fields = "".join([f"{_clean(name)}: {_clean(value)}\r\n" for name, value in response.headers])
    length = "" if response.status in _BODILESS and response.length is None else f"Content-Length: {size}\r\n"
    head = f"{line}{common}{fields}{length}{connection}\r\n"
    try:
        return head.encode("latin-1")
    except UnicodeEncodeError:  # text from outside Latin-1 can only have come as UTF-8
        return head.encode()


def _clean(text: str) -> str:
    """A value that came from a client must not begin a header of its own."""
    return text.replace("\r", " ").replace("\n", " ").replace("\0", " ")


def plain(status: int, text: str) -> Response:
    """An answer of the edge itself, to what is not even a request."""
    return Response(status, [("Content-Type", "text/plain; charset=utf-8")], text.encode() + b"\n")


class BodyTooLarge(CloudError):
    """The request's body is larger than the operation allows."""

    code = "RequestEntityTooLarge"
    status = 413


class BodyTooSlow(CloudError):
    """S3's RequestTimeout: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""

    code = "RequestTimeout"
    status = 400


class BodyMalformed(CloudError):
    """The body's transfer coding is broken."""

    code = "BadRequest"
    status = 400


class SlowDown(CloudError):
    """More bodies are on their way than the server will hold in memory."""

    code = "SlowDown"
    status = 503
    fault = "server"


def future_of(answer: Awaitable[Response]) -> "asyncio.Future[Response]":
    return asyncio.ensure_future(answer)
