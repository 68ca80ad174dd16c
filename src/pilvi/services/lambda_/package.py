"""Deployment packages: a zip from the request or from S3, looked at before it is kept.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-package.html
"""

import io
import zipfile
from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.effects import Body
from pilvi.core.errors import CloudError, NotBuilt
from pilvi.services.lambda_ import limits
from pilvi.services.lambda_.errors import InvalidParameterValue, RequestEntityTooLarge

_S3_CODES = {
    "NoSuchKey": "The specified key does not exist.",
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchVersion": "The specified version does not exist.",
}
_END_BYTES = 22  # of a zip's last record, without a comment


class Package(msgspec.Struct, frozen=True):
    """Code that may become a function's."""

    data: bytes
    sha256: str
    size: int


def receive(ctx: Context, code: Any, operation: str) -> Package:
    """The package that a request carries or points to.

    `code` is a FunctionCode or an UpdateFunctionCodeRequest: both name their source in the same words.

    Raises:
        InvalidParameterValue: none or several sources, not a zip, no files, too large when unpacked.
        RequestEntityTooLarge: the request's own zip is too large.
        NotBuilt: a container image, code kept in the customer's bucket, a key of one's own.
    """
    for member in ("ImageUri", "SourceKMSKeyArn"):
        if code.get(member):
            raise NotBuilt(f"lambda: {member} is not built.")
    if code.get("S3ObjectStorageMode", "COPY") != "COPY":
        raise NotBuilt("lambda: S3ObjectStorageMode REFERENCE is not built.")
    from_s3 = bool(code.get("S3Bucket") or code.get("S3Key") or code.get("S3ObjectVersion"))
    if "ZipFile" in code and from_s3:
        raise InvalidParameterValue("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    if "ZipFile" not in code and not from_s3:
        raise InvalidParameterValue("Please provide a source for function code.")
    data = _from_s3(ctx, code) if from_s3 else _from_request(code["ZipFile"], operation)
    _look_into(data)
    return Package(data, b64encode(sha256(data).digest()).decode(), len(data))


def _from_request(data: bytes, operation: str) -> bytes:
    if len(data) > limits.ZIP_BYTES_MAX:
        raise RequestEntityTooLarge(
            f"Request must be smaller than {limits.REQUEST_BYTES_MAX} bytes for the {operation} operation"
        )
    return data


def _from_s3(ctx: Context, code: Any) -> bytes:
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if not bucket or not key:
        raise InvalidParameterValue("Both S3Bucket and S3Key must be provided to use code from Amazon S3.")
    request = {"Bucket": bucket, "Key": key}
    if code.get("S3ObjectVersion"):
        request["VersionId"] = code["S3ObjectVersion"]
    try:
        body = ctx.call("s3", "GetObject", request)["Body"]
    except CloudError as error:
        if error.status >= 500:
            raise
        raise InvalidParameterValue(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. "
            f"S3 Error Message: {_S3_CODES.get(error.code, error.message)}"
        ) from None
    if isinstance(body, bytes):
        return body
    assert isinstance(body, Body), "GetObject answers bytes or a Body"
    if body.length > limits.UNZIPPED_BYTES_MAX:
        raise _too_large_unzipped()
    return b"".join(ctx.tx.blobs.read(part.blob, part.offset, part.length) for part in body.segments)


def _look_into(data: bytes) -> None:
    if not data:
        raise InvalidParameterValue("Uploaded file must be a non-empty zip")
    if _directory_bytes(data) > limits.ZIP_DIRECTORY_BYTES_MAX:
        raise InvalidParameterValue("Uploaded file has too many entries")
    try:
        files = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise InvalidParameterValue(
            "Could not unzip uploaded file. Please check your file, then try to upload again."
        ) from None
    if not files:
        raise InvalidParameterValue("Uploaded file must be a non-empty zip")
    if sum(file.file_size for file in files) > limits.UNZIPPED_BYTES_MAX:
        raise _too_large_unzipped()


def _directory_bytes(data: bytes) -> int:
    """The length of an archive's directory as it says itself, found where zipfile finds it; 0 when there is none."""
    end = len(data) - _END_BYTES
    if data[end : end + 4] != b"PK\5\6" or data[-2:] != b"\0\0":
        end = data.rfind(b"PK\5\6", max(end - 0xFFFF, 0))
    if end < 0:
        return 0
    if data[max(end - 20, 0) : end][:4] == b"PK\6\7":  # a 64-bit directory, described in front
        wide = end - 20 - 56 + 40
        return int.from_bytes(data[wide : wide + 8], "little")
    return int.from_bytes(data[end + 12 : end + 16], "little")


def _too_large_unzipped() -> InvalidParameterValue:
    return InvalidParameterValue(f"Unzipped size must be smaller than {limits.UNZIPPED_BYTES_MAX} bytes")
