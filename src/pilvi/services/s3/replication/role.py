"""The role that replication acts as: it may what its policies allow, and no more.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
"""

from typing import Any

from pilvi.core.caller import Caller, Check, service
from pilvi.core.context import Context
from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.notify import PRINCIPAL
from pilvi.services.s3.records import Bucket

SESSION = "s3-replication"
SESSION_SECONDS = 3_600


def pass_check(role: str) -> Check:
    """May the caller hand this role to S3?"""
    return Check("iam:PassRole", role, context={"iam:PassedToService": PRINCIPAL})


def acting_as_role(ctx: Context, bucket: Bucket, role: str) -> Context:
    """The same attempt as a session of the role.

    Raises:
        CloudError: the role is gone, or does not trust S3 (with this bucket as aws:SourceArn).
    """
    request = {"RoleArn": role, "RoleSessionName": SESSION, "DurationSeconds": SESSION_SECONDS}
    s3_itself = service(PRINCIPAL, bucket.account, source=bucket_arn(bucket.name))
    answer: dict[str, Any] = ctx.call("sts", "AssumeRole", request, caller=s3_itself)
    user = answer["AssumedRoleUser"]
    expires_ms = ctx.now_ms + SESSION_SECONDS * 1000
    account = role.split(":")[4]
    caller = Caller(
        "role", account, user["Arn"], user["AssumedRoleId"], identity_arn=role, session_expires_ms=expires_ms
    )
    return ctx.acting_as(caller, region=bucket.region)
