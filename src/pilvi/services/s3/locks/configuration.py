"""The object lock of a bucket: whether its objects can be locked, and how new ones are by default."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket, refuse
from pilvi.services.s3.errors import MalformedXML, S3Error
from pilvi.services.s3.locks.rules import SHOWN, asked_default
from pilvi.services.s3.records import Bucket, Retention
from pilvi.services.s3.types import (
    DefaultRetention,
    GetObjectLockConfigurationOutput,
    GetObjectLockConfigurationRequest,
    PutObjectLockConfigurationOutput,
    PutObjectLockConfigurationRequest,
)
from pilvi.services.s3.versioning.configuration import InvalidBucketState


class ObjectLockConfigurationNotFoundError(S3Error):
    code = "ObjectLockConfigurationNotFoundError"
    status = 404
    text = "Object Lock configuration does not exist for this bucket"


@operation("GetObjectLockConfiguration", reads=True, check=on_bucket("s3:GetBucketObjectLockConfiguration"), open=True)
def get_object_lock_configuration(
    ctx: Context, req: GetObjectLockConfigurationRequest
) -> GetObjectLockConfigurationOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html"""
    bucket = find_bucket(ctx, req)
    if not bucket.locks:
        raise ObjectLockConfigurationNotFoundError(fields={"BucketName": bucket.name})
    if bucket.retention is None:
        return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}
    rule = {"DefaultRetention": _shown(bucket.retention)}
    return {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled", "Rule": rule}}  # type: ignore[typeddict-item]


def _shown(retention: Retention) -> DefaultRetention:
    shown: DefaultRetention = {"Mode": SHOWN[retention.mode]}
    if retention.days:
        shown["Days"] = retention.days
    else:
        shown["Years"] = retention.years
    return shown


@operation(
    "PutObjectLockConfiguration", check=on_bucket("s3:PutBucketObjectLockConfiguration"), open=True, bodiless=True
)
def put_object_lock_configuration(
    ctx: Context, req: PutObjectLockConfigurationRequest
) -> PutObjectLockConfigurationOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html

    Once its objects can be locked, a bucket stays so.

    Raises:
        InvalidBucketState: the bucket does not keep versions.
        MalformedXML, InvalidRetentionPeriod: no such configuration.
    """
    bucket = find_bucket(ctx, req)
    wanted = req.get("ObjectLockConfiguration", {})
    if wanted.get("ObjectLockEnabled") != "Enabled":
        raise MalformedXML
    retention = None
    if "Rule" in wanted:
        refuse(wanted["Rule"].get("DefaultRetention", {}), frozenset({"DefaultEventHold"}))
        retention = asked_default(wanted["Rule"])
    if bucket.versioning != "enabled":
        raise InvalidBucketState("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
    ctx.tx[Bucket].put(msgspec.structs.replace(bucket, locks=True, retention=retention))
    return {}
