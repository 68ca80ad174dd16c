"""DeleteObject and DeleteObjects."""

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, CloudError, NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3.access import (
    Params,
    check_version,
    existing_tags,
    find_bucket,
    object_check,
    of_version,
    on_object,
    refuse,
)
from pilvi.services.s3.conditions import names_etag
from pilvi.services.s3.errors import MalformedXML, failed_condition, invalid_argument
from pilvi.services.s3.names import check_key
from pilvi.services.s3.objects import remove
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
_UNBUILT = frozenset({"IfMatchLastModifiedTime", "IfMatchSize", "MFA"})  # on AWS of directory buckets, and of versions
_UNBUILT_IN_BATCH = frozenset({"LastModifiedTime", "Size"})


@operation("DeleteObject", check=on_object("s3:DeleteObject"), open=True)
def delete_object(ctx: Context, req: DeleteObjectRequest) -> DeleteObjectOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html"""
    refuse(req, _UNBUILT)
    check_version(req)
    bucket = find_bucket(ctx, req)
    _check_bypass(req)
    _check_match(ctx, bucket, req["Key"], req.get("IfMatch"))
    remove(ctx, bucket, req["Key"])
    return {}


def _check_bypass(req: Params) -> None:
    """Object lock is not built, so no bucket has it: here as on AWS, nothing is there to be bypassed."""
    if "BypassGovernanceRetention" in req:
        header = "x-amz-bypass-governance-retention"
        raise invalid_argument(
            f"{header} is only applicable to Object Lock enabled buckets.", header, req["BypassGovernanceRetention"]
        )


def _check_match(ctx: Context, bucket: Bucket, key: str, etag: str | None) -> None:
    """A delete can be for one state only; what is gone already is deleted in any case."""
    if etag is None:
        return
    present = ctx.tx[StoredObject].get(bucket.id, key)
    if present is not None and not names_etag(etag, present.etag):
        raise failed_condition("If-Match")


def _batch_check(ctx: Context, req: DeleteObjectsRequest) -> list[Check]:
    find_bucket(ctx, req)
    return []  # each key is asked for on its own


@operation("DeleteObjects", check=_batch_check, open=True)
def delete_objects(ctx: Context, req: DeleteObjectsRequest) -> DeleteObjectsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
    refuse(req, _UNBUILT)
    bucket = find_bucket(ctx, req)
    wanted = req["Delete"]["Objects"]
    if not 1 <= len(wanted) <= DELETED_MAX:
        raise MalformedXML
    deleted: list[DeletedObject] = []
    errors: list[Error] = []
    for item in wanted:
        try:
            _delete_one(ctx, bucket, item)
            deleted.append(_named(item))
        except CloudError as error:
            errors.append({"Key": item["Key"], "Code": error.code, "Message": error.message})
    result: DeleteObjectsOutput = {}
    if deleted and not req["Delete"].get("Quiet", False):
        result["Deleted"] = deleted
    if errors:
        result["Errors"] = errors
    return result


def _delete_one(ctx: Context, bucket: Bucket, item: ObjectIdentifier) -> None:
    """Raises before anything is changed."""
    key = item["Key"]
    check_key(key)
    if not _UNBUILT_IN_BATCH.isdisjoint(item):
        raise NotBuilt("A parameter you provided implies functionality that is not implemented")
    action = of_version("s3:DeleteObject") if "VersionId" in item else "s3:DeleteObject"
    present = ctx.tx[StoredObject].get(bucket.id, key)
    if not ctx.may(object_check(ctx, bucket, key, action, existing_tags(present) if present else None)):
        raise AccessDenied("Access Denied")
    check_version(item)
    _check_match(ctx, bucket, key, item.get("ETag"))
    remove(ctx, bucket, key)


def _named(item: ObjectIdentifier) -> DeletedObject:
    return {"Key": item["Key"], "VersionId": item["VersionId"]} if "VersionId" in item else {"Key": item["Key"]}
