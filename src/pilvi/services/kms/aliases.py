"""Aliases. https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from typing import Any

import msgspec

from pilvi.core import arn
from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, limits, managed, names, paging, times
from pilvi.services.kms.errors import AlreadyExists, InvalidAliasName, InvalidState, LimitExceeded, NotFound
from pilvi.services.kms.records import Alias, Key
from pilvi.services.kms.types import (
    AliasListEntry,
    CreateAliasRequest,
    DeleteAliasRequest,
    ListAliasesRequest,
    ListAliasesResponse,
    UpdateAliasRequest,
)


def _on_alias(ctx: Context, operation_name: str, req: Mapping[str, Any], keys: Iterable[Key]) -> list[Check]:
    """An alias has no policy, the keys have: both must allow."""
    resource = arn.make("kms", ctx.region, ctx.account, req["AliasName"])
    of_alias = Check(f"kms:{operation_name}", resource, context=access.about(ctx))
    return [of_alias, *(access.question(ctx, operation_name, key, {}) for key in keys)]


def _create_checks(ctx: Context, req: CreateAliasRequest) -> list[Check]:
    return _on_alias(ctx, "CreateAlias", req, [find.own_key(ctx, req["TargetKeyId"])])


@operation("CreateAlias", check=_create_checks)
def create_alias(ctx: Context, req: CreateAliasRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html"""
    name = _usable(req["AliasName"])
    key = _target(ctx, req["TargetKeyId"])
    alias = Alias(ctx.account, ctx.region, name, key.id, ctx.now_ms, ctx.now_ms)
    if not ctx.tx[Alias].add(alias):
        raise AlreadyExists(f"An alias with the name {alias.arn} already exists")
    _attach(ctx, key, name)


def _update_checks(ctx: Context, req: UpdateAliasRequest) -> list[Check]:
    keys = [find.own_key(ctx, req["TargetKeyId"])]
    found = ctx.tx[Alias].get(ctx.account, ctx.region, req["AliasName"])
    if found is not None:
        keys.append(_of(ctx, found))
    return _on_alias(ctx, "UpdateAlias", req, keys)


@operation("UpdateAlias", check=_update_checks)
def update_alias(ctx: Context, req: UpdateAliasRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateAlias.html"""
    alias = _known(ctx, _usable(req["AliasName"]))
    key, before = _target(ctx, req["TargetKeyId"]), _of(ctx, alias)
    if (key.kind == "SYMMETRIC_DEFAULT", key.usage) != (before.kind == "SYMMETRIC_DEFAULT", before.usage):
        raise InvalidState(f"Alias {alias.arn} cannot go from a key for {before.usage} to one for {key.usage}.")
    if key.id != before.id:
        _detach(ctx, before, alias.name)
        _attach(ctx, key, alias.name)
    ctx.tx[Alias].put(msgspec.structs.replace(alias, key_id=key.id, updated_ms=ctx.now_ms))


def _delete_checks(ctx: Context, req: DeleteAliasRequest) -> list[Check]:
    found = ctx.tx[Alias].get(ctx.account, ctx.region, req["AliasName"])
    return _on_alias(ctx, "DeleteAlias", req, [] if found is None else [_of(ctx, found)])


@operation("DeleteAlias", check=_delete_checks)
def delete_alias(ctx: Context, req: DeleteAliasRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_DeleteAlias.html"""
    alias = _known(ctx, _usable(req["AliasName"]))
    ctx.tx[Alias].delete(alias.account, alias.region, alias.name)
    _detach(ctx, _of(ctx, alias), alias.name)


def _usable(name: str) -> str:
    """Raises InvalidAliasName, NotFound: the name cannot be, or is not, a customer's alias."""
    if not names.is_alias(name):
        raise InvalidAliasName(
            "Invalid identifier. Alias must start with 'alias/' and contain only a-z, A-Z, 0-9, /, _ and -."
        )
    if name.startswith(names.AWS_ALIAS):
        raise InvalidAliasName(f"{name} is reserved: aliases cannot begin with {names.AWS_ALIAS}")
    return name


def _target(ctx: Context, key_id: str) -> Key:
    key = find.own_key(ctx, key_id)
    find.alive(key)
    return key


def _known(ctx: Context, name: str) -> Alias:
    found = ctx.tx[Alias].get(ctx.account, ctx.region, name)
    if found is None:
        raise NotFound(f"Alias {arn.make('kms', ctx.region, ctx.account, name)} is not found.")
    return found


def _of(ctx: Context, alias: Alias) -> Key:
    key = ctx.tx[Key].get(alias.key_id)
    assert key is not None, "an alias outlived its key"
    return key


def _attach(ctx: Context, key: Key, name: str) -> None:
    if len(key.aliases) >= limits.ALIASES_MAX:
        raise LimitExceeded(f"A KMS key can have at most {limits.ALIASES_MAX} aliases.")
    ctx.tx[Key].put(msgspec.structs.replace(key, aliases=[*key.aliases, name]))


def _detach(ctx: Context, key: Key, name: str) -> None:
    ctx.tx[Key].put(msgspec.structs.replace(key, aliases=[alias for alias in key.aliases if alias != name]))


# -- lists ---------------------------------------------------------------------------------------------------------------


def _list_check(ctx: Context, req: ListAliasesRequest) -> Check:
    del req
    return Check("kms:ListAliases", context=access.about(ctx))


@operation("ListAliases", reads=True, check=_list_check)
def list_aliases(ctx: Context, req: ListAliasesRequest) -> ListAliasesResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html"""
    entries = _of_key(ctx, req["KeyId"]) if "KeyId" in req else _all(ctx, paging.after_of(req))
    found, rest = paging.page(entries, lambda entry: entry["AliasName"], req, most=limits.ALIASES_PAGE_MAX)
    return {"Aliases": found, **rest}


def _of_key(ctx: Context, key_id: str) -> Iterator[AliasListEntry]:
    key = find.own_key(ctx, key_id)
    if key.managed:
        yield _managed(ctx, key.managed)
        return
    for name in sorted(key.aliases):
        yield _shown(_known(ctx, name))


def _all(ctx: Context, after: str | None) -> Iterator[AliasListEntry]:
    """AWS's own are listed before anybody used them."""
    own = map(_shown, ctx.tx[Alias].scan(ctx.account, ctx.region, after=after))
    return merge(own, (_managed(ctx, name) for name in sorted(managed.SERVICES)), key=lambda entry: entry["AliasName"])


def _shown(alias: Alias) -> AliasListEntry:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.key_id,
        "CreationDate": times.moment(alias.created_ms),
        "LastUpdatedDate": times.moment(alias.updated_ms),
    }


def _managed(ctx: Context, service: str) -> AliasListEntry:
    name = managed.alias_of(service)
    entry: AliasListEntry = {"AliasName": name, "AliasArn": arn.make("kms", ctx.region, ctx.account, name)}
    stored = ctx.tx[Key].get(managed.key(ctx, ctx.account, service).id)
    if stored is not None:
        made = times.moment(stored.created_ms)
        entry.update({"TargetKeyId": stored.id, "CreationDate": made, "LastUpdatedDate": made})
    return entry
