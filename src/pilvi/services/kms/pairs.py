"""Key pairs: what `cryptography` does with them. Pure, but for the chance in a new key and in some signatures."""

from typing import TYPE_CHECKING

from pilvi.services.kms.specs import Spec

if TYPE_CHECKING:
    from cryptography.hazmat.primitives._asymmetric import AsymmetricPadding
    from cryptography.hazmat.primitives.asymmetric.padding import OAEP
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import HashAlgorithm


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


def digest_bytes(algorithm: str) -> int:
    """The length of the digest that a signing algorithm signs."""
    return int(algorithm.rpartition("_")[2]) // 8


def sign(private: bytes, algorithm: str, message: bytes, *, digested: bool) -> bytes:
    """A signature; of an elliptic curve's as DER (ANSI X9.62).

    Args:
        digested: the message is the digest already.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    key, digest = _private(private), _digest(algorithm, digested=digested)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(digest))
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.sign(message, _signature_padding(algorithm), digest)


def verify(public: bytes, algorithm: str, message: bytes, signature: bytes, *, digested: bool) -> bool:
    """Whether the signature is one of this message."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    key, digest = load_der_public_key(public), _digest(algorithm, digested=digested)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(digest))
        else:
            assert isinstance(key, rsa.RSAPublicKey)
            key.verify(signature, message, _signature_padding(algorithm), digest)
    except InvalidSignature:
        return False
    return True


def agree(private: bytes, public: bytes) -> bytes:
    """The x coordinate that two pairs share (ECDH). Raises ValueError: `public` is none, or of another curve."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    key = _private(private)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    try:
        other = load_der_public_key(public)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(other, ec.EllipticCurvePublicKey):
        raise ValueError("not a key of an elliptic curve")  # noqa: TRY004 - one error for whatever a client sends
    return key.exchange(ec.ECDH(), other)


def _digest(algorithm: str, *, digested: bool) -> "HashAlgorithm | Prehashed":
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed  # noqa: PLC0415

    digest: HashAlgorithm = getattr(hashes, "SHA" + algorithm.rpartition("_")[2])()
    return Prehashed(digest) if digested else digest


def _signature_padding(algorithm: str) -> "AsymmetricPadding":
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    if "PKCS1" in algorithm:
        return padding.PKCS1v15()
    digest = getattr(hashes, "SHA" + algorithm.rpartition("_")[2])()
    return padding.PSS(padding.MGF1(digest), digest.digest_size)


def _private(secret: bytes) -> "PrivateKeyTypes":
    """A private key of ours; what it was made from was checked then."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415

    return load_der_private_key(secret, None, unsafe_skip_rsa_key_validation=True)


def _generate(spec: Spec) -> "PrivateKeyTypes":
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415

    if spec.curve:
        return ec.generate_private_key(getattr(ec, spec.curve)())
    return rsa.generate_private_key(public_exponent=65537, key_size=spec.size)
