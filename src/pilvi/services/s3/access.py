"""Finding what a request names, and the questions that must be answered with yes before it is touched.

Order, as in S3: the bucket exists, it is in this region, it belongs to whom the client expects, the caller may.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, CloudError, NotBuilt
from pilvi.core.operation import Checks
from pilvi.services.s3.accesslogs.watch import watch
from pilvi.services.s3.acls import checks as with_lists
from pilvi.services.s3.conditions import http_date, when
from pilvi.services.s3.errors import (
    InvalidBucketName,
    MethodNotAllowed,
    NoSuchBucket,
    NoSuchKey,
    NoSuchVersion,
    PermanentRedirect,
)
from pilvi.services.s3.names import bucket_arn, check_key, could_be_bucket, object_arn
from pilvi.services.s3.objects import asked_version, find_version, latest, shown_version
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
        if bucket.logs:
            watch(ctx, bucket)
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


def named_version(ctx: Context, bucket: Bucket, req: Params) -> StoredObject | None:
    """What a reading request names: the object at a key, or one version of it (which may be a delete marker).

    Raises:
        InvalidArgument: no version has such an id.
    """
    if "VersionId" not in req:
        return find_object(ctx, bucket, req["Key"])
    version = asked_version(req["VersionId"])
    place = (bucket.id, req["Key"], version)
    if place not in ctx.memo:
        ctx.memo[place] = find_version(ctx, bucket, req["Key"], version)
    found: StoredObject | None = ctx.memo[place]
    return found


def existing_object(ctx: Context, bucket: Bucket, req: Params) -> StoredObject:
    """The object that a reading request names, by its key or by its key and version.

    Raises:
        NoSuchKey, NoSuchVersion: there is none, and the caller may know it (s3:ListBucket).
        AccessDenied: there is none, and the caller may not know.
        MethodNotAllowed: the version is a delete marker.
        InvalidArgument: no version has such an id.
    """
    found = named_version(ctx, bucket, req)
    if found is None:
        raise missing(ctx, bucket, req["Key"], req.get("VersionId", ""))
    if found.marker:
        raise is_marker(ctx, found)
    return found


def missing(ctx: Context, bucket: Bucket, key: str, version: str = "") -> CloudError:
    """Why there is no object at a key, or no version `version` (as it was asked for) of it.

    Who may list what begins with the key may know: where s3:ListBucket depends on s3:prefix, the key is it.
    """
    if not _may_know(ctx, bucket, key):
        return AccessDenied("Access Denied")
    if version:
        return NoSuchVersion(fields={"Key": key, "VersionId": version})
    marker = latest(ctx, bucket, key) if bucket.versioning else None
    return NoSuchKey(fields={"Key": key}, headers=_marker_headers(marker) if marker else None)


def _may_know(ctx: Context, bucket: Bucket, key: str) -> bool:
    return ctx.may(bucket_check(ctx, bucket, "s3:ListBucket", {"s3:prefix": key}))


def is_marker(ctx: Context, marker: StoredObject) -> CloudError:
    """A delete marker can be deleted, nothing else."""
    headers = {**_marker_headers(marker), "Allow": "DELETE", "Last-Modified": http_date(when(marker.modified_ms))}
    method = "HEAD" if ctx.request.operation.startswith("Head") else "GET"
    return MethodNotAllowed(fields={"Method": method, "ResourceType": "DeleteMarker"}, headers=headers)


def _marker_headers(marker: StoredObject) -> dict[str, str]:
    return {"x-amz-delete-marker": "true", "x-amz-version-id": shown_version(marker)}


def bucket_check(ctx: Context, bucket: Bucket, action: str, conditions: Conditions | None = None) -> Check:
    if bucket.ownership:
        return with_lists.bucket_check(ctx, bucket, action, conditions or {})
    return Check(action, bucket_arn(bucket.name), bucket.account, policy_for(ctx, bucket), conditions or {})


def object_check(
    ctx: Context,
    bucket: Bucket,
    key: str,
    action: str,
    conditions: Conditions | None = None,
    found: StoredObject | None = None,
) -> Check:
    """`found`: the version that is meant, where it is there; else the object at the key is."""
    if bucket.ownership:
        if found is None and action in with_lists.ABOUT_OBJECTS:
            found = find_object(ctx, bucket, key)
        return with_lists.object_check(ctx, bucket, key, action, conditions or {}, found)
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


def on_object(action: str, told: Callable[[Params], Conditions] | None = None) -> Checks:
    """One question about an object that is there (or not). `told`: what policies can know of the request.

    Who asks to read what is not there and may list it is not asked more: the answer tells nothing that a listing does not.
    """

    def check(ctx: Context, req: Params) -> Check | list[Check]:
        bucket = find_bucket(ctx, req)
        key: str = req["Key"]
        check_key(key)
        found = named_version(ctx, bucket, req)
        if found is None and action == "s3:GetObject" and _may_know(ctx, bucket, key):
            return []
        conditions = existing_tags(found) if found is not None and found.tags else None
        if told is not None:
            conditions = (conditions or {}) | told(req)
        if "VersionId" in req:
            version: Conditions = {"s3:VersionId": req["VersionId"]}
            return object_check(ctx, bucket, key, of_version(action), (conditions or {}) | version, found)
        return object_check(ctx, bucket, key, action, conditions, found)

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
