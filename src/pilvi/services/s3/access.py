"""Finding what a request names, and the questions that must be answered with yes before it is touched.

Order, as in S3: the bucket exists, it is in this region, it belongs to whom the client expects, the caller may.
"""

from collections.abc import Mapping
from typing import Any

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, CloudError, NotBuilt
from pilvi.core.operation import Checks
from pilvi.services.s3.errors import InvalidBucketName, NoSuchBucket, NoSuchKey, PermanentRedirect, invalid_argument
from pilvi.services.s3.names import bucket_arn, check_key, could_be_bucket, object_arn
from pilvi.services.s3.records import Bucket, StoredObject

Params = Mapping[str, Any]
Conditions = dict[str, str | list[str]]


def find_bucket(ctx: Context, req: Params, *, any_region: bool = False) -> Bucket:
    """The bucket that a request names.

    Raises:
        NoSuchBucket, InvalidBucketName: there is none.
        PermanentRedirect: it is in another region than the one the request was signed for.
        AccessDenied: it does not belong to `ExpectedBucketOwner`.
    """
    name: str = req["Bucket"]
    bucket: Bucket | None = ctx.memo.get(name)
    if bucket is None:
        bucket = ctx.memo[name] = named_bucket(ctx, name)
    if bucket.region != ctx.request.region and not any_region and ctx.caller.kind != "anonymous":
        raise redirect(bucket)
    if "ExpectedBucketOwner" in req and req["ExpectedBucketOwner"] != bucket.account:
        raise AccessDenied("Access Denied")
    return bucket


def named_bucket(ctx: Context, name: str) -> Bucket:
    bucket = ctx.tx[Bucket].get(name) if name.isascii() else None
    if bucket is not None:
        return bucket
    if not could_be_bucket(name):
        raise InvalidBucketName(fields={"BucketName": name})
    raise NoSuchBucket(fields={"BucketName": name})


def redirect(bucket: Bucket) -> PermanentRedirect:
    return PermanentRedirect(
        fields={"Endpoint": f"{bucket.name}.s3.{bucket.region}.amazonaws.com", "Bucket": bucket.name},
        headers={"x-amz-bucket-region": bucket.region},
    )


def find_object(ctx: Context, bucket: Bucket, key: str) -> StoredObject | None:
    """The object at a key, read once for the check and the operation of a reading request."""
    place = (bucket.id, key)
    if place in ctx.memo:
        found: StoredObject | None = ctx.memo[place]
        return found
    found = ctx.memo[place] = ctx.tx[StoredObject].get(bucket.id, key)
    return found


def existing_object(ctx: Context, bucket: Bucket, req: Params) -> StoredObject:
    """The object that a reading request names.

    Raises:
        NoSuchKey: there is none, and the caller may know it (s3:ListBucket).
        AccessDenied: there is none, and the caller may not know.
    """
    check_version(req)
    found = find_object(ctx, bucket, req["Key"])
    if found is None:
        raise missing(ctx, bucket, req["Key"])
    return found


def missing(ctx: Context, bucket: Bucket, key: str) -> CloudError:
    if ctx.may(bucket_check(ctx, bucket, "s3:ListBucket")):
        return NoSuchKey(fields={"Key": key})
    return AccessDenied("Access Denied")


def check_version(req: Params) -> None:
    """Objects of a bucket without versions have one, called null."""
    version = req.get("VersionId", "null")
    if version != "null":
        raise invalid_argument("Invalid version id specified", "versionId", version)


def bucket_check(ctx: Context, bucket: Bucket, action: str, conditions: Conditions | None = None) -> Check:
    return Check(action, bucket_arn(bucket.name), bucket.account, policy_for(ctx, bucket), conditions or {})


def object_check(ctx: Context, bucket: Bucket, key: str, action: str, conditions: Conditions | None = None) -> Check:
    return Check(action, object_arn(bucket.name, key), bucket.account, policy_for(ctx, bucket), conditions or {})


def policy_for(ctx: Context, bucket: Bucket) -> str | None:
    """The bucket's policy, unless it is a public one and the bucket keeps the public out."""
    if not bucket.policy:
        return None
    restricted = bucket.public and bucket.public_access is not None and bucket.public_access.restrict
    if restricted and ctx.caller.account != bucket.account and ctx.caller.kind != "service":
        return None
    return bucket.policy


def on_bucket(action: str, *, any_region: bool = False) -> Checks:
    """One question about the bucket itself."""

    def check(ctx: Context, req: Params) -> Check:
        return bucket_check(ctx, find_bucket(ctx, req, any_region=any_region), action)

    return check


def on_object(action: str) -> Checks:
    """One question about an object that is there (or not)."""

    def check(ctx: Context, req: Params) -> Check:
        bucket = find_bucket(ctx, req)
        key: str = req["Key"]
        check_key(key)
        found = find_object(ctx, bucket, key)
        conditions = existing_tags(found) if found is not None and found.tags else None
        if "VersionId" in req:
            version: Conditions = {"s3:VersionId": req["VersionId"]}
            return object_check(ctx, bucket, key, of_version(action), (conditions or {}) | version)
        return object_check(ctx, bucket, key, action, conditions)

    return check


def of_version(action: str) -> str:
    """s3:GetObject -> s3:GetObjectVersion, s3:GetObjectTagging -> s3:GetObjectVersionTagging."""
    head, tail = action.split("Object", 1)
    return f"{head}ObjectVersion{tail}"


def existing_tags(found: StoredObject) -> Conditions:
    return {f"s3:ExistingObjectTag/{name}": value for name, value in found.tags.items()}


def requested_tags(tags: Mapping[str, str]) -> Conditions:
    conditions: Conditions = {f"s3:RequestObjectTag/{name}": value for name, value in tags.items()}
    if tags:
        conditions["s3:RequestObjectTagKeys"] = list(tags)
    return conditions


def refuse(req: Params, unbuilt: frozenset[str]) -> None:
    """Raises NotBuilt when a request carries a parameter whose meaning does not exist here."""
    if not unbuilt.isdisjoint(req):
        names = ", ".join(sorted(unbuilt.intersection(req)))
        raise NotBuilt(f"A header you provided implies functionality that is not implemented: {names}")
