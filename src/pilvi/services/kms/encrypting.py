"""Encrypt, Decrypt, ReEncrypt. They change nothing, and other services ask for them with each of their objects.

https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#encrypt_context
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt, ValidationError
from pilvi.core.operation import operation
from pilvi.core.sealing import SealBroken
from pilvi.services.kms import access, envelopes, find, limits, materials, pairs, tokens
from pilvi.services.kms.envelopes import Envelope
from pilvi.services.kms.errors import DryRun, IncorrectKey, InvalidCiphertext, InvalidKeyUsage
from pilvi.services.kms.records import Key
from pilvi.services.kms.specs import ENCRYPT, SPECS, SYMMETRIC
from pilvi.services.kms.types import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    ReEncryptRequest,
    ReEncryptResponse,
)


@operation("Encrypt", reads=True, check=access.on_key("Encrypt", find.any_key, access.of_algorithm))
def encrypt(ctx: Context, req: EncryptRequest) -> EncryptResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html"""
    key = find.any_key(ctx, req["KeyId"])
    algorithm = req.get("EncryptionAlgorithm", SYMMETRIC)
    tokens.accept(ctx, req)
    _fits(key, "Encrypt", algorithm)
    dry(req)
    blob = _encrypted(ctx, key, algorithm, req["Plaintext"], bound(req))
    return {"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": algorithm}


def _decrypt_check(ctx: Context, req: DecryptRequest) -> Check:
    return access.question(ctx, "Decrypt", _source(ctx, req, _DECRYPT)[0], req, access.of_algorithm(req))


def _by_pair(req: Mapping[str, Any]) -> bool:
    """Whether a private key decrypts: that takes milliseconds."""
    return any(
        req.get(member, SYMMETRIC) != SYMMETRIC for member in ("EncryptionAlgorithm", "SourceEncryptionAlgorithm")
    )


@operation("Decrypt", reads=True, heavy=_by_pair, check=_decrypt_check)
def decrypt(ctx: Context, req: DecryptRequest) -> DecryptResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html"""
    refuse_unbuilt(req)
    key, envelope = _source(ctx, req, _DECRYPT)
    tokens.accept(ctx, req)
    algorithm = req.get("EncryptionAlgorithm", SYMMETRIC)
    plain = _decrypted(ctx, key, envelope, req, _DECRYPT)
    answer: DecryptResponse = {"KeyId": key.arn, "Plaintext": plain, "EncryptionAlgorithm": algorithm}
    if envelope is not None:
        answer["KeyMaterialId"] = materials.id_of(ctx, key, envelope.version)
    return answer


def _reencrypt_checks(ctx: Context, req: ReEncryptRequest) -> list[Check]:
    """Out of one key and into another; each has a say."""
    source = _source(ctx, req, _REENCRYPT)[0]
    target = find.any_key(ctx, req["DestinationKeyId"])
    same: access.Keys = {"kms:ReEncryptOnSameKey": "true" if source.id == target.id else "false"}
    out = same | access.of_algorithm(req, "SourceEncryptionAlgorithm")
    into = same | access.of_algorithm(req, "DestinationEncryptionAlgorithm")
    return [
        access.question(ctx, "ReEncryptFrom", source, req, out, given="SourceKeyId"),
        access.question(ctx, "ReEncryptTo", target, req, into, given="DestinationKeyId"),
    ]


@operation("ReEncrypt", reads=True, heavy=_by_pair, check=_reencrypt_checks)
def reencrypt(ctx: Context, req: ReEncryptRequest) -> ReEncryptResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html"""
    refuse_unbuilt(req)
    source, envelope = _source(ctx, req, _REENCRYPT)
    target = find.any_key(ctx, req["DestinationKeyId"])
    tokens.accept(ctx, req)
    algorithm = req.get("DestinationEncryptionAlgorithm", SYMMETRIC)
    _fits(target, "ReEncryptTo", algorithm)
    plain = _decrypted(ctx, source, envelope, req, _REENCRYPT)
    answer: ReEncryptResponse = {
        "CiphertextBlob": _encrypted(ctx, target, algorithm, plain, bound(req, "DestinationEncryptionContext")),
        "SourceKeyId": source.arn,
        "KeyId": target.arn,
        "SourceEncryptionAlgorithm": req.get("SourceEncryptionAlgorithm", SYMMETRIC),
        "DestinationEncryptionAlgorithm": algorithm,
    }
    if envelope is not None:
        answer["SourceKeyMaterialId"] = materials.id_of(ctx, source, envelope.version)
    if target.kind == SYMMETRIC:
        answer["DestinationKeyMaterialId"] = target.material_id
    return answer


# -- shared --------------------------------------------------------------------------------------------------------------


def refuse_unbuilt(req: Mapping[str, Any]) -> None:
    """Raises NotBuilt for what only enclaves and experiments ask."""
    for member in ("Recipient", "DryRunModifiers"):
        if req.get(member):
            raise NotBuilt(f"kms: {member} is not built.")


def dry(req: Mapping[str, Any]) -> None:
    """Raises DryRun when the request only asks whether it would have gone through."""
    if req.get("DryRun"):
        raise DryRun("The request would have succeeded, but the DryRun option is set.")


def bound(req: Mapping[str, Any], member: str = "EncryptionContext") -> Mapping[str, str]:
    """The encryption context of a request.

    Raises:
        ValidationError: it is too large.
    """
    context: Mapping[str, str] = req.get(member) or {}
    if sum(len(name.encode()) + len(value.encode()) for name, value in context.items()) > limits.CONTEXT_BYTES_MAX:
        raise ValidationError(f"{member} can have at most {limits.CONTEXT_BYTES_MAX} bytes.")
    return context


def seal(ctx: Context, key: Key, plain: bytes, context: Mapping[str, str]) -> bytes:
    """A ciphertext blob of a symmetric key."""
    return envelopes.seal(ctx.ids, key.id, key.version, materials.symmetric(ctx, key), plain, context)


def _encrypted(ctx: Context, key: Key, algorithm: str, plain: bytes, context: Mapping[str, str]) -> bytes:
    if algorithm == SYMMETRIC:
        return seal(ctx, key, plain, context)
    if context:
        raise ValidationError("An encryption context cannot be used with an asymmetric KMS key.")
    try:
        return pairs.encrypt(materials.stored(ctx, key, key.version).public, algorithm, plain)
    except ValueError:
        raise ValidationError(f"Plaintext is too long for the key spec {key.kind} and {algorithm}.") from None


class _Members(NamedTuple):
    """What the two operations that decrypt call the same things."""

    operation: str
    key: str
    algorithm: str
    context: str


_DECRYPT = _Members("Decrypt", "KeyId", "EncryptionAlgorithm", "EncryptionContext")
_REENCRYPT = _Members("ReEncryptFrom", "SourceKeyId", "SourceEncryptionAlgorithm", "SourceEncryptionContext")


def _source(ctx: Context, req: Mapping[str, Any], members: _Members) -> tuple[Key, Envelope | None]:
    """The key that decrypts, and the ciphertext blob when it is one of a symmetric key."""
    if "CiphertextBlob" not in req:
        raise ValidationError(
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null"
        )
    named = req.get(members.key)
    if req.get(members.algorithm, SYMMETRIC) != SYMMETRIC:
        if named is None:
            raise ValidationError(f"{members.key} is required to decrypt with an asymmetric KMS key.")
        return find.any_key(ctx, named), None
    envelope = envelopes.read(req["CiphertextBlob"])
    if named is not None:
        return find.any_key(ctx, named), envelope
    if envelope is None:
        raise InvalidCiphertext
    return find.of_ciphertext(ctx, envelope.key_id), envelope


def _decrypted(ctx: Context, key: Key, envelope: Envelope | None, req: Mapping[str, Any], members: _Members) -> bytes:
    algorithm = req.get(members.algorithm, SYMMETRIC)
    _fits(key, members.operation, algorithm)
    context = bound(req, members.context)
    if algorithm != SYMMETRIC:
        dry(req)
        return _opened_by_pair(ctx, key, algorithm, req["CiphertextBlob"], context)
    if envelope is None:
        raise InvalidCiphertext
    if envelope.key_id != key.id:
        raise IncorrectKey("The key ID in the request does not identify a CMK that can perform this operation.")
    try:
        plain = envelopes.unseal(envelope, _material(ctx, key, envelope.version), context)
    except SealBroken:
        raise InvalidCiphertext from None
    dry(req)
    return plain


def _material(ctx: Context, key: Key, version: int) -> bytes:
    try:
        return materials.of_version(ctx, key, version)
    except LookupError:
        raise InvalidCiphertext from None


def _opened_by_pair(ctx: Context, key: Key, algorithm: str, blob: bytes, context: Mapping[str, str]) -> bytes:
    if context:
        raise ValidationError("An encryption context cannot be used with an asymmetric KMS key.")
    private = materials.opened(ctx, materials.stored(ctx, key, key.version))
    try:
        return pairs.decrypt(private, algorithm, blob)
    except ValueError:
        raise InvalidCiphertext from None


def _fits(key: Key, operation: str, algorithm: str) -> None:
    find.ready(key, ENCRYPT, operation)
    if algorithm not in SPECS[key.kind].encryption:
        raise InvalidKeyUsage(f"Algorithm {algorithm} is incompatible with key spec {key.kind}.")
