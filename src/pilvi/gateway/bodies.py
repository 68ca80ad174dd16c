"""Streaming request bodies on their way into the store.

Small ones are decoded, hashed and kept on the loop's thread: that is cheaper than telling another thread. What is larger
goes to a worker thread in batches, one batch of a body at a time, where hashes and file writes run beside the loop; the
client is held back when it is faster than they are.
"""

import asyncio
import errno
import hmac
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import msgspec

from pilvi.core import digests
from pilvi.core.effects import Staged, StagePlan
from pilvi.core.errors import CloudError, ServiceUnavailable
from pilvi.state.store import Stage
from pilvi.wire import aws_chunked
from pilvi.wire.aws_chunked import AwsChunkedDecoder, IncompleteBody
from pilvi.wire.http import Request
from pilvi.wire.sigv4 import STREAMING, AuthProblem, Signed, as_error

SMALL_BYTES: Final = 64 * 1024  # up to here everything is done on the loop
BATCH_BYTES: Final = 512 * 1024  # handed to a worker at once
BEHIND_BYTES: Final = 2 * 1024 * 1024  # waiting for the worker: the client is held back
WORKERS: Final = 8
_CHECKSUM_TRAILER: Final = "x-amz-checksum-"


class EntityTooLarge(CloudError):
    """The body is longer than the operation allows."""

    code = "EntityTooLarge"


class MissingContentLength(CloudError):
    """A streaming body must say how long it is."""

    code = "MissingContentLength"
    status = 411


class MalformedLength(CloudError):
    """x-amz-decoded-content-length is no number."""

    code = "InvalidArgument"


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, "pilvi-body")


class Receiver:
    """Takes one body. Loop thread only, but for `_work`.

    Args:
        length: of the content; -1 when only its end will tell.
        expected_sha256: hexadecimal, as the signature covers it; "" when it covers none.
    """

    __slots__ = (
        "_aborted", "_busy", "_bytes_max", "_carry", "_decoder", "_digests", "_done", "_ended", "_error", "_expected_sha256", "_length",
        "_loop", "_pending", "_pending_bytes", "_result", "_resume", "_size", "_stage",
    )  # fmt: skip

    def __init__(
        self,
        stage: Stage,
        plan: StagePlan,
        *,
        decoder: AwsChunkedDecoder | None = None,
        length: int = -1,
        expected_sha256: str = "",
        extra_digests: frozenset[str] = frozenset(),
    ) -> None:
        self._stage = stage
        self._bytes_max = plan.bytes_max
        self._carry = plan.carry
        self._decoder = decoder
        self._length = length
        self._expected_sha256 = expected_sha256
        wanted = plan.digests | extra_digests | ({"sha256"} if expected_sha256 else set())
        self._digests = digests.make(wanted)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._size = 0
        self._busy = False
        self._ended = False
        self._aborted = False
        self._error: BaseException | None = None
        self._result: Staged | None = None
        self._resume: Callable[[], None] | None = None
        self._done: Callable[[], None] | None = None

    @property
    def failed(self) -> bool:
        return self._error is not None

    def result(self) -> Staged:
        """The received body.

        Raises:
            CloudError: why there is none.
        """
        if self._error is not None:
            raise self._error
        assert self._result is not None, "the body has not come yet"
        return self._result

    def feed(self, data: bytes, resume: Callable[[], None]) -> bool:
        """See Receives."""
        if self._error is not None:
            return True
        self._pending.append(data)
        self._pending_bytes += len(data)
        if self._pending_bytes >= BATCH_BYTES and not self._busy:
            self._dispatch()
        if self._busy and self._pending_bytes >= BEHIND_BYTES:
            self._resume = resume
            return False
        return True

    def end(self, done: Callable[[], None]) -> bool:
        """See Receives."""
        self._ended = True
        if self._error is not None:
            return True
        if self._loop is None and self._pending_bytes <= SMALL_BYTES:
            pieces, self._pending = self._pending, []
            self._work(pieces)
            return True
        self._done = done
        if not self._busy:
            self._dispatch()
        return False

    def abort(self) -> None:
        """Forgets the body; any number of times, also after it was received and then not wanted."""
        self._aborted = True
        self._pending.clear()
        if not self._busy:
            self._stage.abort()

    # -- batches -----------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        pieces, self._pending, self._pending_bytes = self._pending, [], 0
        self._busy = True
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        _workers().submit(self._work_aside, pieces, self._loop, self._ended)

    def _work_aside(self, pieces: list[bytes], loop: asyncio.AbstractEventLoop, ended: bool) -> None:
        """On a worker thread."""
        self._work(pieces, ended=ended)
        try:
            loop.call_soon_threadsafe(self._worked, ended)
        except RuntimeError:  # the loop has closed: the server is gone, and what was staged will be swept
            self._stage.abort()

    def _worked(self, was_last: bool) -> None:
        """Back on the loop after a batch."""
        self._busy = False
        if self._aborted:
            self._stage.abort()
            return
        if self._error is not None or was_last:
            self._pending.clear()
            self._tell()
        elif self._ended or self._pending_bytes >= BATCH_BYTES:
            self._dispatch()
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()

    def _tell(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done()

    # -- the work itself, on whichever thread ------------------------------------------------------------------------

    def _work(self, pieces: list[bytes], *, ended: bool = True) -> None:
        try:
            for piece in pieces:
                if self._decoder is None:
                    self._take(piece)
                else:
                    for content in self._decoder.feed(piece):
                        self._take(content)
            if ended:
                self._result = self._finish()
        except CloudError as error:
            self._error = error
        except OSError as error:
            self._error = storage_error(error)
        except Exception as error:  # noqa: BLE001 - raised again by `result`, where the request is known
            self._error = error

    def _take(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._bytes_max:
            raise too_large(self._size, self._bytes_max)
        for digest in self._digests.values():
            digest.update(data)
        self._stage.write(data)

    def _finish(self) -> Staged:
        trailers: Mapping[str, str] = {}
        if self._decoder is not None:
            self._decoder.finish()
            trailers = self._decoder.trailers
        elif self._length not in (-1, self._size):
            raise IncompleteBody("You did not provide the number of bytes specified by the Content-Length HTTP header.")
        values = {name: digest.digest() for name, digest in self._digests.items()}
        if self._expected_sha256:
            actual = values["sha256"].hex()
            if not hmac.compare_digest(actual.encode(), self._expected_sha256.encode()):
                raise as_error(AuthProblem.HASH_MISMATCH, "s3", self._expected_sha256, actual)
        staged = self._stage.finish(values, trailers)
        return staged if self._carry is None else msgspec.structs.replace(staged, carry=self._carry)


def receiver_for(request: Request, signed: Signed | None, stage: Stage, plan: StagePlan) -> Receiver:
    """The receiver for a request whose signature was verified (None: anonymous).

    Raises:
        CloudError: the body will not do whatever it is: too large, of unknown length, in a form that needs a signature.
    """
    headers = request.headers
    payload = headers.get("x-amz-content-sha256", "")
    if payload not in STREAMING:
        length = _declared_length(headers, "content-length")
        if length < 0 and "transfer-encoding" not in headers:  # chunked: its end will tell
            raise MissingContentLength("You must provide the Content-Length HTTP header.")
        if length > plan.bytes_max:
            raise too_large(length, plan.bytes_max)
        expected = payload if signed is not None and len(payload) == 64 else ""
        return Receiver(stage, plan, length=length, expected_sha256=expected)
    decoder, length, announced = _decoder(headers, payload, signed)
    if length > plan.bytes_max:
        raise too_large(length, plan.bytes_max)
    named = {name.removeprefix(_CHECKSUM_TRAILER) for name in announced if name.startswith(_CHECKSUM_TRAILER)}
    return Receiver(stage, plan, decoder=decoder, length=length, extra_digests=frozenset(named) & digests.KNOWN)


def _decoder(
    headers: dict[str, str], payload: str, signed: Signed | None
) -> tuple[AwsChunkedDecoder, int, frozenset[str]]:
    """What reads a body in the aws-chunked coding, how long its content is, and the trailers that were announced."""
    length = _declared_length(headers, "x-amz-decoded-content-length")
    if length < 0:
        raise MissingContentLength("You must provide the Content-Length HTTP header.")
    if (signed is None or not signed.key) and payload != aws_chunked.UNSIGNED_TRAILER:
        raise as_error(AuthProblem.MISSING, "s3")
    announced = frozenset(filter(None, (name.strip().lower() for name in headers.get("x-amz-trailer", "").split(","))))
    return AwsChunkedDecoder(payload, length, signed, announced), length, announced


def unchunk(request: Request, signed: Signed | None) -> None:
    """Takes the aws-chunked coding from a body that came whole; its checksum goes where it stands without the coding.

    Raises:
        CloudError: the coding is broken, or a chunk is not signed by whom it should be.
    """
    payload = request.headers.get("x-amz-content-sha256", "")
    if payload not in STREAMING:
        return
    decoder, _, _ = _decoder(request.headers, payload, signed)
    request.body = b"".join(decoder.feed(request.body))
    decoder.finish()
    request.headers.update(
        {name: value for name, value in decoder.trailers.items() if name.startswith(_CHECKSUM_TRAILER)}
    )


def too_large(size: int, limit: int) -> EntityTooLarge:
    return EntityTooLarge(
        "Your proposed upload exceeds the maximum allowed size",
        fields={"ProposedSize": str(size), "MaxSizeAllowed": str(limit)},
    )


def _declared_length(headers: dict[str, str], name: str) -> int:
    """A length in a header, or -1 without it."""
    value = headers.get(name)
    if value is None:
        return -1
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise MalformedLength(
            "The value of the length header is not a number.", fields={"ArgumentName": name, "ArgumentValue": value}
        )
    return int(value)


def storage_error(error: OSError) -> CloudError:
    """What a client is told when a body cannot be kept."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ServiceUnavailable("The disk is full: nothing was stored.")
    return ServiceUnavailable("The body could not be stored.")
