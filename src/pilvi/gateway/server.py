"""The HTTP server: listening sockets, their connections, and the one timer that looks after all of them."""

import asyncio
import logging
import resource
import socket
import ssl
import time
from typing import Final

from pilvi.gateway.answer import Answer, Handler, Plan, Receives, Streamed, streamed
from pilvi.gateway.connection import Connection
from pilvi.gateway.limits import DEFAULT, Limits

__all__ = ["Answer", "Handler", "Plan", "Receives", "Server", "Streamed", "streamed"]

log = logging.getLogger("pilvi.gateway")

BACKLOG: Final = 1024


class Server:
    """Answers HTTP/1.1 on any number of sockets. Everything happens on one loop's thread.

    Attributes:
        now: the loop's time at the last sweep.
        tick: seconds between the last two sweeps.
        common: header lines of every response.
        bodies_bytes: of all bodies held in memory now.
        refused: connections and bytes that were no request, since the start.
    """

    def __init__(self, handler: Handler, limits: Limits = DEFAULT) -> None:
        self.handler = handler
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.now = self.loop.time()
        self.tick = 0.0
        self.common = ""
        self.bodies_bytes = 0
        self.refused = 0
        self.stopping = False
        self._connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def in_flight(self) -> int:
        """Requests that have begun and are not answered to the end."""
        return sum(connection.busy for connection in self._connections)

    @property
    def full(self) -> bool:
        return len(self._connections) > self.limits.connections

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Listens on a TCP address (port 0: any free one); the address.

        Raises:
            OSError: it is taken, or not ours.
        """
        _make_room(self.limits.connections)
        listener = await self.loop.create_server(
            self._connect, host, port, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=self._handshake_seconds(tls)
        )
        self._listeners.append(listener)
        name = listener.sockets[0].getsockname()
        return name[0], name[1]

    async def start_unix(self, path: str) -> None:
        """Listens on a Unix socket."""
        self._listeners.append(await self.loop.create_unix_server(self._connect, path, backlog=BACKLOG))

    async def adopt(self, listening: socket.socket, tls: ssl.SSLContext | None = None) -> asyncio.Server:
        """Serves a socket that already listens, wherever it was made. Closing the result ends that alone."""
        listening.setblocking(False)
        if listening.family == socket.AF_UNIX:
            listener = await self.loop.create_unix_server(
                self._connect, sock=listening, ssl=tls, ssl_handshake_timeout=self._handshake_seconds(tls)
            )
        else:
            listener = await self.loop.create_server(
                self._connect, sock=listening, ssl=tls, ssl_handshake_timeout=self._handshake_seconds(tls)
            )
        self._listeners = [open_one for open_one in self._listeners if open_one.is_serving()]  # others closed theirs
        self._listeners.append(listener)
        return listener

    async def stop(self, deadline_seconds: float = 10.0) -> None:
        """Takes no more connections, finishes the requests at hand, and cuts off what is left at the deadline."""
        self.stopping = True
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for connection in list(self._connections):
            connection.stop()
        if self._connections:
            self._empty = self.loop.create_future()
            try:
                async with asyncio.timeout(deadline_seconds):
                    await self._empty
            except TimeoutError:
                log.warning("%d connections were cut off", len(self._connections))
                await self._cut_off()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _cut_off(self) -> None:
        self._empty = self.loop.create_future()
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            await self._empty

    # -- what connections call ---------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        if self._timer is None:
            self._sweep()
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _handshake_seconds(self, tls: ssl.SSLContext | None) -> float | None:
        return None if tls is None else self.limits.head_seconds

    def _connect(self) -> Connection:
        return Connection(self)

    def _sweep(self) -> None:
        """Deadlines of all connections, and the date; goes on while anyone is connected."""
        now = self.loop.time()
        self.tick = now - self.now
        self.now = now
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        self.common = f"Date: {date}\r\nServer: pilvi\r\n"
        for connection in list(self._connections):
            connection.check(now)
        again = self._connections or self._timer is None
        self._timer = self.loop.call_later(self.limits.sweep_seconds, self._sweep) if again else None


def _make_room(connections: int) -> None:
    """Raises the soft limit of open files, often 1,024, as far as so many connections and their files may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + 1024
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
