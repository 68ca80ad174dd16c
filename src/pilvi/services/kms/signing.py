"""Key pairs at work: signatures, public keys, and secrets that two pairs share.

https://docs.aws.amazon.com/kms/latest/developerguide/symmetric-asymmetric.html
"""

from collections.abc import Mapping
from typing import Any, cast

from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt, ValidationError
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, keys, materials, pairs, tokens
from pilvi.services.kms.encrypting import dry, refuse_unbuilt
from pilvi.services.kms.errors import InvalidKeyUsage, InvalidSignature, UnsupportedOperation
from pilvi.services.kms.records import Key
from pilvi.services.kms.specs import AGREE, SIGN, SPECS
from pilvi.services.kms.types import (
    DeriveSharedSecretRequest,
    DeriveSharedSecretResponse,
    GetPublicKeyRequest,
    GetPublicKeyResponse,
    SignRequest,
    SignResponse,
    VerifyRequest,
    VerifyResponse,
)


def _named(req: Mapping[str, Any]) -> access.Keys:
    return {"kms:SigningAlgorithm": req["SigningAlgorithm"], "kms:MessageType": req.get("MessageType", "RAW")}


@operation("Sign", reads=True, heavy=True, check=access.on_key("Sign", find.any_key, _named))
def sign(ctx: Context, req: SignRequest) -> SignResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html"""
    key, algorithm = _ready(ctx, req, "Sign"), req["SigningAlgorithm"]
    private = materials.opened(ctx, materials.stored(ctx, key, key.version))
    signature = pairs.sign(private, algorithm, req["Message"], digested=_digested(req))
    return {"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm}


@operation("Verify", reads=True, check=access.on_key("Verify", find.any_key, _named))
def verify(ctx: Context, req: VerifyRequest) -> VerifyResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_Verify.html"""
    key, algorithm = _ready(ctx, req, "Verify"), req["SigningAlgorithm"]
    public = materials.stored(ctx, key, key.version).public
    if not pairs.verify(public, algorithm, req["Message"], req["Signature"], digested=_digested(req)):
        raise InvalidSignature
    return {"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm}


def _ready(ctx: Context, req: Mapping[str, Any], name: str) -> Key:
    key, algorithm = find.any_key(ctx, req["KeyId"]), req["SigningAlgorithm"]
    tokens.accept(ctx, req)
    find.ready(key, SIGN, name)
    if algorithm not in SPECS[key.kind].signing:
        raise InvalidKeyUsage(f"Algorithm {algorithm} is incompatible with key spec {key.kind}.")
    if _digested(req) and len(req["Message"]) != pairs.digest_bytes(algorithm):
        raise ValidationError(f"Digest is invalid length for algorithm {algorithm}.")
    dry(req)
    return key


def _digested(req: Mapping[str, Any]) -> bool:
    kind = req.get("MessageType", "RAW")
    if kind == "EXTERNAL_MU":
        raise NotBuilt("kms: the message type EXTERNAL_MU is not built.")
    return bool(kind == "DIGEST")


@operation("GetPublicKey", reads=True, check=access.on_key("GetPublicKey", find.any_key))
def get_public_key(ctx: Context, req: GetPublicKeyRequest) -> GetPublicKeyResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GetPublicKey.html"""
    key = find.any_key(ctx, req["KeyId"])
    tokens.accept(ctx, req)
    if not SPECS[key.kind].paired:
        raise UnsupportedOperation(f"{key.arn} key spec is {key.kind} which is not valid for GetPublicKey.")
    find.ready(key, key.usage, "GetPublicKey")
    shown = {
        "KeyId": key.arn,
        "PublicKey": materials.stored(ctx, key, key.version).public,
        "CustomerMasterKeySpec": key.kind,
        "KeySpec": key.kind,
        "KeyUsage": key.usage,
        **keys.algorithms(key),
    }
    return cast("GetPublicKeyResponse", shown)


def _agreement(req: Mapping[str, Any]) -> access.Keys:
    return {"kms:KeyAgreementAlgorithm": req["KeyAgreementAlgorithm"]}


@operation("DeriveSharedSecret", reads=True, check=access.on_key("DeriveSharedSecret", find.any_key, _agreement))
def derive_shared_secret(ctx: Context, req: DeriveSharedSecretRequest) -> DeriveSharedSecretResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_DeriveSharedSecret.html"""
    refuse_unbuilt(req)
    key = find.any_key(ctx, req["KeyId"])
    tokens.accept(ctx, req)
    find.ready(key, AGREE, "DeriveSharedSecret")
    dry(req)
    private = materials.opened(ctx, materials.stored(ctx, key, key.version))
    try:
        secret = pairs.agree(private, req["PublicKey"])
    except ValueError:
        raise ValidationError(f"PublicKey is not a public key of the key spec {key.kind}.") from None
    return {
        "KeyId": key.arn,
        "SharedSecret": secret,
        "KeyAgreementAlgorithm": req["KeyAgreementAlgorithm"],
        "KeyOrigin": "AWS_KMS",
    }
