"""Requests that nobody meant: mutated, cut anywhere, in random pieces. The edge answers or closes; it never breaks."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raw_server import FAST, Handler, Running, running

VALID = (
    b"GET /echo?a=b HTTP/1.1\r\nHost: h\r\nX-Y: z\r\n\r\n",
    b"HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\n",
    b"PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
    b"POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    b"POST /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
    b"PUT /tap HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nabcd",
    b"GET /task HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET http://h/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
)
INTERESTING = (b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"-1", b"\xff", b"\r\n\r\n", b"HTTP/1.1", b"chunked",
               b"Transfer-Encoding: chunked\r\n", b"Content-Length: 1\r\n", b"Content-Length: 99999999999\r\n", b"#", b"%00")  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(Handler(), FAST) as one:
        yield one


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Valid requests one after the other, with some bytes replaced, removed, doubled or put in."""
    raw = bytearray(b"".join(draw(st.lists(st.sampled_from(VALID), min_size=1, max_size=4))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 8))
        kind = draw(st.sampled_from(("replace", "remove", "double", "cut")))
        if kind == "replace":
            raw[at : at + length] = draw(st.one_of(st.sampled_from(INTERESTING), st.binary(max_size=6)))
        elif kind == "remove":
            del raw[at : at + length]
        elif kind == "double":
            raw[at:at] = raw[at : at + 40]
        else:
            del raw[at:]
    return bytes(raw)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=streams(), cuts=st.lists(st.integers(1, 60), max_size=6), patient=st.integers(0, 29))
def test_whatever_is_sent_is_answered_or_closed(server: Running, raw: bytes, cuts: list[int], patient: int) -> None:
    """Every byte that comes back belongs to a well-formed answer, the connection ends, nothing is raised inside."""
    client = server.connect()
    received = b""
    with contextlib.suppress(OSError):
        rest = raw
        for cut in cuts:
            client.sendall(rest[:cut])
            rest = rest[cut:]
        client.sendall(rest)
        if patient:  # else the server's deadlines end it
            client.shutdown(socket.SHUT_WR)
        while data := client.recv(65536):
            received += data
    client.close()
    server.clients.remove(client)
    assert server.errors == []
    assert well_formed(received), received


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=streams(), data=st.data())
def test_how_a_stream_is_cut_does_not_change_what_it_means(server: Running, raw: bytes, data: st.DataObject) -> None:
    """The handler sees the same requests whether the bytes come at once or in pieces."""
    seen = []
    cut = data.draw(st.integers(0, len(raw)))
    raw = raw.replace(b"/task", b"/echo")  # it is begun before the end, or not: a matter of time
    for pieces in ([raw], [raw[:cut], raw[cut:]]):
        before = len(server.handler.requests)
        client = server.connect()
        with contextlib.suppress(OSError):
            for piece in pieces:
                client.sendall(piece)
                server.call(lambda: None)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        client.close()
        server.clients.remove(client)
        seen.append([(r.method, r.path, r.query, r.body) for r in server.handler.requests[before:]])
    assert seen[0] == seen[1]
    server.handler.requests.clear()


def well_formed(received: bytes) -> bool:
    """Whether these are answers, one after the other, each as long as it says (a HEAD's body may be missing)."""
    while received:
        head, found, rest = received.partition(b"\r\n\r\n")
        if not found or not re.match(rb"HTTP/1\.1 \d{3} [A-Za-z -]+\r\n", head + b"\r\n"):
            return False
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        size = int(length[1]) if length else 0
        if size and (rest.startswith(b"HTTP/1.1 ") or not rest):  # it was HEAD
            size = 0
        if len(rest) < size:
            return False
        received = rest[size:]
    return True
