"""PutLogEvents.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from bisect import bisect_left, bisect_right

import msgspec

from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.logs import chunks, limits
from pilvi.services.logs.chunks import Line
from pilvi.services.logs.errors import InvalidParameter
from pilvi.services.logs.names import find_group, find_stream, on_group
from pilvi.services.logs.records import Chunk, GroupSize, LogGroup, LogStream
from pilvi.services.logs.types import PutLogEventsRequest, PutLogEventsResponse, RejectedLogEventsInfo


@operation("PutLogEvents", check=on_group("PutLogEvents"))
def put_log_events(ctx: Context, req: PutLogEventsRequest) -> PutLogEventsResponse:
    if "entity" in req:
        raise NotBuilt("logs: entity is not built.")
    group = find_group(ctx, req["logGroupName"])
    stream = find_stream(ctx, group, req["logStreamName"])
    events = [(event["timestamp"], event["message"]) for event in req["logEvents"]]
    check_batch(events)
    rejected = rejections(events, ctx.now_ms, group.retention_days)
    first = max(rejected.get("tooOldLogEventEndIndex", 0), rejected.get("expiredLogEventEndIndex", 0))
    accepted = events[first : rejected.get("tooNewLogEventStartIndex", len(events))]
    last = 0
    if accepted:
        _check_span(accepted)
        last = _append(ctx, group, stream, accepted)
    result: PutLogEventsResponse = {"nextSequenceToken": f"{last:056d}"}
    if rejected:
        result["rejectedLogEventsInfo"] = rejected
    return result


def check_batch(events: list[Line]) -> None:
    """Size and order of a batch.

    Raises:
        InvalidParameter: too large, or not in chronological order.
    """
    size = chunks.weights(events)
    if size > limits.BATCH_BYTES_MAX:
        raise InvalidParameter(f"Upload too large: {size} bytes exceeds limit of {limits.BATCH_BYTES_MAX}")
    times = [at for at, _ in events]
    if times != sorted(times):
        raise InvalidParameter("Log events in a single PutLogEvents request must be in chronological order.")


def _check_span(accepted: list[Line]) -> None:
    if accepted[-1][0] - accepted[0][0] > limits.BATCH_SPAN_MS_MAX:
        raise InvalidParameter(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )


def rejections(events: list[Line], now_ms: int, retention_days: int) -> RejectedLogEventsInfo:
    """Which events of an ordered batch are too old, past the group's retention, or too new."""
    found: RejectedLogEventsInfo = {}
    too_old = bisect_left(events, now_ms - limits.PAST_MS_MAX, key=_time)
    expired = bisect_left(events, now_ms - retention_days * limits.DAY_MS, key=_time) if retention_days else 0
    too_new = bisect_right(events, now_ms + limits.FUTURE_MS_MAX, key=_time)
    if too_old:
        found["tooOldLogEventEndIndex"] = too_old
    if expired:
        found["expiredLogEventEndIndex"] = expired
    if too_new < len(events):
        found["tooNewLogEventStartIndex"] = too_new
    return found


def _time(event: Line) -> int:
    return event[0]


def _append(ctx: Context, group: LogGroup, stream: LogStream, events: list[Line]) -> int:
    """Stores ordered events; the number of the last chunk."""
    number = 0
    for piece in chunks.cut(events):
        number = ctx.tx.next_id("logs_chunk")
        ctx.tx[Chunk].put(
            Chunk(
                stream_id=stream.stream_id,
                first_ms=piece[0][0],
                chunk_id=number,
                group_id=group.group_id,
                stream=stream.name,
                ingested_ms=ctx.now_ms,
                events=piece,
            )
        )
    first_ms, last_ms = events[0][0], events[-1][0]
    ctx.tx[LogStream].put(
        msgspec.structs.replace(
            stream,
            first_event_ms=min(stream.first_event_ms, first_ms) if stream.last_ingestion_ms else first_ms,
            last_event_ms=max(stream.last_event_ms, last_ms),
            last_ingestion_ms=ctx.now_ms,
        )
    )
    resize(ctx, group.group_id, chunks.weights(events))
    return number


def resize(ctx: Context, group_id: int, by_bytes: int) -> None:
    """Keeps count of what a group holds."""
    known = ctx.tx[GroupSize].get(group_id)
    size = (known.stored_bytes if known else 0) + by_bytes
    ctx.tx[GroupSize].put(GroupSize(group_id, max(size, 0)))
