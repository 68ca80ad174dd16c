"""The tags of objects and buckets, read and written."""

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import (
    Params,
    existing_object,
    existing_tags,
    find_bucket,
    named_version,
    object_check,
    of_version,
    on_bucket,
    on_object,
    requested_tags,
)
from pilvi.services.s3.errors import NoSuchTagSet
from pilvi.services.s3.names import check_key
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.objects import shown_version, update
from pilvi.services.s3.records import BucketTags
from pilvi.services.s3.tagging.tags import BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, as_set, parse_set
from pilvi.services.s3.types import (
    DeleteBucketTaggingRequest,
    DeleteObjectTaggingOutput,
    DeleteObjectTaggingRequest,
    GetBucketTaggingOutput,
    GetBucketTaggingRequest,
    GetObjectTaggingOutput,
    GetObjectTaggingRequest,
    PutBucketTaggingRequest,
    PutObjectTaggingOutput,
    PutObjectTaggingRequest,
)


@operation("GetObjectTagging", reads=True, check=on_object("s3:GetObjectTagging"), open=True)
def get_object_tagging(ctx: Context, req: GetObjectTaggingRequest) -> GetObjectTaggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html"""
    bucket = find_bucket(ctx, req)
    found = existing_object(ctx, bucket, req)
    result: GetObjectTaggingOutput = {"TagSet": as_set(found.tags)}
    if bucket.versioning:
        result["VersionId"] = shown_version(found)
    return result


def _put_check(ctx: Context, req: PutObjectTaggingRequest) -> Check:
    bucket, key = find_bucket(ctx, req), req["Key"]
    check_key(key)
    found = named_version(ctx, bucket, req)
    conditions = requested_tags({tag["Key"]: tag["Value"] for tag in req["Tagging"]["TagSet"]})
    conditions |= existing_tags(found) if found else {}
    action = "s3:PutObjectTagging"
    if "VersionId" in req:
        action = of_version(action)
        conditions["s3:VersionId"] = req["VersionId"]
    return object_check(ctx, bucket, key, action, conditions, found)


@operation("PutObjectTagging", check=_put_check, open=True)
def put_object_tagging(ctx: Context, req: PutObjectTaggingRequest) -> PutObjectTaggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html"""
    tags = parse_set(req["Tagging"]["TagSet"], OBJECT_TAGS_MAX)
    return _retag(ctx, req, tags, "ObjectTagging:Put")  # type: ignore[return-value]


@operation("DeleteObjectTagging", check=on_object("s3:DeleteObjectTagging"), open=True)
def delete_object_tagging(ctx: Context, req: DeleteObjectTaggingRequest) -> DeleteObjectTaggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html"""
    return _retag(ctx, req, {}, "ObjectTagging:Delete")  # type: ignore[return-value]


def _retag(ctx: Context, req: Params, tags: dict[str, str], event: str) -> dict[str, str]:
    """Tags change neither the object's time nor its bytes, and make no version."""
    bucket = find_bucket(ctx, req)
    changed = msgspec.structs.replace(existing_object(ctx, bucket, req), tags=tags)
    update(ctx, bucket, changed)
    if bucket.notifies:
        notify(ctx, bucket, event, changed)
    return {"VersionId": shown_version(changed)} if bucket.versioning else {}


@operation("GetBucketTagging", reads=True, check=on_bucket("s3:GetBucketTagging"), open=True)
def get_bucket_tagging(ctx: Context, req: GetBucketTaggingRequest) -> GetBucketTaggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html"""
    bucket = find_bucket(ctx, req)
    row = ctx.tx[BucketTags].get(bucket.id)
    if row is None:
        raise NoSuchTagSet(fields={"BucketName": bucket.name})
    return {"TagSet": as_set(row.tags)}


@operation("PutBucketTagging", check=on_bucket("s3:PutBucketTagging"), open=True, bodiless=True)
def put_bucket_tagging(ctx: Context, req: PutBucketTaggingRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html"""
    bucket = find_bucket(ctx, req)
    ctx.tx[BucketTags].put(BucketTags(bucket.id, parse_set(req["Tagging"]["TagSet"], BUCKET_TAGS_MAX)))


@operation("DeleteBucketTagging", check=on_bucket("s3:PutBucketTagging"), open=True)
def delete_bucket_tagging(ctx: Context, req: DeleteBucketTaggingRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html"""
    ctx.tx[BucketTags].delete(find_bucket(ctx, req).id)
