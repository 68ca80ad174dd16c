"""ARNs of log groups and streams, and the ways to name a group.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/iam-access-control-overview-cwl.html
"""

from collections.abc import Mapping
from typing import Any

from pilvi.core import arn
from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import Checks
from pilvi.services.logs.errors import InvalidParameter, ResourceNotFound
from pilvi.services.logs.records import LogGroup, LogStream


def group_arn(account: str, region: str, name: str) -> str:
    return arn.make("logs", region, account, f"log-group:{name}")


def stream_arn(group: LogGroup, stream: str) -> str:
    return f"{group_arn(group.account, group.region, group.name)}:log-stream:{stream}"


def group_name(ctx: Context, req: Mapping[str, Any]) -> str:
    """The group that a request names by `logGroupName` or by `logGroupIdentifier` (a name or an ARN).

    Raises:
        InvalidParameter: both, none, or an ARN of something else.
    """
    name, identifier = req.get("logGroupName"), req.get("logGroupIdentifier")
    if name and identifier:
        raise InvalidParameter("LogGroup name and LogGroup identifier are mutually exclusive parameters.")
    if name:
        return str(name)
    if not identifier:
        raise InvalidParameter("Either LogGroup name or LogGroup identifier must be specified.")
    return from_arn(ctx, identifier) if identifier.startswith("arn:") else str(identifier)


def from_arn(ctx: Context, text: str) -> str:
    """The name in a log group's ARN.

    Raises:
        InvalidParameter: an ARN of something else.
        ResourceNotFound: of another account or region.
    """
    try:
        parts = arn.parse(text)
    except ValueError:
        raise InvalidParameter(f"Invalid ARN: {text}") from None
    kind, _, rest = parts.resource.partition(":")
    name = rest.removesuffix(":*")
    if parts.service != "logs" or kind != "log-group" or not name or ":" in name:
        raise InvalidParameter(f"The specified resource is not a log group: {text}")
    if (parts.account, parts.region) != (ctx.account, ctx.region):
        raise no_group()
    return name


def on_group(action: str) -> Checks:
    """The check of an operation on a group or one of its streams.

    The resource always has the stream's part, as AWS's refusals show it; a policy on "...:log-group:NAME:*" matches.
    """

    def check(ctx: Context, req: Mapping[str, Any]) -> Check:
        group = group_name(ctx, req)
        stream = req.get("logStreamName", "")
        return Check(f"logs:{action}", f"{group_arn(ctx.account, ctx.region, group)}:log-stream:{stream}")

    return check


def find_group(ctx: Context, name: str) -> LogGroup:
    """Raises ResourceNotFound."""
    group = ctx.tx[LogGroup].get(ctx.account, ctx.region, name)
    if group is None:
        raise no_group()
    return group


def find_stream(ctx: Context, group: LogGroup, name: str) -> LogStream:
    """Raises ResourceNotFound."""
    stream = ctx.tx[LogStream].get(group.group_id, name)
    if stream is None:
        raise ResourceNotFound("The specified log stream does not exist.")
    return stream


def no_group() -> ResourceNotFound:
    return ResourceNotFound("The specified log group does not exist.")
