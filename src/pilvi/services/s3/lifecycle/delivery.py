"""The rules at work: a durable job for each bucket that has some.

Its entry in the outbox is due when rules are put and at each midnight UTC. A step reads on a snapshot; only when something is
due does it go to the writer, looks again there, and does it. How far it has come is kept in the entry, in the transaction
that did the step: a process that dies goes on where it was.
"""

import msgspec

from pilvi.core.caller import service
from pilvi.core.context import Context
from pilvi.core.operation import RetryAt, Settled
from pilvi.services.s3.accesslogs.aged import log_works
from pilvi.services.s3.lifecycle.dates import day_ms
from pilvi.services.s3.lifecycle.records import Lifecycle
from pilvi.services.s3.lifecycle.round import TOPIC, Round, Work, look
from pilvi.services.s3.multipart.uploads import forget_upload
from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.notifications.notify import PRINCIPAL, notify
from pilvi.services.s3.objects import put_back, remove, remove_version
from pilvi.services.s3.records import Bucket, OlderVersion, StoredObject, Upload
from pilvi.state.store import OutboxEntry

CONCURRENCY = 2
"""Buckets that are walked over at once."""

PAUSE_MS = 10
"""Between two steps: others come first."""

CAUSE = "LifecycleExpiration"


class Aging(msgspec.Struct, frozen=True):
    """The delivery of `s3.lifecycle`."""

    topic: str = TOPIC

    def begin(self, ctx: Context, entry: OutboxEntry) -> Settled | RetryAt | None:
        at = msgspec.json.decode(entry.body, type=Round)
        found = _find(ctx, at)
        if found is None:
            return Settled()
        works, following = look(ctx, *found, at)
        return None if works else _go_on(ctx, at, following)

    def settle(self, ctx: Context, entry: OutboxEntry, outcome: object) -> Settled | RetryAt:  # noqa: ARG002 - no effect
        at = msgspec.json.decode(entry.body, type=Round)
        found = _find(ctx, at)
        if found is None:
            return Settled()
        bucket, config = found
        works, following = look(ctx, bucket, config, at)
        inner = ctx.acting_as(service(PRINCIPAL, bucket.account, source=bucket_arn(bucket.name)), region=bucket.region)
        for work in works:
            _do(inner, bucket, work)
        if bucket.logs and works:
            log_works(inner, bucket, works)
        return _go_on(ctx, at, following)


def _find(ctx: Context, at: Round) -> tuple[Bucket, Lifecycle] | None:
    """The bucket and the rules that a round was begun for; None when they are gone."""
    bucket, config = ctx.tx[Bucket].get(at.name), ctx.tx[Lifecycle].get(at.bucket)
    if bucket is None or config is None or bucket.id != at.bucket or config.generation != at.generation:
        return None
    return bucket, config


def _go_on(ctx: Context, at: Round, following: Round | None) -> RetryAt:
    """In a moment, or when the round is complete with a new one at the next midnight."""
    if following is not None:
        return RetryAt(ctx.now_ms + PAUSE_MS, body=msgspec.json.encode(following))
    day = day_ms(ctx)
    anew = Round(at.bucket, at.name, at.generation)
    return RetryAt((ctx.now_ms // day + 1) * day, body=msgspec.json.encode(anew))


def _do(ctx: Context, bucket: Bucket, work: Work) -> None:
    what = work.what
    if isinstance(what, Upload):
        forget_upload(ctx, what)
    elif work.due.to:
        _move(ctx, bucket, what.state if isinstance(what, OlderVersion) else what, work.due.to)
    elif isinstance(what, OlderVersion):
        remove_version(ctx, bucket, what.key, what.version, cause=CAUSE)
    else:
        remove(ctx, bucket, what.key, cause=CAUSE)


def _move(ctx: Context, bucket: Bucket, found: StoredObject, to: str) -> None:
    moved = msgspec.structs.replace(found, storage_class=to)
    put_back(ctx, bucket, moved)
    if bucket.notifies:
        told = {"lifecycleEventData": {"transitionEventData": {"destinationStorageClass": to}}}
        notify(ctx, bucket, "LifecycleTransition", moved, told)
