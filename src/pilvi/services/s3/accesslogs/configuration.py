"""Whether a bucket's requests are logged, and where to."""

from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.accesslogs.deliver import may_write
from pilvi.services.s3.accesslogs.records import BucketLogging
from pilvi.services.s3.acls.writing import check_public
from pilvi.services.s3.errors import AccessControlListNotSupported, MalformedXML, S3Error, invalid_argument
from pilvi.services.s3.names import check_key
from pilvi.services.s3.records import Bucket, Grant
from pilvi.services.s3.types import (
    GetBucketLoggingOutput,
    GetBucketLoggingRequest,
    LoggingEnabled,
    PutBucketLoggingRequest,
    TargetGrant,
    TargetObjectKeyFormat,
)

GRANTS_MAX = 100
PREFIX_BYTES_MAX = 512
_PERMISSIONS = {"FULL_CONTROL": "full", "READ": "read", "WRITE": "write"}
_SHOWN_PERMISSIONS = {word: name for name, word in _PERMISSIONS.items()}
_GROUPS = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "everybody",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "authenticated",
    "http://acs.amazonaws.com/groups/s3/LogDelivery": "delivery",
}
_SHOWN_GROUPS = {word: uri for uri, word in _GROUPS.items()}
_SOURCES = {"EventTime": "event", "DeliveryTime": "delivery"}
_SHOWN_SOURCES = {word: name for name, word in _SOURCES.items()}


class InvalidTargetBucketForLogging(S3Error):
    code = "InvalidTargetBucketForLogging"
    text = "The target bucket for logging does not exist"


class CrossLocationLoggingProhibited(S3Error):
    code = "CrossLocationLoggingProhibitted"  # AWS's spelling
    status = 403
    text = (
        "Cross S3 location logging not allowed. A bucket in one geographic location cannot log information to a bucket "
        "in another location."
    )


@operation("GetBucketLogging", reads=True, check=on_bucket("s3:GetBucketLogging"))
def get_bucket_logging(ctx: Context, req: GetBucketLoggingRequest) -> GetBucketLoggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLogging.html"""
    bucket = find_bucket(ctx, req)
    found = ctx.tx[BucketLogging].get(bucket.id) if bucket.logs else None
    return {"LoggingEnabled": _shown(found)} if found is not None else {}


def _shown(found: BucketLogging) -> LoggingEnabled:
    shown: LoggingEnabled = {"TargetBucket": found.target, "TargetPrefix": found.prefix}
    if found.grants:
        shown["TargetGrants"] = [_shown_grant(grant) for grant in found.grants]
    if found.partition:
        source: Any = _SHOWN_SOURCES[found.partition]
        shown["TargetObjectKeyFormat"] = {"PartitionedPrefix": {"PartitionDateSource": source}}
    elif found.simple:
        shown["TargetObjectKeyFormat"] = {"SimplePrefix": {}}
    return shown


def _shown_grant(grant: Grant) -> TargetGrant:
    permission: Any = _SHOWN_PERMISSIONS[grant.permission]
    if grant.kind == "group":
        return {"Grantee": {"Type": "Group", "URI": _SHOWN_GROUPS[grant.who]}, "Permission": permission}
    return {"Grantee": {"Type": "CanonicalUser", "ID": grant.who}, "Permission": permission}


@operation("PutBucketLogging", check=on_bucket("s3:PutBucketLogging"))
def put_bucket_logging(ctx: Context, req: PutBucketLoggingRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html"""
    bucket = find_bucket(ctx, req)
    wanted = req["BucketLoggingStatus"].get("LoggingEnabled")
    if wanted is None:
        ctx.tx[BucketLogging].delete(bucket.id)
    else:
        ctx.tx[BucketLogging].put(_settings(ctx, bucket, wanted))
    if bucket.logs != (wanted is not None):
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, logs=wanted is not None))


def _settings(ctx: Context, bucket: Bucket, wanted: LoggingEnabled) -> BucketLogging:
    partition, simple = _key_format(wanted.get("TargetObjectKeyFormat"))
    prefix = wanted["TargetPrefix"]
    check_key(prefix)
    if len(prefix.encode()) > PREFIX_BYTES_MAX:
        raise invalid_argument("The target prefix is too long.", "TargetPrefix", prefix)
    grants = _grants(wanted.get("TargetGrants", []))
    found = BucketLogging(bucket.id, wanted["TargetBucket"], prefix, grants, partition, simple)
    _check_target(ctx, bucket, found)
    return found


def _key_format(wanted: TargetObjectKeyFormat | None) -> tuple[str, bool]:
    """How objects are named: `partition` and `simple` of the record."""
    if wanted is None:
        return "", False
    if len(wanted) != 1:
        raise MalformedXML
    if "SimplePrefix" in wanted:
        return "", True
    source = wanted["PartitionedPrefix"].get("PartitionDateSource", "DeliveryTime")
    if source not in _SOURCES:
        raise MalformedXML
    return _SOURCES[source], False


def _grants(wanted: list[TargetGrant]) -> tuple[Grant, ...]:
    if len(wanted) > GRANTS_MAX:
        raise MalformedXML
    return tuple(_grant(item) for item in wanted)


def _grant(item: TargetGrant) -> Grant:
    permission = _PERMISSIONS.get(item.get("Permission", ""))
    grantee = item.get("Grantee")
    if permission is None or grantee is None:
        raise MalformedXML
    kind = grantee["Type"]
    if kind == "CanonicalUser" and grantee.get("ID"):
        return Grant("user", grantee["ID"], permission)
    if kind == "Group" and grantee.get("URI") in _GROUPS:
        return Grant("group", _GROUPS[grantee["URI"]], permission)
    if kind == "AmazonCustomerByEmail":
        raise UnresolvableGrantByEmailAddress
    raise invalid_argument("Invalid id" if kind == "CanonicalUser" else "Invalid group uri", "Grantee", kind)


class UnresolvableGrantByEmailAddress(S3Error):
    code = "UnresolvableGrantByEmailAddress"
    text = "The e-mail address you provided does not match any account on record."


def _check_target(ctx: Context, bucket: Bucket, found: BucketLogging) -> None:
    """The bucket that gets the log is there, of the same account and region, and log delivery may write to it.

    Where ACLs count nothing but a bucket policy can allow it, and AWS looks at that policy only when it delivers.
    """
    target = ctx.tx[Bucket].get(found.target) if found.target.isascii() else None
    fields: dict[str, object] = {"TargetBucket": found.target}
    if target is None:
        raise InvalidTargetBucketForLogging(fields=fields)
    if target.account != bucket.account:
        raise InvalidTargetBucketForLogging(
            "The owner for the bucket to be logged and the target bucket must be the same.", fields=fields
        )
    if target.region != bucket.region:
        raise CrossLocationLoggingProhibited(
            fields={"SourceBucketLocation": bucket.region, "TargetBucketLocation": target.region}
        )
    if target.retention is not None:
        raise InvalidTargetBucketForLogging(
            "The target bucket for logging must not have a default retention period.", fields=fields
        )
    if not target.ownership and found.grants:
        raise AccessControlListNotSupported
    check_public(target, found.grants)
    if target.ownership and not may_write(ctx, bucket, target, f"{found.prefix}x"):
        raise InvalidTargetBucketForLogging(
            "You must give the log-delivery group WRITE and READ_ACP permissions to the target bucket", fields=fields
        )
