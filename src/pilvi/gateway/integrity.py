"""Bodies that come whole are what their sender says they are: Content-MD5 and x-amz-checksum-*, as S3 wants them.

Streaming bodies are held against their digests by the operation that takes them.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Final

from pilvi.core import digests
from pilvi.core.errors import CloudError
from pilvi.wire.http import Request
from pilvi.wire.model import HttpChecksum

_PREFIX: Final = "x-amz-checksum-"
_NOT_CHECKSUMS: Final = frozenset({"algorithm", "mode", "type"})
# The model demands a checksum of these too, and SDKs send one. AWS takes what older programs (s3cmd) send without.
_NOT_DEMANDED: Final = frozenset(
    {
        "PutBucketAcl", "PutBucketLogging", "PutBucketNotificationConfiguration", "PutBucketPolicy",
        "PutBucketRequestPayment", "PutBucketWebsite", "PutObjectAcl",
    }
)  # fmt: skip


class BadDigest(CloudError):
    """The body is not what its digest says."""

    code = "BadDigest"


class InvalidDigest(CloudError):
    """The digest cannot be one."""

    code = "InvalidDigest"


class InvalidRequest(CloudError):
    """No digest where one must be, or one that cannot be."""

    code = "InvalidRequest"


def check(request: Request, operation: str, rule: HttpChecksum | None) -> None:
    """Compares a request's body with the digests in its headers.

    Args:
        operation: its name in the model.
        rule: what the model says of the operation's checksums; None when x-amz-checksum-* does not mean the body.

    Raises:
        BadDigest, InvalidDigest, InvalidRequest: they differ, cannot be, or are missing where they are required.
    """
    claimed = _claimed(request.headers) if rule is not None else {}
    md5 = request.headers.get("content-md5")
    if md5 is not None:
        _check_md5(md5, request.body)
    for name, value in claimed.items():
        _check_checksum(name, value, request.body)
    demanded = rule is not None and rule.request_checksum_required and operation not in _NOT_DEMANDED
    if demanded and md5 is None and not claimed:
        raise InvalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")


def _claimed(headers: dict[str, str]) -> dict[str, str]:
    found = {name.removeprefix(_PREFIX): value for name, value in headers.items() if name.startswith(_PREFIX)}
    return {name: value for name, value in found.items() if name not in _NOT_CHECKSUMS}


def _check_md5(value: str, body: bytes) -> None:
    expected = _decoded(value)
    if len(expected) != 16:
        raise InvalidDigest("The Content-MD5 you specified was invalid.", fields={"Content-MD5": value})
    actual = _digest("md5", body)
    if not hmac.compare_digest(actual, expected):
        raise BadDigest(
            "The Content-MD5 you specified did not match what we received.",
            fields={"ExpectedDigest": expected.hex(), "CalculatedDigest": b64encode(actual).decode()},
        )


def _check_checksum(name: str, value: str, body: bytes) -> None:
    if name not in digests.KNOWN:
        raise InvalidRequest(f"Value for {_PREFIX}algorithm header is invalid.")
    actual, expected = _digest(name, body), _decoded(value)
    if len(actual) != len(expected):
        raise InvalidRequest(f"Value for {_PREFIX}{name} header is invalid.")
    if not hmac.compare_digest(actual, expected):
        raise BadDigest(f"The {name.upper()} you specified did not match the calculated checksum.")


def _digest(name: str, body: bytes) -> bytes:
    made = digests.make([name])[name]
    made.update(body)
    return made.digest()


def _decoded(value: str) -> bytes:
    try:
        return b64decode(value, validate=True)
    except (Base64Error, ValueError):
        return b""
