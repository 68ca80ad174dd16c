"""Functions: create, read, list, delete."""

from typing import Any

import msgspec

from pilvi.core import caller as callers
from pilvi.core import links
from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import Checks, operation
from pilvi.services.lambda_ import find, hints, limits, names, package, role, rules, versions, views
from pilvi.services.lambda_.errors import InvalidParameterValue, ResourceConflict
from pilvi.services.lambda_.names import LATEST, FunctionId
from pilvi.services.lambda_.package import Package
from pilvi.services.lambda_.records import Alias, Configuration, EventConfig, Function, ResourcePolicy, Version
from pilvi.services.lambda_.types import (
    CreateFunctionRequest,
    DeleteFunctionRequest,
    DeleteFunctionResponse,
    FunctionConfiguration,
    GetFunctionConfigurationRequest,
    GetFunctionRequest,
    GetFunctionResponse,
    ListFunctionsRequest,
    ListFunctionsResponse,
)


def on_function(action: str) -> Checks:
    """The check of an operation that concerns one function (or one version of it)."""

    def check(ctx: Context, req: Any) -> Check:
        name = names.parse(ctx, req["FunctionName"], req.get("Qualifier"))
        policy = ctx.tx[ResourcePolicy].get(*name.key, name.policy_qualifier)
        return Check(f"lambda:{action}", name.arn, owner=name.account, policy=policy.document if policy else None)

    return check


def create_check(ctx: Context, req: CreateFunctionRequest) -> list[Check]:
    name = names.parse(ctx, req["FunctionName"])
    return [Check("lambda:CreateFunction", name.unqualified_arn, owner=name.account), role.pass_check(req["Role"])]


@operation("CreateFunction", check=create_check)
def create_function(ctx: Context, req: CreateFunctionRequest) -> FunctionConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"""
    name = own_unqualified(ctx, req["FunctionName"])
    rules.refuse_what_is_not_built(req)
    if "Runtime" not in req or "Handler" not in req:
        raise InvalidParameterValue(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    if ctx.tx[Function].get(*name.key) is not None:
        raise ResourceConflict(f"Function already exist: {name.name}")
    role.must_be_assumable(ctx, req["Role"], name.account, name.name)
    code = package.receive(ctx, req["Code"], "CreateFunction")
    tags = dict(req.get("Tags", {}))
    rules.check_tags(tags)
    one = Function(*name.key, latest=_configuration(ctx, req, code), tags=tags)
    ctx.tx[Function].put(one)
    hints.warm(ctx, one.latest.runtime)
    if req.get("Publish"):
        return versions.publish(ctx, name, one)
    return views.configuration(name, find.Found(LATEST, one.latest))


def own_unqualified(ctx: Context, text: str) -> FunctionId:
    """The function that a request names where no version of it can be meant.

    Raises:
        InvalidParameterValue: a version or alias is named.
    """
    name = names.parse(ctx, text)
    if name.qualifier:
        raise InvalidParameterValue("The function name must not have a qualifier.")
    return name


def _configuration(ctx: Context, req: CreateFunctionRequest, code: Package) -> Configuration:
    first = Configuration(
        runtime=req["Runtime"],
        handler=req["Handler"],
        role=req["Role"],
        code=0,
        code_sha256=code.sha256,
        code_size=code.size,
        architecture=rules.check_architecture(req.get("Architectures", [])),
        state_id=ctx.ids.hex(16),
        revision_id=ctx.ids.uuid(),
        modified_ms=ctx.now_ms,
    )
    merged = merge(ctx, first, req)
    return msgspec.structs.replace(merged, code=ctx.tx.blobs.add(code.data))


def merge(ctx: Context, old: Configuration, req: Any) -> Configuration:
    """A configuration with the members that a request sets, all checked."""
    new = msgspec.structs.replace(
        old,
        runtime=req.get("Runtime", old.runtime),
        handler=req.get("Handler", old.handler),
        role=req.get("Role", old.role),
        description=req.get("Description", old.description),
        timeout_seconds=req.get("Timeout", old.timeout_seconds),
        memory_mb=req.get("MemorySize", old.memory_mb),
        tmp_mb=req.get("EphemeralStorage", {}).get("Size", old.tmp_mb),
        environment=req["Environment"].get("Variables", {}) if "Environment" in req else old.environment,
        log_group=req.get("LoggingConfig", {}).get("LogGroup", old.log_group),
    )
    rules.check_numbers(new.timeout_seconds, new.memory_mb, new.tmp_mb)
    rules.check_environment(new.environment)
    if new.runtime != old.runtime or "Runtime" in req:
        rules.check_runtime(new.runtime, ctx.cloud.runtimes())
    return new


@operation("GetFunction", reads=True, check=on_function("GetFunction"))
def get_function(ctx: Context, req: GetFunctionRequest) -> GetFunctionResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html"""
    name = names.parse(ctx, req["FunctionName"], req.get("Qualifier"))
    found = find.version(ctx, name)
    whole = find.function(ctx, name)
    result: GetFunctionResponse = {
        "Configuration": views.configuration(name, found),
        "Code": {"RepositoryType": "S3", "Location": _code_link(ctx, name, found)},
    }
    if whole.tags:
        result["Tags"] = dict(whole.tags)
    return result


def _code_link(ctx: Context, name: FunctionId, found: find.Found) -> str:
    code = found.configuration.code
    reader = callers.service(role.PRINCIPAL, name.account, links.source(code))
    session = ctx.cloud.issue_session(reader, limits.CODE_LINK_SECONDS, ctx.now_ms)
    return links.url(ctx.request.endpoint, code, session)


@operation("GetFunctionConfiguration", reads=True, check=on_function("GetFunctionConfiguration"))
def get_function_configuration(ctx: Context, req: GetFunctionConfigurationRequest) -> FunctionConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html"""
    name = names.parse(ctx, req["FunctionName"], req.get("Qualifier"))
    return views.configuration(name, find.version(ctx, name))


@operation("ListFunctions", reads=True)
def list_functions(ctx: Context, req: ListFunctionsRequest) -> ListFunctionsResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_ListFunctions.html

    With FunctionVersion ALL a function's published versions follow its $LATEST; pages end between functions.
    """
    if "MasterRegion" in req:
        raise NotBuilt("lambda: MasterRegion is not built.")
    size = min(req.get("MaxItems", limits.LIST_ITEMS_MAX), limits.LIST_ITEMS_MAX)
    marker = names.marker(req.get("Marker"))
    page = list(ctx.tx[Function].scan(ctx.account, ctx.region, after=marker, limit=size + 1))
    shown: list[FunctionConfiguration] = []
    for one in page[:size]:
        name = FunctionId(one.account, one.region, one.name)
        shown.append(views.configuration(name, find.Found(LATEST, one.latest), with_status=False))
        if req.get("FunctionVersion") == "ALL":
            shown[-1]["FunctionArn"] += f":{LATEST}"
            shown += versions.listed(ctx, name)
    if len(page) <= size:
        return {"Functions": shown}
    return {"Functions": shown, "NextMarker": names.marker_after(page[size - 1].name)}


@operation("DeleteFunction", check=on_function("DeleteFunction"))
def delete_function(ctx: Context, req: DeleteFunctionRequest) -> DeleteFunctionResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html"""
    name = names.parse(ctx, req["FunctionName"], req.get("Qualifier"))
    one = find.function(ctx, name)
    if name.qualifier:
        versions.delete(ctx, name)
        return {"StatusCode": 204}
    for version in list(ctx.tx[Version].scan(*name.key)):
        ctx.tx[Version].delete(*name.key, version.number)
        ctx.tx.blobs.release(version.configuration.code)
    for alias in list(ctx.tx[Alias].scan(*name.key)):
        ctx.tx[Alias].delete(*name.key, alias.alias)
    for policy in list(ctx.tx[ResourcePolicy].scan(*name.key)):
        ctx.tx[ResourcePolicy].delete(*name.key, policy.qualifier)
    for config in list(ctx.tx[EventConfig].scan(*name.key)):
        ctx.tx[EventConfig].delete(*name.key, config.qualifier)
    ctx.tx[Function].delete(*name.key)
    ctx.tx.blobs.release(one.latest.code)
    return {"StatusCode": 204}
