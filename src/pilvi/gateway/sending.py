"""Sending the body of a Streamed response: never more in memory than the client takes.

Bytes in hand are written at once. A file goes from the page cache to the socket by sendfile(2) where the connection is
plain; the socket's descriptor is duplicated for it, because the event loop keeps the original to itself. Over TLS, where
sendfile is not to be had, the file is read and written piece by piece. (So it was for files of a few megabytes, too: in
the whole server, under load, the copies cost 600 microseconds a megabyte against 510.)
"""

import asyncio
import logging
import os
from typing import Final, Protocol

from pilvi.gateway.answer import Streamed
from pilvi.state.errors import BlobDamaged
from pilvi.state.store import OpenBlob

log = logging.getLogger("pilvi.gateway")

SMALL_BYTES: Final = 64 * 1024
PIECE_BYTES: Final = 256 * 1024
BURST_BYTES: Final = 4 * 1024 * 1024  # then others have their turn


class Owner(Protocol):
    """The connection, as far as sending concerns it."""

    def writable(self) -> bool: ...

    def sending_done(self, *, whole: bool) -> None: ...


class Sending:
    """One body on its way out.

    Args:
        head: of the response.
        owner: asked whether the client takes more, and told how it ended (not after `close`).

    Attributes:
        sent: bytes handed over so far; the sweep sees by it whether the client takes any.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        head: bytes,
        response: Streamed,
        owner: Owner,
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._response = response
        self._blobs = list(response.segments)
        self._index = 0
        self._position = 0
        self._head = head
        self._owner: Owner | None = owner
        self._plain = transport.get_extra_info("sslcontext") is None
        self._socket = -1
        self._waiting = False
        self.sent = 0

    def go(self) -> None:
        """Sends until the client cannot take more; to be called again when it can."""
        burst = 0
        try:
            if self._head:
                self._begin()
            while self._owner is not None and self._owner.writable() and self._index < len(self._blobs):
                if burst >= BURST_BYTES:
                    self._loop.call_soon(self._again)
                    return
                taken = self._step(self._blobs[self._index])
                if taken < 0:
                    return
                burst += taken
        except (OSError, BlobDamaged) as error:
            if not isinstance(error, ConnectionError):
                advice = " (`pilvi check` names the object)" if isinstance(error, BlobDamaged) else ""
                log.warning("sending a body failed: %s%s", error, advice)
            self._end(whole=False)
            return
        if self._owner is not None and self._owner.writable():
            self._end(whole=True)

    def close(self) -> None:
        """Lets go of everything."""
        self._owner = None
        if self._socket >= 0:
            self._stop_waiting()
            os.close(self._socket)
            self._socket = -1
        if self._response.on_close is not None:
            self._response.unsent = self._left()
        self._response.close()

    def _left(self) -> int:
        """How many bytes were not handed over."""
        rest = self._blobs[self._index :]
        return sum(blob.length if blob.data is None else len(blob.data) for blob in rest) - self._position

    def _again(self) -> None:
        if self._owner is not None and not self._waiting:
            self.go()

    def _begin(self) -> None:
        """The head, together with the first bytes where they are in hand and few."""
        head, self._head = self._head, b""
        first = self._blobs[0].data if self._blobs else None
        if first is not None and len(first) <= SMALL_BYTES:
            head += first
            self._next()
        self._transport.write(head)

    def _step(self, blob: OpenBlob) -> int:
        """Sends a piece of this blob; how much, or -1 when the socket is full."""
        if blob.data is not None:
            self._transport.write(blob.data)
            taken = len(blob.data)
            self._next()
        elif self._position >= blob.length:
            taken = 0
            self._next()
        else:
            taken = self._sendfile(blob) if self._plain and not blob.sealed else self._copy(blob)
        self.sent += max(taken, 0)
        return taken

    def _next(self) -> None:
        self._index += 1
        self._position = 0

    def _sendfile(self, blob: OpenBlob) -> int:
        if self._socket < 0:
            self._socket = os.dup(self._transport.get_extra_info("socket").fileno())
        remaining = blob.length - self._position
        try:
            taken = os.sendfile(self._socket, blob.fd, blob.offset + self._position, min(remaining, BURST_BYTES))
        except BlockingIOError:
            self._wait()
            return -1
        except ConnectionError:
            raise
        except OSError:  # this file system has no sendfile
            self._plain = False
            return 0
        self._advance(taken)
        return taken

    def _copy(self, blob: OpenBlob) -> int:
        data = blob.read_at(self._position, PIECE_BYTES)
        self._transport.write(data)
        self._advance(len(data))
        return len(data)

    def _advance(self, taken: int) -> None:
        if not taken:
            raise OSError("a blob's file is shorter than it was")
        self._position += taken

    def _wait(self) -> None:
        if not self._waiting:
            self._waiting = True
            self._loop.add_writer(self._socket, self._woken)

    def _woken(self) -> None:
        self._stop_waiting()
        self.go()

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._loop.remove_writer(self._socket)

    def _end(self, *, whole: bool) -> None:
        owner = self._owner
        self.close()
        if owner is not None:
            owner.sending_done(whole=whole)
