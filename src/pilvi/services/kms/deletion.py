"""Deletion: announced, waited for, done by an outbox entry when the time has come.

https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.errors import ValidationError
from pilvi.core.operation import RetryAt, Settled, operation
from pilvi.services.kms import access, find, limits, times
from pilvi.services.kms.errors import InvalidState
from pilvi.services.kms.records import Alias, Grant, Key, Material
from pilvi.services.kms.types import (
    CancelKeyDeletionRequest,
    CancelKeyDeletionResponse,
    ScheduleKeyDeletionRequest,
    ScheduleKeyDeletionResponse,
)
from pilvi.state.store import OutboxEntry

TOPIC = "kms.delete"
STEP = 500
"""Grants that one transaction removes."""


def _window(req: Mapping[str, Any]) -> access.Keys:
    days = req.get("PendingWindowInDays", limits.DELETION_DAYS[1])
    return {"kms:ScheduleKeyDeletionPendingWindowInDays": str(days)}


@operation("ScheduleKeyDeletion", check=access.on_key("ScheduleKeyDeletion", more=_window))
def schedule_key_deletion(ctx: Context, req: ScheduleKeyDeletionRequest) -> ScheduleKeyDeletionResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html"""
    shortest, longest = limits.DELETION_DAYS
    days = req.get("PendingWindowInDays", longest)
    if not shortest <= days <= longest:
        raise ValidationError(f"PendingWindowInDays must be between {shortest} and {longest} days, inclusive")
    key = find.own_key(ctx, req["KeyId"])
    find.alive(key)
    due_ms = ctx.now_ms + days * limits.DAY_MS
    entry = ctx.tx.publish(TOPIC, key.id.encode(), due_ms=due_ms, key=key.id)
    key = msgspec.structs.replace(key, enabled=False, deletion_ms=due_ms, deletion=entry)
    ctx.tx[Key].put(key)
    return {
        "KeyId": key.arn,
        "DeletionDate": times.moment(due_ms),
        "KeyState": key.state,
        "PendingWindowInDays": days,
    }


@operation("CancelKeyDeletion", check=access.on_key("CancelKeyDeletion"))
def cancel_key_deletion(ctx: Context, req: CancelKeyDeletionRequest) -> CancelKeyDeletionResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html

    The key stays switched off.
    """
    key = find.own_key(ctx, req["KeyId"])
    if not key.deletion_ms:
        raise InvalidState(f"{key.arn} is not pending deletion.")
    if key.deletion_ms <= ctx.now_ms:
        raise InvalidState(f"{key.arn} is being deleted.")
    ctx.tx[Key].put(msgspec.structs.replace(key, deletion_ms=0, deletion=0))
    return {"KeyId": key.arn}


class Delete(msgspec.Struct, frozen=True):
    """The delivery of `kms.delete`."""

    topic: str = TOPIC

    def begin(self, ctx: Context, entry: OutboxEntry) -> None:
        """Nothing happens outside."""

    def settle(self, ctx: Context, entry: OutboxEntry, outcome: object) -> Settled | RetryAt:  # noqa: ARG002
        """Deletes the key, unless that was cancelled: the material at once, then the grants, and last the key itself."""
        key = ctx.tx[Key].get(entry.body.decode())
        if key is None or key.deletion != entry.id:
            return Settled()
        for material in list(ctx.tx[Material].scan(key.id)):
            blank = bytes(len(material.wrapped))  # so that no unused page of the file still holds it
            ctx.tx[Material].put(msgspec.structs.replace(material, wrapped=blank))
            ctx.tx[Material].delete(key.id, material.version)
        grants = list(ctx.tx[Grant].scan(key.id, limit=STEP))
        for grant in grants:
            ctx.tx[Grant].delete(key.id, grant.id)
        if len(grants) == STEP:
            return RetryAt(ctx.now_ms)
        for alias in key.aliases:
            ctx.tx[Alias].delete(key.account, key.region, alias)
        ctx.tx[Key].delete(key.id)
        return Settled()
