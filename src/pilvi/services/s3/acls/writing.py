"""Owner and access control list of an object that is being made.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html#object-ownership-overview
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.services.s3.acls import parse
from pilvi.services.s3.acls.canned import canned_of_object
from pilvi.services.s3.acls.checks import account_for
from pilvi.services.s3.acls.rules import full_control, is_public, stored
from pilvi.services.s3.errors import AccessControlListNotSupported
from pilvi.services.s3.records import Bucket, Grant

Params = Mapping[str, Any]

OWNED_BY_BUCKET: tuple[str, tuple[Grant, ...]] = ("", ())
_GIVEN_TO_BUCKET = "bucket-owner-full-control"


def ownership_of(ctx: Context, bucket: Bucket, req: Params) -> tuple[str, tuple[Grant, ...]]:
    """`owner` and `acl` of the object that a request makes.

    Raises:
        AccessControlListNotSupported: the bucket has no lists, and this one says something else than that.
        AccessDenied: the list is public, and the bucket keeps the public out.
        InvalidArgument, InvalidRequest, UnresolvableGrantByEmailAddress: the list cannot be.
    """
    if not bucket.ownership:
        if not parse.MEMBERS.isdisjoint(req):
            check_disabled(ctx, bucket, req)
        return OWNED_BY_BUCKET
    owner = account_for(ctx.caller)
    if ctx.caller.kind == "service" or (bucket.ownership == "preferred" and req.get("ACL") == _GIVEN_TO_BUCKET):
        owner = bucket.account
    grants = parse.given(ctx, req, partial(canned_of_object, owner=owner, bucket_owner=bucket.account))
    if grants is not None:
        check_public(bucket, grants)
    return "" if owner == bucket.account else owner, () if grants is None else stored(grants, owner)


def check_disabled(ctx: Context, bucket: Bucket, req: Params) -> None:
    """In a bucket without lists a request may say only what is so anyway: all is its owner's."""
    if req.get("ACL") == _GIVEN_TO_BUCKET:
        return
    try:
        granted = None if "ACL" in req else parse.given(ctx, req, lambda _: ())
    except CloudError:
        granted = None
    if granted != (full_control(bucket.account),):
        raise AccessControlListNotSupported


def check_public(bucket: Bucket, grants: Sequence[Grant]) -> None:
    """Raises AccessDenied for a public list in a bucket that refuses them."""
    if bucket.public_access is not None and bucket.public_access.block_acls and is_public(grants):
        raise AccessDenied("Access Denied")
