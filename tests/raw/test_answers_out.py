"""Answers on their way out: segments of files and memory, clients that read slowly or not at all, and the end."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pilvi.gateway.answer import streamed
from pilvi.gateway.limits import Limits
from pilvi.wire.http import Response
from raw_server import FAST, FakeBlob, Handler, Reader, Running, running
from waiting import wait_until

GET = b"GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"
SIZE = 5_000_000


@pytest.fixture
def content() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture
def file(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "blob"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder


def tls_server(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def tls_client(server: Running, certificate: Path) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    wrapped = context.wrap_socket(server.connect(), server_hostname="localhost")
    server.clients.append(wrapped)
    return wrapped


def ask(server: Running, raw: bytes, **options: int) -> Reader:
    client = server.connect(**options)
    client.sendall(raw)
    return Reader(client)


def get(path: str) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path.encode()


def mixed(file: Path) -> Handler:
    """A body of three parts: bytes, a range of a file, bytes."""
    handler = Handler()
    handler.files["/mixed"] = [
        lambda: FakeBlob(b"first,"),
        lambda: FakeBlob(path=file, offset=1000, length=SIZE - 2000),
        lambda: FakeBlob(b",last"),
    ]
    return handler


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_segments_are_sent_one_after_the_other(
    file: Path, content: bytes, certificate: Path, loop: str, secure: bool
) -> None:
    """Bytes and ranges of files, over sendfile or TLS, twice on one connection; all of them closed afterwards, once."""
    handler = mixed(file)
    with running(handler, tls=tls_server(certificate) if secure else None, loop=loop) as server:
        client = tls_client(server, certificate) if secure else server.connect()
        client.sendall(get("/mixed") * 2 + GET)
        reader = Reader(client)
        for _ in range(2):
            assert reader.reply().body == b"first," + content[1000 : SIZE - 1000] + b",last"
        assert reader.reply().status == 200
        assert [blob.closed for blob in handler.blobs] == [1] * 6
        assert handler.requests[0].secure is secure


def test_head_of_a_streamed_body_sends_none_of_it(file: Path) -> None:
    """The length is announced, the blobs are closed unread."""
    handler = mixed(file)
    with running(handler) as server:
        reader = ask(server, b"HEAD /mixed HTTP/1.1\r\nHost: h\r\n\r\n" + GET)
        assert int(reader.reply(bodiless=True).headers["content-length"]) == SIZE - 2000 + 11
        assert reader.reply().status == 200
        assert [blob.closed for blob in handler.blobs] == [1] * 3


def test_empty_bodies_and_segments() -> None:
    """No segments, and segments without bytes, are bodies of length nought."""
    handler = Handler()
    handler.files = {"/none": [], "/empty": [lambda: FakeBlob(b"")]}
    with running(handler) as server:
        reader = ask(server, get("/none") + get("/empty") + GET)
        assert reader.reply().body == b""
        assert reader.reply().body == b""
        assert reader.reply().status == 200


@pytest.mark.parametrize("secure", [True, False], ids=["tls", "plain"])
def test_a_client_that_reads_slowly_holds_the_file_back(tmp_path: Path, certificate: Path, secure: bool) -> None:
    """Of a file of a gigabyte, a client that does not read gets what the kernel holds; our memory does not grow."""
    path = tmp_path / "large"
    with path.open("wb") as out:
        out.truncate(1_000_000_000)
    handler = Handler()
    handler.files["/large"] = [lambda: FakeBlob(path=path, length=1_000_000_000)]
    with running(handler, tls=tls_server(certificate) if secure else None) as server:
        before = rss()
        client = tls_client(server, certificate) if secure else server.connect(receive_buffer=65536)
        client.sendall(get("/large"))
        sending = wait_until(
            lambda: next((c._sending for c in server.server._connections if c._sending and c._sending.sent), None),
            "something was sent",
        )
        wait_until(lambda: stalls(lambda: sending.sent), "it stalls")
        assert sending.sent < 100_000_000
        assert rss() - before < 8_000_000
        assert handler.blobs[0].closed == 0
        client.close()
        wait_until(lambda: handler.blobs[0].closed == 1, "the blob is closed when the client leaves")


def test_a_client_that_reads_slowly_still_gets_everything(file: Path, content: bytes) -> None:
    """Through a small window, with pauses on both sides."""
    handler = mixed(file)
    with running(handler) as server:
        reader = ask(server, get("/mixed") + GET, receive_buffer=4096)
        assert reader.reply().body == b"first," + content[1000 : SIZE - 1000] + b",last"
        assert reader.reply().status == 200


def test_answers_in_memory_wait_for_their_reader() -> None:
    """Pipelined large answers are made one at a time: the second request is not begun before the first is taken."""
    with running() as server:
        reader = ask(server, get("/big?8000000") * 3, receive_buffer=262144)
        wait_until(lambda: server.handler.requests, "the first request is begun")
        connection = next(iter(server.server._connections))
        wait_until(lambda: stalls(connection._transport.get_write_buffer_size), "it stalls")
        assert len(server.handler.requests) == 1
        for _ in range(3):
            assert len(reader.reply().body) == 8_000_000


@pytest.mark.parametrize("path", ["/big?8000000", "/large"])
def test_a_client_that_does_not_read_is_cut_off(path: str, tmp_path: Path) -> None:
    """After the time without one byte taken; the blob is closed."""
    large = tmp_path / "large"
    with large.open("wb") as out:
        out.truncate(100_000_000)
    handler = Handler()
    handler.files["/large"] = [lambda: FakeBlob(path=large, length=100_000_000)]
    with running(handler, limits=FAST) as server:
        ask(server, get(path), receive_buffer=65536)
        wait_until(lambda: handler.requests, "the request is begun")
        wait_until(lambda: server.server.connections == 0, "the connection is cut off")
        assert all(blob.closed == 1 for blob in handler.blobs)


def test_a_client_that_reads_a_little_is_not_cut_off(tmp_path: Path) -> None:
    """Progress, however slow, keeps the connection."""
    large = tmp_path / "large"
    with large.open("wb") as out:
        out.truncate(20_000_000)
    handler = Handler()
    handler.files["/large"] = [lambda: FakeBlob(path=large, length=20_000_000)]
    with running(handler, limits=FAST) as server:
        client = server.connect(receive_buffer=65536)
        client.sendall(get("/large"))
        began, got = time.monotonic(), 0
        while data := client.recv(200_000):
            got += len(data)
            if got > 20_000_000:
                break
            until = time.monotonic() + 0.015
            wait_until(lambda until=until: time.monotonic() > until, "a little later", every_s=0.005)
        assert got > 20_000_000
        assert time.monotonic() - began > 2 * FAST.write_idle_seconds


def test_a_reset_while_sending_closes_the_blob(tmp_path: Path) -> None:
    """A client that vanishes in the middle costs nothing but its connection."""
    large = tmp_path / "large"
    with large.open("wb") as out:
        out.truncate(100_000_000)
    handler = Handler()
    handler.files["/large"] = [lambda: FakeBlob(path=large, length=100_000_000)]
    with running(handler) as server:
        for _ in range(20):
            client = server.connect(receive_buffer=65536)
            client.sendall(get("/large"))
            client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        wait_until(lambda: len(handler.blobs) == 20 and all(blob.closed == 1 for blob in handler.blobs), "all closed")
        wait_until(lambda: server.server.connections == 0, "all gone")


def test_a_file_that_is_shorter_than_promised_breaks_the_connection(tmp_path: Path) -> None:
    """The client must not take a piece for the whole."""
    short = tmp_path / "short"
    short.write_bytes(b"x" * 1000)
    handler = Handler()
    handler.files["/short"] = [lambda: FakeBlob(path=short, length=2000)]
    with running(handler) as server:
        client = server.connect()
        client.sendall(get("/short"))
        data = b""
        try:
            while piece := client.recv(4096):
                data += piece
        except ConnectionResetError:
            pass
        assert data.count(b"x") <= 1000 + 10
        assert handler.blobs[0].closed == 1


def test_no_descriptor_is_left_behind(file: Path) -> None:
    """After a hundred streamed answers and their clients, as many descriptors are open as before."""
    handler = mixed(file)
    with running(handler) as server:
        ask(server, GET).reply()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            reader = ask(server, get("/mixed"))
            reader.reply()
            reader.client.close()
        wait_until(lambda: server.server.connections == 1, "all but the first are gone")
        assert len(os.listdir("/proc/self/fd")) <= before


def test_an_answer_that_nobody_takes_closes_its_blobs() -> None:
    """A streamed response that is dropped on the way closes what it holds."""
    blob = FakeBlob(b"x")
    response = streamed(Response(200, []), [blob])
    del response
    assert blob.closed == 1


# -- TLS ---------------------------------------------------------------------------------------------------------------


def test_tls_carries_everything(certificate: Path) -> None:
    """Bodies both ways, pipelining, and 100-continue."""
    with running(tls=tls_server(certificate)) as server:
        client = tls_client(server, certificate)
        reader = Reader(client)
        client.sendall(b"PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 500000\r\nExpect: 100-continue\r\n\r\n")
        assert reader.reply().status == 100
        client.sendall(b"x" * 500_000 + GET + get("/refuse"))
        assert len(reader.reply().json()["body"]) == 500_000
        assert reader.reply().status == 200
        assert reader.reply().status == 403


def test_plain_http_on_a_tls_port_is_no_request(certificate: Path) -> None:
    """The connection ends; nothing reaches the handler, nothing is raised."""
    with running(limits=FAST, tls=tls_server(certificate)) as server:
        client = server.connect()
        client.sendall(GET)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
        assert server.handler.requests == []


# -- the end -----------------------------------------------------------------------------------------------------------


def test_stop_lets_requests_at_hand_finish() -> None:
    """Idle connections end, no new one is taken, and the one that waits gets its answer, with "close"."""
    with running() as server:
        idle = ask(server, GET)
        idle.reply()
        waiting = ask(server, b"GET /future HTTP/1.1\r\nHost: h\r\n\r\n")
        half = ask(server, b"PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na")
        wait_until(lambda: len(server.handler.requests) == 3 and server.handler.later, "all have begun")
        stopping = server.submit(server.server.stop(10))
        assert idle.closed()
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        half.client.sendall(b"bc")
        reply = half.reply()
        assert (reply.json()["body"], reply.headers["connection"]) == ("abc", "close")
        server.call(lambda: server.handler.later[0].set_result(Response(200, [], b"done")))
        reply = waiting.reply()
        assert (reply.body, reply.headers["connection"]) == (b"done", "close")
        stopping.result(10)


def test_stop_cuts_off_what_does_not_finish() -> None:
    """At the deadline the answer that never comes is cancelled."""
    with running() as server:
        waiting = ask(server, b"GET /future HTTP/1.1\r\nHost: h\r\n\r\n")
        future = wait_until(lambda: server.handler.later, "it waits")[0]
        server.submit(server.server.stop(0.1)).result(10)
        assert waiting.closed()
        assert future.cancelled()


def test_sockets_of_others_are_served(tmp_path: Path) -> None:
    """A listening TCP socket, a listening Unix socket, and a Unix path; each listener ends alone."""
    with running(limits=Limits()) as server:
        tcp = socket.create_server(("127.0.0.1", 0))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(tmp_path / "adopted"))
        unix.listen()
        address = tcp.getsockname()
        listener = server.submit(server.server.adopt(tcp)).result(10)
        server.submit(server.server.adopt(unix)).result(10)
        server.submit(server.server.start_unix(str(tmp_path / "own"))).result(10)
        for family, name in (
            (socket.AF_INET, address),
            (socket.AF_UNIX, str(tmp_path / "adopted")),
            (socket.AF_UNIX, str(tmp_path / "own")),
        ):
            with socket.socket(family) as client:
                client.settimeout(20)
                client.connect(name)
                client.sendall(GET)
                assert Reader(client).reply().status == 200
        server.call(listener.close)
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(address)
        assert ask(server, GET).reply().status == 200


def rss() -> int:
    """Resident memory of this process in bytes."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE")


def stalls(value: Callable[[], int]) -> bool:
    """Whether a figure stays the same for a tenth of a second."""
    first = value()
    until = time.monotonic() + 0.1
    wait_until(lambda: time.monotonic() > until, "a moment")
    return bool(value() == first)
