"""What one client may take of the edge. Everything has a limit, the limit has a name.

Sizes in bytes, times in seconds. Where AWS publishes a figure it is AWS's; where it does not, it is a value that no
SDK comes near.
"""

from typing import Final

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """The figures of one server; tests make smaller ones.

    Attributes:
        head_bytes: request line and headers together (AWS's load balancers: 16 KiB a line, S3: 8 KiB of headers).
        uri_bytes: path and query as they come, percent-encoded.
        header_count: header lines of a request.
        connections: open at once; one more is answered 503 and closed.
        bodies_bytes: of bodies held in memory, over all connections; above it the client is told to slow down.
        streaming_bytes: what a streaming body holds in memory at most, before it is in its file: counted as held.
        pipelined_bytes: what a client may send ahead while its request is answered, before we stop reading.
        drain_bytes: an unwanted body up to this long is read and dropped to keep the connection.
        linger_seconds: how long a closing connection still reads, so that the client sees the answer and not a reset.
        idle_seconds: between two requests.
        head_seconds: from the first byte of a head to its last.
        body_idle_seconds: without one byte of a body that is on its way (S3: RequestTimeout).
        body_grace_seconds: after which a body must have come at `body_rate` at least.
        body_rate: bytes a second, averaged over the whole body.
        write_idle_seconds: without the client taking one byte of the answer.
        sweep_seconds: how often the deadlines above are looked at.
    """

    head_bytes: int = 32 * 1024
    uri_bytes: int = 16 * 1024
    header_count: int = 100
    connections: int = 10_000
    bodies_bytes: int = 1024 * 1024 * 1024
    streaming_bytes: int = 768 * 1024
    pipelined_bytes: int = 64 * 1024
    drain_bytes: int = 1024 * 1024
    linger_seconds: float = 2.0
    idle_seconds: float = 75.0
    head_seconds: float = 10.0
    body_idle_seconds: float = 20.0
    body_grace_seconds: float = 30.0
    body_rate: int = 1024
    write_idle_seconds: float = 60.0
    sweep_seconds: float = 0.5


DEFAULT: Final = Limits()
