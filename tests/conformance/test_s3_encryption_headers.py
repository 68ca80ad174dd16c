"""Headers of encryption where they do not belong, or do not fit."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from live import LiveCloud, Unique
from refusals import refused
from s3kit import Raw, code_of

MIB = 1024 * 1024


def customer(byte: bytes, prefix: str = "") -> dict[str, str]:
    key = byte * 32
    return {
        f"{prefix}SSECustomerAlgorithm": "AES256",
        f"{prefix}SSECustomerKey": base64.b64encode(key).decode(),
        f"{prefix}SSECustomerKeyMD5": base64.b64encode(hashlib.md5(key).digest()).decode(),
    }


@pytest.fixture
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="plain", Body=b"x" * 100)
    yield name
    for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize("said", ["AES256", "aws:kms", "nonsense"])
def test_how_an_object_is_encrypted_is_not_said_in_reading(cloud: LiveCloud, bucket: str, said: str) -> None:
    """GET and HEAD with x-amz-server-side-encryption are refused."""
    raw = Raw(cloud.endpoint, cloud.access_key, cloud.secret_key)
    headers = {"x-amz-server-side-encryption": said}
    status, _, body = raw("GET", f"/{bucket}/plain", headers=headers)
    assert (status, code_of(body)) == (400, "InvalidArgument")
    assert raw("HEAD", f"/{bucket}/plain", headers=headers)[0] == 400
    assert raw("GET", f"/{bucket}/plain")[0] == 200


def test_parts_come_with_the_key_of_their_upload(s3: Any, bucket: str) -> None:
    """Without it, or with another, a part is refused, a copied one too; with it, the answer tells of it."""
    ours, other = customer(b"k"), customer(b"o")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a", **ours)["UploadId"]
    where = {"Bucket": bucket, "Key": "a", "UploadId": upload, "PartNumber": 1}
    with refused("InvalidRequest", 400) as refusal:
        s3.upload_part(**where, Body=b"x")
    assert refusal.message.startswith("The multipart upload initiate requested encryption.")
    with refused("InvalidRequest", 400) as refusal:
        s3.upload_part(**where, Body=b"x", **other)
    assert refusal.message == "The provided encryption parameters did not match the ones used originally."
    with refused("InvalidRequest", 400):
        s3.upload_part_copy(**where, CopySource=f"{bucket}/plain", **other)
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="a", UploadId=upload)
    copied = s3.upload_part_copy(**where, CopySource=f"{bucket}/plain", **ours)
    assert (copied["SSECustomerAlgorithm"], copied["SSECustomerKeyMD5"]) == ("AES256", ours["SSECustomerKeyMD5"])
    named = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(Bucket=bucket, Key="a", UploadId=upload, MultipartUpload={"Parts": named}, **ours)
    assert s3.get_object(Bucket=bucket, Key="a", **ours)["Body"].read() == b"x" * 100


def test_copied_parts_tell_how_they_are_encrypted(s3: Any, bucket: str) -> None:
    """As uploaded ones do."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a", ServerSideEncryption="AES256")["UploadId"]
    copied = s3.upload_part_copy(Bucket=bucket, Key="a", UploadId=upload, PartNumber=1, CopySource=f"{bucket}/plain")
    assert copied["ServerSideEncryption"] == "AES256"
