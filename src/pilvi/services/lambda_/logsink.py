"""What functions print, on its way to CloudWatch Logs: written as the function's role, and only if that role may.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from pilvi.core.caller import Caller
from pilvi.core.context import Context
from pilvi.core.effects import FunctionSpec
from pilvi.core.errors import CloudError
from pilvi.services.lambda_ import role

BATCH_EVENTS_MAX = 10_000
BATCH_BYTES_MAX = 1_048_576
EVENT_OVERHEAD_BYTES = 26  # as CloudWatch Logs counts
MESSAGE_BYTES_MAX = 1_048_576 - EVENT_OVERHEAD_BYTES
SESSIONS_MAX = 1_000

Line = tuple[int, str]


class LogSink:
    """Writes function logs. Keeps the sessions of the roles it writes as, as a function keeps its credentials.

    Belongs to the one thread that runs writing transactions.
    """

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Caller] = {}

    def write(self, ctx: Context, spec: FunctionSpec, stream: str, lines: Sequence[Line]) -> bool:
        """Appends lines (milliseconds since the epoch, text) to a function's stream, making group and stream if need be.

        Runs inside a writing transaction. False: the role is gone or may not write logs, and the lines are dropped, as
        on AWS; the invocation does not care.
        """
        try:
            writer = ctx.acting_as(self._session(ctx, spec), region=spec.region)
            for batch in batches(sorted(lines, key=itemgetter(0))):
                _put(writer, spec.log_group, stream, batch)
        except CloudError as error:
            self._sessions.pop((spec.role_arn, spec.name), None)
            if error.status >= 500:
                raise
            return False
        return True

    def _session(self, ctx: Context, spec: FunctionSpec) -> Caller:
        key = (spec.role_arn, spec.name)
        known = self._sessions.get(key)
        if known is None or known.session_expires_ms <= ctx.now_ms:
            if len(self._sessions) >= SESSIONS_MAX:
                self._sessions.clear()
            known = self._sessions[key] = role.caller(ctx, spec)
        return known


def batches(lines: list[Line]) -> Iterable[list[Line]]:
    """Cuts lines into what one PutLogEvents takes; a message that is too long is cut as well."""
    texts = [text for _, text in lines]
    whole = EVENT_OVERHEAD_BYTES * len(lines) + _bytes("".join(texts))
    if whole <= BATCH_BYTES_MAX and len(lines) <= BATCH_EVENTS_MAX and all(texts):
        yield lines
        return
    batch: list[Line] = []
    size = 0
    for at, printed in lines:
        text = _bounded(printed)
        weight = _bytes(text) + EVENT_OVERHEAD_BYTES
        if batch and (len(batch) == BATCH_EVENTS_MAX or size + weight > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append((at, text))
        size += weight
    if batch:
        yield batch


def _bounded(text: str) -> str:
    if len(text) * 4 <= MESSAGE_BYTES_MAX or _bytes(text) <= MESSAGE_BYTES_MAX:
        return text or " "
    return text.encode()[:MESSAGE_BYTES_MAX].decode(errors="ignore")


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _put(ctx: Context, group: str, stream: str, batch: list[Line]) -> None:
    events = [{"timestamp": at, "message": text} for at, text in batch]
    request = {"logGroupName": group, "logStreamName": stream, "logEvents": events}
    try:
        ctx.call("logs", "PutLogEvents", request)
    except CloudError as error:
        if error.code != "ResourceNotFoundException":
            raise
        _make(ctx, "CreateLogGroup", {"logGroupName": group})
        _make(ctx, "CreateLogStream", {"logGroupName": group, "logStreamName": stream})
        ctx.call("logs", "PutLogEvents", request)


def _make(ctx: Context, operation: str, request: dict[str, Any]) -> None:
    """Creates what may be there already. A role that may not create a group may still write to one that exists."""
    try:
        ctx.call("logs", operation, request)
    except CloudError as error:
        if error.status >= 500:
            raise
