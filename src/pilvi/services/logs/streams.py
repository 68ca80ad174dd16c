"""Log streams."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.logs import limits, sweep, tokens
from pilvi.services.logs.errors import InvalidParameter, ResourceAlreadyExists
from pilvi.services.logs.names import find_group, find_stream, group_name, on_group, stream_arn
from pilvi.services.logs.records import LogGroup, LogStream
from pilvi.services.logs.types import (
    CreateLogStreamRequest,
    DeleteLogStreamRequest,
    DescribeLogStreamsRequest,
    DescribeLogStreamsResponse,
)
from pilvi.services.logs.types import LogStream as LogStreamShape

TIME_DIGITS_MAX = 18


@operation("CreateLogStream", check=on_group("CreateLogStream"))
def create_log_stream(ctx: Context, req: CreateLogStreamRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html"""
    group = find_group(ctx, req["logGroupName"])
    stream = LogStream(group.group_id, req["logStreamName"], ctx.tx.next_id("logs_stream"), ctx.now_ms)
    if not ctx.tx[LogStream].add(stream):
        raise ResourceAlreadyExists("The specified log stream already exists")


@operation("DeleteLogStream", check=on_group("DeleteLogStream"))
def delete_log_stream(ctx: Context, req: DeleteLogStreamRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogStream.html"""
    group = find_group(ctx, req["logGroupName"])
    stream = find_stream(ctx, group, req["logStreamName"])
    ctx.tx[LogStream].delete(group.group_id, stream.name)
    sweep.forget_stream(ctx, stream)


@operation("DescribeLogStreams", reads=True, check=on_group("DescribeLogStreams"))
def describe_log_streams(ctx: Context, req: DescribeLogStreamsRequest) -> DescribeLogStreamsResponse:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html"""
    by_time = req.get("orderBy") == "LastEventTime"
    if by_time and req.get("logStreamNamePrefix"):
        raise InvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")
    group = find_group(ctx, group_name(ctx, req))
    size = req.get("limit", limits.DESCRIBE_MAX)
    found = list(islice(_by_time(ctx, group, req) if by_time else _by_name(ctx, group, req), size + 1))
    result: DescribeLogStreamsResponse = {"logStreams": [_shown(group, stream) for stream in found[:size]]}
    if len(found) > size:
        last = found[size - 1]
        result["nextToken"] = tokens.name_token(f"{last.last_event_ms} {last.name}")
    return result


def _by_name(ctx: Context, group: LogGroup, req: DescribeLogStreamsRequest) -> Iterable[LogStream]:
    prefix = req.get("logStreamNamePrefix", "")
    backwards = req.get("descending", False)
    bounds: dict[str, Any] = {}
    place = _place(req)
    if prefix:
        bounds = {"start": prefix, "end": prefix + "\U0010ffff"}
    if place is not None:
        bounds |= {"end": place[1]} if backwards else {"after": place[1]}
        if not backwards:
            bounds.pop("start", None)
    return ctx.tx[LogStream].scan(group.group_id, reverse=backwards, **bounds)


def _by_time(ctx: Context, group: LogGroup, req: DescribeLogStreamsRequest) -> Iterable[LogStream]:
    backwards = req.get("descending", False)
    place = _place(req)
    bounds: dict[str, Any] = {}
    if place is not None:
        bounds = {"end": place} if backwards else {"after": place}
    return ctx.tx[LogStream].scan(group.group_id, index="recent", reverse=backwards, **bounds)


def _place(req: DescribeLogStreamsRequest) -> tuple[int, str] | None:
    token = tokens.name_of(req.get("nextToken"))
    if token is None:
        return None
    time, _, name = token.partition(" ")
    if not (time.isascii() and time.isdigit() and len(time) <= TIME_DIGITS_MAX):
        raise InvalidParameter("The specified nextToken is invalid.")
    return int(time), name


def _shown(group: LogGroup, stream: LogStream) -> LogStreamShape:
    shown: LogStreamShape = {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "arn": stream_arn(group, stream.name),
        "storedBytes": 0,  # AWS answers 0 since 2019
    }
    if stream.last_ingestion_ms:
        shown["firstEventTimestamp"] = stream.first_event_ms
        shown["lastEventTimestamp"] = stream.last_event_ms
        shown["lastIngestionTime"] = stream.last_ingestion_ms
        shown["uploadSequenceToken"] = f"{stream.stream_id:056d}"
    return shown
