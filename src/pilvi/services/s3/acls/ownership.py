"""Object ownership: whether lists count in a bucket, and whose new objects are."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.acls.rules import reaches_others
from pilvi.services.s3.errors import InvalidBucketAclWithObjectOwnership, MalformedXML, S3Error
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.types import (
    DeleteBucketOwnershipControlsRequest,
    GetBucketOwnershipControlsOutput,
    GetBucketOwnershipControlsRequest,
    PutBucketOwnershipControlsRequest,
)

WORDS = {"BucketOwnerEnforced": "", "BucketOwnerPreferred": "preferred", "ObjectWriter": "writer"}
UNSET = "unset"
"""The setting was deleted: as "writer", with nothing to show."""
_NAMES = {word: name for name, word in WORDS.items()}


class OwnershipControlsNotFoundError(S3Error):
    code = "OwnershipControlsNotFoundError"
    status = 404
    text = "The bucket ownership controls were not found"


@operation("GetBucketOwnershipControls", reads=True, check=on_bucket("s3:GetBucketOwnershipControls"))
def get_bucket_ownership_controls(
    ctx: Context, req: GetBucketOwnershipControlsRequest
) -> GetBucketOwnershipControlsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html"""
    bucket = find_bucket(ctx, req)
    if bucket.ownership == UNSET:
        raise OwnershipControlsNotFoundError(fields={"BucketName": bucket.name})
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": _NAMES[bucket.ownership]}]}}


@operation("PutBucketOwnershipControls", check=on_bucket("s3:PutBucketOwnershipControls"))
def put_bucket_ownership_controls(ctx: Context, req: PutBucketOwnershipControlsRequest) -> None:
    """Owners and lists that objects have stay stored where they stop to count, and count again when they may.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html
    """
    bucket = find_bucket(ctx, req)
    wanted = [rule["ObjectOwnership"] for rule in req["OwnershipControls"]["Rules"]]
    if len(wanted) != 1 or wanted[0] not in WORDS:
        raise MalformedXML
    ownership = WORDS[wanted[0]]
    if not ownership and reaches_others(bucket.acl, bucket.account):
        raise InvalidBucketAclWithObjectOwnership
    ctx.tx[Bucket].put(msgspec.structs.replace(bucket, ownership=ownership))


@operation("DeleteBucketOwnershipControls", check=on_bucket("s3:PutBucketOwnershipControls"))
def delete_bucket_ownership_controls(ctx: Context, req: DeleteBucketOwnershipControlsRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketOwnershipControls.html"""
    ctx.tx[Bucket].put(msgspec.structs.replace(find_bucket(ctx, req), ownership=UNSET))
