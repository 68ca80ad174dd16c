"""GetLogEvents and FilterLogEvents: ranges of events, forward and backward.

A page ends after as many events as were asked for, or 1 MB. Tokens are places between events, so a page never repeats
nor leaves out what was there; at the end of a stream GetLogEvents returns the token that it was given.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import Checks, operation
from pilvi.services.logs import chunks, limits, patterns, tokens
from pilvi.services.logs.chunks import Bounded, Event, Matches, position
from pilvi.services.logs.errors import InvalidParameter, ResourceNotFound
from pilvi.services.logs.names import find_group, find_stream, group_arn, group_name
from pilvi.services.logs.records import Chunk, LogGroup, LogStream
from pilvi.services.logs.sweep import expiry_ms
from pilvi.services.logs.tokens import Place
from pilvi.services.logs.types import (
    FilteredLogEvent,
    FilterLogEventsRequest,
    FilterLogEventsResponse,
    GetLogEventsRequest,
    GetLogEventsResponse,
    OutputLogEvent,
)

FOREVER_MS = 2**62  # later than any event; fits a column
HEAD_ONLY_BEFORE_MS = 1_704_067_200_000  # 2024-01-01: backward searches may not begin earlier

Scan = Callable[..., Iterator[Chunk]]


def reading(action: str) -> Checks:
    """The check of an operation that reads events; to see them unmasked is a permission of its own."""

    def check(ctx: Context, req: Mapping[str, Any]) -> list[Check]:
        arn = f"{group_arn(ctx.account, ctx.region, group_name(ctx, req))}:log-stream:{req.get('logStreamName', '')}"
        wanted = [Check(f"logs:{action}", arn)]
        return [*wanted, Check("logs:Unmask", arn)] if req.get("unmask") else wanted

    return check


@operation("GetLogEvents", reads=True, heavy=True, check=reading("GetLogEvents"))
def get_log_events(ctx: Context, req: GetLogEventsRequest) -> GetLogEventsResponse:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html"""
    group = find_group(ctx, group_name(ctx, req))
    stream = find_stream(ctx, group, req["logStreamName"])
    start_ms = _start(ctx, group, req.get("startTime", 0))
    end_ms = min(req.get("endTime", FOREVER_MS), FOREVER_MS)
    place = _place(req.get("nextToken"), start_ms, end_ms, forward=req.get("startFromHead", False))

    def scan(**bounds: Any) -> Iterator[Chunk]:
        return ctx.tx[Chunk].scan(stream.stream_id, **bounds)

    found = events(chunks_from(scan, place, start_ms, end_ms), place, start_ms, end_ms)
    page = list(_page(found, req.get("limit", limits.PAGE_EVENTS_MAX)))
    if place.direction == "b":
        page.reverse()
    forward = page[-1].position if page else _resume(place, "f", start_ms)
    backward = page[0].position if page else _resume(place, "b", start_ms)
    return {
        "events": [_output(event) for event in page],
        "nextForwardToken": tokens.place_token("f", forward),
        "nextBackwardToken": tokens.place_token("b", backward),
    }


def _start(ctx: Context, group: LogGroup, wanted_ms: int) -> int:
    return min(max(wanted_ms, expiry_ms(ctx, group)), FOREVER_MS)


def _place(token: str | None, start_ms: int, end_ms: int, *, forward: bool) -> Place:
    if token is not None:
        return tokens.place_of(token)
    return Place("f", position(start_ms)) if forward else Place("b", position(end_ms))


def _resume(place: Place, direction: str, start_ms: int) -> int:
    """Where an empty page goes on: where it was, but so that turning round leaves nothing out."""
    if place.position >= position(FOREVER_MS):  # the tail of what has nothing yet: all that comes is after the start
        return position(start_ms)
    if place.direction == direction:
        return place.position
    return max(place.position - 1, 0) if direction == "f" else place.position + 1


def chunks_from(scan: Scan, place: Place, start_ms: int, end_ms: int) -> Iterator[Chunk]:
    """Chunks that may hold events of [start_ms, end_ms) from a place on, in its direction."""
    reach = limits.CHUNK_SPAN_MS_MAX
    at_ms = min(chunks.time_of(place.position), FOREVER_MS)
    if place.direction == "f":
        return scan(start=max(max(start_ms, at_ms) - reach, 0), end=end_ms)
    return scan(start=max(start_ms - reach, 0), end=min(end_ms, at_ms + 1), reverse=True)


def events(
    found: Iterable[Chunk], place: Place, start_ms: int, end_ms: int, matches: Matches | None = None
) -> Iterator[Event]:
    """The (matching) events of [start_ms, end_ms) in these chunks from a place on, in its direction."""
    if place.direction == "f":
        for event in chunks.ascending(found, matches):
            if event.at_ms >= end_ms:
                return
            if event.at_ms >= start_ms and event.position > place.position:
                yield event
        return
    for event in chunks.descending(found, matches):
        if event.at_ms < start_ms:
            return
        if event.at_ms < end_ms and event.position < place.position:
            yield event


def _page(found: Iterable[Event], most: int) -> Iterator[Event]:
    size = 0
    for count, event in enumerate(found, start=1):
        size += chunks.weight(event.message)
        if size > limits.PAGE_BYTES_MAX and count > 1:
            return
        yield event
        if count >= most:
            return


def _output(event: Event) -> OutputLogEvent:
    return {"timestamp": event.at_ms, "message": event.message, "ingestionTime": event.chunk.ingested_ms}


# -- the whole group -----------------------------------------------------------------------------------------------------


@operation("FilterLogEvents", reads=True, heavy=True, check=reading("FilterLogEvents"))
def filter_log_events(ctx: Context, req: FilterLogEventsRequest) -> FilterLogEventsResponse:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html

    A search that has looked at enough events answers with what it found and a token, perhaps with nothing.
    """
    if "logStreamNames" in req and "logStreamNamePrefix" in req:
        raise InvalidParameter("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
    matches = patterns.compile_pattern(req.get("filterPattern", ""))
    group = find_group(ctx, group_name(ctx, req))
    start_ms = _start(ctx, group, req.get("startTime", 0))
    end_ms = min(req.get("endTime", FOREVER_MS) + 1, FOREVER_MS)
    forward = req.get("startFromHead", True)
    if not forward and req.get("startTime", 0) < HEAD_ONLY_BEFORE_MS:
        raise InvalidParameter("startFromHead can be false only with a startTime on or after 2024-01-01T00:00:00Z.")
    place = _place(req.get("nextToken"), start_ms, end_ms, forward=forward)
    wanted = chunks_from(_scan_of(ctx, group, req), place, start_ms, end_ms)
    looked_at = Bounded(wanted, place.position, forward=place.direction == "f")
    found = events(looked_at, place, start_ms, end_ms, matches)
    page, resume = search(found, looked_at, req.get("limit", limits.PAGE_EVENTS_MAX))
    result: FilterLogEventsResponse = {"events": [_filtered(event) for event in page], "searchedLogStreams": []}
    if resume is not None:
        result["nextToken"] = tokens.place_token(place.direction, resume)
    return result


def search(found: Iterator[Event], looked_at: Bounded, most: int) -> tuple[list[Event], int | None]:
    """The events of one page, and the position to go on from, if there may be more."""
    page: list[Event] = []
    size = 0
    for event in found:
        size += chunks.weight(event.message)
        if len(page) >= most or (page and size > limits.PAGE_BYTES_MAX):
            return page, page[-1].position
        if looked_at.is_beyond(event):
            break
        page.append(event)
    return page, looked_at.resume


def _scan_of(ctx: Context, group: LogGroup, req: FilterLogEventsRequest) -> Scan:
    """Chunks of the streams that were asked for; those of deleted streams are passed over until they are swept."""
    names = req.get("logStreamNames")
    prefix = req.get("logStreamNamePrefix", "")
    if names is not None:
        for name in names:
            if ctx.tx[LogStream].get(group.group_id, name) is None:
                raise ResourceNotFound("The specified log stream does not exist.")
    alive: dict[int, bool] = {}

    def wanted(chunk: Chunk) -> bool:
        if (names is not None and chunk.stream not in names) or not chunk.stream.startswith(prefix):
            return False
        if chunk.stream_id not in alive:
            stream = ctx.tx[LogStream].get(group.group_id, chunk.stream)
            alive[chunk.stream_id] = stream is not None and stream.stream_id == chunk.stream_id
        return alive[chunk.stream_id]

    def scan(**bounds: Any) -> Iterator[Chunk]:
        return filter(wanted, ctx.tx[Chunk].scan(group.group_id, index="group", **bounds))

    return scan


def _filtered(event: Event) -> FilteredLogEvent:
    return {
        "logStreamName": event.chunk.stream,
        "timestamp": event.at_ms,
        "message": event.message,
        "ingestionTime": event.chunk.ingested_ms,
        "eventId": f"{event.position:056d}",
    }
