"""Data keys: made for what is new, and got back for what is stored."""

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from pilvi.core import arn, sealing
from pilvi.core.caller import service
from pilvi.core.context import Context
from pilvi.core.effects import StagePlan
from pilvi.core.errors import AccessDenied, CloudError, NotBuilt
from pilvi.services.s3.encryption.wishes import CUSTOMER_ALGORITHM, CustomerKey, Params, Wish, customer_key
from pilvi.services.s3.errors import InvalidRequest, S3Error, invalid_argument
from pilvi.services.s3.names import bucket_arn, object_arn
from pilvi.services.s3.notifications.notify import PRINCIPAL
from pilvi.services.s3.records import Bucket, Seal

MANAGED_KEY = "alias/aws/s3"
_S3 = b"s3"  # what keys are wrapped for; a copy of the object takes the wrapped key along
_CUSTOMER = b"customer"
_NAMES = {"s3": "AES256", "kms": "aws:kms"}
_NOT_THE_KEY = (
    "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."
)
_WRONG = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."

_MISSING_IN_PART = (
    "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate "
    "encryption parameters."
)
_UNSIGNED = "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4."
_OTHER_IN_PART = "The provided encryption parameters did not match the ones used originally."


class Sealing(msgspec.Struct, frozen=True):
    """A data key while it is used, and the seal that will be kept."""

    key: bytes
    seal: Seal


def begin(ctx: Context, bucket: Bucket, key: str, wish: Wish) -> Sealing | None:
    """A new data key for an object at `key`, as it is wished; None when nothing is to be encrypted.

    Raises:
        CloudError: KMS does not let this caller use the key, or there is none; its code begins with "KMS.".
    """
    if not wish.kind:
        return None
    if wish.kind == "kms":
        return _by_kms(ctx, bucket, key, wish)
    data_key, nonce = ctx.ids.bytes(sealing.KEY_BYTES), ctx.ids.bytes(sealing.NONCE_BYTES)
    if wish.customer is not None:
        wrapped = sealing.wrap(wish.customer.key, data_key, _CUSTOMER, nonce)
        return Sealing(data_key, Seal("customer", wrapped, proof=wish.customer.md5))
    return Sealing(data_key, Seal("s3", sealing.wrap(ctx.cloud.secret("s3"), data_key, _S3, nonce)))


def plan(ctx: Context, bucket: Bucket, key: str, wish: Wish, digests: frozenset[str], bytes_max: int) -> StagePlan:
    """How the bytes of an object at `key` are received. What is staged by it carries its seal (or None)."""
    made = begin(ctx, bucket, key, wish)
    if made is None:
        return StagePlan(digests, bytes_max)
    return StagePlan(digests, bytes_max, seal=made.key, carry=made.seal)


def data_key(ctx: Context, bucket: Bucket, key: str, seal: Seal | None, req: Params, *, prefix: str = "") -> bytes:
    """The key that opens what is stored at `key`; b"" when it is stored in plain.

    Args:
        seal: of the object or the upload.
        req: which must bring a customer's key along, where that is what it takes.
        prefix: see `customer_key`.

    Raises:
        InvalidRequest, AccessDenied: the request's key is missing, superfluous or not the right one.
        CloudError: KMS does not let this caller use the key.
    """
    given = customer(req, seal, prefix)
    if seal is None:
        return b""
    if seal.kind == "kms":
        return _from_kms(ctx, bucket, key, seal)
    try:
        if given is not None:
            return sealing.unwrap(given.key, seal.wrapped, _CUSTOMER)
        return sealing.unwrap(ctx.cloud.secret("s3"), seal.wrapped, _S3)
    except sealing.SealBroken:
        if given is None:
            raise
        raise AccessDenied(_NOT_THE_KEY) from None


def part_key(ctx: Context, bucket: Bucket, key: str, seal: Seal | None, req: Params) -> bytes:
    """The key under which the parts of an upload are stored; each of them must bring a customer's key along.

    Raises:
        InvalidRequest: it is missing, superfluous or not the one that the upload was begun with.
        CloudError: KMS does not let this caller use the key.
    """
    given = customer_key(req)
    if seal is not None and seal.kind == "customer" and (given is None or given.md5 != seal.proof):
        raise InvalidRequest(_MISSING_IN_PART if given is None else _OTHER_IN_PART)
    return data_key(ctx, bucket, key, seal, req)


def customer(req: Params, seal: Seal | None, prefix: str = "") -> CustomerKey | None:
    """The request's key, once it is found to be what the stored object needs."""
    given = customer_key(req, prefix)
    if (given is not None) == (seal is not None and seal.kind == "customer"):
        if given is not None and seal is not None and given.md5 != seal.proof:
            raise AccessDenied("Access Denied")
        return given
    if given is None:
        raise InvalidRequest(_WRONG)
    raise InvalidRequest("The encryption parameters are not applicable to this object.")


def shown(seal: Seal | None) -> dict[str, Any]:
    """The members of an answer that tell how an object is encrypted."""
    if seal is None:
        return {}
    if seal.kind == "customer":
        return {"SSECustomerAlgorithm": CUSTOMER_ALGORITHM, "SSECustomerKeyMD5": seal.proof}
    if seal.kind == "s3":
        return {"ServerSideEncryption": _NAMES["s3"]}
    result: dict[str, Any] = {"ServerSideEncryption": _NAMES["kms"], "SSEKMSKeyId": seal.key}
    if seal.bucket_key:
        result["BucketKeyEnabled"] = True
    return result


def answered(seal: Seal | None) -> dict[str, Any]:
    """The same for who has just asked for it: with the context that was given to KMS."""
    result = shown(seal)
    if seal is not None and seal.context:
        result["SSEKMSEncryptionContext"] = b64encode(seal.context.encode()).decode()
    return result


def etag(ctx: Context, seal: Seal | None, md5: bytes) -> str:
    """The MD5 of the bytes; where it would tell about bytes that only some may read, something random: as on AWS."""
    return md5.hex() if seal is None or seal.kind == "s3" else ctx.ids.hex(32)


# -- by KMS ------------------------------------------------------------------------------------------------------------


def _by_kms(ctx: Context, bucket: Bucket, key: str, wish: Wish) -> Sealing:
    context = msgspec.json.encode(wish.context).decode() if wish.context else ""
    seal = Seal("kms", b"", context=context, bucket_key=wish.bucket_key, managed=not wish.key)
    request = {
        "KeyId": wish.key or MANAGED_KEY,
        "KeySpec": "AES_256",
        "EncryptionContext": _context(bucket, key, seal),
    }
    answer = _ask_kms(ctx, bucket, "GenerateDataKey", request)
    seal = msgspec.structs.replace(seal, wrapped=answer["CiphertextBlob"], key=answer["KeyId"])
    return Sealing(answer["Plaintext"], seal)


def used(ctx: Context, bucket: Bucket, seal: Seal) -> None:
    """What is encrypted under an account's alias/aws/s3 is stored: from its first use on KMS lists that key."""
    s3_itself = service(PRINCIPAL, arn.parse(seal.key).account)
    ctx.acting_as(s3_itself, region=bucket.region).call("kms", "DescribeKey", {"KeyId": MANAGED_KEY})


def _from_kms(ctx: Context, bucket: Bucket, key: str, seal: Seal) -> bytes:
    request = {"CiphertextBlob": seal.wrapped, "EncryptionContext": _context(bucket, key, seal)}
    plain: bytes = _ask_kms(ctx, bucket, "Decrypt", request)["Plaintext"]
    return plain


def rewrap(ctx: Context, bucket: Bucket, key: str, data_key: bytes, seal: Seal, kms_key: str) -> Seal:
    """A seal for the same bytes at another place: the data key stays, wrapped by another key of KMS.

    Args:
        bucket, key: where they will be; in this bucket's region.
        seal: by KMS, of the place where they are.
    """
    moved = msgspec.structs.replace(seal, wrapped=b"", bucket_key=False)
    request = {"KeyId": kms_key, "Plaintext": data_key, "EncryptionContext": _context(bucket, key, moved)}
    answer = _ask_kms(ctx, bucket, "Encrypt", request)
    return msgspec.structs.replace(moved, wrapped=answer["CiphertextBlob"], key=answer["KeyId"])


def _context(bucket: Bucket, key: str, seal: Seal) -> dict[str, str]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context"""
    client: dict[str, str] = msgspec.json.decode(seal.context) if seal.context else {}
    return client | {"aws:s3:arn": bucket_arn(bucket.name) if seal.bucket_key else object_arn(bucket.name, key)}


def _ask_kms(ctx: Context, bucket: Bucket, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """As the caller, in the bucket's region. KMS knows no strangers, whomever a key's policy names."""
    if ctx.caller.kind == "anonymous":
        raise invalid_argument(_UNSIGNED, "Authorization", "null")
    try:
        answer: dict[str, Any] = ctx.acting_as(ctx.caller, region=bucket.region).call("kms", operation, dict(request))
    except (NotBuilt, AccessDenied):
        raise
    except CloudError as error:
        raise _as_ours(error.code)(error.message) from None
    return answer


@cache
def _as_ours(code: str) -> type[S3Error]:
    """S3's name for an error of KMS's."""
    return type("KmsError", (S3Error,), {"code": f"KMS.{code}"})
