"""Grants: leave for one principal to use a key, without a word in its policy.

https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, ValidationError
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, grants_held, limits, paging, specs, times, tokens
from pilvi.services.kms.encrypting import dry
from pilvi.services.kms.errors import Disabled, InvalidArn, InvalidGrantId, LimitExceeded, NotFound
from pilvi.services.kms.records import Grant, Key
from pilvi.services.kms.types import (
    CreateGrantRequest,
    CreateGrantResponse,
    GrantListEntry,
    ListGrantsRequest,
    ListGrantsResponse,
    ListRetirableGrantsRequest,
    RetireGrantRequest,
    RevokeGrantRequest,
)

_PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)/[\x21-\x7e]+)"
    r"|arn:aws[a-z-]*:sts::\d{12}:(assumed-role/[^/]+/[^/]+|federated-user/[\x21-\x7e]+)"
)
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com")
_ALWAYS = frozenset({"CreateGrant", "RetireGrant", "DescribeKey"})
_FOR = {
    specs.ENCRYPT: grants_held.ENCRYPTING,
    specs.SIGN: frozenset({"Sign", "Verify", "GetPublicKey"}),
    specs.MAC: frozenset({"GenerateMac", "VerifyMac"}),
    specs.AGREE: frozenset({"DeriveSharedSecret", "GetPublicKey"}),
}
_PAIRED = frozenset({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"})


# -- making --------------------------------------------------------------------------------------------------------------


def _wishes(req: Mapping[str, Any]) -> access.Keys:
    keys: access.Keys = {"kms:GrantOperations": list(req["Operations"])}
    constraints = req.get("Constraints", {})
    kinds = [kind for kind in ("EncryptionContextEquals", "EncryptionContextSubset") if kind in constraints]
    if kinds:
        keys["kms:GrantConstraintType"] = kinds
    for key, members in (
        ("kms:GranteePrincipal", ("GranteePrincipal", "GranteeServicePrincipal")),
        ("kms:RetiringPrincipal", ("RetiringPrincipal", "RetiringServicePrincipal")),
    ):
        if named := _named(req, *members):
            keys[key] = named
    return keys


def _create_check(ctx: Context, req: CreateGrantRequest) -> Check:
    more = _wishes(req)
    through_service = ctx.request.service not in {"", "kms"} or ctx.caller.kind == "service"
    more["kms:GrantIsForAWSResource"] = "true" if through_service else "false"
    return access.question(ctx, "CreateGrant", find.shared_key(ctx, req["KeyId"]), req, more)


@operation("CreateGrant", check=_create_check)
def create_grant(ctx: Context, req: CreateGrantRequest) -> CreateGrantResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html

    The same grant under the same name is the grant that there is.
    """
    key = find.shared_key(ctx, req["KeyId"])
    tokens.accept(ctx, req)
    find.alive(key)
    if not key.enabled:
        raise Disabled(f"{key.arn} is disabled.")
    wanted = _wanted(ctx, key, req)
    _no_more_than_own(ctx, key, wanted)
    dry(req)
    found = _same(ctx, wanted)
    if found is None:
        if key.grants >= limits.GRANTS_MAX:
            raise LimitExceeded(f"A KMS key can have at most {limits.GRANTS_MAX} grants.")
        found = wanted
        ctx.tx[Grant].put(found)
        ctx.tx[Key].put(msgspec.structs.replace(key, grants=key.grants + 1))
    return {"GrantId": found.id, "GrantToken": tokens.of_grant(ctx, key.id, found.id)}


def _wanted(ctx: Context, key: Key, req: CreateGrantRequest) -> Grant:
    operations = list(dict.fromkeys(req["Operations"]))
    constraints = req.get("Constraints", {})
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    _check_operations(key, operations)
    _check_constraints(key, constraints)
    grantee = _principal(req, "GranteePrincipal", "GranteeServicePrincipal")
    if not grantee:
        raise ValidationError("A grant needs a GranteePrincipal or a GranteeServicePrincipal.")
    return Grant(
        key.id, ctx.ids.hex(64), key.account, key.region,
        grantee,
        _principal(req, "RetiringPrincipal", "RetiringServicePrincipal"),
        ctx.now_ms,
        f"arn:aws:iam::{ctx.account}:root",
        operations,
        name=req.get("Name", ""),
        equals=None if equals is None else dict(equals),
        subset=None if subset is None else dict(subset),
        source=constraints.get("SourceArn", ""),
    )  # fmt: skip


def _check_operations(key: Key, operations: list[str]) -> None:
    if not operations:
        raise ValidationError("A grant needs at least one operation.")
    known = _FOR[key.usage] if key.kind == specs.SYMMETRIC or key.usage != specs.ENCRYPT else _PAIRED
    wrong = [one for one in operations if one not in known | _ALWAYS]
    if wrong:
        raise ValidationError(
            f"Operations {', '.join(wrong)} are not valid for a KMS key with key usage {key.usage} and key spec {key.kind}."
        )


def _check_constraints(key: Key, constraints: Mapping[str, Any]) -> None:
    for member in ("EncryptionContextEquals", "EncryptionContextSubset"):
        if member not in constraints:
            continue
        if key.kind != specs.SYMMETRIC:
            raise ValidationError("Encryption context constraints are for symmetric encryption KMS keys alone.")
        size = sum(len(name.encode()) + len(value.encode()) for name, value in constraints[member].items())
        if size > limits.GRANT_CONTEXT_BYTES_MAX:
            raise ValidationError(f"{member} can have at most {limits.GRANT_CONTEXT_BYTES_MAX} bytes.")


def _principal(req: Mapping[str, Any], arn_member: str, service_member: str) -> str:
    """The principal that a request names; "" when it names none.

    Raises:
        ValidationError, InvalidArn: it names two, or nobody.
    """
    if arn_member in req and service_member in req:
        raise ValidationError(f"{arn_member} and {service_member} cannot be used together.")
    named = _named(req, arn_member, service_member)
    if named and not _PRINCIPAL.fullmatch(named) and not _SERVICE.fullmatch(named):
        raise InvalidArn(f"{named} is not a valid principal.")
    return named


def _named(req: Mapping[str, Any], *members: str) -> str:
    return next((req[member] for member in members if member in req), "")


def _no_more_than_own(ctx: Context, key: Key, wanted: Grant) -> None:
    """Who may make grants only because of a grant cannot give away more than that one gives.

    Raises:
        AccessDenied: that is what is asked for.
    """
    question = access.question(ctx, "CreateGrant", key, {})
    if not question.grantees or ctx.may(msgspec.structs.replace(question, grantees=())):
        return
    parents = (one for one in grants_held.of_caller(ctx, key) if "CreateGrant" in one.operations)
    if not any(_covers(parent, wanted) for parent in parents):
        raise AccessDenied("A grant made with a grant cannot allow more than that grant does.")


def _covers(parent: Grant, wanted: Grant) -> bool:
    if not set(wanted.operations) <= set(parent.operations):
        return False
    if parent.source and parent.source != wanted.source:
        return False
    if parent.equals is not None and parent.equals != wanted.equals:
        return False
    if parent.subset is None:
        return True
    bound = wanted.equals if wanted.equals is not None else wanted.subset
    return bound is not None and parent.subset.items() <= bound.items()


def _same(ctx: Context, wanted: Grant) -> Grant | None:
    if not wanted.name:
        return None
    for grant in ctx.tx[Grant].scan(wanted.key_id, wanted.grantee, index="grantee"):
        if msgspec.structs.replace(wanted, id=grant.id, created_ms=grant.created_ms) == grant:
            return grant
    return None


# -- ending --------------------------------------------------------------------------------------------------------------


@operation("RevokeGrant", check=access.on_key("RevokeGrant", find.shared_key))
def revoke_grant(ctx: Context, req: RevokeGrantRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_RevokeGrant.html"""
    key = find.shared_key(ctx, req["KeyId"])
    _end(ctx, key, _known(ctx, key, req["GrantId"]), req)


def _retire_check(ctx: Context, req: RetireGrantRequest) -> list[Check]:
    """The retiring principal needs no leave, nor does a grantee whom this very grant lets retire it.

    Where that is an account, it is for the account's policies to say who; all others need leave of the key's policy.
    """
    key, grant = _retired(ctx, req)
    named = {grant.retiring, grant.grantee if "RetireGrant" in grant.operations else ""} - {""}
    if not named.isdisjoint((ctx.caller.arn, ctx.caller.identity_arn)):
        return []
    accounts = tuple(named.intersection(grants_held.layers(ctx)))
    return [msgspec.structs.replace(access.question(ctx, "RetireGrant", key, {}), grantees=accounts)]


@operation("RetireGrant", check=_retire_check)
def retire_grant(ctx: Context, req: RetireGrantRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_RetireGrant.html"""
    key, grant = _retired(ctx, req)
    _end(ctx, key, grant, req)


def _retired(ctx: Context, req: RetireGrantRequest) -> tuple[Key, Grant]:
    if "GrantToken" in req:
        if "KeyId" in req or "GrantId" in req:
            raise ValidationError("Specify either a GrantToken, or a KeyId and a GrantId.")
        key_id, grant_id = tokens.read(ctx, req["GrantToken"])
    elif "KeyId" in req and "GrantId" in req:
        key_id, grant_id = req["KeyId"], req["GrantId"]
        if not key_id.startswith("arn:"):
            raise InvalidArn(f"Invalid arn {key_id}")
    else:
        raise ValidationError("Specify either a GrantToken, or a KeyId and a GrantId.")
    key = ctx.tx[Key].get(key_id) if "GrantToken" in req else find.shared_key(ctx, key_id)
    if key is None or key.region != ctx.region:
        raise NotFound(f"Grant {grant_id} is not found.")
    return key, _known(ctx, key, grant_id)


def _known(ctx: Context, key: Key, grant_id: str) -> Grant:
    grant = ctx.tx[Grant].get(key.id, grant_id)
    if grant is None:
        raise NotFound(f"Grant ID {grant_id} is not found.")
    return grant


def _end(ctx: Context, key: Key, grant: Grant, req: Mapping[str, Any]) -> None:
    dry(req)
    ctx.tx[Grant].delete(key.id, grant.id)
    ctx.tx[Key].put(msgspec.structs.replace(key, grants=key.grants - 1))


# -- lists ---------------------------------------------------------------------------------------------------------------


@operation("ListGrants", reads=True, check=access.on_key("ListGrants", find.shared_key))
def list_grants(ctx: Context, req: ListGrantsRequest) -> ListGrantsResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html"""
    key = find.shared_key(ctx, req["KeyId"])
    if "GrantId" in req and ctx.tx[Grant].get(key.id, req["GrantId"]) is None:
        raise InvalidGrantId(f"Grant ID {req['GrantId']} is not found.")
    grantee = _principal(req, "GranteePrincipal", "GranteeServicePrincipal")
    rows: Iterable[Grant] = ctx.tx[Grant].scan(key.id, after=paging.after_of(req))
    rows = (
        grant
        for grant in rows
        if req.get("GrantId", grant.id) == grant.id and (not grantee or grant.grantee == grantee)
    )
    return _listed(rows, lambda grant: grant.id, req)


def _retirable_check(ctx: Context, req: ListRetirableGrantsRequest) -> Check:
    del req
    return Check("kms:ListRetirableGrants", context=access.about(ctx))


@operation("ListRetirableGrants", reads=True, check=_retirable_check)
def list_retirable_grants(ctx: Context, req: ListRetirableGrantsRequest) -> ListGrantsResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ListRetirableGrants.html"""
    retiring = _principal(req, "RetiringPrincipal", "RetiringServicePrincipal")
    if not retiring:
        raise ValidationError("Specify a RetiringPrincipal or a RetiringServicePrincipal.")
    rows = ctx.tx[Grant].scan(ctx.account, ctx.region, retiring, index="retiring")
    return _listed(rows, lambda grant: f"{grant.key_id}/{grant.id}", req)


def _listed(rows: Iterable[Grant], key: Any, req: Mapping[str, Any]) -> ListGrantsResponse:
    found, rest = paging.page(rows, key, req, most=limits.GRANTS_PAGE_MAX)
    return {"Grants": list(map(_shown, found)), **rest}


def _shown(grant: Grant) -> GrantListEntry:
    entry: GrantListEntry = {
        "KeyId": f"arn:aws:kms:{grant.region}:{grant.account}:key/{grant.key_id}",
        "GrantId": grant.id,
        "Name": grant.name,
        "CreationDate": times.moment(grant.created_ms),
        "IssuingAccount": grant.issuer,
        "Operations": grant.operations,
        **_whom(grant),
    }
    constraints = dict(_constraints(grant))
    if constraints:
        entry["Constraints"] = constraints  # type: ignore[typeddict-item]
    return entry


def _whom(grant: Grant) -> GrantListEntry:
    """As on AWS, a service stands where ARNs stand; it stands in its own member too."""
    shown: GrantListEntry = {"GranteePrincipal": grant.grantee}
    if _SERVICE.fullmatch(grant.grantee):
        shown["GranteeServicePrincipal"] = grant.grantee
    if grant.retiring:
        shown["RetiringPrincipal"] = grant.retiring
        if _SERVICE.fullmatch(grant.retiring):
            shown["RetiringServicePrincipal"] = grant.retiring
    return shown


def _constraints(grant: Grant) -> Iterator[tuple[str, Any]]:
    if grant.equals is not None:
        yield "EncryptionContextEquals", grant.equals
    if grant.subset is not None:
        yield "EncryptionContextSubset", grant.subset
    if grant.source:
        yield "SourceArn", grant.source
