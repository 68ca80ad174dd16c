"""Key pairs: what `cryptography` does with them. Pure, but for the chance in a new key and in some signatures."""

from typing import TYPE_CHECKING

from pilvi.services.kms.specs import Spec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.padding import OAEP
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def make(spec: Spec) -> tuple[bytes, bytes]:
    """A new private key as DER (PKCS #8) and its public half as DER (SubjectPublicKeyInfo). RSA takes its time."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - megabytes for who never asks for a pair

    private = _generate(spec)
    secret = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return secret, public


def encrypt(public: bytes, algorithm: str, plain: bytes) -> bytes:
    """RSAES-OAEP. Raises ValueError: the text is too long for the key."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    key = load_der_public_key(public)
    assert isinstance(key, rsa.RSAPublicKey)
    return key.encrypt(plain, _oaep(algorithm))


def decrypt(private: bytes, algorithm: str, blob: bytes) -> bytes:
    """RSAES-OAEP. Raises ValueError: the blob was not made with this key and algorithm."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = _private(private)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.decrypt(blob, _oaep(algorithm))


def _oaep(algorithm: str) -> "OAEP":
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    digest = hashes.SHA1() if algorithm.endswith("_1") else hashes.SHA256()  # noqa: S303 - AWS's RSAES_OAEP_SHA_1
    return padding.OAEP(padding.MGF1(digest), digest, None)


def _private(secret: bytes) -> "PrivateKeyTypes":
    """A private key of ours; what it was made from was checked then."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

    return load_der_private_key(secret, None, unsafe_skip_rsa_key_validation=True)


def _generate(spec: Spec) -> "PrivateKeyTypes":
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    if spec.curve:
        return ec.generate_private_key(getattr(ec, spec.curve)())
    return rsa.generate_private_key(public_exponent=65537, key_size=spec.size)
