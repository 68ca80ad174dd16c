"""What a new bucket is to others: object ownership, access control list, and what it refuses to the public.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.services.s3.acls import parse
from pilvi.services.s3.acls.canned import canned_of_bucket
from pilvi.services.s3.acls.ownership import UNSET, WORDS
from pilvi.services.s3.acls.rules import is_public, reaches_others, stored
from pilvi.services.s3.errors import InvalidBucketAclWithObjectOwnership, S3Error, invalid_argument
from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.owners import is_classic
from pilvi.services.s3.records import Grant, PublicAccess

Params = Mapping[str, Any]


class InvalidBucketAclWithBlockPublicAccessError(S3Error):
    code = "InvalidBucketAclWithBlockPublicAccessError"
    text = "Bucket cannot have public ACLs set with BlockPublicAccess enabled"


class Openness(msgspec.Struct, frozen=True):
    """The fields of a Bucket that say what it is to others."""

    ownership: str
    acl: tuple[Grant, ...]
    public_access: PublicAccess | None


def openness(ctx: Context, req: Params) -> Openness:
    """What a CreateBucket request asks for.

    Raises:
        InvalidBucketAclWithObjectOwnership: grants to others, in a bucket whose owner owns everything.
        InvalidBucketAclWithBlockPublicAccessError: grants to the public, whom new buckets refuse.
        InvalidArgument, InvalidRequest, UnresolvableGrantByEmailAddress: ownership or list cannot be.
    """
    classic = is_classic(ctx)
    ownership = UNSET if classic else ""
    if "ObjectOwnership" in req:
        if req["ObjectOwnership"] not in WORDS:
            raise invalid_argument(
                "Invalid x-amz-object-ownership header", "x-amz-object-ownership", req["ObjectOwnership"]
            )
        ownership = WORDS[req["ObjectOwnership"]]
    grants = parse.given(ctx, req, partial(canned_of_bucket, owner=ctx.account))
    if grants is not None:
        if not ownership and reaches_others(grants, ctx.account):
            raise InvalidBucketAclWithObjectOwnership
        if not classic and is_public(grants):
            raise InvalidBucketAclWithBlockPublicAccessError
    acl = stored(grants, ctx.account) if grants is not None and ownership else ()
    return Openness(ownership, acl, None if classic else PublicAccess())


def openness_checks(req: Params) -> list[Check]:
    """What must be allowed besides s3:CreateBucket."""
    arn = bucket_arn(req["Bucket"])
    checks = []
    if not parse.MEMBERS.isdisjoint(req):
        checks.append(Check("s3:PutBucketAcl", arn))
    if "ObjectOwnership" in req:
        checks.append(Check("s3:PutBucketOwnershipControls", arn))
    return checks
