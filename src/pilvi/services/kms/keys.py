"""Keys: made, described, listed, switched off and on."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.effects import Compute
from pilvi.core.errors import NotBuilt, ValidationError
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, limits, materials, paging, pairs, policies, rotation, tags, times
from pilvi.services.kms.errors import LimitExceeded
from pilvi.services.kms.names import AWS_ALIAS
from pilvi.services.kms.records import Key
from pilvi.services.kms.specs import AGREE, ENCRYPT, MAC, SIGN, SPECS, SYMMETRIC, Spec
from pilvi.services.kms.types import (
    CreateKeyRequest,
    CreateKeyResponse,
    DescribeKeyRequest,
    DescribeKeyResponse,
    DisableKeyRequest,
    EnableKeyRequest,
    KeyMetadata,
    ListKeysRequest,
    ListKeysResponse,
    UpdateKeyDescriptionRequest,
)


def _create_checks(ctx: Context, req: CreateKeyRequest) -> list[Check]:
    wanted = tags.given(req.get("Tags", []))
    kind = kind_of(req)
    context = {
        **access.about(ctx),
        **access.of_tags(wanted),
        "kms:KeySpec": kind,
        "kms:KeyUsage": req.get("KeyUsage", ENCRYPT),
        "kms:KeyOrigin": req.get("Origin", "AWS_KMS"),
        "kms:MultiRegion": "true" if req.get("MultiRegion") else "false",
        "kms:BypassPolicyLockoutSafetyCheck": "true" if req.get("BypassPolicyLockoutSafetyCheck") else "false",
    }
    actions = ("CreateKey", "TagResource") if wanted else ("CreateKey",)
    return [Check(f"kms:{action}", context=context) for action in actions]


@operation("CreateKey", check=_create_checks)
def create_key(ctx: Context, req: CreateKeyRequest) -> CreateKeyResponse | Compute:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html"""
    spec, usage = _wanted(req)
    if ctx.tx[Key].count(ctx.account, ctx.region, index="owner") >= limits.KEYS_MAX:
        raise LimitExceeded(f"An account can have at most {limits.KEYS_MAX} KMS keys in a region.")
    key = Key(
        ctx.ids.uuid(), ctx.account, ctx.region, ctx.now_ms, spec.name, usage, ctx.ids.hex(64),
        description=req.get("Description", ""),
        policy=req.get("Policy", ""),
        tags=tags.given(req.get("Tags", [])),
    )  # fmt: skip
    if key.policy:
        policies.accept(ctx, key, key.policy, safe=not req.get("BypassPolicyLockoutSafetyCheck"))
    if spec.slow and ctx.computed is None:
        return Compute(partial(pairs.make, spec))
    secret, public = ctx.computed or materials.make(ctx, spec)
    ctx.tx[Key].put(key)
    materials.keep(ctx, key, 1, secret, public=public, material_id=key.material_id)
    return {"KeyMetadata": metadata(key)}


def kind_of(req: Mapping[str, Any]) -> str:
    """The KeySpec that a request names, under its old name or its new one."""
    kind, old = req.get("KeySpec"), req.get("CustomerMasterKeySpec")
    if kind and old and kind != old:
        raise ValidationError("You cannot specify KeySpec and CustomerMasterKeySpec in the same request.")
    return kind or old or SYMMETRIC


def _wanted(req: CreateKeyRequest) -> tuple[Spec, str]:
    if req.get("MultiRegion"):
        raise NotBuilt("kms: MultiRegion is not built.")
    if req.get("Origin", "AWS_KMS") != "AWS_KMS":
        raise NotBuilt(f"kms: the origin {req['Origin']} is not built.")
    for member in ("CustomKeyStoreId", "XksKeyId"):
        if member in req:
            raise NotBuilt(f"kms: {member} is not built.")
    kind, usage = kind_of(req), req.get("KeyUsage", ENCRYPT)
    spec = SPECS.get(kind)
    if spec is None:
        raise NotBuilt(f"kms: the key spec {kind} is not built.")
    if spec.usages != (ENCRYPT,) and "KeyUsage" not in req:
        raise ValidationError(f"You must specify a KeyUsage value for the KeySpec {kind}.")
    if usage not in spec.usages:
        raise ValidationError(f"KeyUsage {usage} is not compatible with KeySpec {kind}")
    return spec, usage


def metadata(key: Key) -> KeyMetadata:
    shown: dict[str, Any] = {
        "AWSAccountId": key.account,
        "KeyId": key.id,
        "Arn": key.arn,
        "CreationDate": times.moment(key.created_ms),
        "Enabled": key.state == "Enabled",
        "Description": key.description,
        "KeyUsage": key.usage,
        "KeyState": key.state,
        "Origin": "AWS_KMS",
        "KeyManager": "AWS" if key.managed else "CUSTOMER",
        "CustomerMasterKeySpec": key.kind,
        "KeySpec": key.kind,
        "MultiRegion": False,
        **algorithms(key),
    }
    if key.kind == SYMMETRIC:
        shown["CurrentKeyMaterialId"] = key.material_id
    if key.deletion_ms:
        shown["DeletionDate"] = times.moment(key.deletion_ms)
    return cast("KeyMetadata", shown)


def algorithms(key: Key) -> dict[str, list[str]]:
    """What the key can be used with, as answers tell it."""
    spec = SPECS[key.kind]
    member, values = {
        ENCRYPT: ("EncryptionAlgorithms", spec.encryption),
        SIGN: ("SigningAlgorithms", spec.signing),
        MAC: ("MacAlgorithms", spec.macs),
        AGREE: ("KeyAgreementAlgorithms", spec.agreement),
    }[key.usage]
    return {member: list(values)}


def _describes_only(req: DescribeKeyRequest) -> bool:
    """Whoever describes an AWS-managed key by its alias makes it, as on AWS."""
    return AWS_ALIAS not in req["KeyId"]


@operation("DescribeKey", reads=_describes_only, check=access.on_key("DescribeKey", find.any_key))
def describe_key(ctx: Context, req: DescribeKeyRequest) -> DescribeKeyResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html"""
    key = find.any_key(ctx, req["KeyId"])
    if key.managed and not _describes_only(req) and ctx.tx[Key].get(key.id) is None:
        key = rotation.begin(ctx, key, limits.ROTATION_DAYS_DEFAULT)
        ctx.tx[Key].put(key)
    return {"KeyMetadata": metadata(key)}


def list_check(ctx: Context, req: Mapping[str, Any]) -> Check:
    del req
    return Check("kms:ListKeys", context=access.about(ctx))


@operation("ListKeys", reads=True, check=list_check)
def list_keys(ctx: Context, req: ListKeysRequest) -> ListKeysResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeys.html"""
    if set(req.get("ResourceOwners", ["SELF"])) != {"SELF"}:
        raise NotBuilt("kms: keys that other accounts share through RAM are not built.")
    after = paging.after_of(req)
    keys = ctx.tx[Key].scan(ctx.account, ctx.region, index="owner", after=after)
    found, rest = paging.page(keys, lambda key: key.id, req, default=limits.KEYS_PAGE_DEFAULT)
    return {"Keys": [{"KeyId": key.id, "KeyArn": key.arn} for key in found], **rest}


@operation("EnableKey", check=access.on_key("EnableKey"))
def enable_key(ctx: Context, req: EnableKeyRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKey.html"""
    key = find.own_key(ctx, req["KeyId"])
    find.alive(key)
    ctx.tx[Key].put(rotation.resume(ctx, msgspec.structs.replace(key, enabled=True)))


@operation("DisableKey", check=access.on_key("DisableKey"))
def disable_key(ctx: Context, req: DisableKeyRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html"""
    key = find.own_key(ctx, req["KeyId"])
    find.alive(key)
    ctx.tx[Key].put(msgspec.structs.replace(key, enabled=False))


@operation("UpdateKeyDescription", check=access.on_key("UpdateKeyDescription"))
def update_key_description(ctx: Context, req: UpdateKeyDescriptionRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdateKeyDescription.html"""
    key = find.own_key(ctx, req["KeyId"])
    find.alive(key)
    ctx.tx[Key].put(msgspec.structs.replace(key, description=req["Description"]))
