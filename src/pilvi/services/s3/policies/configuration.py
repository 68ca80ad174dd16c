"""Bucket policies, and keeping the public out whatever they say."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.core.operation import Checks, operation
from pilvi.services.s3.access import Params, bucket_check, find_bucket, on_bucket
from pilvi.services.s3.errors import (
    MalformedPolicy,
    MethodNotAllowed,
    NoSuchBucketPolicy,
    NoSuchPublicAccessBlockConfiguration,
)
from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.policies.public import is_public, listed
from pilvi.services.s3.records import Bucket, PublicAccess
from pilvi.services.s3.types import (
    DeleteBucketPolicyRequest,
    DeletePublicAccessBlockRequest,
    GetBucketPolicyOutput,
    GetBucketPolicyRequest,
    GetBucketPolicyStatusOutput,
    GetBucketPolicyStatusRequest,
    GetPublicAccessBlockOutput,
    GetPublicAccessBlockRequest,
    PutBucketPolicyRequest,
    PutPublicAccessBlockRequest,
)

POLICY_BYTES_MAX = 20 * 1024


def _on_policy(action: str) -> Checks:
    """Policies are the business of the bucket's own account, whose root no policy can lock out."""

    def check(ctx: Context, req: Params) -> Check:
        bucket = find_bucket(ctx, req)
        if ctx.caller.kind == "root" and ctx.account == bucket.account:
            return Check(action, bucket_arn(bucket.name), bucket.account)
        return bucket_check(ctx, bucket, action)

    return check


def _own_bucket(ctx: Context, req: Params) -> Bucket:
    bucket = find_bucket(ctx, req)
    if ctx.account != bucket.account:
        raise MethodNotAllowed
    return bucket


@operation("GetBucketPolicy", reads=True, check=_on_policy("s3:GetBucketPolicy"))
def get_bucket_policy(ctx: Context, req: GetBucketPolicyRequest) -> GetBucketPolicyOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicy.html"""
    return {"Policy": _policy_of(_own_bucket(ctx, req))}


def _policy_of(bucket: Bucket) -> str:
    if not bucket.policy:
        raise NoSuchBucketPolicy(fields={"BucketName": bucket.name})
    return bucket.policy


@operation("PutBucketPolicy", check=_on_policy("s3:PutBucketPolicy"))
def put_bucket_policy(ctx: Context, req: PutBucketPolicyRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html"""
    bucket = _own_bucket(ctx, req)
    policy = req["Policy"]
    _check_policy(ctx, bucket, policy)
    public = is_public(policy)
    if public and bucket.public_access is not None and bucket.public_access.block_policy:
        raise AccessDenied(
            f"User: {ctx.caller.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"{bucket_arn(bucket.name)}" because public policies are prevented by the BlockPublicPolicy setting in S3 '
            "Block Public Access."
        )
    ctx.tx[Bucket].put(msgspec.structs.replace(bucket, policy=policy, public=public))


def _check_policy(ctx: Context, bucket: Bucket, policy: str) -> None:
    if len(policy.encode()) > POLICY_BYTES_MAX:
        raise MalformedPolicy("Policy exceeds the maximum allowed document size.")
    try:
        document = msgspec.json.decode(policy)
    except (msgspec.DecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise MalformedPolicy("Policies must be valid JSON and the first byte must be '{'")
    problem = ctx.cloud.policy_problem(policy, resource_policy=True)
    if problem is not None:
        raise MalformedPolicy(problem)
    for statement in _statements(document):
        _check_statement(bucket, statement)


def _statements(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from listed(document.get("Statement", []))


def _check_statement(bucket: Bucket, statement: Mapping[str, Any]) -> None:
    """A bucket's policy speaks of that bucket, its objects, and S3's actions only."""
    for resource in listed(statement.get("Resource", statement.get("NotResource", []))):
        if not _speaks_of(str(resource), bucket.name):
            raise MalformedPolicy("Policy has invalid resource")
    for action in listed(statement.get("Action", statement.get("NotAction", []))):
        if action != "*" and not str(action).lower().startswith("s3:"):
            raise MalformedPolicy("Policy has invalid action")


def _speaks_of(resource: str, name: str) -> bool:
    """Whether a pattern of ARNs can mean the bucket or what is in it: wildcards may stand in the bucket's name too."""
    pattern = resource.removeprefix(bucket_arn("")).partition("/")[0]
    if not resource.startswith(bucket_arn("")):
        return False
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), name) is not None


@operation("DeleteBucketPolicy", check=_on_policy("s3:DeleteBucketPolicy"))
def delete_bucket_policy(ctx: Context, req: DeleteBucketPolicyRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketPolicy.html"""
    bucket = _own_bucket(ctx, req)
    ctx.tx[Bucket].put(msgspec.structs.replace(bucket, policy="", public=False))


@operation("GetBucketPolicyStatus", reads=True, check=on_bucket("s3:GetBucketPolicyStatus"))
def get_bucket_policy_status(ctx: Context, req: GetBucketPolicyStatusRequest) -> GetBucketPolicyStatusOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html"""
    bucket = find_bucket(ctx, req)
    _policy_of(bucket)
    return {"PolicyStatus": {"IsPublic": bucket.public}}


@operation("GetPublicAccessBlock", reads=True, check=on_bucket("s3:GetBucketPublicAccessBlock"))
def get_public_access_block(ctx: Context, req: GetPublicAccessBlockRequest) -> GetPublicAccessBlockOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetPublicAccessBlock.html"""
    bucket = find_bucket(ctx, req)
    access = bucket.public_access
    if access is None:
        raise NoSuchPublicAccessBlockConfiguration(fields={"BucketName": bucket.name})
    return {
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": access.block_acls,
            "IgnorePublicAcls": access.ignore_acls,
            "BlockPublicPolicy": access.block_policy,
            "RestrictPublicBuckets": access.restrict,
        }
    }


@operation("PutPublicAccessBlock", check=on_bucket("s3:PutBucketPublicAccessBlock"))
def put_public_access_block(ctx: Context, req: PutPublicAccessBlockRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html"""
    wanted = req["PublicAccessBlockConfiguration"]
    access = PublicAccess(
        wanted.get("BlockPublicAcls", False),
        wanted.get("IgnorePublicAcls", False),
        wanted.get("BlockPublicPolicy", False),
        wanted.get("RestrictPublicBuckets", False),
    )
    ctx.tx[Bucket].put(msgspec.structs.replace(find_bucket(ctx, req), public_access=access))


@operation("DeletePublicAccessBlock", check=on_bucket("s3:PutBucketPublicAccessBlock"))
def delete_public_access_block(ctx: Context, req: DeletePublicAccessBlockRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeletePublicAccessBlock.html"""
    ctx.tx[Bucket].put(msgspec.structs.replace(find_bucket(ctx, req), public_access=None))
