"""DeleteObject and DeleteObjects."""

from typing import TypedDict

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, CloudError, NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3.access import (
    existing_tags,
    find_bucket,
    object_check,
    of_version,
    on_object,
    refuse,
)
from pilvi.services.s3.accesslogs.watch import watch_batch
from pilvi.services.s3.conditions import names_etag
from pilvi.services.s3.errors import MalformedXML, S3Error, failed_condition, invalid_argument
from pilvi.services.s3.names import check_key
from pilvi.services.s3.objects import (
    asked_version,
    current,
    find_version,
    remove,
    remove_version,
    shown_version,
)
from pilvi.services.s3.records import Bucket, StoredObject
from pilvi.services.s3.types import (
    DeletedObject,
    DeleteObjectOutput,
    DeleteObjectRequest,
    DeleteObjectsOutput,
    DeleteObjectsRequest,
    Error,
    ObjectIdentifier,
)

DELETED_MAX = 1000
RELEASED_MAX = 100_000
"""Parts of objects that one batch lets go of: each costs as much as a small object, and everybody who writes waits."""

_UNBUILT = frozenset({"IfMatchLastModifiedTime", "IfMatchSize", "MFA"})  # on AWS of directory buckets, and of versions
_UNBUILT_IN_BATCH = frozenset({"LastModifiedTime", "Size"})


class SlowDown(S3Error):
    """The rest of a batch is for the next one."""

    code = "SlowDown"
    status = 503
    text = "Please reduce your request rate."


class _Named(TypedDict, total=False):
    Key: str
    VersionId: str


@operation("DeleteObject", check=on_object("s3:DeleteObject"), open=True)
def delete_object(ctx: Context, req: DeleteObjectRequest) -> DeleteObjectOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html"""
    refuse(req, _UNBUILT)
    bucket, key = find_bucket(ctx, req), req["Key"]
    if "BypassGovernanceRetention" in req and not bucket.locks:
        header = "x-amz-bypass-governance-retention"
        raise invalid_argument(
            f"{header} is only applicable to Object Lock enabled buckets.", header, req["BypassGovernanceRetention"]
        )
    _check_match(ctx, bucket, key, req.get("IfMatch"))
    if "VersionId" not in req:
        marker = remove(ctx, bucket, key)
        return {"DeleteMarker": True, "VersionId": shown_version(marker)} if marker else {}
    gone = _remove_version(ctx, bucket, key, req["VersionId"], bypass=req.get("BypassGovernanceRetention", False))
    result: DeleteObjectOutput = {"VersionId": req["VersionId"]} if bucket.versioning else {}
    if gone is not None and gone.marker:
        result["DeleteMarker"] = True
    return result


def _remove_version(ctx: Context, bucket: Bucket, key: str, asked: str, *, bypass: bool) -> StoredObject | None:
    """Removes the version that a client calls `asked`; whether `bypass` is for this client to say is found out."""
    may = bypass and bucket.locks and ctx.may(object_check(ctx, bucket, key, "s3:BypassGovernanceRetention"))
    return remove_version(ctx, bucket, key, asked_version(asked), bypass=may)


def _check_match(ctx: Context, bucket: Bucket, key: str, etag: str | None) -> None:
    """A delete can be for one state only; what is gone already is deleted in any case."""
    if etag is None:
        return
    present = ctx.tx[StoredObject].get(bucket.id, key)
    if present is not None and not names_etag(etag, present.etag):
        raise failed_condition("If-Match")


def _batch_check(ctx: Context, req: DeleteObjectsRequest) -> list[Check]:
    """Each key is asked for on its own. Strangers need somebody's word first: what they send is not read without."""
    bucket = find_bucket(ctx, req)
    if ctx.caller.kind == "anonymous" and not bucket.policy and not bucket.ownership:
        raise AccessDenied("Access Denied")
    return []


@operation("DeleteObjects", check=_batch_check, open=True, bodiless=True)
def delete_objects(ctx: Context, req: DeleteObjectsRequest) -> DeleteObjectsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
    refuse(req, _UNBUILT)
    bucket = find_bucket(ctx, req)
    wanted = req["Delete"]["Objects"]
    if not 1 <= len(wanted) <= DELETED_MAX:
        raise MalformedXML
    bypass = req.get("BypassGovernanceRetention", False)
    deleted: list[DeletedObject] = []
    errors: list[Error] = []
    left = RELEASED_MAX
    for item in wanted:
        try:
            done, parts = _delete_one(ctx, bucket, item, left, bypass=bypass)
            deleted.append(done)
            left -= parts
        except CloudError as error:
            errors.append({**_named(item), "Code": error.code, "Message": error.message})
    if bucket.logs:
        watch_batch(ctx, deleted, errors)
    result: DeleteObjectsOutput = {}
    if deleted and not req["Delete"].get("Quiet", False):
        result["Deleted"] = deleted
    if errors:
        result["Errors"] = errors
    return result


def _delete_one(
    ctx: Context, bucket: Bucket, item: ObjectIdentifier, left: int, *, bypass: bool
) -> tuple[DeletedObject, int]:
    """What was deleted, and how many parts it had. Raises before anything is changed.

    Args:
        left: how many it may have.
    """
    key = item["Key"]
    check_key(key)
    if not _UNBUILT_IN_BATCH.isdisjoint(item):
        raise NotBuilt("A parameter you provided implies functionality that is not implemented")
    named = _find(ctx, bucket, item)
    if not ctx.may(_item_check(ctx, bucket, item, named)):
        raise AccessDenied("Access Denied")
    _check_match(ctx, bucket, key, item.get("ETag"))
    parts = named.parts if named is not None and ("VersionId" in item or not bucket.versioning) else 0
    if parts > left:
        raise SlowDown
    result: DeletedObject = {"Key": key}
    if "VersionId" in item:
        result["VersionId"] = item["VersionId"]
    if "VersionId" in item:
        gone = _remove_version(ctx, bucket, key, item["VersionId"], bypass=bypass)
        marker = gone if gone is not None and gone.marker else None
    else:
        marker = remove(ctx, bucket, key)
    if marker is not None:
        result["DeleteMarker"] = True
        result["DeleteMarkerVersionId"] = shown_version(marker)
    return result, parts


def _find(ctx: Context, bucket: Bucket, item: ObjectIdentifier) -> StoredObject | None:
    if "VersionId" not in item:
        return current(ctx, bucket, item["Key"])
    return find_version(ctx, bucket, item["Key"], asked_version(item["VersionId"]))


def _item_check(ctx: Context, bucket: Bucket, item: ObjectIdentifier, named: StoredObject | None) -> Check:
    key = item["Key"]
    if "VersionId" not in item:
        return object_check(ctx, bucket, key, "s3:DeleteObject", existing_tags(named) if named else None, named)
    conditions = existing_tags(named) if named else {}
    conditions["s3:VersionId"] = item["VersionId"]
    return object_check(ctx, bucket, key, of_version("s3:DeleteObject"), conditions, named)


def _named(item: ObjectIdentifier) -> _Named:
    return {"Key": item["Key"], "VersionId": item["VersionId"]} if "VersionId" in item else {"Key": item["Key"]}
