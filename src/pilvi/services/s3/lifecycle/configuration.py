"""The lifecycle configuration of a bucket: put, shown, removed.

Clients from before there were filters send PutBucketLifecycle to the same address, with rules that have a prefix of their
own: what they put and get is the same document.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.errors import InvalidArgument, InvalidRequest, MalformedXML, S3Error
from pilvi.services.s3.lifecycle.parse import base_level_prefix, parse_rule, show_rule
from pilvi.services.s3.lifecycle.records import Lifecycle, Rule
from pilvi.services.s3.lifecycle.round import begin_rounds
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.types import (
    DeleteBucketLifecycleRequest,
    GetBucketLifecycleConfigurationOutput,
    GetBucketLifecycleConfigurationRequest,
    PutBucketLifecycleConfigurationOutput,
    PutBucketLifecycleConfigurationRequest,
)

RULES_MAX = 1_000
_ALL, _VARIES = "all_storage_classes_128K", "varies_by_storage_class"


class NoSuchLifecycleConfiguration(S3Error):
    code = "NoSuchLifecycleConfiguration"
    status = 404
    text = "The lifecycle configuration does not exist"


@operation("GetBucketLifecycleConfiguration", reads=True, check=on_bucket("s3:GetLifecycleConfiguration"))
def get_bucket_lifecycle_configuration(
    ctx: Context, req: GetBucketLifecycleConfigurationRequest
) -> GetBucketLifecycleConfigurationOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html"""
    bucket = find_bucket(ctx, req)
    row = ctx.tx[Lifecycle].get(bucket.id) if bucket.ages else None
    if row is None:
        raise NoSuchLifecycleConfiguration(fields={"BucketName": bucket.name})
    rules: list[Any] = [show_rule(rule) for rule in row.rules]
    return {
        "Rules": rules,
        "TransitionDefaultMinimumObjectSize": _VARIES if row.small_move else _ALL,
    }


@operation("PutBucketLifecycleConfiguration", check=on_bucket("s3:PutLifecycleConfiguration"))
def put_bucket_lifecycle_configuration(
    ctx: Context, req: PutBucketLifecycleConfigurationRequest
) -> PutBucketLifecycleConfigurationOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html"""
    bucket = find_bucket(ctx, req)
    size = req.get("TransitionDefaultMinimumObjectSize", _ALL)
    if size not in (_ALL, _VARIES):
        raise InvalidRequest(f"Invalid TransitionDefaultMinimumObjectSize found: {size}")
    given = req.get("LifecycleConfiguration", {}).get("Rules", [])
    if not 1 <= len(given) <= RULES_MAX:
        raise MalformedXML
    rules = tuple(parse_rule(rule, ctx.ids.uuid) for rule in given)
    _check_together(rules)
    row = Lifecycle(bucket.id, ctx.tx.next_id("s3_lifecycle"), rules, small_move=size == _VARIES)
    ctx.tx[Lifecycle].put(row)
    if not bucket.ages:
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, ages=True))
    begin_rounds(ctx, bucket, row)
    return {"TransitionDefaultMinimumObjectSize": size}


@operation("DeleteBucketLifecycle", check=on_bucket("s3:PutLifecycleConfiguration"))
def delete_bucket_lifecycle(ctx: Context, req: DeleteBucketLifecycleRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html"""
    bucket = find_bucket(ctx, req)
    if bucket.ages:
        ctx.tx[Lifecycle].delete(bucket.id)
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, ages=False))


def _check_together(rules: Sequence[Rule]) -> None:
    """Raises InvalidArgument or InvalidRequest for rules that cannot stand side by side."""
    if len({rule.id for rule in rules}) < len(rules):
        raise InvalidArgument("Rule ID must be unique. Found same ID for more than one rule")
    old = [rule for rule in rules if rule.form == "old"]
    if not old:
        return
    if len(old) < len(rules):
        if rules[0].form == "old":
            raise InvalidRequest("Filter element can only be used in Lifecycle V2.")
        raise base_level_prefix()
    _check_overlaps(old)


def _check_overlaps(rules: Sequence[Rule]) -> None:
    """Without filters, no object may be meant by two rules for the same action."""
    around: list[Rule] = []  # those whose prefixes the present one begins with
    for rule in sorted(rules, key=lambda rule: rule.prefix or ""):
        prefix = rule.prefix or ""
        around = [other for other in around if prefix.startswith(other.prefix or "")]
        for other in around:
            shared = [action for action in actions(rule) if action in actions(other)]
            if shared:
                raise InvalidRequest(
                    f"Found overlapping prefixes '{other.prefix}' and '{prefix}' for same action type '{shared[0]}'"
                )
        around.append(rule)


def actions(rule: Rule) -> list[str]:
    """S3's names of what a rule does."""
    expires = (rule.expire_days, rule.expire_date_ms, rule.expire_markers) != (None, None, None)
    found = {
        "Expiration": expires,
        "Transition": bool(rule.moves),
        "NoncurrentVersionExpiration": rule.older_days is not None,
        "NoncurrentVersionTransition": bool(rule.older_moves),
        "AbortIncompleteMultipartUpload": rule.abort_days is not None,
    }
    return [action for action, present in found.items() if present]
