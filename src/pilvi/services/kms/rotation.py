"""Rotation: new material for the same key. What was encrypted with the old one is opened with the old one.

A key that is rotated by itself has one outbox entry, due when the next rotation is. A key that is switched off is not
rotated; it is as soon as it is switched on again, if it was due meanwhile.

https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import Settled, operation
from pilvi.services.kms import access, find, limits, managed, materials, paging, times
from pilvi.services.kms.errors import Disabled, LimitExceeded, UnsupportedOperation
from pilvi.services.kms.records import Key, Material
from pilvi.services.kms.specs import SPECS, SYMMETRIC
from pilvi.services.kms.types import (
    DisableKeyRotationRequest,
    EnableKeyRotationRequest,
    GetKeyRotationStatusRequest,
    GetKeyRotationStatusResponse,
    ListKeyRotationsRequest,
    ListKeyRotationsResponse,
    RotateKeyOnDemandRequest,
    RotateKeyOnDemandResponse,
    RotationsListEntry,
)
from pilvi.state.store import OutboxEntry

TOPIC = "kms.rotate"


# -- as records know it --------------------------------------------------------------------------------------------------


def begin(ctx: Context, key: Key, days: int) -> Key:
    """The key, rotated by itself from now on."""
    return _expect(ctx, msgspec.structs.replace(key, rotation_days=days, rotates_ms=ctx.now_ms + days * limits.DAY_MS))


def resume(ctx: Context, key: Key) -> Key:
    """The key, with an entry for its rotation if it needs one."""
    return key if not key.rotation_days or key.rotation else _expect(ctx, key)


def _expect(ctx: Context, key: Key) -> Key:
    entry = ctx.tx.publish(TOPIC, key.id.encode(), due_ms=key.rotates_ms, key=key.id)
    return msgspec.structs.replace(key, rotation=entry)


def turn(ctx: Context, key: Key, why: str) -> Key:
    """The key with new material."""
    version = key.version + 1
    if key.managed:
        material_id, secret = managed.material(ctx, key.id, version).hex_id, b""
    else:
        material_id, secret = ctx.ids.hex(64), materials.make(ctx, SPECS[key.kind])[0]
    materials.keep(ctx, key, version, secret, rotated=why, material_id=material_id)
    return msgspec.structs.replace(key, version=version, material_id=material_id)


class Rotate(msgspec.Struct, frozen=True):
    """The delivery of `kms.rotate`."""

    topic: str = TOPIC

    def begin(self, ctx: Context, entry: OutboxEntry) -> None:
        """Nothing happens outside."""

    def settle(self, ctx: Context, entry: OutboxEntry, outcome: object) -> Settled:  # noqa: ARG002
        """Rotates, unless the entry is of a time when things were otherwise."""
        key = ctx.tx[Key].get(entry.body.decode())
        if key is None or key.rotation != entry.id:
            return Settled()
        if key.state != "Enabled":
            ctx.tx[Key].put(msgspec.structs.replace(key, rotation=0))
            return Settled()
        ctx.tx[Key].put(begin(ctx, turn(ctx, key, "AUTOMATIC"), key.rotation_days))
        return Settled()


# -- operations ----------------------------------------------------------------------------------------------------------


def _period(req: Mapping[str, Any]) -> access.Keys:
    return {"kms:RotationPeriodInDays": str(req.get("RotationPeriodInDays", limits.ROTATION_DAYS_DEFAULT))}


@operation("EnableKeyRotation", check=access.on_key("EnableKeyRotation", more=_period))
def enable_key_rotation(ctx: Context, req: EnableKeyRotationRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html"""
    key = _changeable(ctx, req["KeyId"])
    days = req.get("RotationPeriodInDays", key.rotation_days or limits.ROTATION_DAYS_DEFAULT)
    if days != key.rotation_days:
        ctx.tx[Key].put(begin(ctx, key, days))


@operation("DisableKeyRotation", check=access.on_key("DisableKeyRotation"))
def disable_key_rotation(ctx: Context, req: DisableKeyRotationRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKeyRotation.html"""
    key = _changeable(ctx, req["KeyId"])
    ctx.tx[Key].put(msgspec.structs.replace(key, rotation_days=0, rotates_ms=0, rotation=0))


@operation("RotateKeyOnDemand", check=access.on_key("RotateKeyOnDemand"))
def rotate_key_on_demand(ctx: Context, req: RotateKeyOnDemandRequest) -> RotateKeyOnDemandResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html"""
    key = _changeable(ctx, req["KeyId"])
    asked_for = sum(material.rotated == "ON_DEMAND" for material in ctx.tx[Material].scan(key.id))
    if asked_for >= limits.ROTATIONS_ON_DEMAND_MAX:
        raise LimitExceeded(f"A KMS key can be rotated on demand at most {limits.ROTATIONS_ON_DEMAND_MAX} times.")
    ctx.tx[Key].put(turn(ctx, key, "ON_DEMAND"))
    return {"KeyId": key.arn}


def _changeable(ctx: Context, key_id: str) -> Key:
    key = find.own_key(ctx, key_id)
    find.alive(key)
    if not key.enabled:
        raise Disabled(f"{key.arn} is disabled.")
    _rotatable(key)
    return key


def _rotatable(key: Key) -> None:
    if key.kind != SYMMETRIC:
        raise UnsupportedOperation(f"{key.arn} key spec is {key.kind}: only symmetric encryption keys are rotated.")


@operation("GetKeyRotationStatus", reads=True, check=access.on_key("GetKeyRotationStatus", find.shared_key))
def get_key_rotation_status(ctx: Context, req: GetKeyRotationStatusRequest) -> GetKeyRotationStatusResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html"""
    key = find.shared_key(ctx, req["KeyId"])
    _rotatable(key)
    rotates = bool(key.rotation_days) and not key.deletion_ms
    status: GetKeyRotationStatusResponse = {"KeyId": key.arn, "KeyRotationEnabled": rotates}
    if rotates:
        status["RotationPeriodInDays"] = key.rotation_days
        status["NextRotationDate"] = times.moment(key.rotates_ms)
    return status


@operation("ListKeyRotations", reads=True, check=access.on_key("ListKeyRotations"))
def list_key_rotations(ctx: Context, req: ListKeyRotationsRequest) -> ListKeyRotationsResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyRotations.html"""
    key = find.own_key(ctx, req["KeyId"])
    _rotatable(key)
    everything = req.get("IncludeKeyMaterial", "ROTATIONS_ONLY") == "ALL_KEY_MATERIAL"
    rows = (one for one in ctx.tx[Material].scan(key.id) if everything or one.rotated)
    found, rest = paging.page(rows, lambda one: f"{one.version:010d}", req)
    return {"Rotations": list(_shown(key, found)), **rest}


def _shown(key: Key, found: list[Material]) -> Iterator[RotationsListEntry]:
    for one in found:
        entry: RotationsListEntry = {
            "KeyId": key.arn,
            "KeyMaterialId": one.id,
            "KeyMaterialState": "CURRENT" if one.version == key.version else "NON_CURRENT",
        }
        if one.rotated:
            entry["RotationDate"] = times.moment(one.created_ms)
            entry["RotationType"] = one.rotated
        yield entry
