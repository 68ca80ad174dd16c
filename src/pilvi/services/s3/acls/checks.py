"""The questions about buckets whose access control lists count.

An object that belongs to another account than its bucket is that account's: its own policies and the object's list say
who may read it, and the bucket's policy can only refuse. Making, replacing and deleting objects stays the bucket's.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-auth-workflow-object-operation.html
"""

from collections.abc import Mapping

from pilvi.core.accounts import ANONYMOUS
from pilvi.core.caller import Caller, Check
from pilvi.core.context import Context
from pilvi.services.s3.acls.rules import BUCKET_ACTIONS, OBJECT_ACTIONS, OF_OBJECT_OWNER, gives
from pilvi.services.s3.names import bucket_arn, object_arn
from pilvi.services.s3.records import Bucket, StoredObject, Upload

ABOUT_OBJECTS = OF_OBJECT_OWNER | {"s3:DeleteObject"}
"""Actions for which it matters whose the object is."""

Conditions = Mapping[str, str | list[str]]


def account_for(caller: Caller) -> str:
    """The account that owns what the caller writes."""
    return ANONYMOUS if caller.kind == "anonymous" else caller.account


def owner_of(bucket: Bucket, found: StoredObject | Upload) -> str:
    """The account that owns an object, or will own what is being uploaded."""
    return found.owner if bucket.ownership and found.owner else bucket.account


def bucket_check(ctx: Context, bucket: Bucket, action: str, conditions: Conditions) -> Check:
    kept_out = _is_kept_out(ctx.caller, bucket)
    permission = BUCKET_ACTIONS.get(action, "")
    granted = bool(permission) and not kept_out and _bucket_gives(ctx, bucket, permission)
    policy = bucket.policy or None
    return Check(action, bucket_arn(bucket.name), bucket.account, policy, conditions, granted, kept_out)


def object_check(
    ctx: Context, bucket: Bucket, key: str, action: str, conditions: Conditions, found: StoredObject | None
) -> Check:
    kept_out = _is_kept_out(ctx.caller, bucket)
    owner = owner_of(bucket, found) if found is not None and action in OF_OBJECT_OWNER else bucket.account
    granted = not kept_out and _object_gives(ctx, bucket, found, action)
    only_denies = kept_out or owner != bucket.account
    policy = bucket.policy or None
    return Check(action, object_arn(bucket.name, key), owner, policy, conditions, granted, only_denies)


def new_object_check(ctx: Context, bucket: Bucket, key: str, action: str, conditions: Conditions) -> Check:
    """What is done to an object together with making it. Its list is for the one to say who will own it."""
    owner = account_for(ctx.caller) if action in OF_OBJECT_OWNER else bucket.account
    if not bucket.ownership or owner == bucket.account or ctx.caller.kind == "service":
        policy, kept_out = bucket.policy or None, _is_kept_out(ctx.caller, bucket)
        return Check(action, object_arn(bucket.name, key), bucket.account, policy, conditions, False, kept_out)
    granted = ctx.caller.kind == "anonymous"  # who has no policies that could allow it
    return Check(action, object_arn(bucket.name, key), owner, bucket.policy or None, conditions, granted, True)


def upload_check(ctx: Context, bucket: Bucket, key: str, action: str, *, own: bool) -> Check:
    """What is done to an upload in parts. `own`: by the one who began it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
    """
    kept_out = _is_kept_out(ctx.caller, bucket)
    policy, granted = bucket.policy or None, own and not kept_out
    return Check(action, object_arn(bucket.name, key), bucket.account, policy, {}, granted, kept_out)


def _is_kept_out(caller: Caller, bucket: Bucket) -> bool:
    """Whether the caller is a stranger to a bucket with a public policy that keeps strangers out."""
    restricted = bucket.public and bucket.public_access is not None and bucket.public_access.restrict
    return restricted and caller.account != bucket.account and caller.kind != "service"


def _public_counts(bucket: Bucket) -> bool:
    return bucket.public_access is None or not bucket.public_access.ignore_acls


def _bucket_gives(ctx: Context, bucket: Bucket, permission: str) -> bool:
    return gives(bucket.acl, permission, ctx.caller, bucket.account, public=_public_counts(bucket))


def _object_gives(ctx: Context, bucket: Bucket, found: StoredObject | None, action: str) -> bool:
    if action in OBJECT_ACTIONS:
        if found is None:  # who may list the bucket may be told that there is none
            return action.startswith("s3:Get") and _bucket_gives(ctx, bucket, "read")
        permission, owner = OBJECT_ACTIONS[action], owner_of(bucket, found)
        return gives(found.acl, permission, ctx.caller, owner, public=_public_counts(bucket))
    if action == "s3:DeleteObject":  # of what is one's own
        own = found is None or owner_of(bucket, found) == account_for(ctx.caller)
        return own and _bucket_gives(ctx, bucket, "write")
    return action in BUCKET_ACTIONS and _bucket_gives(ctx, bucket, BUCKET_ACTIONS[action])
