"""The replication configuration of a bucket: put, shown, removed."""

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import CloudError
from pilvi.core.operation import operation
from pilvi.services.s3.access import bucket_check, find_bucket, on_bucket, refuse
from pilvi.services.s3.errors import InvalidRequest, S3Error
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.replication.parse import parse_role, parse_rules, problem_with_bucket
from pilvi.services.s3.replication.records import Replication, Rule
from pilvi.services.s3.replication.replica import find_destination
from pilvi.services.s3.replication.role import acting_as_role, pass_check
from pilvi.services.s3.replication.shown import shown
from pilvi.services.s3.types import (
    DeleteBucketReplicationRequest,
    GetBucketReplicationOutput,
    GetBucketReplicationRequest,
    PutBucketReplicationRequest,
)


class ReplicationConfigurationNotFoundError(S3Error):
    code = "ReplicationConfigurationNotFoundError"
    status = 404
    text = "The replication configuration was not found"


@operation("GetBucketReplication", reads=True, check=on_bucket("s3:GetReplicationConfiguration"))
def get_bucket_replication(ctx: Context, req: GetBucketReplicationRequest) -> GetBucketReplicationOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketReplication.html"""
    bucket = find_bucket(ctx, req)
    found = ctx.tx[Replication].get(bucket.id) if bucket.replicates else None
    if found is None:
        raise ReplicationConfigurationNotFoundError(fields={"BucketName": bucket.name})
    return {"ReplicationConfiguration": shown(found)}  # type: ignore[typeddict-item]


def _put_check(ctx: Context, req: PutBucketReplicationRequest) -> list[Check]:
    bucket = find_bucket(ctx, req)
    role = req["ReplicationConfiguration"]["Role"]
    return [bucket_check(ctx, bucket, "s3:PutReplicationConfiguration"), pass_check(role)]


@operation("PutBucketReplication", check=_put_check)
def put_bucket_replication(ctx: Context, req: PutBucketReplicationRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html

    Raises:
        InvalidRequest: a bucket has no versions, a destination is not there, the role does not trust S3, ...
    """
    refuse(req, frozenset({"Token"}))
    bucket, wanted = find_bucket(ctx, req), req["ReplicationConfiguration"]
    role = parse_role(wanted["Role"], bucket.account)
    rules = parse_rules(wanted["Rules"], ctx.ids.uuid)
    if bucket.versioning != "enabled":
        raise InvalidRequest("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
    for rule in rules:
        _check_destination(ctx, bucket, rule)
    try:
        acting_as_role(ctx, bucket, role)
    except CloudError as error:
        if error.fault == "server":
            raise
        raise InvalidRequest("The role cannot be assumed by Amazon S3.") from None
    ctx.tx[Replication].put(Replication(bucket.id, role, rules))
    if not bucket.replicates:
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, replicates=True))


def _check_destination(ctx: Context, bucket: Bucket, rule: Rule) -> None:
    try:
        destination = find_destination(ctx, rule)
    except CloudError as error:
        raise problem_with_bucket(error) from None
    if destination.id == bucket.id:
        raise InvalidRequest("Destination bucket cannot be the same as the source bucket.")
    if bucket.locks and not destination.locks:
        raise InvalidRequest("Destination bucket must have Object Lock enabled.")


@operation("DeleteBucketReplication", check=on_bucket("s3:PutReplicationConfiguration"))
def delete_bucket_replication(ctx: Context, req: DeleteBucketReplicationRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketReplication.html"""
    bucket = find_bucket(ctx, req)
    ctx.tx[Replication].delete(bucket.id)
    if bucket.replicates:
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, replicates=False))
