"""What an ended invocation answers, and what its REPORT line says. Pure."""

import math

import msgspec

from pilvi.core.effects import FunctionSpec
from pilvi.runtime.backend import Answer, Ending

_SIGNALS = {6: "aborted", 9: "killed", 11: "segmentation fault (core dumped)", 15: "terminated"}


class Failure(msgspec.Struct, frozen=True):
    """An error object. AWS's order of members."""

    errorType: str  # noqa: N815 - AWS's names
    errorMessage: str  # noqa: N815


def payload(answer: Answer, request_id: str, timeout_seconds: int) -> tuple[bytes, str]:
    """The answer's payload, and its error type ("" for a result)."""
    if answer.ending is Ending.RESULT:
        return answer.payload, ""
    if answer.ending in (Ending.ERROR, Ending.INIT_ERROR):
        return _with_request_id(answer.payload, request_id)
    failure = _failure(answer, request_id, timeout_seconds)
    return msgspec.json.encode(failure), failure.errorType


def log_text(answer: Answer, request_id: str, timeout_seconds: int) -> str:
    """The line that the log shows before END when a worker did not live to write one; "" when it did."""
    if answer.ending is Ending.TIMEOUT:
        return f"{request_id} Task timed out after {timeout_seconds:.2f} seconds"
    if answer.ending in (Ending.EXIT, Ending.MEMORY):
        failure = _failure(answer, request_id, timeout_seconds)
        return f"{failure.errorMessage}\n{failure.errorType}"
    return ""


def report(
    spec: FunctionSpec, request_id: str, duration_ms: float, memory_mb: int, init_ms: float | None, answer: Answer
) -> str:
    """The REPORT line."""
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_ms:.2f} ms",
        f"Billed Duration: {billed_ms(duration_ms, init_ms)} ms",
        f"Memory Size: {spec.memory_mb} MB",
        f"Max Memory Used: {memory_mb} MB",
    ]
    if init_ms is not None:
        parts.append(f"Init Duration: {init_ms:.2f} ms")
    if answer.ending is Ending.TIMEOUT:
        parts.append("Status: timeout")
    elif answer.ending not in (Ending.RESULT, Ending.ERROR):
        parts += ["Status: error", f"Error Type: {payload(answer, request_id, spec.timeout_seconds)[1]}"]
    return "\t".join(parts) + "\t"


def billed_ms(duration_ms: float, init_ms: float | None) -> int:
    """Whole milliseconds, the initialisation included."""
    return math.ceil(duration_ms + (init_ms or 0.0))


def _failure(answer: Answer, request_id: str, timeout_seconds: int) -> Failure:
    about = f"RequestId: {request_id} Error: "
    if answer.ending is Ending.TIMEOUT:
        return Failure("Sandbox.Timedout", f"{about}Task timed out after {timeout_seconds:.2f} seconds")
    if answer.ending is Ending.MEMORY:
        return Failure("Runtime.OutOfMemory", f"{about}Runtime exited with error: signal: killed")
    if answer.status < 0:
        name = _SIGNALS.get(-answer.status, str(-answer.status))
        return Failure("Runtime.ExitError", f"{about}Runtime exited with error: signal: {name}")
    if answer.status > 0:
        return Failure("Runtime.ExitError", f"{about}Runtime exited with error: exit status {answer.status}")
    return Failure("Runtime.ExitError", f"{about}Runtime exited without providing a reason")


def _with_request_id(text: bytes, request_id: str) -> tuple[bytes, str]:
    """A function's own report; one made while it initialised does not know the request yet."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text, "Unhandled"
    if not isinstance(found, dict):
        return text, "Unhandled"
    kind = str(found.get("errorType", "Unhandled"))
    if found.get("requestId", None) == "":
        found["requestId"] = request_id
        return msgspec.json.encode(found), kind
    return text, kind
