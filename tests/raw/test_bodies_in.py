"""Bodies on their way in: waiting for 100, streaming, holding back, refusing, and clients that are slow or leave."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from pilvi.gateway.limits import Limits
from pilvi.wire.http import Response
from raw_server import FAST, Reader, Running, running
from waiting import wait_until

GET = b"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"


def ask(server: Running, raw: bytes) -> Reader:
    client = server.connect()
    client.sendall(raw)
    return Reader(client)


def put(path: str, size: int, *headers: bytes) -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"PUT %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n%b\r\n" % (path.encode(), size, lines)


def test_100_continue_is_sent_once_the_headers_are_accepted() -> None:
    """The client that waits is told to go on; its request is then answered."""
    with running() as server:
        reader = ask(server, put("/echo", 5, b"Expect: 100-continue"))
        assert reader.reply().status == 100
        assert server.handler.finished == 0
        reader.client.sendall(b"hello")
        assert reader.reply().json()["body"] == "hello"


def test_100_continue_is_not_sent_to_who_did_not_wait() -> None:
    """The body came with the headers: there is nothing to wait for."""
    with running() as server:
        assert ask(server, put("/echo", 5, b"Expect: 100-continue") + b"hello").reply().status == 200


def test_a_refusal_takes_the_place_of_100_and_closes() -> None:
    """The client may or may not send the body after all: only a closed connection is unambiguous."""
    with running(limits=FAST) as server:
        reader = ask(server, put("/refuse", 5, b"Expect: 100-continue"))
        reply = reader.reply()
        assert (reply.status, reply.headers["connection"], reply.body) == (403, "close", b"refused")
        reader.client.sendall(GET)
        assert reader.closed()
        assert [request.path for request in server.handler.requests] == ["/refuse"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_small_unwanted_body_is_dropped_and_the_connection_lives(at_once: bool) -> None:
    """Refused at its headers, its body never seen by the handler, and the next request is served."""
    with running() as server:
        body = b"GET /evil HTTP/1.1\r\nHost: h\r\n\r\n" * 100
        reader = ask(server, put("/refuse", len(body)) + (body + GET if at_once else b""))
        assert reader.reply().status == 403
        if not at_once:
            reader.client.sendall(body[:100])
            reader.client.sendall(body[100:] + GET)
        assert reader.reply().json()["path"] == "/echo"
        assert [request.path for request in server.handler.requests] == ["/refuse", "/echo"]


def test_a_large_unwanted_body_closes_but_the_answer_arrives() -> None:
    """The client that sends on without looking still finds the answer, not a reset, when it looks."""
    with running(limits=FAST) as server:
        reader = ask(server, put("/refuse", 10_000_000) + b"x" * 500_000)
        reply = reader.reply()
        assert (reply.status, reply.headers["connection"]) == (403, "close")
        assert reader.closed()


def test_an_unwanted_body_without_end_is_cut_off() -> None:
    """A client that goes on sending after the refusal is read up to a limit only."""
    with running(limits=FAST) as server:
        reader = ask(server, b"PUT /refuse HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert reader.reply().status == 403
        sent = 0
        with contextlib.suppress(ConnectionError):
            while True:
                sent += reader.client.send(b"x" * 65536)
        assert sent < 20_000_000


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_above_its_limit_is_refused_in_the_protocols_words(chunked: bool) -> None:
    """At its announcement, or when what came is too much; the handler's own words are the answer."""
    with running(limits=FAST) as server:
        server.handler.body_max = 100
        if chunked:
            raw = (
                b"PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"40\r\n" + b"x" * 64 + b"\r\n40\r\n" + b"x" * 64 + b"\r\n"
            )
        else:
            raw = put("/echo", 101)
        reply = ask(server, raw).reply()
        assert (reply.status, reply.headers["x-error"]) == (413, "RequestEntityTooLarge")
        assert (server.handler.finished, server.handler.aborted) == (0, 1)


def test_bodies_of_all_connections_together_have_a_limit() -> None:
    """When clients make the server hold too much, the one that exceeds it is told to slow down."""
    limits = Limits(bodies_bytes=1_000_000)
    with running(limits=limits) as server:
        first = ask(server, put("/echo", 900_000) + b"x" * 800_000)
        wait_until(lambda: server.server.bodies_bytes == 800_000, "the first body is held")
        second = ask(server, put("/echo", 900_000) + b"x" * 800_000)
        reply = second.reply()
        assert (reply.status, reply.headers["x-error"]) == (503, "SlowDown")
        first.client.sendall(b"x" * 100_000)
        assert len(first.reply().json()["body"]) == 900_000


def test_a_client_that_leaves_in_the_middle_of_its_body_aborts_it() -> None:
    """Nothing is finished, the handler is told once, and what was held is let go."""
    with running() as server:
        reader = ask(server, put("/echo", 1000) + b"x" * 500)
        wait_until(lambda: server.server.bodies_bytes == 500, "half of the body is held")
        reader.client.close()
        wait_until(lambda: server.handler.aborted == 1, "the plan is aborted")
        wait_until(lambda: server.server.bodies_bytes == 0, "the half is let go")
        assert server.handler.finished == 0


def test_a_client_that_leaves_while_it_waits_cancels_its_answer() -> None:
    """A long poll of a client that is gone ends at once."""
    with running() as server:
        reader = ask(server, b"GET /future HTTP/1.1\r\nHost: h\r\n\r\n")
        future = wait_until(lambda: server.handler.later, "the request waits")[0]
        reader.client.close()
        wait_until(future.cancelled, "the answer is cancelled")


def test_a_receiver_gets_the_body_and_nothing_else() -> None:
    """Streaming, with the next request right behind the last byte."""
    with running() as server:
        body = bytes(range(256)) * 1000
        reader = ask(server, put("/tap", len(body)) + body + GET)
        assert reader.reply().body == b"256000"
        assert bytes(server.handler.tap.got) == body
        assert reader.reply().json()["path"] == "/echo"


def test_a_receiver_that_is_behind_holds_the_client_back() -> None:
    """The client cannot send more than the kernel's buffers and one read take, until the receiver is ready again."""
    with running() as server:
        tap = server.handler.tap
        tap.open = False
        size = 64_000_000
        reader = ask(server, put("/tap", size))
        reader.client.settimeout(1.0)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < size:
                sent += reader.client.send(b"x" * 65536)
        assert len(tap.got) <= 1_000_000
        assert sent < size
        reader.client.settimeout(20)
        tap.open = True
        server.call(tap.resume)
        reader.client.sendall(b"x" * (size - sent))
        assert reader.reply().body == b"%d" % size


def test_a_receiver_that_is_behind_does_not_time_its_client_out() -> None:
    """Slowness of ours is not held against the client."""
    with running(limits=FAST) as server:
        tap = server.handler.tap
        tap.open = False
        reader = ask(server, put("/tap", 1000) + b"x" * 500)
        wait_until(lambda: len(tap.got) == 500, "the first half is there")
        until = server.call(server.loop.time) + 1.2
        wait_until(lambda: server.server.now > until, "three times the limit has passed")
        tap.open = True
        server.call(tap.resume)
        reader.client.sendall(b"x" * 500)
        assert reader.reply().body == b"1000"


def test_a_receiver_that_fails_ends_the_upload_early() -> None:
    """The answer comes before the body's end, and the rest is not received."""
    with running(limits=FAST) as server:
        server.handler.tap.failed = True
        reader = ask(server, put("/tap", 10_000_000) + b"x" * 1000)
        reply = reader.reply()
        assert (reply.status, reply.body, reply.headers["connection"]) == (409, b"failed\n", "close")


def test_the_answer_waits_until_the_receiver_is_through() -> None:
    """After the last byte the receiver may still be writing; what was sent ahead waits too."""
    with running() as server:
        tap = server.handler.tap
        tap.settles = False
        reader = ask(server, put("/tap", 3) + b"abc" + GET)
        wait_until(lambda: tap.done, "the body is complete")
        assert server.handler.finished == 0
        server.call(tap.done)
        assert reader.reply().body == b"3"
        assert reader.reply().json()["path"] == "/echo"


def test_a_client_that_leaves_while_the_receiver_settles_aborts() -> None:
    """Nobody asked any more: the staged body is given up."""
    with running() as server:
        tap = server.handler.tap
        tap.settles = False
        reader = ask(server, put("/tap", 3) + b"abc")
        wait_until(lambda: tap.done, "the body is complete")
        reader.client.close()
        wait_until(lambda: server.handler.aborted == 1, "the plan is aborted")
        server.call(tap.done)
        assert server.handler.finished == 0


SLOW = {
    "nothing at all": (b"", None),
    "a head that stops": (b"GET / HTTP/1.1\r\nHost: h\r\nX: ", 408),
    "a body that stops": (put("/echo", 100) + b"x", 400),
    "a chunked body that stops": (b"PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 400),
    "an unwanted body that stops": (put("/refuse", 100) + b"x", 403),
}


@pytest.mark.parametrize(("raw", "status"), SLOW.values(), ids=SLOW.keys())
def test_a_client_that_stops_is_closed(raw: bytes, status: int | None) -> None:
    """Whatever it stops in the middle of, within the time its limit names."""
    with running(limits=FAST) as server:
        reader = ask(server, raw)
        began = time.monotonic()
        if status is not None:
            assert reader.reply().status == status
        assert reader.closed()
        assert time.monotonic() - began < 5
        wait_until(lambda: server.server.connections == 0, "the connection is gone")


def test_a_head_that_trickles_in_is_closed() -> None:
    """One byte now and then does not extend the time for the headers."""
    with running(limits=FAST) as server:
        client = server.connect()
        trickle(client, b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X" * 1000)
        assert Reader(client).reply().status == 408


def test_a_body_that_trickles_in_is_closed() -> None:
    """Never idle for long, and yet slower than the minimum rate: it is RequestTimeout."""
    with running(limits=FAST) as server:
        client = server.connect()
        client.sendall(put("/echo", 100_000))
        trickle(client, b"x" * 1000)
        reply = Reader(client).reply()
        assert (reply.status, reply.headers["x-error"]) == (400, "RequestTimeout")
        assert server.handler.aborted == 1


def trickle(client: socket.socket, data: bytes) -> None:
    """Byte by byte, waiting for the answer in between, until there is one."""
    client.settimeout(0.05)
    for byte in data:
        with contextlib.suppress(TimeoutError):
            client.send(bytes([byte]))
            if client.recv(1, socket.MSG_PEEK):
                break
    else:
        raise AssertionError("the server took it all")
    client.settimeout(20)


def test_an_idle_connection_is_closed_without_a_word() -> None:
    """After an answer, when nothing follows."""
    with running(limits=FAST) as server:
        reader = ask(server, GET)
        assert reader.reply().status == 200
        assert reader.closed()


def test_what_is_sent_ahead_is_bounded() -> None:
    """While a request waits for its answer, only so much is read of what follows."""
    with running() as server:
        reader = ask(server, b"GET /future HTTP/1.1\r\nHost: h\r\n\r\n")
        wait_until(lambda: server.handler.later, "the request waits")
        reader.client.settimeout(1.0)
        piece = GET * 1000
        with contextlib.suppress(TimeoutError):
            for _ in range(10_000):
                reader.client.send(piece)
        connection = next(iter(server.server._connections))
        assert len(connection._ahead) < 1_000_000
        server.call(lambda: server.handler.later[0].set_result(Response(200, [], b"ok")))
        reader.client.settimeout(20)
        assert reader.reply().body == b"ok"
        for _ in range(1000):
            assert reader.reply().status == 200


def test_a_flood_of_slow_clients_is_swept() -> None:
    """Two hundred connections that stop in the middle of a head are all gone after its time; others are served."""
    with running(limits=FAST) as server:
        for _ in range(200):
            server.connect().sendall(b"GET / HTTP/1.1\r\nX: ")
        wait_until(lambda: server.server.connections == 200, "they are all connected", every_s=0.001)
        assert ask(server, GET).reply().status == 200
        wait_until(lambda: server.server.connections == 0, "all are closed")


def test_streaming_bodies_count_as_held_up_to_what_they_hold() -> None:
    """A large upload takes a bounded share of the memory for bodies; when that is spent, the next is told to slow down."""
    limits = Limits(bodies_bytes=100_000, streaming_bytes=60_000)
    with running(limits=limits) as server:
        first = ask(server, put("/tap", 500_000) + b"x" * 400_000)
        wait_until(lambda: len(server.handler.tap.got) == 400_000, "most of it is there")
        assert server.server.bodies_bytes == 60_000
        assert server.call(lambda: server.server.in_flight) == 1
        second = ask(server, put("/tap", 500_000) + b"x" * 400_000)
        reply = second.reply()
        assert (reply.status, reply.headers["x-error"]) == (503, "SlowDown")
        assert server.handler.aborted == 1
        first.client.sendall(b"x" * 100_000)
        assert first.reply().status == 200
        wait_until(lambda: server.server.bodies_bytes == 0, "all is let go")
