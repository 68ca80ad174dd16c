"""Locks in the headers of uploads, and of answers."""

from typing import Any, TypeVar

import msgspec

from pilvi.core.context import Context
from pilvi.services.s3.access import Conditions, Params, object_check
from pilvi.services.s3.errors import InvalidRequest
from pilvi.services.s3.locks.rules import SHOWN, milliseconds, moment, remaining_days, uploaded_lock
from pilvi.services.s3.records import Bucket, StoredObject, Upload

L = TypeVar("L", StoredObject, Upload)

_CONDITIONS = {"ObjectLockMode": "s3:object-lock-mode", "ObjectLockLegalHoldStatus": "s3:object-lock-legal-hold"}
_UNPROVEN = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"


def with_lock(ctx: Context, bucket: Bucket, req: Params, made: L) -> L:
    """A new object (or upload), locked as its request's headers say. Raises what `uploaded_lock` raises."""
    lock = uploaded_lock(bucket, req, ctx.now_ms)
    return msgspec.structs.replace(
        made,
        lock=lock.lock,
        locked_until_ms=lock.locked_until_ms,
        held=lock.held,
        hold_lifted=lock.hold_lifted,
    )


def check_headers(ctx: Context, bucket: Bucket, req: Params) -> None:
    """Refuses before the first byte what would be refused after the last, and what is to be kept without proof.

    Raises:
        InvalidRequest, InvalidArgument: see `uploaded_lock`; or the body comes without a checksum.
    """
    uploaded_lock(bucket, req, ctx.now_ms)
    if "ContentMD5" not in req and not any(name.startswith("Checksum") for name in req):
        raise InvalidRequest(_UNPROVEN)


def lock_conditions(ctx: Context, req: Params) -> Conditions:
    """What policies can know of the lock that a request asks for, with the member names of an upload."""
    conditions: Conditions = {name: req[member] for member, name in _CONDITIONS.items() if member in req}
    if "ObjectLockRetainUntilDate" in req:
        until_ms = milliseconds(req["ObjectLockRetainUntilDate"])
        conditions["s3:object-lock-retain-until-date"] = f"{moment(until_ms):%Y-%m-%dT%H:%M:%SZ}"
        conditions["s3:object-lock-remaining-retention-days"] = str(remaining_days(until_ms, ctx.now_ms))
    return conditions


def lock_actions(req: Params) -> list[str]:
    """What must be allowed for an upload's lock headers, beside s3:PutObject."""
    actions = []
    if not {"ObjectLockMode", "ObjectLockRetainUntilDate"}.isdisjoint(req):
        actions.append("s3:PutObjectRetention")
    if "ObjectLockLegalHoldStatus" in req:
        actions.append("s3:PutObjectLegalHold")
    return actions


def shown(ctx: Context, bucket: Bucket, found: StoredObject) -> dict[str, Any]:
    """The members of a GET's or HEAD's answer that tell of the lock, to those who may see it."""
    result: dict[str, Any] = {}
    if found.lock and ctx.may(object_check(ctx, bucket, found.key, "s3:GetObjectRetention")):
        result["ObjectLockMode"] = SHOWN[found.lock]
        result["ObjectLockRetainUntilDate"] = moment(found.locked_until_ms)
    if (found.held or found.hold_lifted) and ctx.may(object_check(ctx, bucket, found.key, "s3:GetObjectLegalHold")):
        result["ObjectLockLegalHoldStatus"] = "ON" if found.held else "OFF"
    return result
