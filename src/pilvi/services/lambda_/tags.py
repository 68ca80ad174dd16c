"""Tags of functions."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import Checks, operation
from pilvi.services.lambda_ import find, names, rules
from pilvi.services.lambda_.errors import InvalidParameterValue
from pilvi.services.lambda_.names import FunctionId
from pilvi.services.lambda_.records import Function
from pilvi.services.lambda_.types import ListTagsRequest, ListTagsResponse, TagResourceRequest, UntagResourceRequest


def on_resource(action: str) -> Checks:
    def check(ctx: Context, req: Any) -> Check:
        name = names.from_arn(ctx, req["Resource"])
        return Check(f"lambda:{action}", name.arn, owner=name.account)

    return check


def _unqualified(ctx: Context, resource: str) -> FunctionId:
    name = names.from_arn(ctx, resource)
    if name.qualifier:
        raise InvalidParameterValue(
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    return name


@operation("TagResource", check=on_resource("TagResource"))
def tag_resource(ctx: Context, req: TagResourceRequest) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_TagResource.html"""
    one = find.function(ctx, _unqualified(ctx, req["Resource"]))
    if not req["Tags"]:
        raise InvalidParameterValue("An error occurred and the request cannot be processed.")
    _keep(ctx, one, {**one.tags, **req["Tags"]})


@operation("UntagResource", check=on_resource("UntagResource"))
def untag_resource(ctx: Context, req: UntagResourceRequest) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_UntagResource.html"""
    one = find.function(ctx, _unqualified(ctx, req["Resource"]))
    gone = set(req["TagKeys"])
    _keep(ctx, one, {key: value for key, value in one.tags.items() if key not in gone})


@operation("ListTags", reads=True, check=on_resource("ListTags"))
def list_tags(ctx: Context, req: ListTagsRequest) -> ListTagsResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_ListTags.html"""
    return {"Tags": dict(find.function(ctx, _unqualified(ctx, req["Resource"])).tags)}


def _keep(ctx: Context, one: Function, tags: Mapping[str, str]) -> None:
    rules.check_tags(tags)
    ctx.tx[Function].put(msgspec.structs.replace(one, tags=dict(tags)))
