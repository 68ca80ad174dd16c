"""The role that replication acts as: it may what its policies allow, and no more.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
"""

from typing import Any

from pilvi.core.caller import Caller, Check, service
from pilvi.core.context import Context
from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.notifications.notify import PRINCIPAL
from pilvi.services.s3.records import Bucket

SESSION = "s3-replication"
SESSION_SECONDS = 3_600
KEPT_MS = 300_000
SESSIONS_MAX = 1_000
ARN_PARTS = 6


def pass_check(role: str) -> Check:
    """May the caller hand this role to S3? Only who is of the role's own account can be allowed to."""
    parts = role.split(":")
    owner = parts[4] if len(parts) == ARN_PARTS else ""
    return Check("iam:PassRole", role, owner, context={"iam:PassedToService": PRINCIPAL})


def acting_as_role(ctx: Context, bucket: Bucket, role: str) -> Context:
    """The same attempt as a session of the role, in the bucket's region.

    Raises:
        CloudError: the role is gone, or does not trust S3 (with this bucket as aws:SourceArn).
    """
    return ctx.acting_as(_session(ctx, bucket, role), region=bucket.region)


class Sessions:
    """Sessions of the roles that replicate, kept for a while: assuming a role costs more than a replica.

    Belongs to the one thread that runs writing transactions.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[Caller, int]] = {}

    def acting(self, ctx: Context, bucket: Bucket, role: str) -> Context:
        """See `acting_as_role`."""
        caller, until_ms = self._known.get((bucket.id, role), (None, 0))
        if caller is None or not until_ms - KEPT_MS <= ctx.now_ms < until_ms:
            if len(self._known) >= SESSIONS_MAX:
                self._known.clear()
            caller = _session(ctx, bucket, role)
            self._known[bucket.id, role] = (caller, ctx.now_ms + KEPT_MS)
        return ctx.acting_as(caller, region=bucket.region)

    def forget(self, bucket: Bucket, role: str) -> None:
        """Something went wrong: perhaps the role is not what it was."""
        self._known.pop((bucket.id, role), None)


def _session(ctx: Context, bucket: Bucket, role: str) -> Caller:
    request = {"RoleArn": role, "RoleSessionName": SESSION, "DurationSeconds": SESSION_SECONDS}
    s3_itself = service(PRINCIPAL, bucket.account, source=bucket_arn(bucket.name))
    answer: dict[str, Any] = ctx.call("sts", "AssumeRole", request, caller=s3_itself)
    user = answer["AssumedRoleUser"]
    expires_ms = ctx.now_ms + SESSION_SECONDS * 1000
    account = role.split(":")[4]
    return Caller("role", account, user["Arn"], user["AssumedRoleId"], identity_arn=role, session_expires_ms=expires_ms)
