"""Data keys, and chance.

https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#data-keys
"""

from collections.abc import Mapping
from typing import Any

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt, ValidationError
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, pairs, tokens
from pilvi.services.kms.encrypting import bound, dry, refuse_unbuilt, seal
from pilvi.services.kms.errors import InvalidKeyUsage
from pilvi.services.kms.records import Key
from pilvi.services.kms.specs import ENCRYPT, SPECS, SYMMETRIC
from pilvi.services.kms.types import (
    GenerateDataKeyPairRequest,
    GenerateDataKeyPairResponse,
    GenerateDataKeyPairWithoutPlaintextRequest,
    GenerateDataKeyPairWithoutPlaintextResponse,
    GenerateDataKeyRequest,
    GenerateDataKeyResponse,
    GenerateDataKeyWithoutPlaintextRequest,
    GenerateDataKeyWithoutPlaintextResponse,
    GenerateRandomRequest,
    GenerateRandomResponse,
)

_BYTES = {"AES_256": 32, "AES_128": 16}


@operation("GenerateDataKey", reads=True, check=access.on_key("GenerateDataKey", find.any_key))
def generate_data_key(ctx: Context, req: GenerateDataKeyRequest) -> GenerateDataKeyResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html"""
    key, size = _wanted(ctx, req, "GenerateDataKey")
    plain = ctx.ids.bytes(size)
    return {
        "CiphertextBlob": seal(ctx, key, plain, bound(req)),
        "Plaintext": plain,
        "KeyId": key.arn,
        "KeyMaterialId": key.material_id,
    }


@operation(
    "GenerateDataKeyWithoutPlaintext",
    reads=True,
    check=access.on_key("GenerateDataKeyWithoutPlaintext", find.any_key),
)
def generate_data_key_without_plaintext(
    ctx: Context, req: GenerateDataKeyWithoutPlaintextRequest
) -> GenerateDataKeyWithoutPlaintextResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyWithoutPlaintext.html"""
    key, size = _wanted(ctx, req, "GenerateDataKeyWithoutPlaintext")
    blob = seal(ctx, key, ctx.ids.bytes(size), bound(req))
    return {"CiphertextBlob": blob, "KeyId": key.arn, "KeyMaterialId": key.material_id}


def _wanted(ctx: Context, req: Mapping[str, Any], name: str) -> tuple[Key, int]:
    """The key, and how many bytes a data key under it is to have."""
    if ("NumberOfBytes" in req) == ("KeySpec" in req):
        raise ValidationError("Please specify either number of bytes or key spec.")
    key = _ready(ctx, req, name)
    return key, req["NumberOfBytes"] if "NumberOfBytes" in req else _BYTES[req["KeySpec"]]


def _ready(ctx: Context, req: Mapping[str, Any], name: str) -> Key:
    refuse_unbuilt(req)
    key = find.any_key(ctx, req["KeyId"])
    tokens.accept(ctx, req)
    find.ready(key, ENCRYPT, name)
    if key.kind != SYMMETRIC:
        raise InvalidKeyUsage(f"{key.arn} key spec is {key.kind} which is not valid for {name}.")
    dry(req)
    return key


# -- key pairs -----------------------------------------------------------------------------------------------------------


def _spec_named(req: Mapping[str, Any]) -> access.Keys:
    return {"kms:DataKeyPairSpec": req["KeyPairSpec"]}


@operation(
    "GenerateDataKeyPair",
    reads=True,
    heavy=True,
    check=access.on_key("GenerateDataKeyPair", find.any_key, _spec_named),
)
def generate_data_key_pair(ctx: Context, req: GenerateDataKeyPairRequest) -> GenerateDataKeyPairResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyPair.html"""
    made, private = _pair(ctx, req, "GenerateDataKeyPair")
    return {**made, "PrivateKeyPlaintext": private}  # type: ignore[typeddict-item]


@operation(
    "GenerateDataKeyPairWithoutPlaintext",
    reads=True,
    heavy=True,
    check=access.on_key("GenerateDataKeyPairWithoutPlaintext", find.any_key, _spec_named),
)
def generate_data_key_pair_without_plaintext(
    ctx: Context, req: GenerateDataKeyPairWithoutPlaintextRequest
) -> GenerateDataKeyPairWithoutPlaintextResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKeyPairWithoutPlaintext.html"""
    return _pair(ctx, req, "GenerateDataKeyPairWithoutPlaintext")[0]


def _pair(ctx: Context, req: Mapping[str, Any], name: str) -> tuple[GenerateDataKeyPairWithoutPlaintextResponse, bytes]:
    key = _ready(ctx, req, name)
    spec = SPECS.get(req["KeyPairSpec"])
    if spec is None:
        raise NotBuilt(f"kms: the key pair spec {req['KeyPairSpec']} is not built.")
    context = bound(req)
    private, public = pairs.make(spec)
    made: GenerateDataKeyPairWithoutPlaintextResponse = {
        "PrivateKeyCiphertextBlob": seal(ctx, key, private, context),
        "PublicKey": public,
        "KeyId": key.arn,
        "KeyPairSpec": spec.name,
        "KeyMaterialId": key.material_id,
    }
    return made, private


# -- chance --------------------------------------------------------------------------------------------------------------


def _random_check(ctx: Context, req: GenerateRandomRequest) -> Check:
    del req
    return Check("kms:GenerateRandom", context=access.about(ctx))


@operation("GenerateRandom", reads=True, check=_random_check)
def generate_random(ctx: Context, req: GenerateRandomRequest) -> GenerateRandomResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateRandom.html"""
    refuse_unbuilt(req)
    if "CustomKeyStoreId" in req:
        raise NotBuilt("kms: CustomKeyStoreId is not built.")
    if "NumberOfBytes" not in req:
        raise ValidationError(
            "1 validation error detected: Value null at 'numberOfBytes' failed to satisfy constraint: Member must not be null"
        )
    return {"Plaintext": ctx.ids.bytes(req["NumberOfBytes"])}
