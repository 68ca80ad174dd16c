"""Log groups, their retention and tags."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import Checks, operation
from pilvi.services.logs import limits, sweep, tokens
from pilvi.services.logs.errors import InvalidParameter, ResourceAlreadyExists, TooManyTags
from pilvi.services.logs.names import find_group, from_arn, group_arn, on_group
from pilvi.services.logs.records import GroupSize, LogGroup
from pilvi.services.logs.types import (
    CreateLogGroupRequest,
    DeleteLogGroupRequest,
    DeleteRetentionPolicyRequest,
    DescribeLogGroupsRequest,
    DescribeLogGroupsResponse,
    ListTagsForResourceRequest,
    ListTagsForResourceResponse,
    ListTagsLogGroupRequest,
    ListTagsLogGroupResponse,
    PutRetentionPolicyRequest,
    TagLogGroupRequest,
    TagResourceRequest,
    UntagLogGroupRequest,
    UntagResourceRequest,
)
from pilvi.services.logs.types import LogGroup as LogGroupShape


@operation("CreateLogGroup", check=on_group("CreateLogGroup"))
def create_log_group(ctx: Context, req: CreateLogGroupRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html"""
    if req.get("kmsKeyId"):
        raise NotBuilt("logs: kmsKeyId is not built.")
    if req.get("logGroupClass", "STANDARD") != "STANDARD":
        raise NotBuilt(f"logs: the log group class {req['logGroupClass']} is not built.")
    if req.get("deletionProtectionEnabled"):
        raise NotBuilt("logs: deletionProtectionEnabled is not built.")
    name = req["logGroupName"]
    if name.lower().startswith("aws/"):
        raise InvalidParameter("Log groups starting with AWS/ are reserved for AWS.")
    tags = dict(req.get("tags", {}))
    _check_tags(tags)
    group = LogGroup(ctx.account, ctx.region, name, ctx.tx.next_id("logs_group"), ctx.now_ms, tags=tags)
    if not ctx.tx[LogGroup].add(group):
        raise ResourceAlreadyExists("The specified log group already exists")


@operation("DeleteLogGroup", check=on_group("DeleteLogGroup"))
def delete_log_group(ctx: Context, req: DeleteLogGroupRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html"""
    group = find_group(ctx, req["logGroupName"])
    ctx.tx[LogGroup].delete(group.account, group.region, group.name)
    sweep.forget_group(ctx, group)


def describe_check(ctx: Context, req: DescribeLogGroupsRequest) -> Check:
    del req
    return Check("logs:DescribeLogGroups", f"{group_arn(ctx.account, ctx.region, '')}:log-stream:")


@operation("DescribeLogGroups", reads=True, check=describe_check)
def describe_log_groups(ctx: Context, req: DescribeLogGroupsRequest) -> DescribeLogGroupsResponse:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html"""
    if req.get("includeLinkedAccounts") or req.get("accountIdentifiers"):
        raise NotBuilt("logs: linked accounts are not built.")
    size = req.get("limit", limits.DESCRIBE_MAX)
    found = list(islice(_matching(ctx, req), size + 1))
    result: DescribeLogGroupsResponse = {"logGroups": [_shown(ctx, group) for group in found[:size]]}
    if len(found) > size:
        result["nextToken"] = tokens.name_token(found[size - 1].name)
    return result


def _matching(ctx: Context, req: DescribeLogGroupsRequest) -> Iterable[LogGroup]:
    prefix, pattern = req.get("logGroupNamePrefix", ""), req.get("logGroupNamePattern", "")
    if prefix and pattern:
        raise InvalidParameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    if req.get("logGroupClass", "STANDARD") != "STANDARD":
        return
    after = tokens.name_of(req.get("nextToken"))
    wanted = req.get("logGroupIdentifiers")
    names = None if wanted is None else {from_arn(ctx, one) if one.startswith("arn:") else one for one in wanted}
    bounds: dict[str, Any] = {"after": after} if after is not None else {"start": prefix} if prefix else {}
    for group in ctx.tx[LogGroup].scan(ctx.account, ctx.region, **bounds):
        if prefix and not group.name.startswith(prefix):
            return
        if pattern in group.name and (names is None or group.name in names):
            yield group


def _shown(ctx: Context, group: LogGroup) -> LogGroupShape:
    size = ctx.tx[GroupSize].get(group.group_id)
    name = group_arn(group.account, group.region, group.name)
    shown: LogGroupShape = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": f"{name}:*",
        "storedBytes": size.stored_bytes if size else 0,
        "logGroupClass": "STANDARD",
        "logGroupArn": name,
    }
    if group.retention_days:
        shown["retentionInDays"] = group.retention_days
    return shown


@operation("PutRetentionPolicy", check=on_group("PutRetentionPolicy"))
def put_retention_policy(ctx: Context, req: PutRetentionPolicyRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
    days = req["retentionInDays"]
    if days not in limits.RETENTION_DAYS:
        raise InvalidParameter(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(map(str, limits.RETENTION_DAYS))}]"
        )
    group = find_group(ctx, req["logGroupName"])
    entry = group.sweep or sweep.begin_retention(ctx, group)
    ctx.tx[LogGroup].put(msgspec.structs.replace(group, retention_days=days, sweep=entry))


@operation("DeleteRetentionPolicy", check=on_group("DeleteRetentionPolicy"))
def delete_retention_policy(ctx: Context, req: DeleteRetentionPolicyRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteRetentionPolicy.html"""
    group = find_group(ctx, req["logGroupName"])
    ctx.tx[LogGroup].put(msgspec.structs.replace(group, retention_days=0, sweep=0))


# -- tags ----------------------------------------------------------------------------------------------------------------


def on_resource(action: str) -> Checks:
    """The check of an operation on a resource ARN; tags are the only ones whose resource is the bare group."""

    def check(ctx: Context, req: Mapping[str, Any]) -> Check:
        return Check(f"logs:{action}", group_arn(ctx.account, ctx.region, from_arn(ctx, req["resourceArn"])))

    return check


@operation("TagResource", check=on_resource("TagResource"))
def tag_resource(ctx: Context, req: TagResourceRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html"""
    _tag(ctx, from_arn(ctx, req["resourceArn"]), req["tags"])


@operation("TagLogGroup", check=on_group("TagLogGroup"))
def tag_log_group(ctx: Context, req: TagLogGroupRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagLogGroup.html"""
    _tag(ctx, req["logGroupName"], req["tags"])


@operation("UntagResource", check=on_resource("UntagResource"))
def untag_resource(ctx: Context, req: UntagResourceRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagResource.html"""
    _untag(ctx, from_arn(ctx, req["resourceArn"]), req["tagKeys"])


@operation("UntagLogGroup", check=on_group("UntagLogGroup"))
def untag_log_group(ctx: Context, req: UntagLogGroupRequest) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagLogGroup.html"""
    _untag(ctx, req["logGroupName"], req["tags"])


@operation("ListTagsForResource", reads=True, check=on_resource("ListTagsForResource"))
def list_tags_for_resource(ctx: Context, req: ListTagsForResourceRequest) -> ListTagsForResourceResponse:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html"""
    return {"tags": dict(find_group(ctx, from_arn(ctx, req["resourceArn"])).tags)}


@operation("ListTagsLogGroup", reads=True, check=on_group("ListTagsLogGroup"))
def list_tags_log_group(ctx: Context, req: ListTagsLogGroupRequest) -> ListTagsLogGroupResponse:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsLogGroup.html"""
    return {"tags": dict(find_group(ctx, req["logGroupName"]).tags)}


def _tag(ctx: Context, name: str, tags: Mapping[str, str]) -> None:
    group = find_group(ctx, name)
    merged = {**group.tags, **tags}
    _check_tags(merged)
    ctx.tx[LogGroup].put(msgspec.structs.replace(group, tags=merged))


def _untag(ctx: Context, name: str, keys: Iterable[str]) -> None:
    group = find_group(ctx, name)
    gone = set(keys)
    kept = {key: value for key, value in group.tags.items() if key not in gone}
    ctx.tx[LogGroup].put(msgspec.structs.replace(group, tags=kept))


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > limits.TAGS_MAX:
        raise TooManyTags(f"A resource can have at most {limits.TAGS_MAX} tags.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise InvalidParameter("Tag keys starting with aws: are reserved for system use.")
