"""The tags of objects and buckets, read and written."""

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import (
    check_version,
    existing_object,
    existing_tags,
    find_bucket,
    missing,
    object_check,
    of_version,
    on_bucket,
    on_object,
    requested_tags,
)
from pilvi.services.s3.errors import NoSuchTagSet
from pilvi.services.s3.names import check_key
from pilvi.services.s3.notify import notify
from pilvi.services.s3.records import Bucket, BucketTags, StoredObject
from pilvi.services.s3.tags import BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, as_set, parse_set
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
    return {"TagSet": as_set(existing_object(ctx, find_bucket(ctx, req), req).tags)}


def _put_check(ctx: Context, req: PutObjectTaggingRequest) -> Check:
    bucket, key = find_bucket(ctx, req), req["Key"]
    check_key(key)
    found = ctx.tx[StoredObject].get(bucket.id, key)
    conditions = requested_tags({tag["Key"]: tag["Value"] for tag in req["Tagging"]["TagSet"]})
    conditions |= existing_tags(found) if found else {}
    action = "s3:PutObjectTagging"
    return object_check(ctx, bucket, key, of_version(action) if "VersionId" in req else action, conditions)


@operation("PutObjectTagging", check=_put_check, open=True)
def put_object_tagging(ctx: Context, req: PutObjectTaggingRequest) -> PutObjectTaggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html"""
    tags = parse_set(req["Tagging"]["TagSet"], OBJECT_TAGS_MAX)
    check_version(req)
    _retag(ctx, find_bucket(ctx, req), req["Key"], tags, "ObjectTagging:Put")
    return {}


@operation("DeleteObjectTagging", check=on_object("s3:DeleteObjectTagging"), open=True)
def delete_object_tagging(ctx: Context, req: DeleteObjectTaggingRequest) -> DeleteObjectTaggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjectTagging.html"""
    check_version(req)
    _retag(ctx, find_bucket(ctx, req), req["Key"], {}, "ObjectTagging:Delete")
    return {}


def _retag(ctx: Context, bucket: Bucket, key: str, tags: dict[str, str], event: str) -> None:
    """Tags change neither the object's time nor its bytes."""
    objects = ctx.tx[StoredObject]
    found = objects.get(bucket.id, key)
    if found is None:
        raise missing(ctx, bucket, key)
    changed = msgspec.structs.replace(found, tags=tags)
    objects.put(changed)
    if bucket.notifies:
        notify(ctx, bucket, event, changed)


@operation("GetBucketTagging", reads=True, check=on_bucket("s3:GetBucketTagging"), open=True)
def get_bucket_tagging(ctx: Context, req: GetBucketTaggingRequest) -> GetBucketTaggingOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html"""
    bucket = find_bucket(ctx, req)
    row = ctx.tx[BucketTags].get(bucket.id)
    if row is None:
        raise NoSuchTagSet(fields={"BucketName": bucket.name})
    return {"TagSet": as_set(row.tags)}


@operation("PutBucketTagging", check=on_bucket("s3:PutBucketTagging"), open=True)
def put_bucket_tagging(ctx: Context, req: PutBucketTaggingRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html"""
    bucket = find_bucket(ctx, req)
    ctx.tx[BucketTags].put(BucketTags(bucket.id, parse_set(req["Tagging"]["TagSet"], BUCKET_TAGS_MAX)))


@operation("DeleteBucketTagging", check=on_bucket("s3:PutBucketTagging"), open=True)
def delete_bucket_tagging(ctx: Context, req: DeleteBucketTaggingRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html"""
    ctx.tx[BucketTags].delete(find_bucket(ctx, req).id)
