"""Kinds of keys: what each is for, and with which algorithms.

https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html
"""

import msgspec

ENCRYPT, SIGN, MAC, AGREE = "ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"
SYMMETRIC = "SYMMETRIC_DEFAULT"

_RSA_ENCRYPTION = ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
_RSA_SIGNING = tuple(f"RSASSA_{form}_SHA_{bits}" for form in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512))


class Spec(msgspec.Struct, frozen=True):
    """A KeySpec.

    Attributes:
        size: of the material in bytes, or of the modulus in bits.
        curve: of an elliptic curve, by its usual name.
    """

    name: str
    usages: tuple[str, ...]
    size: int = 0
    curve: str = ""
    encryption: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    agreement: tuple[str, ...] = ()

    @property
    def paired(self) -> bool:
        """Whether it has a private and a public half."""
        return self.name.startswith(("RSA_", "ECC_"))

    @property
    def slow(self) -> bool:
        """Whether making one takes longer than a transaction may."""
        return self.name.startswith("RSA_")


def _hmac(bits: int) -> Spec:
    return Spec(f"HMAC_{bits}", (MAC,), bits // 8, macs=(f"HMAC_SHA_{bits}",))


def _rsa(bits: int) -> Spec:
    return Spec(f"RSA_{bits}", (ENCRYPT, SIGN), bits, encryption=_RSA_ENCRYPTION, signing=_RSA_SIGNING)


def _curve(name: str, curve: str, bits: int, *, agrees: bool = True) -> Spec:
    usages, agreement = ((SIGN, AGREE), ("ECDH",)) if agrees else ((SIGN,), ())
    return Spec(name, usages, curve=curve, signing=(f"ECDSA_SHA_{bits}",), agreement=agreement)


SPECS = {
    spec.name: spec
    for spec in (
        Spec(SYMMETRIC, (ENCRYPT,), 32, encryption=(SYMMETRIC,)),
        *map(_hmac, (224, 256, 384, 512)),
        *map(_rsa, (2048, 3072, 4096)),
        _curve("ECC_NIST_P256", "SECP256R1", 256),
        _curve("ECC_NIST_P384", "SECP384R1", 384),
        _curve("ECC_NIST_P521", "SECP521R1", 512),
        _curve("ECC_SECG_P256K1", "SECP256K1", 256, agrees=False),
    )
}
