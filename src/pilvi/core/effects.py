"""What an operation may return besides its result: things that are done after its transaction, by the edge.

Nothing slow happens inside a transaction. An operation that must wait, stream or run user code says so with one of
these values.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec


class WaitFor(msgspec.Struct, frozen=True):
    """Nothing yet: undo this attempt, sleep until `topic` is notified or `deadline_ms` (clock time), and try again.

    After the deadline the operation is attempted once more with `ctx.waited` true and must answer.
    """

    topic: str
    deadline_ms: int


class Segment(msgspec.Struct, frozen=True):
    """A run of bytes of a blob: [offset, offset + length).

    Attributes:
        key: of a sealed blob, under which it is opened while it is read; offset and length count plain bytes.
    """

    blob: int
    offset: int
    length: int
    key: bytes = b""


class Body(msgspec.Struct, frozen=True):
    """A streaming payload: segments sent one after the other. Stands at the model's streaming payload member."""

    segments: tuple[Segment, ...]

    @property
    def length(self) -> int:
        return sum(segment.length for segment in self.segments)


class FunctionSpec(msgspec.Struct, frozen=True):
    """Everything the runtime needs to run one published state of a function.

    Attributes:
        key: unique for this code and configuration: any change makes another key, and with it other workers.
        arn: the function's ARN, qualified where a version or alias was addressed.
        runtime: AWS's identifier, e.g. "python3.11".
        code: blob id of the zip; code_sha256 its base64 SHA-256 (the cache key of the unpacked folder).
        tmp_mb: size limit of /tmp.
    """

    key: str
    arn: str
    account: str
    region: str
    name: str
    version: str
    runtime: str
    handler: str
    code: int
    code_sha256: str
    role_arn: str
    timeout_seconds: int = 3
    memory_mb: int = 128
    tmp_mb: int = 512
    environment: Mapping[str, str] = {}
    log_group: str = ""


class Invocation(msgspec.Struct, frozen=True):
    """One call of a function."""

    spec: FunctionSpec
    payload: bytes
    request_id: str
    client_context: str = ""
    want_tail: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """How an invocation ended.

    Attributes:
        payload: the handler's JSON, or the error object {"errorMessage", "errorType", "stackTrace", ...}.
        error: None, or the value of X-Amz-Function-Error ("Unhandled").
        tail: the last 4 KB of the invocation's log, when asked for.
    """

    payload: bytes
    error: Literal["Handled", "Unhandled"] | None = None
    tail: bytes = b""
    duration_ms: float = 0.0
    billed_ms: int = 0
    memory_max_mb: int = 0
    init_ms: float | None = None


class Invoke(msgspec.Struct, frozen=True):
    """Run user code after the transaction, then answer with `then(outcome)` (pure: it sees no transaction)."""

    invocation: Invocation
    then: Callable[[Outcome], Any]


class StagePlan(msgspec.Struct, frozen=True):
    """How a streaming request body is to be received, decided before its first byte is read.

    Attributes:
        digests: algorithms to compute while receiving, of core.digests.KNOWN.
        bytes_max: a longer body is refused with EntityTooLarge.
        seal: the data key under which it is stored (core.sealing); digests are those of the plain bytes.
        carry: anything that the attempt wants back, as Staged.carry.
    """

    digests: frozenset[str] = frozenset()
    bytes_max: int = 5 * 1024**3
    seal: bytes = b""
    carry: Any = None


class Staged(msgspec.Struct, frozen=True):
    """A received request body, not yet visible to anyone: `tx.blobs.publish(staged)` makes it part of a transaction.

    Stands at the model's streaming payload member of the request.

    Attributes:
        data: the bytes, when small enough to live inside the store; else None and `path` names the staged file.
        size: of the plain bytes.
        digests: raw digest bytes by algorithm, for each one the plan asked for.
        trailers: HTTP trailers of an aws-chunked body, lower-case names.
        sealed: how long it is as it is stored, where it was sealed; else 0.
        checksum: of a file's bytes as they are stored (state.checksums).
        carry: the plan's.
    """

    size: int
    digests: Mapping[str, bytes]
    data: bytes | None = None
    path: str = ""
    trailers: Mapping[str, str] = {}
    sealed: int = 0
    checksum: int = 0
    carry: Any = None


class Restage(msgspec.Struct, frozen=True):
    """Bytes must be read again: for a copy under another key, or with another checksum.

    This attempt is undone. Outside of any transaction `body` is read through the plan's digests and seal into a new
    staged blob; then the operation is attempted again and finds it as `ctx.restaged`. The world may have changed
    meanwhile: what tells the operation whether it is still its source that was read, it puts into the plan's `carry`.
    """

    body: Body
    plan: StagePlan


class Compute(msgspec.Struct, frozen=True):
    """Something must be computed that takes long: a key pair.

    This attempt is undone. Outside of any transaction, in a thread of its own, `work` is called; then the operation is
    attempted again and finds its result as `ctx.computed`.
    """

    work: Callable[[], Any]
