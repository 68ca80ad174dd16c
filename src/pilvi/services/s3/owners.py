"""Who owns what: the bucket's account owns everything in it (BucketOwnerEnforced), so ACLs say one thing only."""

from typing import Any

from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3.access import Params, check_version, existing_object, find_bucket, on_bucket, on_object
from pilvi.services.s3.attributes import check_acl
from pilvi.services.s3.errors import AccessControlListNotSupported, MalformedXML
from pilvi.services.s3.names import owner_id
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.types import (
    GetBucketAclOutput,
    GetBucketAclRequest,
    GetBucketOwnershipControlsOutput,
    GetBucketOwnershipControlsRequest,
    GetObjectAclOutput,
    GetObjectAclRequest,
    Grant,
    Owner,
    PutBucketAclRequest,
    PutBucketOwnershipControlsRequest,
    PutObjectAclOutput,
    PutObjectAclRequest,
)

ENFORCED = "BucketOwnerEnforced"


@operation("GetBucketAcl", reads=True, check=on_bucket("s3:GetBucketAcl"), open=True)
def get_bucket_acl(ctx: Context, req: GetBucketAclRequest) -> GetBucketAclOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAcl.html"""
    bucket = find_bucket(ctx, req)
    return {"Owner": _owner(bucket), "Grants": _grants(bucket)}


@operation("GetObjectAcl", reads=True, check=on_object("s3:GetObjectAcl"), open=True)
def get_object_acl(ctx: Context, req: GetObjectAclRequest) -> GetObjectAclOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAcl.html"""
    bucket = find_bucket(ctx, req)
    existing_object(ctx, bucket, req)
    return {"Owner": _owner(bucket), "Grants": _grants(bucket)}


def _owner(bucket: Bucket) -> Owner:
    return {"ID": owner_id(bucket.account)}


def _grants(bucket: Bucket) -> list[Grant]:
    return [
        {"Grantee": {"ID": owner_id(bucket.account), "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"},
    ]


@operation("PutBucketAcl", check=on_bucket("s3:PutBucketAcl"), open=True)
def put_bucket_acl(ctx: Context, req: PutBucketAclRequest) -> None:
    """Accepts the one ACL that a bucket has here anyway.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html
    """
    _check_acl(find_bucket(ctx, req), req)


@operation("PutObjectAcl", check=on_object("s3:PutObjectAcl"), open=True)
def put_object_acl(ctx: Context, req: PutObjectAclRequest) -> PutObjectAclOutput:
    """Accepts the one ACL that an object has here anyway.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html
    """
    bucket = find_bucket(ctx, req)
    check_version(req)
    existing_object(ctx, bucket, req)
    _check_acl(bucket, req)
    return {}


def _check_acl(bucket: Bucket, req: Params) -> None:
    check_acl(req)
    if "ACL" in req:
        return
    if "AccessControlPolicy" not in req:
        raise MalformedXML
    policy: dict[str, Any] = req["AccessControlPolicy"]
    granted = [(grant.get("Grantee", {}).get("ID"), grant.get("Permission")) for grant in policy.get("Grants", [])]
    if granted != [(owner_id(bucket.account), "FULL_CONTROL")]:
        raise AccessControlListNotSupported


@operation("GetBucketOwnershipControls", reads=True, check=on_bucket("s3:GetBucketOwnershipControls"))
def get_bucket_ownership_controls(
    ctx: Context, req: GetBucketOwnershipControlsRequest
) -> GetBucketOwnershipControlsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketOwnershipControls.html"""
    find_bucket(ctx, req)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": ENFORCED}]}}


@operation("PutBucketOwnershipControls", check=on_bucket("s3:PutBucketOwnershipControls"))
def put_bucket_ownership_controls(ctx: Context, req: PutBucketOwnershipControlsRequest) -> None:
    """Accepts the one ownership that is built.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html
    """
    find_bucket(ctx, req)
    wanted = [rule["ObjectOwnership"] for rule in req["OwnershipControls"]["Rules"]]
    if len(wanted) != 1 or wanted[0] not in (ENFORCED, "BucketOwnerPreferred", "ObjectWriter"):
        raise MalformedXML
    if wanted != [ENFORCED]:
        raise NotBuilt(f"The object ownership {wanted[0]} is not built.")
