"""The retention and the legal hold of one version."""

from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.core.operation import Checks, operation
from pilvi.services.s3.access import (
    Params,
    existing_object,
    existing_tags,
    find_bucket,
    named_version,
    object_check,
    refuse,
)
from pilvi.services.s3.errors import MalformedXML, S3Error
from pilvi.services.s3.locks.rules import HOLDS, SHOWN, asked_retention, check_lockable, may_change, moment
from pilvi.services.s3.locks.uploads import lock_conditions
from pilvi.services.s3.names import check_key
from pilvi.services.s3.objects import update
from pilvi.services.s3.records import Bucket, StoredObject
from pilvi.services.s3.types import (
    GetObjectLegalHoldOutput,
    GetObjectLegalHoldRequest,
    GetObjectRetentionOutput,
    GetObjectRetentionRequest,
    PutObjectLegalHoldOutput,
    PutObjectLegalHoldRequest,
    PutObjectRetentionOutput,
    PutObjectRetentionRequest,
)


class NoSuchObjectLockConfiguration(S3Error):
    code = "NoSuchObjectLockConfiguration"
    status = 404
    text = "The specified object does not have a ObjectLock configuration"


def _on_version(action: str) -> Checks:
    """One question about a version. Lock actions are called the same with and without a version's id."""

    def check(ctx: Context, req: Params) -> Check:
        bucket, key = find_bucket(ctx, req), req["Key"]
        check_key(key)
        found = named_version(ctx, bucket, req)
        conditions = existing_tags(found) if found else {}
        if "VersionId" in req:
            conditions["s3:VersionId"] = req["VersionId"]
        conditions |= lock_conditions(ctx, _as_headers(req))
        return object_check(ctx, bucket, key, action, conditions, found)

    return check


def _as_headers(req: Params) -> Params:
    """What a request's document says, under the names that uploads say it with."""
    retention: dict[str, Any] = req.get("Retention", {})
    said = {
        "ObjectLockMode": retention.get("Mode"),
        "ObjectLockRetainUntilDate": retention.get("RetainUntilDate"),
        "ObjectLockLegalHoldStatus": req.get("LegalHold", {}).get("Status"),
    }
    return {member: value for member, value in said.items() if value is not None}


def _lockable(ctx: Context, req: Params) -> tuple[Bucket, StoredObject]:
    bucket = find_bucket(ctx, req)
    check_lockable(bucket)
    return bucket, existing_object(ctx, bucket, req)


@operation("GetObjectRetention", reads=True, check=_on_version("s3:GetObjectRetention"), open=True)
def get_object_retention(ctx: Context, req: GetObjectRetentionRequest) -> GetObjectRetentionOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html"""
    _, found = _lockable(ctx, req)
    if not found.lock:
        raise NoSuchObjectLockConfiguration(fields={"Key": found.key})
    return {"Retention": {"Mode": SHOWN[found.lock], "RetainUntilDate": moment(found.locked_until_ms)}}


@operation("PutObjectRetention", check=_on_version("s3:PutObjectRetention"), open=True)
def put_object_retention(ctx: Context, req: PutObjectRetentionRequest) -> PutObjectRetentionOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html

    Raises:
        AccessDenied: the present retention may not become this one (or not for this caller).
        InvalidRequest, MalformedXML, InvalidArgument: there is no such retention.
    """
    wanted = req.get("Retention", {})
    refuse(wanted, frozenset({"EventHold", "EventHoldDuration"}))
    bucket, found = _lockable(ctx, req)
    mode, until_ms = asked_retention(wanted, ctx.now_ms)
    bypass = req.get("BypassGovernanceRetention", False) and ctx.may(
        object_check(ctx, bucket, found.key, "s3:BypassGovernanceRetention", lock_conditions(ctx, _as_headers(req)))
    )
    if not may_change(found, mode, until_ms, ctx.now_ms, bypass=bypass):
        raise AccessDenied("Access Denied because object protected by object lock.")
    update(ctx, bucket, msgspec.structs.replace(found, lock=mode, locked_until_ms=until_ms))
    return {}


@operation("GetObjectLegalHold", reads=True, check=_on_version("s3:GetObjectLegalHold"), open=True)
def get_object_legal_hold(ctx: Context, req: GetObjectLegalHoldRequest) -> GetObjectLegalHoldOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html"""
    _, found = _lockable(ctx, req)
    if not found.held and not found.hold_lifted:
        raise NoSuchObjectLockConfiguration(fields={"Key": found.key})
    return {"LegalHold": {"Status": "ON" if found.held else "OFF"}}


@operation("PutObjectLegalHold", check=_on_version("s3:PutObjectLegalHold"), open=True)
def put_object_legal_hold(ctx: Context, req: PutObjectLegalHoldRequest) -> PutObjectLegalHoldOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html"""
    status = req.get("LegalHold", {}).get("Status", "")
    bucket, found = _lockable(ctx, req)
    if status not in HOLDS:
        raise MalformedXML
    held = HOLDS[status]
    update(ctx, bucket, msgspec.structs.replace(found, held=held, hold_lifted=not held))
    return {}
