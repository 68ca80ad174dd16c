"""Operations on published versions and aliases."""

from itertools import islice

import msgspec

from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.lambda_ import find, functions, limits, names, rules, versions, views
from pilvi.services.lambda_.errors import InvalidParameterValue, ResourceConflict, ResourceNotFound
from pilvi.services.lambda_.functions import on_function
from pilvi.services.lambda_.names import LATEST, FunctionId
from pilvi.services.lambda_.records import Alias, EventConfig, ResourcePolicy, Version
from pilvi.services.lambda_.types import (
    AliasConfiguration,
    CreateAliasRequest,
    DeleteAliasRequest,
    FunctionConfiguration,
    GetAliasRequest,
    ListAliasesRequest,
    ListAliasesResponse,
    ListVersionsByFunctionRequest,
    ListVersionsByFunctionResponse,
    PublishVersionRequest,
    UpdateAliasRequest,
)
from pilvi.services.lambda_.updates import must_be_at

_PUBLISH_MEMBERS = frozenset(["FunctionName", "CodeSha256", "Description", "RevisionId"])


@operation("PublishVersion", check=on_function("PublishVersion"))
def publish_version(ctx: Context, req: PublishVersionRequest) -> FunctionConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    rules.refuse_unknown(req, _PUBLISH_MEMBERS)
    one = find.function(ctx, name)
    must_be_at(one.latest.revision_id, req.get("RevisionId"))
    wanted = req.get("CodeSha256")
    if wanted and wanted != one.latest.code_sha256:
        raise InvalidParameterValue(
            f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({one.latest.code_sha256}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
    return versions.publish(ctx, name, one, req.get("Description") or None)


@operation("ListVersionsByFunction", reads=True, check=on_function("ListVersionsByFunction"))
def list_versions_by_function(ctx: Context, req: ListVersionsByFunctionRequest) -> ListVersionsByFunctionResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_ListVersionsByFunction.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    one = find.function(ctx, name)
    size = min(req.get("MaxItems", limits.VERSIONS_PAGE_MAX), limits.VERSIONS_PAGE_MAX)
    after = versions.number_of(names.marker(req.get("Marker")))
    shown: list[FunctionConfiguration] = []
    if after is None:
        latest = msgspec.structs.replace(name, qualifier=LATEST)
        shown.append(views.configuration(latest, find.Found(LATEST, one.latest), with_status=False))
    room = size - len(shown)
    page = list(islice(ctx.tx[Version].scan(*name.key, after=after or 0), room + 1))
    shown += [versions.shown(name, version) for version in page[:room]]
    if len(page) <= room:
        return {"Versions": shown}
    return {"Versions": shown, "NextMarker": names.marker_after(str(page[room - 1].number if room else 0))}


@operation("CreateAlias", check=on_function("CreateAlias"))
def create_alias(ctx: Context, req: CreateAliasRequest) -> AliasConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_CreateAlias.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    _refuse_routing(req)
    _must_exist(ctx, name, req["FunctionVersion"])
    alias = Alias(*name.key, req["Name"], req["FunctionVersion"], ctx.ids.uuid(), req.get("Description", ""))
    if not ctx.tx[Alias].add(alias):
        raise ResourceConflict(f"Alias already exists: {_arn(name, req['Name'])}")
    return _shown(name, alias)


@operation("UpdateAlias", check=on_function("UpdateAlias"))
def update_alias(ctx: Context, req: UpdateAliasRequest) -> AliasConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    _refuse_routing(req)
    old = _find(ctx, name, req["Name"])
    must_be_at(old.revision_id, req.get("RevisionId"))
    version = req.get("FunctionVersion", old.version)
    _must_exist(ctx, name, version)
    alias = msgspec.structs.replace(
        old, version=version, description=req.get("Description", old.description), revision_id=ctx.ids.uuid()
    )
    ctx.tx[Alias].put(alias)
    return _shown(name, alias)


@operation("GetAlias", reads=True, check=on_function("GetAlias"))
def get_alias(ctx: Context, req: GetAliasRequest) -> AliasConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetAlias.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    return _shown(name, _find(ctx, name, req["Name"]))


@operation("DeleteAlias", check=on_function("DeleteAlias"))
def delete_alias(ctx: Context, req: DeleteAliasRequest) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_DeleteAlias.html

    An alias that is not there is no error, as on AWS.
    """
    name = functions.own_unqualified(ctx, req["FunctionName"])
    find.function(ctx, name)
    ctx.tx[Alias].delete(*name.key, req["Name"])
    ctx.tx[ResourcePolicy].delete(*name.key, req["Name"])
    ctx.tx[EventConfig].delete(*name.key, req["Name"])


@operation("ListAliases", reads=True, check=on_function("ListAliases"))
def list_aliases(ctx: Context, req: ListAliasesRequest) -> ListAliasesResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_ListAliases.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    find.function(ctx, name)
    size = min(req.get("MaxItems", limits.LIST_ITEMS_MAX), limits.LIST_ITEMS_MAX)
    after = names.marker(req.get("Marker"))
    wanted = req.get("FunctionVersion")
    all_aliases = ctx.tx[Alias].scan(*name.key, after=after)
    page = list(islice((alias for alias in all_aliases if wanted in {None, alias.version}), size + 1))
    result: ListAliasesResponse = {"Aliases": [_shown(name, alias) for alias in page[:size]]}
    if len(page) > size:
        result["NextMarker"] = names.marker_after(page[size - 1].alias)
    return result


def _refuse_routing(req: CreateAliasRequest | UpdateAliasRequest) -> None:
    if req.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
        raise NotBuilt("lambda: RoutingConfig is not built.")


def _must_exist(ctx: Context, name: FunctionId, version: str) -> None:
    if version != LATEST and not version.isdigit():
        raise NotBuilt(f"lambda: {version} is not built.")
    find.version(ctx, msgspec.structs.replace(name, qualifier=version))


def _find(ctx: Context, name: FunctionId, alias: str) -> Alias:
    find.function(ctx, name)
    found = ctx.tx[Alias].get(*name.key, alias)
    if found is None:
        raise ResourceNotFound(f"Cannot find alias arn: {_arn(name, alias)}")
    return found


def _arn(name: FunctionId, alias: str) -> str:
    return f"{name.unqualified_arn}:{alias}"


def _shown(name: FunctionId, alias: Alias) -> AliasConfiguration:
    return {
        "AliasArn": _arn(name, alias.alias),
        "Name": alias.alias,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
