"""The notification configuration of a bucket: which changes are told to whom.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import msgspec

from pilvi.core import arn
from pilvi.core.caller import service
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.errors import InvalidArgument, MalformedXML, invalid_argument
from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.notifications.notify import PRINCIPAL
from pilvi.services.s3.notifications.targets import FUNCTION, TARGETS
from pilvi.services.s3.records import Bucket, BucketNotifications, NotificationRule
from pilvi.services.s3.types import (
    FilterRule,
    GetBucketNotificationConfigurationRequest,
    PutBucketNotificationConfigurationRequest,
)
from pilvi.services.s3.types import NotificationConfiguration as Configuration

RULES_MAX = 100
ID_CHARACTERS_MAX = 255
FILTER_CHARACTERS_MAX = 1024


class Kind(msgspec.Struct, frozen=True):
    """A kind of target, in S3's words.

    Attributes:
        configurations, arn: members of a configuration that list its rules, and that names the target.
        argument: how errors call it.
        service, resource: what its ARNs look like.
    """

    name: str
    configurations: str
    arn: str
    argument: str
    service: str
    resource: str = ""


KINDS = (
    Kind(FUNCTION, "LambdaFunctionConfigurations", "LambdaFunctionArn", "CloudFunction", "lambda", "function:"),
    Kind("queue", "QueueConfigurations", "QueueArn", "Queue", "sqs"),
    Kind("topic", "TopicConfigurations", "TopicArn", "Topic", "sns"),
)
_BY_NAME = {kind.name: kind for kind in KINDS}

# What S3 tells of. Restoring, tiering and annotations have events too; as they do not happen here, a rule for them never
# fires.
EVENTS = frozenset(
    {
        "IntelligentTiering", "LifecycleExpiration:*", "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated", "LifecycleTransition", "ObjectAcl:Put", "ObjectAnnotation:*",
        "ObjectAnnotation:Delete", "ObjectAnnotation:Put", "ObjectCreated:*",
        "ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Copy", "ObjectCreated:Post", "ObjectCreated:Put",
        "ObjectRemoved:*", "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectRestore:*",
        "ObjectRestore:Completed", "ObjectRestore:Delete", "ObjectRestore:Post", "ObjectRetention:Put", "ObjectTagging:*",
        "ObjectTagging:Delete", "ObjectTagging:Put", "ReducedRedundancyLostObject", "Replication:*",
        "Replication:OperationFailedReplication", "Replication:OperationMissedThreshold",
        "Replication:OperationNotTracked", "Replication:OperationReplicatedAfterThreshold",
    }
)  # fmt: skip


@operation("GetBucketNotificationConfiguration", reads=True, check=on_bucket("s3:GetBucketNotification"))
def get_bucket_notification_configuration(
    ctx: Context, req: GetBucketNotificationConfigurationRequest
) -> Configuration:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html"""
    row = ctx.tx[BucketNotifications].get(find_bucket(ctx, req).id)
    shown: dict[str, Any] = {}
    for rule in row.rules if row else ():
        kind = _BY_NAME[rule.kind]
        shown.setdefault(kind.configurations, []).append(_shown(kind, rule))
    return shown  # type: ignore[return-value]


def _shown(kind: Kind, rule: NotificationRule) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Id": rule.id,
        kind.arn: rule.target,
        "Events": [f"s3:{event}" for event in rule.events],
    }
    if rule.filters is not None:
        rules: list[FilterRule] = [{"Name": name, "Value": value} for name, value in rule.filters]
        shown["Filter"] = {"Key": {"FilterRules": rules}}
    return shown


@operation("PutBucketNotificationConfiguration", check=on_bucket("s3:PutBucketNotification"))
def put_bucket_notification_configuration(ctx: Context, req: PutBucketNotificationConfigurationRequest) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html"""
    bucket = find_bucket(ctx, req)
    rules = _rules(ctx, req["NotificationConfiguration"])
    _check_overlaps(rules)
    if not req.get("SkipDestinationValidation", False):
        _check_targets(ctx, bucket, rules)
    if rules:
        ctx.tx[BucketNotifications].put(BucketNotifications(bucket.id, rules))
    else:
        ctx.tx[BucketNotifications].delete(bucket.id)
    if bucket.notifies != bool(rules):
        ctx.tx[Bucket].put(msgspec.structs.replace(bucket, notifies=bool(rules)))


# -- what a configuration may say --------------------------------------------------------------------------------------


def _rules(ctx: Context, wanted: Mapping[str, Any]) -> tuple[NotificationRule, ...]:
    given = [(kind, item) for kind in KINDS for item in wanted.get(kind.configurations, ())]
    if len(given) > RULES_MAX:
        raise InvalidArgument(f"The notification configuration cannot have more than {RULES_MAX} configurations.")
    rules = tuple(_rule(ctx, kind, item) for kind, item in given)
    if len({rule.id for rule in rules}) < len(rules):
        raise InvalidArgument("Same ID used for multiple configurations. IDs must be unique")
    for kind, _ in given:
        if kind.name not in TARGETS:
            raise NotBuilt(f"{kind.configurations} of a notification configuration are not built.")
    if "EventBridgeConfiguration" in wanted:
        raise NotBuilt("EventBridgeConfiguration of a notification configuration is not built.")
    return rules


def _rule(ctx: Context, kind: Kind, given: Mapping[str, Any]) -> NotificationRule:
    name = given.get("Id") or ctx.ids.uuid()
    if len(name) > ID_CHARACTERS_MAX:
        raise invalid_argument(f"The ID must not be longer than {ID_CHARACTERS_MAX} characters.", "Id", name)
    if not given.get("Events"):
        raise MalformedXML
    filters = _filters(given)
    values = {kind.lower(): value for kind, value in filters or ()}
    return NotificationRule(
        id=name,
        kind=kind.name,
        target=_target(ctx, kind, given[kind.arn]),
        events=tuple(_event(event) for event in given["Events"]),
        prefix=values.get("prefix", ""),
        suffix=values.get("suffix", ""),
        filters=filters,
    )


def _event(name: str) -> str:
    event = name.removeprefix("s3:")
    if event == name or event not in EVENTS:
        raise invalid_argument("A specified event is not supported for notifications.", "Event", name)
    return event


def _target(ctx: Context, kind: Kind, target: str) -> str:
    try:
        parsed = arn.parse(target)
    except ValueError:
        parsed = None
    if parsed is None or parsed.service != kind.service or not parsed.resource.startswith(kind.resource):
        raise invalid_argument("The ARN could not be parsed", kind.argument, target)
    if parsed.region != ctx.region:
        raise invalid_argument(
            "The notification destination service region is not valid for the bucket location constraint",
            kind.argument,
            target,
        )
    if target.endswith(".fifo"):
        raise invalid_argument(f"FIFO {kind.name}s cannot be told of changes.", kind.argument, target)
    return target


def _filters(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    if "Filter" not in given:
        return None
    rules = given["Filter"].get("Key", {}).get("FilterRules", [])
    filters = tuple((rule.get("Name", ""), rule.get("Value", "")) for rule in rules)
    kinds = [name.lower() for name, _ in filters]
    for kind, (name, value) in zip(kinds, filters, strict=True):
        if kind not in ("prefix", "suffix"):
            raise invalid_argument("filter rule name must be either prefix or suffix", "FilterRule.Name", name)
        if kinds.count(kind) > 1:
            raise invalid_argument(f"Cannot specify more than one {kind} rule in a filter.", "FilterRule.Name", kind)
        if len(value) > FILTER_CHARACTERS_MAX:
            raise invalid_argument("Size of filter rule value cannot exceed 1024 bytes in UTF-8.", kind, value)
    return filters


def _check_overlaps(rules: Sequence[NotificationRule]) -> None:
    """One change is told once: two rules for the same event must differ in which keys they can mean."""
    for one, other in combinations(rules, 2):
        if not _share_event(one, other):
            continue
        prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
        suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
        if prefixes and suffixes:
            raise InvalidArgument(
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes "
                "are overlapping for the same event type."
            )


def _share_event(one: NotificationRule, other: NotificationRule) -> bool:
    return any(_same(left, right) for left in one.events for right in other.events)


def _same(left: str, right: str) -> bool:
    group, other = left.partition(":")[0], right.partition(":")[0]
    return left == right or (group == other and (left.endswith(":*") or right.endswith(":*")))


def _check_targets(ctx: Context, bucket: Bucket, rules: Sequence[NotificationRule]) -> None:
    """S3 must be allowed to tell each target, in the name of this bucket."""
    caller = service(PRINCIPAL, bucket.account, source=bucket_arn(bucket.name))
    refused: dict[str, object] = {}
    for rule in rules:
        why = TARGETS[rule.kind].refusal(ctx, caller, rule)
        if why:
            number = len(refused) // 2 + 1
            refused[f"ArgumentName{number}"] = rule.target
            refused[f"ArgumentValue{number}"] = why
    if refused:
        raise InvalidArgument("Unable to validate the following destination configurations", fields=refused)
