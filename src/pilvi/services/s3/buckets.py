"""Buckets: made, found, listed, removed."""

from collections.abc import Iterator

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import Conditions, find_bucket, on_bucket, refuse
from pilvi.services.s3.accesslogs.records import BucketLogging
from pilvi.services.s3.acls.conditions import list_conditions
from pilvi.services.s3.acls.making import Openness, openness, openness_checks
from pilvi.services.s3.acls.writing import check_public
from pilvi.services.s3.conditions import when
from pilvi.services.s3.cors.records import BucketSharing
from pilvi.services.s3.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    TooManyBuckets,
    invalid_argument,
)
from pilvi.services.s3.lifecycle.records import Lifecycle
from pilvi.services.s3.listing.marks import decode_mark, encode_mark
from pilvi.services.s3.multipart.uploads import forget_upload
from pilvi.services.s3.names import bucket_arn, check_bucket_name
from pilvi.services.s3.owners import shown_owner
from pilvi.services.s3.records import Bucket, BucketNotifications, BucketTags, OlderVersion, StoredObject, Upload
from pilvi.services.s3.regions import HOME, region_of
from pilvi.services.s3.replication.records import Replication
from pilvi.services.s3.tagging.tags import BUCKET_TAGS_MAX, parse_set
from pilvi.services.s3.types import Bucket as BucketShape
from pilvi.services.s3.types import (
    CreateBucketOutput,
    CreateBucketRequest,
    DeleteBucketRequest,
    GetBucketLocationOutput,
    GetBucketLocationRequest,
    HeadBucketOutput,
    HeadBucketRequest,
    ListBucketsOutput,
    ListBucketsRequest,
)
from pilvi.services.s3.website.records import BucketWebsite

BUCKETS_MAX = 10_000
"""AWS's default quota of general purpose buckets in an account, and the longest page of ListBuckets."""

_UNBUILT = frozenset({"BucketNamespace"})


def _create_check(ctx: Context, req: CreateBucketRequest) -> list[Check]:
    check_bucket_name(req["Bucket"])
    conditions: Conditions = {}
    constraint = req.get("CreateBucketConfiguration", {}).get("LocationConstraint")
    if constraint:
        conditions["s3:LocationConstraint"] = constraint
    conditions |= list_conditions(req)
    if "ObjectOwnership" in req:
        conditions["s3:x-amz-object-ownership"] = req["ObjectOwnership"]
    checks = [Check("s3:CreateBucket", bucket_arn(req["Bucket"]), context=conditions), *openness_checks(req)]
    if req.get("ObjectLockEnabledForBucket", False):
        also = ("s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning")
        checks += [Check(action, bucket_arn(req["Bucket"])) for action in also]
    return checks


@operation("CreateBucket", check=_create_check)
def create_bucket(ctx: Context, req: CreateBucketRequest) -> CreateBucketOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""
    name, configuration = req["Bucket"], req.get("CreateBucketConfiguration", {})
    refuse(req, _UNBUILT)
    to_others = openness(ctx, req)
    region = region_of(configuration.get("LocationConstraint"), ctx.region)
    tags = parse_set(configuration.get("Tags", []), BUCKET_TAGS_MAX)
    present = ctx.tx[Bucket].get(name)
    if present is None:
        _make(ctx, name, region, tags, to_others, locks=req.get("ObjectLockEnabledForBucket", False))
    elif present.account != ctx.account:
        raise BucketAlreadyExists(fields={"BucketName": name})
    elif not ctx.region == present.region == region == HOME:  # there, its owner may make it again
        raise BucketAlreadyOwnedByYou(fields={"BucketName": name})
    else:
        _reset_list(ctx, present, to_others)
    return {"Location": f"/{name}", "BucketArn": bucket_arn(name)}


def _make(ctx: Context, name: str, region: str, tags: dict[str, str], to_others: Openness, *, locks: bool) -> None:
    """What can be locked has versions."""
    buckets = ctx.tx[Bucket]
    if buckets.count(ctx.account, index="account") >= BUCKETS_MAX:
        raise TooManyBuckets
    made = Bucket(
        name,
        ctx.account,
        ctx.tx.next_id("s3_bucket"),
        region,
        ctx.now_ms,
        ownership=to_others.ownership,
        acl=to_others.acl,
        public_access=to_others.public_access,
        versioning="enabled" if locks else "",
        locks=locks,
    )
    buckets.put(made)
    if tags:
        ctx.tx[BucketTags].put(BucketTags(made.id, tags))


def _reset_list(ctx: Context, bucket: Bucket, to_others: Openness) -> None:
    """A bucket that its owner makes again stays as it is, but for its access control list."""
    acl = to_others.acl if bucket.ownership else bucket.acl
    check_public(bucket, acl)
    if acl != bucket.acl:
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, acl=acl))


@operation("HeadBucket", reads=True, check=on_bucket("s3:ListBucket"), open=True)
def head_bucket(ctx: Context, req: HeadBucketRequest) -> HeadBucketOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html"""
    bucket = find_bucket(ctx, req)
    return {"BucketRegion": bucket.region, "BucketArn": bucket_arn(bucket.name)}


@operation("DeleteBucket", check=on_bucket("s3:DeleteBucket"), open=True)
def delete_bucket(ctx: Context, req: DeleteBucketRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html"""
    bucket = find_bucket(ctx, req)
    if next(ctx.tx[StoredObject].scan(bucket.id, limit=1), None) is not None:
        raise BucketNotEmpty(fields={"BucketName": bucket.name})
    if bucket.versioning and next(ctx.tx[OlderVersion].scan(bucket.id, limit=1), None) is not None:
        raise BucketNotEmpty(fields={"BucketName": bucket.name})
    for upload in list(ctx.tx[Upload].scan(bucket.id)):  # uploads in progress are no content
        forget_upload(ctx, upload)
    ctx.tx[BucketTags].delete(bucket.id)
    ctx.tx[BucketNotifications].delete(bucket.id)
    ctx.tx[BucketLogging].delete(bucket.id)
    ctx.tx[Replication].delete(bucket.id)
    if bucket.shares:
        ctx.tx[BucketSharing].delete(bucket.id)
    if bucket.website:
        ctx.tx[BucketWebsite].delete(bucket.id)
    if bucket.ages:
        ctx.tx[Lifecycle].delete(bucket.id)
    ctx.tx[Bucket].delete(bucket.name)


@operation("GetBucketLocation", reads=True, check=on_bucket("s3:GetBucketLocation", any_region=True), open=True)
def get_bucket_location(ctx: Context, req: GetBucketLocationRequest) -> GetBucketLocationOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html"""
    bucket = find_bucket(ctx, req, any_region=True)
    return {} if bucket.region == HOME else {"LocationConstraint": bucket.region}


def _list_check(ctx: Context, req: ListBucketsRequest) -> Check:
    return Check("s3:ListAllMyBuckets")


@operation("ListBuckets", reads=True, check=_list_check)
def list_buckets(ctx: Context, req: ListBucketsRequest) -> ListBucketsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html"""
    most = req.get("MaxBuckets", BUCKETS_MAX)
    if not 1 <= most <= BUCKETS_MAX:
        raise invalid_argument("MaxBuckets must be between 1 and 10000", "max-buckets", most)
    prefix, region = req.get("Prefix", ""), req.get("BucketRegion", "")
    found: list[Bucket] = []
    result: ListBucketsOutput = {"Owner": shown_owner(ctx, ctx.account)}
    for bucket in _owned(ctx, decode_mark(req["ContinuationToken"]) if "ContinuationToken" in req else ""):
        if not bucket.name.startswith(prefix) or (region and bucket.region != region):
            continue
        if len(found) == most:
            result["ContinuationToken"] = encode_mark(found[-1].name)
            break
        found.append(bucket)
    detailed = not req.keys().isdisjoint({"MaxBuckets", "Prefix", "BucketRegion", "ContinuationToken"})
    result["Buckets"] = [_shown(bucket, detailed=detailed) for bucket in found]
    if "Prefix" in req:
        result["Prefix"] = prefix
    return result


def _owned(ctx: Context, after: str) -> Iterator[Bucket]:
    return ctx.tx[Bucket].scan(ctx.account, index="account", after=after or None)


def _shown(bucket: Bucket, *, detailed: bool) -> BucketShape:
    shown: BucketShape = {"Name": bucket.name, "CreationDate": when(bucket.created_ms)}
    if detailed:
        shown["BucketRegion"] = bucket.region
    return shown
