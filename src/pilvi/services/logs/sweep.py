"""Removing events behind the clients' backs: past their retention, or of groups and streams that are deleted.

A durable chore in bounded steps: one outbox entry a group with a retention policy, which comes back every hour, and
one a deletion, which comes back until nothing is left.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Literal

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import RetryAt, Settled
from pilvi.services.logs import chunks, limits
from pilvi.services.logs.put import resize
from pilvi.services.logs.records import Chunk, GroupSize, LogGroup, LogStream
from pilvi.state.store import OutboxEntry

TOPIC = "logs.sweep"


class Chore(msgspec.Struct, frozen=True):
    """What is to be swept: a group's expired events, all of a group's rows, or a stream's."""

    what: Literal["expired", "group", "stream"]
    account: str = ""
    region: str = ""
    name: str = ""
    group_id: int = 0
    stream_id: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Chore).decode


def begin_retention(ctx: Context, group: LogGroup) -> int:
    """From now on the group's events are dropped when they are old enough; the entry that does it."""
    return _publish(ctx, Chore("expired", group.account, group.region, group.name, group.group_id))


def forget_group(ctx: Context, group: LogGroup) -> None:
    """The group's name is gone; its rows go in steps."""
    _publish(ctx, Chore("group", group_id=group.group_id))


def forget_stream(ctx: Context, stream: LogStream) -> None:
    """The stream's name is gone; its rows go in steps."""
    _publish(ctx, Chore("stream", group_id=stream.group_id, stream_id=stream.stream_id))


def _publish(ctx: Context, chore: Chore) -> int:
    return ctx.tx.publish(TOPIC, _encode(chore), key=str(chore.group_id))


class Sweep(msgspec.Struct, frozen=True):
    """The delivery of `logs.sweep`."""

    topic: str = TOPIC

    def begin(self, ctx: Context, entry: OutboxEntry) -> None:
        """Nothing happens outside."""

    def settle(self, ctx: Context, entry: OutboxEntry, outcome: object) -> Settled | RetryAt:  # noqa: ARG002
        """One step."""
        chore = _decode(entry.body)
        if chore.what == "expired":
            return _expired(ctx, chore, entry.id)
        return RetryAt(ctx.now_ms) if _forgotten(ctx, chore) else Settled()


def _expired(ctx: Context, chore: Chore, entry: int) -> Settled | RetryAt:
    group = ctx.tx[LogGroup].get(chore.account, chore.region, chore.name)
    if group is None or group.sweep != entry:
        return Settled()
    horizon = expiry_ms(ctx, group) - limits.CHUNK_SPAN_MS_MAX
    rows = ctx.tx[Chunk].scan(chore.group_id, index="group", end=horizon, limit=limits.SWEEP_ROWS_MAX)
    if _remove(ctx, chore.group_id, rows) == limits.SWEEP_ROWS_MAX:
        return RetryAt(ctx.now_ms)
    return RetryAt(ctx.now_ms + limits.SWEEP_EVERY_MS)


def _forgotten(ctx: Context, chore: Chore) -> bool:
    """One step; whether there may be more."""
    if chore.what == "stream":
        rows = ctx.tx[Chunk].scan(chore.stream_id, limit=limits.SWEEP_ROWS_MAX)
        return _remove(ctx, chore.group_id, rows) == limits.SWEEP_ROWS_MAX
    for stream in list(islice(ctx.tx[LogStream].scan(chore.group_id), limits.SWEEP_ROWS_MAX)):
        ctx.tx[LogStream].delete(chore.group_id, stream.name)
    rows = ctx.tx[Chunk].scan(chore.group_id, index="group", limit=limits.SWEEP_ROWS_MAX)
    if _remove(ctx, chore.group_id, rows) == limits.SWEEP_ROWS_MAX or ctx.tx[LogStream].count(chore.group_id):
        return True
    ctx.tx[GroupSize].delete(chore.group_id)
    return False


def _remove(ctx: Context, group_id: int, rows: Iterable[Chunk]) -> int:
    """Deletes chunks; how many."""
    gone = list(rows)
    for chunk in gone:
        ctx.tx[Chunk].delete(chunk.stream_id, chunk.first_ms, chunk.chunk_id)
    if gone:
        resize(ctx, group_id, -sum(chunks.weights(chunk.events) for chunk in gone))
    return len(gone)


def expiry_ms(ctx: Context, group: LogGroup) -> int:
    """Events before this time are no longer kept; 0 when all are."""
    return ctx.now_ms - group.retention_days * limits.DAY_MS if group.retention_days else 0
