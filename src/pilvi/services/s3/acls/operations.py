"""Reading and replacing the access control lists of buckets and objects."""

from functools import partial

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import (
    Params,
    bucket_check,
    existing_object,
    find_bucket,
    on_bucket,
    on_object,
)
from pilvi.services.s3.acls import parse
from pilvi.services.s3.acls.canned import canned_of_bucket, canned_of_object
from pilvi.services.s3.acls.checks import owner_of
from pilvi.services.s3.acls.conditions import list_conditions
from pilvi.services.s3.acls.rules import full_control, stored
from pilvi.services.s3.acls.shown import grant_shapes
from pilvi.services.s3.acls.writing import check_public
from pilvi.services.s3.errors import AccessControlListNotSupported
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.objects import update
from pilvi.services.s3.owners import shown_owner
from pilvi.services.s3.records import Bucket, Grant
from pilvi.services.s3.types import (
    GetBucketAclOutput,
    GetBucketAclRequest,
    GetObjectAclOutput,
    GetObjectAclRequest,
    PutBucketAclRequest,
    PutObjectAclOutput,
    PutObjectAclRequest,
)


@operation("GetBucketAcl", reads=True, check=on_bucket("s3:GetBucketAcl"), open=True)
def get_bucket_acl(ctx: Context, req: GetBucketAclRequest) -> GetBucketAclOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html"""
    bucket = find_bucket(ctx, req)
    grants = bucket.acl if bucket.ownership else ()
    return {"Owner": shown_owner(ctx, bucket.account), "Grants": grant_shapes(ctx, grants, bucket.account)}


@operation("GetObjectAcl", reads=True, check=on_object("s3:GetObjectAcl"), open=True)
def get_object_acl(ctx: Context, req: GetObjectAclRequest) -> GetObjectAclOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html"""
    bucket = find_bucket(ctx, req)
    found = existing_object(ctx, bucket, req)
    owner, grants = owner_of(bucket, found), found.acl if bucket.ownership else ()
    return {"Owner": shown_owner(ctx, owner), "Grants": grant_shapes(ctx, grants, owner)}


def _put_bucket_check(ctx: Context, req: PutBucketAclRequest) -> Check:
    return bucket_check(ctx, find_bucket(ctx, req), "s3:PutBucketAcl", list_conditions(req))


@operation("PutBucketAcl", check=_put_bucket_check, open=True, bodiless=True)
def put_bucket_acl(ctx: Context, req: PutBucketAclRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html"""
    bucket = find_bucket(ctx, req)
    grants = parse.replaced(ctx, req, bucket.account, partial(canned_of_bucket, owner=bucket.account))
    if not bucket.ownership:
        _check_unchanged(bucket, req, grants)
        return
    check_public(bucket, grants)
    ctx.tx[Bucket].put(msgspec.structs.replace(bucket, acl=stored(grants, bucket.account)))


@operation("PutObjectAcl", check=on_object("s3:PutObjectAcl", list_conditions), open=True, bodiless=True)
def put_object_acl(ctx: Context, req: PutObjectAclRequest) -> PutObjectAclOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html"""
    bucket = find_bucket(ctx, req)
    found = existing_object(ctx, bucket, req)
    owner = owner_of(bucket, found)
    grants = parse.replaced(ctx, req, owner, partial(canned_of_object, owner=owner, bucket_owner=bucket.account))
    if not bucket.ownership:
        _check_unchanged(bucket, req, grants)
        return {}
    check_public(bucket, grants)
    changed = msgspec.structs.replace(found, acl=stored(grants, owner))
    update(ctx, bucket, changed)
    if bucket.notifies:
        notify(ctx, bucket, "ObjectAcl:Put", changed)
    return {}


def _check_unchanged(bucket: Bucket, req: Params, grants: tuple[Grant, ...]) -> None:
    """Lists that do not count cannot be replaced, but by one that says just that."""
    if req.get("ACL", "bucket-owner-full-control") != "bucket-owner-full-control":
        raise AccessControlListNotSupported
    if grants != (full_control(bucket.account),):
        raise AccessControlListNotSupported
