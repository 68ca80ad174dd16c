"""What a body takes of our memory is what it is long, however it is cut into pieces."""

from __future__ import annotations

import sys

import pytest

from pilvi.gateway.chunked import ChunkedDecoder
from pilvi.gateway.connection import PIECES_MAX
from raw_server import Reader, running
from waiting import wait_until


@pytest.mark.parametrize("size", [1, 2, 3])
def test_tiny_chunks_are_joined(size: int) -> None:
    """A hundred thousand chunks of two bytes are one piece, not a hundred thousand objects."""
    decoder = ChunkedDecoder()
    content = b"x" * size
    pieces = decoder.feed((b"%x\r\n%b\r\n" % (size, content)) * 100_000)
    assert b"".join(pieces) == content * 100_000
    assert sum(map(sys.getsizeof, pieces)) < size * 100_000 + 1_000


def test_tiny_segments_are_joined() -> None:
    """A body that comes two bytes at a time is whole in the end, and was never held in many pieces."""
    with running() as server:
        client = server.connect()
        client.sendall(b"PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        wait_until(lambda: server.handler.requests, "the headers are there")

        def receive() -> int:
            (connection,) = server.server._connections
            for _ in range(10_000):
                connection.data_received(b"2\r\nab\r\n")
            return len(connection._pieces)

        assert server.call(receive) <= PIECES_MAX
        client.sendall(b"0\r\n\r\n")
        assert Reader(client).reply().json()["body"] == "ab" * 10_000
