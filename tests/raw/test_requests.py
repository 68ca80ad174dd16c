"""Requests as bytes on a socket: what the edge makes of them, in which order it answers, and when it closes."""

from __future__ import annotations

import socket

import pytest

from pilvi.gateway.answer import Plan
from pilvi.gateway.limits import Limits
from pilvi.wire.http import Request, Response
from raw_server import FAST, Handler, Reader, Running, running
from waiting import wait_until

GET = b"GET /echo HTTP/1.1\r\nHost: pilvi\r\n\r\n"


def ask(server: Running, raw: bytes) -> Reader:
    client = server.connect()
    client.sendall(raw)
    return Reader(client)


def test_a_request_is_seen_as_it_was_sent() -> None:
    """Method, path and query arrive undecoded, names in lower case, values in Latin-1 without the space around them."""
    with running() as server:
        reader = ask(
            server,
            b"PUT /a%20b//../c?x=%41&y HTTP/1.1\r\nHOST: h:1\r\nX-Two:  a \t\r\nx-two: \xe9\r\nX-E:\r\nContent-Length: 3\r\n\r\nabc",
        )
        reply = reader.reply()
        assert reply.status == 200
        assert reply.json() == {
            "method": "PUT",
            "path": "/a%20b//../c",
            "query": "x=%41&y",
            "headers": {"host": "h:1", "x-two": "a,\xe9", "x-e": "", "content-length": "3"},
            "body": "abc",
        }
        assert reply.headers["server"] == "pilvi"
        assert reply.headers["date"].endswith(" GMT")
        assert "connection" not in reply.headers


def test_pipelined_requests_are_answered_in_order() -> None:
    """A hundred requests in one write, every third with a body, some answered later: the answers keep the order."""
    with running() as server:
        raw = b""
        for number in range(100):
            if number % 3 == 0:
                body = b"b" * number
                raw += b"PUT /echo?%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (number, len(body), body)
            elif number % 3 == 1:
                raw += b"GET /task?%d HTTP/1.1\r\nHost: h\r\n\r\n" % number
            else:
                raw += (
                    b"PUT /echo?%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                    % number
                )
        reader = ask(server, raw)
        assert [reader.reply().json()["query"] for _ in range(100)] == [str(number) for number in range(100)]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_a_request_may_come_in_pieces_of_any_size(size: int, loop: str) -> None:
    """Splitting the bytes differently changes nothing."""
    raw = (
        b"PUT /echo?1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
        b"PUT /echo?2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n"
        b"\r\nGET /echo?3 HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    with running(loop=loop) as server:
        client = server.connect()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(raw), size):
            client.sendall(raw[at : at + size])
        reader = Reader(client)
        replies = [reader.reply().json() for _ in range(3)]
        assert [(reply["query"], reply["body"]) for reply in replies] == [("1", "hello"), ("2", "hello!"), ("3", "")]


def test_an_answer_that_comes_later_holds_back_the_next() -> None:
    """While one request waits for its answer, the one sent ahead is not begun."""
    with running() as server:
        reader = ask(server, b"GET /future HTTP/1.1\r\nHost: h\r\n\r\n" + GET)
        wait_until(lambda: server.handler.later, "the first request is at the handler")
        assert len(server.handler.requests) == 1
        server.call(lambda: server.handler.later[0].set_result(Response(202, [], b"late")))
        assert reader.reply().body == b"late"
        assert reader.reply().json()["path"] == "/echo"


def test_http_1_0_closes_unless_asked_to_stay() -> None:
    """HTTP/1.0 without Host is served; the connection stays open only with keep-alive, and says so."""
    with running() as server:
        reader = ask(server, b"GET /echo HTTP/1.0\r\n\r\n")
        assert reader.reply().headers["connection"] == "close"
        assert reader.closed()
        reader = ask(server, b"GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" * 2)
        assert reader.reply().headers["connection"] == "keep-alive"
        assert reader.reply().status == 200


def test_connection_close_is_honoured() -> None:
    """After "Connection: close" the answer is the last thing on the connection, whatever was sent ahead."""
    with running() as server:
        reader = ask(server, b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n" + GET)
        assert reader.reply().headers["connection"] == "close"
        assert reader.closed()
        assert len(server.handler.requests) == 1


def test_upgrades_are_ignored() -> None:
    """A client that offers another protocol is answered in this one."""
    with running() as server:
        reader = ask(server, b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + GET)
        assert reader.reply().status == 200
        assert reader.reply().status == 200


def test_an_absolute_uri_is_served() -> None:
    """What a client sends to a proxy: the URI's host counts."""
    with running() as server:
        reader = ask(
            server,
            b"GET http://bucket.localhost:99/k?q HTTP/1.1\r\nHost: other\r\n\r\nGET http://b HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        first, second = reader.reply().json(), reader.reply().json()
        assert (first["path"], first["query"], first["headers"]["host"]) == ("/k", "q", "bucket.localhost:99")
        assert (second["path"], second["headers"]["host"]) == ("/", "b")


MALFORMED = {
    "bare LF": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare LF in a header": b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
    "control in a value": b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x01b\r\n\r\n",
    "NUL in the path": b"GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
    "empty header name": b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
    "header name beyond ASCII": b"GET / HTTP/1.1\r\nHost: h\r\nX\xe4: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
    "unknown method": b"FOO / HTTP/1.1\r\nHost: h\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\nHost: h\r\n\r\n",
    "another protocol": b"GET / ICY/1.1\r\nHost: h\r\n\r\n",
    "not HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "request target of another kind": b"GET h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
    "length with a sign": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx",
    "negative length": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\nx",
    "length in hexadecimal": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\nx",
    "length beyond 64 bits": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\nx",
    "length with a comma": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx",
    "two lengths that differ": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "two lengths that agree": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "length and chunks": b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "chunked twice": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "obscured chunked": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "obscured by a tab": b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_or_ambiguous_request_is_refused(raw: bytes) -> None:
    """400 and a closed connection; what follows it is never taken for a request."""
    with running(limits=FAST) as server:
        reader = ask(server, raw + GET)
        reply = reader.reply()
        assert reply.status == 400
        assert reply.headers["connection"] == "close"
        assert reader.closed()
        assert server.handler.requests == []


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
        (b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 150 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 400_000, 431),
    ],
    ids=[
        "connect",
        "http 2",
        "no version",
        "http 0.9",
        "gzip coding",
        "long uri",
        "many headers",
        "large header",
        "endless header",
    ],
)
def test_what_is_beyond_a_limit_is_refused_by_its_status(raw: bytes, status: int) -> None:
    """Each limit of the head has its status, and closes."""
    with running(limits=FAST) as server:
        client = server.connect()
        client.sendall(raw)
        reader = Reader(client)
        assert reader.reply().status == status
        assert reader.closed()
        assert server.handler.requests == []


CHUNKS = {
    "size is no number": b"x\r\nabc\r\n0\r\n\r\n",
    "size is empty": b"\r\nabc\r\n0\r\n\r\n",
    "size with a sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "size in 0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "size with a space": b"3 \r\nabc\r\n0\r\n\r\n",
    "size beyond 64 bits": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "longer than its size": b"3\r\nabcd\r\n0\r\n\r\n",
    "no CRLF after the content": b"3\r\nabc0\r\n\r\n",
    "endless extension": b"3;" + b"x" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
    "endless trailers": b"0\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("body", CHUNKS.values(), ids=CHUNKS.keys())
def test_malformed_chunks_are_refused(body: bytes) -> None:
    """400 and a closed connection, and the handler is told that nothing came of it."""
    with running(limits=FAST) as server:
        reader = ask(server, b"PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        reply = reader.reply()
        assert (reply.status, reply.headers["x-error"]) == (400, "BadRequest")
        assert reader.closed()
        assert (server.handler.finished, server.handler.aborted) == (0, 1)


def test_a_bug_in_the_handler_is_500_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """Whether it happens at the headers or at the end: the client learns nothing of it, the log does."""
    with running() as server:
        reader = ask(
            server, b"GET /crash HTTP/1.1\r\nHost: h\r\n\r\nGET /crash-later HTTP/1.1\r\nHost: h\r\n\r\n" + GET
        )
        for _ in range(2):
            reply = reader.reply()
            assert reply.status == 500
            assert b"bug" not in reply.body
        assert reader.reply().status == 200
    assert caplog.text.count("ValueError: a bug") == 2


def test_header_values_cannot_begin_a_header_of_their_own() -> None:
    """Line breaks in a value become spaces; text beyond Latin-1 goes out as UTF-8."""
    with running() as server:
        client = server.connect()
        client.sendall(b"GET /inject HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        raw = b""
        while data := client.recv(4096):
            raw += data
        assert b"X-A: 1  Set-Cookie: evil=1\r\n" in raw
        assert b"\r\nSet-Cookie" not in raw
        assert "X-C: 雪\r\n".encode() in raw


def test_too_many_connections_are_turned_away() -> None:
    """One more than the limit gets 503 and is closed; when another leaves, there is room again."""
    with running(limits=Limits(connections=2, sweep_seconds=0.05)) as server:
        first, second = ask(server, GET), ask(server, GET)
        assert first.reply().status == second.reply().status == 200
        third = Reader(server.connect())
        assert third.reply().status == 503
        assert third.closed()
        third.client.close()
        first.client.close()
        wait_until(lambda: server.server.connections == 1, "the place is free again")
        assert ask(server, GET).reply().status == 200


def test_head_and_answers_without_a_body() -> None:
    """HEAD announces the length and sends nothing; 204 and 304 have no length to announce."""
    with running() as server:
        reader = ask(
            server,
            b"HEAD /echo HTTP/1.1\r\nHost: h\r\n\r\nHEAD /head HTTP/1.1\r\nHost: h\r\n\r\n"
            b"GET /nothing HTTP/1.1\r\nHost: h\r\n\r\nGET /unchanged HTTP/1.1\r\nHost: h\r\n\r\n" + GET,
        )
        assert int(reader.reply(bodiless=True).headers["content-length"]) > 50
        assert reader.reply(bodiless=True).headers["content-length"] == "1234"
        for status in (204, 304):
            reply = reader.reply()
            assert (reply.status, "content-length" in reply.headers) == (status, False)
        assert reader.reply().status == 200


class Greedy(Handler):
    """When the burst begins, lets another client send its request: it is in the kernel before the burst is through."""

    def __init__(self) -> None:
        super().__init__()
        self.at_first = lambda: None

    def begin(self, request: Request) -> Plan | Response:
        if request.path == "/burst" and not any(earlier.path == "/burst" for earlier in self.requests):
            self.at_first()
        return super().begin(request)


def test_one_connection_does_not_starve_the_others() -> None:
    """While a thousand pipelined requests are answered, another connection has its turn in between."""
    handler = Greedy()
    with running(handler) as server:
        other = ask(server, GET)
        other.reply()
        handler.at_first = lambda: other.client.sendall(GET)
        reader = ask(server, b"GET /burst HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
        for _ in range(1000):
            assert reader.reply().status == 200
        assert other.reply().status == 200
        paths = [request.path for request in handler.requests]
        assert paths.index("/echo", 1) < 200
