"""How new bytes are to be encrypted: what the request says, else what the bucket says."""

import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.errors import AccessDenied, NotBuilt
from pilvi.services.s3.errors import InvalidArgument, InvalidEncryptionAlgorithmError, invalid_argument
from pilvi.services.s3.records import Bucket

Params = Mapping[str, Any]

ALGORITHMS = {"AES256": "s3", "aws:kms": "kms"}
CUSTOMER_ALGORITHM = "AES256"
UNBUILT = frozenset({"aws:kms:dsse", "aws:fsx", "aws:backup"})
CUSTOMER = frozenset({"SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5"})
_MANAGED = frozenset({"ServerSideEncryption", "SSEKMSKeyId", "SSEKMSEncryptionContext", "BucketKeyEnabled"})
TELLING = CUSTOMER | _MANAGED
CONTEXT_BYTES_MAX = 4096
_KEY_BYTES = 32


class CustomerKey(msgspec.Struct, frozen=True):
    """A key that a request brings along. It is used and forgotten.

    Attributes:
        md5: base64, as answers show it.
    """

    key: bytes
    md5: str


class Wish(msgspec.Struct, frozen=True):
    """How bytes are to be encrypted.

    Attributes:
        kind: "" (not at all), "s3", "kms", "customer".
        key: id, ARN or alias of a KMS key; "" is the account's aws/s3.
        context: of the client, for KMS.
    """

    kind: str
    key: str = ""
    context: Mapping[str, str] = {}
    bucket_key: bool = False
    customer: CustomerKey | None = None


NOTHING = Wish("")


def wished(req: Params, bucket: Bucket) -> Wish:
    """What applies to an object that this request makes in this bucket.

    Raises:
        InvalidArgument, InvalidEncryptionAlgorithmError: the request contradicts itself.
        AccessDenied: the bucket refuses customers' keys.
        NotBuilt: it asks for two layers of encryption (DSSE).
    """
    if TELLING.isdisjoint(req):
        default = bucket.encryption
        return (
            NOTHING if default is None or not default.kind else Wish(default.kind, default.key, {}, default.bucket_key)
        )
    customer = customer_key(req)
    if customer is None:
        return _managed(req, bucket)
    if not _MANAGED.isdisjoint(req):
        raise invalid_argument(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            "x-amz-server-side-encryption",
            req.get("ServerSideEncryption", ""),
        )
    if bucket.encryption is not None and bucket.encryption.refuses_customer_keys:
        raise AccessDenied("Access Denied")
    return Wish("customer", customer=customer)


def _managed(req: Params, bucket: Bucket) -> Wish:
    default = bucket.encryption
    bucket_key = default is not None and default.bucket_key
    bucket_key = req.get("BucketKeyEnabled", bucket_key)
    if "ServerSideEncryption" not in req:
        _without_algorithm(req)
        if default is None or not default.kind:
            return NOTHING
        return Wish(default.kind, default.key, {}, bucket_key and default.kind == "kms")
    kind = algorithm(req["ServerSideEncryption"])
    if kind == "s3":
        _without_algorithm(req)
        return Wish("s3")
    key: str = req.get("SSEKMSKeyId", "")
    if not key and default is not None and default.kind == "kms":
        key = default.key
    return Wish("kms", key, encryption_context(req), bucket_key)


def _without_algorithm(req: Params) -> None:
    """Headers that speak of KMS need the algorithm that says so."""
    for member, header in (
        ("SSEKMSKeyId", "x-amz-server-side-encryption-aws-kms-key-id"),
        ("SSEKMSEncryptionContext", "x-amz-server-side-encryption-context"),
    ):
        if member in req:
            raise InvalidArgument(
                "Server Side Encryption with AWS KMS managed key requires HTTP header "
                "x-amz-server-side-encryption : aws:kms",
                fields={"ArgumentName": header, "ArgumentValue": str(req[member])},
            )


def algorithm(name: str) -> str:
    """Our word for a server-side encryption."""
    if name in UNBUILT:
        raise NotBuilt(f"The encryption {name} is not built.")
    if name not in ALGORITHMS:
        raise invalid_argument("The encryption method specified is not supported", "x-amz-server-side-encryption", name)
    return ALGORITHMS[name]


def encryption_context(req: Params) -> dict[str, str]:
    """The client's: base64 of a JSON object of texts. Its names may not claim to be ours."""
    header: str = req.get("SSEKMSEncryptionContext", "")
    if not header:
        return {}
    try:
        found = msgspec.json.decode(b64decode(header, validate=True), type=dict[str, str])
    except (Base64Error, ValueError):
        found = None
    if found is None or len(header) > CONTEXT_BYTES_MAX or any(name.startswith("aws:") for name in found):
        raise invalid_argument(
            "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which "
            "represents a string-string map",
            "x-amz-server-side-encryption-context",
            header,
        )
    return found


def customer_key(req: Params, prefix: str = "") -> CustomerKey | None:
    """The key that a request brings along, if it does.

    Args:
        prefix: "CopySource" for the key of what is copied.
    """
    names = [f"{prefix}{name}" for name in ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")]
    present = [name in req for name in names]
    if not any(present):
        return None
    header = "x-amz-copy-source-server-side-encryption-customer" if prefix else "x-amz-server-side-encryption-customer"
    if not present[0]:
        raise _incomplete("a valid encryption algorithm", f"{header}-algorithm")
    if req[names[0]] != CUSTOMER_ALGORITHM:
        raise InvalidEncryptionAlgorithmError(
            fields={"ArgumentName": f"{header}-algorithm", "ArgumentValue": req[names[0]]}
        )
    if not present[1]:
        raise _incomplete("an appropriate secret key", f"{header}-key")
    if not present[2]:
        raise _incomplete("the client calculated MD5 of the secret key", f"{header}-key-MD5")
    return CustomerKey(_key(req[names[1]], req[names[2]], header), req[names[2]])


def _incomplete(what: str, header: str) -> InvalidArgument:
    return InvalidArgument(
        f"Requests specifying Server Side Encryption with Customer provided keys must provide {what}.",
        fields={"ArgumentName": header, "ArgumentValue": "null"},
    )


def _key(encoded: str, md5: str, header: str) -> bytes:
    key = _decoded(encoded)
    if len(key) != _KEY_BYTES:
        raise InvalidArgument(
            "The secret key was invalid for the specified algorithm.", fields={"ArgumentName": f"{header}-key"}
        )
    if hashlib.md5(key, usedforsecurity=False).digest() != _decoded(md5):
        raise InvalidArgument(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
            fields={"ArgumentName": f"{header}-key-MD5", "ArgumentValue": md5},
        )
    return key


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return b""
