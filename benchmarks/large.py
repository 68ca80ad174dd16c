"""Objects of a gigabyte: uploaded in parts over a few connections, and read at once; beside what the bytes cost alone."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks import proc, signing
from benchmarks.connection import Connection
from benchmarks.objects import BUCKET
from benchmarks.servers import Missing, Nginx, Server

PART_BYTES = 8 * 1024**2
PARTS = 128
BYTES = PARTS * PART_BYTES
CONNECTIONS = 4
ROUNDS = 3
PIECE_BYTES = 1024**2
KEY = "large"


class Figures(msgspec.Struct, frozen=True):
    """The best of a few rounds: how many MB (10^6 bytes) a second, and what a MB cost the server (µs of CPU)."""

    rate: float
    cpu_us: float


def alone(folder: Path) -> float:
    """MB a second of writing a gigabyte to a file, its MD5 computed beside it, and an fsync: no server at all."""
    part = os.urandom(PART_BYTES)
    best = 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        digest = hashlib.md5(usedforsecurity=False)
        with (folder / "alone").open("wb", buffering=0) as file:
            for _ in range(PARTS):
                digest.update(part)
                file.write(part)
            os.fsync(file.fileno())
        best = max(best, BYTES / 1e6 / (time.perf_counter() - began))
        (folder / "alone").unlink()
    return best


def upload(server: Server) -> Figures:
    """CreateMultipartUpload, the parts over CONNECTIONS connections, CompleteMultipartUpload."""
    if not server.stores:
        raise Missing("gives out files only")
    part = os.urandom(PART_BYTES)
    return _best(server, lambda: _upload(server, part))


def _upload(server: Server, part: bytes) -> None:
    client = server.client("s3")
    upload_id = client.create_multipart_upload(Bucket=BUCKET, Key=KEY)["UploadId"]
    numbers = list(range(1, PARTS + 1))
    etags: dict[int, str] = {}
    failures: list[Exception] = []

    def send() -> None:
        try:
            with Connection(server.port) as connection:
                while numbers:
                    number = numbers.pop()
                    query = {"partNumber": str(number), "uploadId": upload_id}
                    [path] = signing.presigned("PUT", server.host, [f"/{BUCKET}/{KEY}"], query=query)
                    head = f"PUT {path} HTTP/1.1\r\nhost: {server.host}\r\ncontent-length: {PART_BYTES}\r\n\r\n"
                    etags[number] = _etag(*connection.ask(head.encode(), part))
        except Exception as error:  # noqa: BLE001 - told by who waits for the threads
            failures.append(error)

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
    client.complete_multipart_upload(Bucket=BUCKET, Key=KEY, UploadId=upload_id, MultipartUpload={"Parts": parts})


def _etag(status: int, headers: dict[str, str], body: bytes) -> str:
    if status != 200:
        raise Missing(f"a part was answered with {status}: {body[:200]!r}")
    return headers["etag"]


def download(server: Server) -> Figures:
    """One GET of the whole; the client throws the bytes away as they come."""
    if isinstance(server, Nginx):
        with (server.folder / "root" / BUCKET / KEY).open("wb") as file:
            for _ in range(PARTS):
                file.write(bytes(PART_BYTES))
    return _best(server, lambda: _download(server))


def _download(server: Server) -> None:
    [path] = signing.presigned("GET", server.host, [f"/{BUCKET}/{KEY}"])
    buffer = bytearray(PIECE_BYTES)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nhost: {server.host}\r\nconnection: close\r\n\r\n".encode())
        received = 0
        while taken := client.recv_into(buffer):
            if not received and not buffer.startswith(b"HTTP/1.1 200"):
                raise Missing(f"answered with {bytes(buffer[:40])!r}")
            received += taken
    if received < BYTES:
        raise Missing(f"{received} bytes of {BYTES} came")


def _best(server: Server, work: Callable[[], None]) -> Figures:
    rates, costs = [], []
    for _ in range(ROUNDS):
        before, began = proc.cpu_seconds(server.pid), time.perf_counter()
        work()
        rates.append(BYTES / 1e6 / (time.perf_counter() - began))
        costs.append((proc.cpu_seconds(server.pid) - before) * 1e6 / (BYTES / 1e6))
    return Figures(max(rates), min(costs))
