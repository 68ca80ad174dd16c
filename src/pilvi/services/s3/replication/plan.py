"""What a write leaves behind to be done: an entry of the outbox, in its own transaction."""

from collections.abc import Iterable

import msgspec

from pilvi.core.context import Context
from pilvi.services.s3.records import Bucket, StoredObject
from pilvi.services.s3.replication.records import Replication, Rule
from pilvi.services.s3.replication.rules import applying, applying_back

TOPIC = "s3.replicate"
REPLICA = "replica"


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version that is to be replicated.

    Attributes:
        bucket, name: of its bucket.
        rules: ids of those that still have to be followed.
        begun_ms: when it was written or changed.
        changed: it was there before: where it is not (any more), nothing is to be done.
        back: it is itself a replica.
        late: ids of rules whose promised time is over, which has been told.
    """

    bucket: int
    name: str
    key: str
    version: str
    rules: tuple[str, ...]
    begun_ms: int
    changed: bool = False
    back: bool = False
    late: tuple[str, ...] = ()


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Work).decode


def made(ctx: Context, bucket: Bucket, state: StoredObject) -> StoredObject:
    """A version was made in a bucket that replicates; as it is to be stored."""
    if not state.version:
        return state
    rules = applying(_rules(ctx, bucket), state)
    if not rules:
        return state
    _publish(ctx, bucket, state, rules)
    return msgspec.structs.replace(state, replication="pending")


def changed(ctx: Context, bucket: Bucket, state: StoredObject) -> StoredObject:
    """What is said about a version was changed. What is not there yet will go as it is by then."""
    if state.replication not in ("completed", REPLICA) or not state.version:
        return state
    back = state.replication == REPLICA
    rules = (applying_back if back else applying)(_rules(ctx, bucket), state)
    if not rules:
        return state
    _publish(ctx, bucket, state, rules, changed=True, back=back)
    return state if back else msgspec.structs.replace(state, replication="pending")


def _rules(ctx: Context, bucket: Bucket) -> tuple[Rule, ...]:
    row = ctx.tx[Replication].get(bucket.id)
    return row.rules if row is not None else ()


def _publish(
    ctx: Context,
    bucket: Bucket,
    state: StoredObject,
    rules: Iterable[Rule],
    *,
    changed: bool = False,
    back: bool = False,
) -> None:
    names = tuple(rule.id for rule in rules)
    work = Work(bucket.id, bucket.name, state.key, state.version, names, ctx.now_ms, changed, back)
    ctx.tx.publish(TOPIC, encode(work), key=str(bucket.id))
