"""How asynchronous invocations are retried, and where their records go.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from pilvi.core import arn
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.lambda_ import find, functions, limits, names
from pilvi.services.lambda_.errors import InvalidParameterValue, ResourceNotFound
from pilvi.services.lambda_.functions import on_function
from pilvi.services.lambda_.names import FunctionId
from pilvi.services.lambda_.records import EventConfig
from pilvi.services.lambda_.types import (
    DeleteFunctionEventInvokeConfigRequest,
    FunctionEventInvokeConfig,
    GetFunctionEventInvokeConfigRequest,
    ListFunctionEventInvokeConfigsRequest,
    ListFunctionEventInvokeConfigsResponse,
    PutFunctionEventInvokeConfigRequest,
    UpdateFunctionEventInvokeConfigRequest,
)


@operation("PutFunctionEventInvokeConfig", check=on_function("PutFunctionEventInvokeConfig"))
def put_function_event_invoke_config(
    ctx: Context, req: PutFunctionEventInvokeConfigRequest
) -> FunctionEventInvokeConfig:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html"""
    name = _existing(ctx, req)
    return _keep(ctx, name, EventConfig(*name.key, name.qualifier, ctx.now_ms), req)


@operation("UpdateFunctionEventInvokeConfig", check=on_function("UpdateFunctionEventInvokeConfig"))
def update_function_event_invoke_config(
    ctx: Context, req: UpdateFunctionEventInvokeConfigRequest
) -> FunctionEventInvokeConfig:
    """https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionEventInvokeConfig.html"""
    name = _existing(ctx, req)
    return _keep(ctx, name, _find(ctx, name), req)


@operation("GetFunctionEventInvokeConfig", reads=True, check=on_function("GetFunctionEventInvokeConfig"))
def get_function_event_invoke_config(
    ctx: Context, req: GetFunctionEventInvokeConfigRequest
) -> FunctionEventInvokeConfig:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionEventInvokeConfig.html"""
    name = _existing(ctx, req)
    return _shown(name, _find(ctx, name))


@operation("DeleteFunctionEventInvokeConfig", check=on_function("DeleteFunctionEventInvokeConfig"))
def delete_function_event_invoke_config(ctx: Context, req: DeleteFunctionEventInvokeConfigRequest) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunctionEventInvokeConfig.html"""
    name = _existing(ctx, req)
    _find(ctx, name)
    ctx.tx[EventConfig].delete(*name.key, name.qualifier)


@operation("ListFunctionEventInvokeConfigs", reads=True, check=on_function("ListFunctionEventInvokeConfigs"))
def list_function_event_invoke_configs(
    ctx: Context, req: ListFunctionEventInvokeConfigsRequest
) -> ListFunctionEventInvokeConfigsResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctionEventInvokeConfigs.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    find.function(ctx, name)
    size = min(req.get("MaxItems", limits.LIST_ITEMS_MAX), limits.LIST_ITEMS_MAX)
    after = names.marker(req.get("Marker"))
    page = list(islice(ctx.tx[EventConfig].scan(*name.key, after=after), size + 1))
    shown = [_shown(msgspec.structs.replace(name, qualifier=one.qualifier), one) for one in page[:size]]
    if len(page) <= size:
        return {"FunctionEventInvokeConfigs": shown}
    return {"FunctionEventInvokeConfigs": shown, "NextMarker": names.marker_after(page[size - 1].qualifier)}


def _existing(ctx: Context, req: Any) -> FunctionId:
    """The function, version or alias; the function's own configuration is $LATEST's too."""
    name = names.parse(ctx, req["FunctionName"], req.get("Qualifier"))
    find.version(ctx, name)
    return msgspec.structs.replace(name, qualifier=name.policy_qualifier)


def _find(ctx: Context, name: FunctionId) -> EventConfig:
    found = ctx.tx[EventConfig].get(*name.key, name.qualifier)
    if found is None:
        raise ResourceNotFound(f"The function {_arn(name)} doesn't have an EventInvokeConfig")
    return found


def _keep(ctx: Context, name: FunctionId, old: EventConfig, req: Mapping[str, Any]) -> FunctionEventInvokeConfig:
    if not any(member in req for member in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")):
        raise InvalidParameterValue("You must specify at least one of error handling or destination setting.")
    destinations = req.get("DestinationConfig", {})
    new = msgspec.structs.replace(
        old,
        modified_ms=ctx.now_ms,
        retries=req.get("MaximumRetryAttempts", old.retries),
        age_seconds=req.get("MaximumEventAgeInSeconds", old.age_seconds),
        on_success=_destination(ctx, destinations.get("OnSuccess"), old.on_success),
        on_failure=_destination(ctx, destinations.get("OnFailure"), old.on_failure),
    )
    ctx.tx[EventConfig].put(new)
    return _shown(name, new)


def _destination(ctx: Context, wanted: Mapping[str, str] | None, old: str) -> str:
    """The ARN that records go to. Functions can be destinations here, nothing else yet."""
    if wanted is None:
        return old
    target = wanted.get("Destination", "")
    if not target:
        return ""
    try:
        kind = arn.parse(target).service
    except ValueError:
        raise InvalidParameterValue(
            f"The provided destination config DestinationConfig({target}) is invalid."
        ) from None
    if kind != "lambda":
        raise NotBuilt(f"lambda: destinations of {kind} are not built.")
    find.version(ctx, names.from_arn(ctx, target))
    return target


def _arn(name: FunctionId) -> str:
    return name.arn if name.qualifier else f"{name.unqualified_arn}:$LATEST"


def _shown(name: FunctionId, one: EventConfig) -> FunctionEventInvokeConfig:
    result: FunctionEventInvokeConfig = {
        "LastModified": datetime.fromtimestamp(one.modified_ms / 1000, UTC),
        "FunctionArn": _arn(name),
        "DestinationConfig": {
            "OnSuccess": {"Destination": one.on_success} if one.on_success else {},
            "OnFailure": {"Destination": one.on_failure} if one.on_failure else {},
        },
    }
    if one.retries is not None:
        result["MaximumRetryAttempts"] = one.retries
    if one.age_seconds is not None:
        result["MaximumEventAgeInSeconds"] = one.age_seconds
    return result
