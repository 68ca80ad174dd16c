"""Receiving bodies: small ones at once, large ones beside the loop, held back, refused, given up."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
import zlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilvi.core import digests
from pilvi.core.effects import Staged, StagePlan
from pilvi.core.errors import CloudError
from pilvi.gateway import bodies
from pilvi.gateway.bodies import Receiver, receiver_for
from pilvi.wire.http import Request
from pilvi.wire.sigv4 import Signed

ALL = frozenset(digests.KNOWN)
SIGNED = Signed(b"k" * 32, "20130524T000000Z", "scope", "0" * 64)


class MemoryStage:
    """A stage that keeps everything, and can be told to wait or to fail."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.aborted = 0
        self.error: OSError | None = None
        self.gate: threading.Event | None = None
        self.threads: set[int] = set()

    @property
    def in_memory(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        self.threads.add(threading.get_ident())
        if self.gate is not None:
            assert self.gate.wait(20)
        if self.error is not None:
            raise self.error
        self.data += data

    def finish(self, values: Mapping[str, bytes], trailers: Mapping[str, str]) -> Staged:
        return Staged(len(self.data), dict(values), bytes(self.data), trailers=dict(trailers))

    def abort(self) -> None:
        self.aborted += 1


async def receive(receiver: Receiver, pieces: list[bytes]) -> None:
    """As a connection does: stops when told to, and ends."""
    loop = asyncio.get_running_loop()
    for piece in pieces:
        resumed = loop.create_future()
        if not receiver.feed(piece, lambda resumed=resumed: resumed.done() or resumed.set_result(None)):
            await resumed
        if receiver.failed:
            return
    ended = loop.create_future()
    if not receiver.end(lambda: ended.set_result(None)):
        await ended


def run(receiver: Receiver, *pieces: bytes) -> Staged:
    asyncio.run(receive(receiver, list(pieces)))
    return receiver.result()


def failure(receiver: Receiver, *pieces: bytes) -> CloudError:
    with pytest.raises(CloudError) as caught:
        run(receiver, *pieces)
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 600_000, 5_000_000])
def test_what_is_received_is_what_was_sent(size: int) -> None:
    """Of any size, with every digest."""
    stage = MemoryStage()
    data = os.urandom(size)
    staged = run(
        Receiver(stage, StagePlan(ALL), length=size), *(data[at : at + 100_000] for at in range(0, size, 100_000))
    )
    assert (staged.size, staged.data) == (size, data)
    assert staged.digests["md5"] == hashlib.md5(data).digest()
    assert staged.digests["sha1"] == hashlib.sha1(data).digest()
    assert staged.digests["sha256"] == hashlib.sha256(data).digest()
    assert staged.digests["crc32"] == zlib.crc32(data).to_bytes(4, "big")


def test_checksums_have_their_known_values() -> None:
    """The check values of the catalogue of CRC algorithms, for "123456789"."""
    staged = run(Receiver(MemoryStage(), StagePlan(ALL), length=9), b"123456789")
    assert staged.digests["crc32"].hex() == "cbf43926"
    assert staged.digests["crc32c"].hex() == "e3069283"
    assert staged.digests["crc64nvme"].hex() == "ae8b14860a799888"


def test_small_bodies_stay_on_the_loop_and_large_ones_do_not() -> None:
    """The thread of the loop neither hashes nor writes what is large."""
    small, large = MemoryStage(), MemoryStage()
    here = threading.get_ident()
    run(Receiver(small, StagePlan(), length=1000), b"x" * 1000)
    run(Receiver(large, StagePlan(), length=1_000_000), b"x" * 1_000_000)
    assert small.threads == {here}
    assert here not in large.threads


def test_a_client_that_is_faster_is_held_back() -> None:
    """While the worker is stuck, no more than the named amount waits in memory."""
    stage = MemoryStage()
    stage.gate = threading.Event()
    size = 20_000_000

    async def main() -> Staged:
        receiver = Receiver(stage, StagePlan(), length=size)
        loop = asyncio.get_running_loop()
        sent = 0
        resumed = loop.create_future()
        while receiver.feed(b"x" * 100_000, lambda: resumed.set_result(None)):
            sent += 100_000
        sent += 100_000
        assert sent <= bodies.BATCH_BYTES + bodies.BEHIND_BYTES + 200_000
        assert stage.gate is not None
        stage.gate.set()
        await resumed
        await receive(receiver, [b"x" * 100_000] * ((size - sent) // 100_000))
        return receiver.result()

    assert asyncio.run(main()).size == size


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_full_disk_is_the_servers_fault(size: int) -> None:
    """503 in the client's words; nothing of the operating system's."""
    stage = MemoryStage()
    stage.error = OSError(28, "No space left on device")
    error = failure(Receiver(stage, StagePlan(), length=size), b"x" * size)
    assert (error.code, error.status) == ("ServiceUnavailable", 503)


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_a_body_must_be_as_long_as_announced_and_allowed(size: int) -> None:
    """Shorter is incomplete, longer than the limit is too large."""
    assert failure(Receiver(MemoryStage(), StagePlan(), length=size + 1), b"x" * size).code == "IncompleteBody"
    error = failure(Receiver(MemoryStage(), StagePlan(bytes_max=size - 1)), b"x" * size)
    assert (error.code, error.fields["MaxSizeAllowed"]) == ("EntityTooLarge", str(size - 1))


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_the_hash_that_was_signed_is_held_against_the_body(size: int) -> None:
    """Only now is the body there to compare."""
    data = os.urandom(size)
    right = hashlib.sha256(data).hexdigest()
    assert run(Receiver(MemoryStage(), StagePlan(), expected_sha256=right), data).size == size
    error = failure(Receiver(MemoryStage(), StagePlan(), expected_sha256="0" * 64), data)
    assert (error.code, error.fields["S3ComputedContentSHA256"]) == ("XAmzContentSHA256Mismatch", right)


def test_an_abort_gives_the_stage_up() -> None:
    """At once when nothing is under way, else after the batch; once received, too."""

    async def main() -> None:
        idle = MemoryStage()
        Receiver(idle, StagePlan()).abort()
        assert idle.aborted == 1

        busy = MemoryStage()
        busy.gate = threading.Event()
        receiver = Receiver(busy, StagePlan())
        receiver.feed(b"x" * 1_000_000, lambda: None)
        receiver.abort()
        assert busy.aborted == 0
        busy.gate.set()
        async with asyncio.timeout(20):
            while not busy.aborted:
                await asyncio.sleep(0)

        done = MemoryStage()
        receiver = Receiver(done, StagePlan())
        await receive(receiver, [b"x"])
        receiver.abort()
        assert done.aborted == 1

    asyncio.run(main())


def request(**headers: str) -> Request:
    return Request("PUT", "/b/k", "", {name.replace("_", "-"): value for name, value in headers.items()})


REFUSED: dict[str, tuple[dict[str, str], Signed | None, str, int]] = {
    "no length": ({}, SIGNED, "MissingContentLength", 411),
    "chunks without the length of the content": (
        {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "content_length": "9"}, SIGNED, "MissingContentLength", 411,
    ),
    "a length that is none": (
        {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x_amz_decoded_content_length": "-1"}, SIGNED, "InvalidArgument", 400,
    ),
    "too large": ({"content_length": "1001"}, SIGNED, "EntityTooLarge", 400),
    "too large in chunks": (
        {"x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x_amz_decoded_content_length": "1001"}, SIGNED, "EntityTooLarge", 400,
    ),
    "signed chunks without a signature": (
        {"x_amz_content_sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x_amz_decoded_content_length": "1"}, None, "AccessDenied", 403,
    ),
    "signed chunks under a signature that cannot continue": (
        {"x_amz_content_sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x_amz_decoded_content_length": "1"},
        Signed(b"", "1", "", ""), "AccessDenied", 403,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_received_is_refused_before_it_comes(
    case: tuple[dict[str, str], Signed | None, str, int],
) -> None:
    """From the headers alone."""
    headers, signed, code, status = case
    with pytest.raises(CloudError) as caught:
        receiver_for(request(**headers), signed, MemoryStage(), StagePlan(bytes_max=1000))
    assert (caught.value.code, caught.value.status) == (code, status)


def test_the_checksum_that_a_trailer_announces_is_computed() -> None:
    """Though the plan did not ask for it."""
    headers = {
        "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x_amz_decoded_content_length": "9",
        "x_amz_trailer": "x-amz-checksum-crc32",
    }
    receiver = receiver_for(request(**headers), None, MemoryStage(), StagePlan(frozenset({"md5"})))
    staged = run(receiver, b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n")
    assert staged.trailers == {"x-amz-checksum-crc32": "y/Q5Jg=="}
    assert staged.digests["crc32"].hex() == "cbf43926"
    assert staged.data == b"123456789"


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 400_000), max_size=8), data=st.data())
def test_pieces_of_any_size_make_the_same_body(sizes: list[int], data: Any) -> None:
    """However the network cuts it."""
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    staged = run(Receiver(MemoryStage(), StagePlan(frozenset({"md5"})), length=sum(sizes)), *pieces)
    assert staged.data == b"".join(pieces)
    assert staged.digests["md5"] == hashlib.md5(b"".join(pieces)).digest()
