"""HMACs. https://docs.aws.amazon.com/kms/latest/developerguide/hmac.html"""

import hmac
from collections.abc import Mapping
from typing import Any

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, materials, tokens
from pilvi.services.kms.encrypting import dry
from pilvi.services.kms.errors import InvalidKeyUsage, InvalidMac
from pilvi.services.kms.records import Key
from pilvi.services.kms.specs import MAC, SPECS
from pilvi.services.kms.types import (
    GenerateMacRequest,
    GenerateMacResponse,
    VerifyMacRequest,
    VerifyMacResponse,
)


def _named(req: Mapping[str, Any]) -> access.Keys:
    return {"kms:MacAlgorithm": req["MacAlgorithm"]}


@operation("GenerateMac", reads=True, check=access.on_key("GenerateMac", find.any_key, _named))
def generate_mac(ctx: Context, req: GenerateMacRequest) -> GenerateMacResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateMac.html"""
    key = _ready(ctx, req, "GenerateMac")
    return {"KeyId": key.arn, "Mac": _mac(ctx, key, req), "MacAlgorithm": req["MacAlgorithm"]}


@operation("VerifyMac", reads=True, check=access.on_key("VerifyMac", find.any_key, _named))
def verify_mac(ctx: Context, req: VerifyMacRequest) -> VerifyMacResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_VerifyMac.html"""
    key = _ready(ctx, req, "VerifyMac")
    if not hmac.compare_digest(_mac(ctx, key, req), req["Mac"]):
        raise InvalidMac
    return {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": req["MacAlgorithm"]}


def _ready(ctx: Context, req: Mapping[str, Any], name: str) -> Key:
    key, algorithm = find.any_key(ctx, req["KeyId"]), req["MacAlgorithm"]
    tokens.accept(ctx, req)
    find.ready(key, MAC, name)
    if algorithm not in SPECS[key.kind].macs:
        raise InvalidKeyUsage(f"Algorithm {algorithm} is incompatible with key spec {key.kind}.")
    dry(req)
    return key


def _mac(ctx: Context, key: Key, req: Mapping[str, Any]) -> bytes:
    digest = "sha" + req["MacAlgorithm"].rpartition("_")[2]
    return hmac.digest(materials.opened(ctx, materials.stored(ctx, key, key.version)), req["Message"], digest)
