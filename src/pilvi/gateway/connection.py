"""One client's connection: a state machine between a socket and a handler.

    HEAD -> BODY -> SETTLE -> ANSWER -> SEND -> HEAD ...          (DRAIN before the next HEAD where a body was not wanted)
                                             -> LINGER -> closed  (where the rest of the request is too much to read)

Requests are answered one after the other, in order: what a client sends ahead waits, unparsed and bounded, in
`_ahead`. An answer that is there at once is written in the same call that brought the request's last byte. Deadlines are
looked at by the server's sweep; a connection has no timer of its own.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

from pilvi.core.errors import CloudError
from pilvi.gateway import answer
from pilvi.gateway.answer import Plan, Receives, Streamed
from pilvi.gateway.chunked import BadChunk, ChunkedDecoder
from pilvi.gateway.head import BadHead, Head, HeadParser
from pilvi.gateway.sending import Sending
from pilvi.wire.http import Response

if TYPE_CHECKING:
    from pilvi.gateway.server import Server

log = logging.getLogger("pilvi.gateway")

HEAD: Final = 0
BODY: Final = 1
SETTLE: Final = 2  # the body has come, its receiver is not through with it
ANSWER: Final = 3
SEND: Final = 4
DRAIN: Final = 5
LINGER: Final = 6
CLOSED: Final = 7

SMALL_BYTES: Final = 64 * 1024  # joined to its head, one write; more is not copied

PIECES_MAX: Final = 1024  # of a body in memory before they are joined: small ones take more than their bytes
TURN_REQUESTS: Final = 32  # pipelined requests answered before other connections have their turn
NEVER: Final = float("inf")
_END: Final = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """See the module's page. Everything happens on the loop's thread."""

    __slots__ = (
        "_ahead", "_decoder", "_head", "_held", "_kept", "_parser", "_peer", "_pending", "_pieces", "_plan", "_read_paused",
        "_received", "_remaining", "_secure", "_seen", "_sending", "_server", "_started", "_transport", "_write_paused",
        "deadline", "phase",
    )  # fmt: skip

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._parser = HeadParser(server.limits)
        self._ahead = b""
        self._plan: Plan | None = None
        self._head: Head | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self._decoder: ChunkedDecoder | None = None
        self._remaining = 0
        self._received = 0
        self._seen = 0
        self._started = 0.0
        self._pending: asyncio.Future[Response] | None = None
        self._sending: Sending | None = None
        self._read_paused = False
        self._write_paused = False
        self._kept = True
        self.phase = HEAD
        self.deadline = NEVER

    # -- what the event loop calls -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=1)  # what is not taken at once pauses us (TLS never resumes from 0)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._server.opened(self)
        self.deadline = self._server.now + self._server.limits.head_seconds
        if self._server.full:
            self._refuse(answer.plain(503, "Too many connections."))

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        if phase == BODY:
            data = self._body(data)
            phase = self.phase
        elif phase == DRAIN:
            data = self._drain(data)
            phase = self.phase
        if not data:
            return
        if phase == HEAD:
            if self._ahead:
                data = self._take_ahead() + data
            self._heads(data)
        elif phase == LINGER:
            self._received += len(data)
            if self._received > self._server.limits.drain_bytes:
                self._transport.abort()
        elif phase != CLOSED:
            self._keep_for_later(data)

    def eof_received(self) -> bool:
        if self.phase == SEND and not self._secure:
            self._kept = False
            return True
        return False  # a client that closes its half is gone: long polls end, nothing is received for nobody

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the event loop's form
        phase, self.phase = self.phase, CLOSED
        self._server.closed(self)
        if phase in (BODY, SETTLE):
            self._abort_plan()
        if self._pending is not None:
            self._pending.cancel()
        if self._sending is not None:
            self._sending.close()
        self._forget()

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._server.loop.call_soon(self._resumed)  # TLS calls this from inside its write

    def _resumed(self) -> None:
        if self._write_paused or self.phase != SEND:
            return
        if self._sending is not None:
            self._sending.go()
        else:
            self._sent()
            self._go_on()

    def _go_on(self) -> None:
        """After an answer that was not sent in one go: what the client sent ahead meanwhile."""
        if self._ahead and self.phase in (HEAD, DRAIN):
            data = self._take_ahead()
            self._resume_reading()
            self.data_received(data)

    def _keep_for_later(self, data: bytes) -> None:
        self._ahead += data
        if len(self._ahead) > self._server.limits.pipelined_bytes:
            self._pause_reading()

    def _take_ahead(self) -> bytes:
        data, self._ahead = self._ahead, b""
        return data

    # -- heads -------------------------------------------------------------------------------------------------------

    def _heads(self, data: bytes) -> None:
        """Answers the requests in `data`; keeps what cannot be looked at yet."""
        turns = 0
        while data and self.phase == HEAD:
            end = data.find(_END)
            if end < 0:
                self._incomplete(data)
                return
            if turns == TURN_REQUESTS:
                self._ahead = data
                self._pause_reading()
                self._server.loop.call_soon(self._go_on)
                return
            turns += 1
            end += 4
            raw, data = (data, b"") if end == len(data) else (data[:end], data[end:])
            try:
                if end > self._server.limits.head_bytes:
                    raise BadHead(431, "Your request header section exceeds the maximum allowed size.")  # noqa: TRY301
                head = self._parser.parse(raw, self._peer, secure=self._secure)
            except BadHead as bad:
                self._refuse(answer.plain(bad.status, bad.reason))
                return
            if head is not None:
                data = self._begin(head, data)
        if data and self.phase not in (LINGER, CLOSED):
            self._keep_for_later(data)

    def _incomplete(self, data: bytes) -> None:
        """A head that is still on its way; what can only become an error is refused now."""
        self._ahead = data
        self.deadline = min(self.deadline, self._server.now + self._server.limits.head_seconds)
        if len(data) > self._server.limits.head_bytes:
            self._refuse(answer.plain(431, "Your request header section exceeds the maximum allowed size."))
            return
        text = data.lstrip(b"\r\n")  # before a request any line may end: the parser passes over it
        if text and (text[0] not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ" or text.count(b"\n") != text.count(b"\r\n")):
            self._refuse(answer.plain(400, "The request is not HTTP/1.1."))

    def _begin(self, head: Head, data: bytes) -> bytes:
        """The headers are complete; what of `data` belongs to later requests."""
        self._head = head
        self._kept = head.keep_alive and not self._server.stopping
        self._remaining = head.length
        try:
            plan = self._server.handler.begin(head.request)
        except Exception:
            log.exception("a handler failed")
            plan = answer.plain(500, "Internal error.")
        if isinstance(plan, Response):
            return self._answer_unread(plan, data)
        self._plan = plan
        if not head.length:
            self._complete()
            return data
        if plan.receiver is None and head.length > plan.bytes_max:
            return self._reject(answer.BodyTooLarge("The request's body is too large."), data)
        self.phase = BODY
        self._decoder = ChunkedDecoder() if head.length < 0 else None
        self._received = self._seen = 0
        self._started = self._server.now
        self.deadline = self._started + self._server.limits.body_idle_seconds
        if data:
            return self._body(data)
        if head.expects:
            self._transport.write(answer.CONTINUE)
        return b""

    # -- bodies ------------------------------------------------------------------------------------------------------

    def _body(self, data: bytes) -> bytes:
        """Takes the part of `data` that is the body; the rest belongs to later requests."""
        plan = self._plan
        assert plan is not None
        rest = b""
        self._received += len(data)
        if self._decoder is not None:
            try:
                pieces = self._decoder.feed(data)
            except BadChunk as bad:
                return self._reject(answer.BodyMalformed(f"The request's body is malformed: {bad}."))
            if self._decoder.done:
                rest, self._remaining = self._decoder.rest, 0
        else:
            if len(data) > self._remaining:
                data, rest = data[: self._remaining], data[self._remaining :]
            self._remaining -= len(data)
            pieces = [data]
        for piece in pieces:
            if not (self._collect(plan, piece) if plan.receiver is None else self._stream_in(plan.receiver, piece)):
                return rest
        if not self._remaining:
            self._complete()
        return rest

    def _collect(self, plan: Plan, piece: bytes) -> bool:
        """Keeps a piece of a bounded body; False when it is refused."""
        self._pieces.append(piece)
        if len(self._pieces) == PIECES_MAX:
            self._pieces = [b"".join(self._pieces)]
        if not self._hold(len(piece)):
            return False
        if self._held > plan.bytes_max:
            self._reject(answer.BodyTooLarge("The request's body is too large."))
            return False
        return True

    def _hold(self, size: int) -> bool:
        """Counts what is held in memory; False when it is too much, and refused."""
        server = self._server
        self._held += size
        server.bodies_bytes += size
        if server.bodies_bytes <= server.limits.bodies_bytes:
            return True
        self._reject(answer.SlowDown("Please reduce your request rate."))
        return False

    def _stream_in(self, receiver: Receives, piece: bytes) -> bool:
        """Hands on a piece of a streaming body; False when it was refused, and answered."""
        uncounted = self._server.limits.streaming_bytes - self._held
        if uncounted > 0 and not self._hold(min(len(piece), uncounted)):
            return False
        if not receiver.feed(piece, self._resume_reading):
            self._pause_reading()
        if receiver.failed:
            self._finish()
            return False
        return True

    def _complete(self) -> None:
        """The body is there."""
        plan, head = self._plan, self._head
        assert plan is not None
        assert head is not None
        if plan.receiver is not None:
            self.phase = SETTLE
            self.deadline = NEVER
            if not plan.receiver.end(self._settled):
                return
        elif self._pieces:
            head.request.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
        self._finish()

    def _settled(self) -> None:
        if self.phase == SETTLE:
            self._finish()
            self._go_on()

    # -- answers -----------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        plan = self._plan
        assert plan is not None
        self.phase = ANSWER
        self.deadline = NEVER
        try:
            result = plan.finish()
        except Exception:
            log.exception("a handler failed")
            result = answer.plain(500, "Internal error.")
        if isinstance(result, Response):
            self._respond(result)
        else:
            self._pending = answer.future_of(result)
            self._pending.add_done_callback(self._resolved)

    def _resolved(self, pending: "asyncio.Future[Response]") -> None:
        self._pending = None
        if pending.cancelled():
            if self.phase == ANSWER:
                self._transport.abort()
            return
        error = pending.exception()
        if error is not None:
            log.error("a handler failed", exc_info=error)
        response = answer.plain(500, "Internal error.") if error is not None else pending.result()
        if self.phase == ANSWER:
            self._respond(response)
            self._go_on()
        elif isinstance(response, Streamed):
            response.close()

    def _answer_unread(self, response: Response, data: bytes) -> bytes:
        """Answers without looking at the body; what of `data` comes after it."""
        self._received = 0
        if self._remaining > 0 and data:
            self._received = min(len(data), self._remaining)
            data = data[self._received :]
            self._remaining -= self._received
        self._respond(response)
        return data

    def _respond(self, response: Response) -> None:
        """Sends the answer to the request at hand. What is left of its body decides how the connection goes on."""
        head = self._head
        assert head is not None
        self._resume_reading()
        if self._remaining and not self._drainable(head):
            self._kept = False
        self._write(response, head.request.method)

    def _drainable(self, head: Head) -> bool:
        # A client that waits for "100 Continue" may or may not send its body now: only closing is unambiguous.
        return not (head.expects and not self._received) and 0 <= self._remaining <= self._server.limits.drain_bytes

    def _write(self, response: Response, method: str) -> None:
        server = self._server
        self.phase = SEND
        body = response.body
        if isinstance(response, Streamed):
            inline = response.inline(SMALL_BYTES)
            if inline is None:
                self._stream(response, method)
                return
            body = inline
            response.close()
        assert isinstance(body, bytes), "blobs are opened before they come here"
        size = len(body) if response.length is None else response.length
        head = answer.head_bytes(response, size, server.common, self._connection_line())
        if body and answer.has_body(method, response.status):
            if len(body) <= SMALL_BYTES:
                self._transport.write(head + body)
            else:
                self._transport.writelines([head, body])
        else:
            self._transport.write(head)
        if self._write_paused:
            self.deadline = server.now + server.limits.write_idle_seconds
        else:
            self._sent()

    def _stream(self, response: Streamed, method: str) -> None:
        server = self._server
        size = response.size if response.length is None else response.length
        head = answer.head_bytes(response, size, server.common, self._connection_line())
        if not answer.has_body(method, response.status):
            response.close()
        self.deadline = server.now + server.limits.write_idle_seconds
        self._seen = 0
        self._sending = Sending(server.loop, self._transport, head, response, self)
        self._sending.go()

    def writable(self) -> bool:
        """Whether the client took all that was written so far."""
        return not self._write_paused

    def sending_done(self, *, whole: bool) -> None:
        """The body of the answer is out, or cannot be sent to its end."""
        self._sending = None
        if whole:
            self._sent()
            self._go_on()
        else:
            self._transport.abort()

    def _connection_line(self) -> str:
        if not self._kept:
            return "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if self._head is not None and self._head.old else ""

    def _sent(self) -> None:
        """The answer is with the client (or its kernel); on to what comes next."""
        if not self._kept:
            self._close()
        elif self._remaining:
            self.phase = DRAIN
            self.deadline = self._server.now + self._server.limits.body_idle_seconds
        else:
            self._ready()

    def _ready(self) -> None:
        self.phase = HEAD
        self.deadline = self._server.now + self._server.limits.idle_seconds
        self._forget()
        if not self._ahead:
            self._resume_reading()

    def _drain(self, data: bytes) -> bytes:
        """Drops what is left of an unwanted body; what comes after it."""
        dropped = min(len(data), self._remaining)
        self._remaining -= dropped
        if not self._remaining:
            self._ready()
        return data[dropped:]

    # -- ends --------------------------------------------------------------------------------------------------------

    def _reject(self, error: CloudError, data: bytes = b"") -> bytes:
        """The body will not do: nothing happens, and the client is told so."""
        plan = self._plan
        assert plan is not None
        self._abort_plan()
        try:
            response = plan.refuse(error) if plan.refuse else answer.plain(error.status, error.message)
        except Exception:
            log.exception("a handler failed")
            response = answer.plain(500, "Internal error.")
        if data:
            return self._answer_unread(response, data)
        self._respond(response)
        return b""

    def _refuse(self, response: Response) -> None:
        """Answers what is not a request, and closes."""
        self._server.refused += 1
        self._head = None
        self._kept = False
        self._remaining = -1
        self._write(response, "GET")

    def _abort_plan(self) -> None:
        self._let_go_of_body()
        if self._plan is None:
            return
        try:
            self._plan.abort()
        except Exception:
            log.exception("a handler failed")

    def _close(self) -> None:
        """Closes; when more of the request may come, reads a while, so that the answer is not lost to a reset."""
        if not self._remaining or not self._transport.can_write_eof():
            self.phase = CLOSED
            self._transport.close()
            return
        self.phase = LINGER
        self._received = 0
        self._resume_reading()
        self._transport.write_eof()
        self.deadline = self._server.now + self._server.limits.linger_seconds

    def _forget(self) -> None:
        self._let_go_of_body()
        self._plan = self._head = self._decoder = None

    def _let_go_of_body(self) -> None:
        if self._held:
            self._server.bodies_bytes -= self._held
            self._held = 0
            self._pieces = []

    def _pause_reading(self) -> None:
        if not self._read_paused and not self._transport.is_closing():
            self._read_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._read_paused and not self._transport.is_closing():
            self._read_paused = False
            self._transport.resume_reading()

    # -- what the server calls ---------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return BODY <= self.phase <= SEND

    def check(self, now: float) -> None:
        """Whether a deadline has passed, by the sweep."""
        phase = self.phase
        if phase == BODY:
            self._check_body(now)
        elif phase == SEND:
            self._check_send(now)
        elif now >= self.deadline:
            if phase == HEAD and self._ahead:
                self._refuse(answer.plain(408, "The request's headers took too long."))
            elif phase == HEAD:
                self.phase = CLOSED
                self._transport.close()
            else:
                self._transport.abort()

    def stop(self) -> None:
        """No request after the one at hand."""
        if self.phase == HEAD and not self._ahead:
            self.phase = CLOSED
            self._transport.close()
        else:
            self._kept = False

    def abort(self) -> None:
        self._transport.abort()

    def _check_body(self, now: float) -> None:
        limits = self._server.limits
        if self._read_paused:  # we are the slow ones
            self._started += self._server.tick
            self.deadline = now + limits.body_idle_seconds
            return
        if self._received != self._seen:
            self._seen = self._received
            self.deadline = now + limits.body_idle_seconds
        elapsed = now - self._started
        slow = elapsed > limits.body_grace_seconds and self._received < limits.body_rate * elapsed
        if now >= self.deadline or slow:
            self._reject(answer.BodyTooSlow(_TOO_SLOW))

    def _check_send(self, now: float) -> None:
        progress = -self._transport.get_write_buffer_size() + (self._sending.sent if self._sending else 0)
        if progress != self._seen:
            self._seen = progress
            self.deadline = now + self._server.limits.write_idle_seconds
        elif now >= self.deadline:
            self._transport.abort()


_TOO_SLOW: Final = (
    "Your socket connection to the server was not read from or written to within the timeout period. "
    "Idle connections will be closed."
)
