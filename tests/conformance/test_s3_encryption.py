"""Encryption at rest: what boto3 sees of it, and what the disk does not."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from live import LiveCloud, Unique
from refusals import refused

MIB = 1024 * 1024
KEY, OTHER = b"k" * 32, b"o" * 32
SECRET = b"the plain text that no disk may show; "
AES256 = {"ServerSideEncryption": "AES256"}


def text(size: int) -> bytes:
    return (SECRET * (size // len(SECRET) + 1))[:size]


def customer(key: bytes = KEY, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("sealed")
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def on_disk(cloud: LiveCloud, needle: bytes) -> bool:
    """Whether any file of the data folder holds these bytes."""
    return any(needle in path.read_bytes() for path in cloud.data.rglob("*") if path.is_file())


@pytest.mark.parametrize("size", [0, 1, 5_000, 3 * MIB + 11])
@pytest.mark.parametrize("how", [AES256, customer()], ids=["AES256", "customer"])
def test_what_is_encrypted_is_read(cloud: LiveCloud, s3: Any, bucket: str, size: int, how: dict[str, Any]) -> None:
    """Whole and in part; the answers say how it is encrypted; the disk shows none of it."""
    marker = os.urandom(16).hex().encode()
    body = (marker + text(size))[:size]
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, **how)
    reading = how if "SSECustomerKey" in how else {}
    got = s3.get_object(Bucket=bucket, Key="k", **reading)
    assert got["Body"].read() == body
    for answer in (put, got, s3.head_object(Bucket=bucket, Key="k", **reading)):
        if reading:
            assert answer["SSECustomerAlgorithm"] == "AES256"
            assert answer["SSECustomerKeyMD5"] == base64.b64encode(hashlib.md5(KEY).digest()).decode()
            assert "ServerSideEncryption" not in answer
        else:
            assert answer["ServerSideEncryption"] == "AES256"
    assert got["ContentLength"] == size
    if size > 1:
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={size // 2}-{size - 2}", **reading)
        assert part["Body"].read() == body[size // 2 : size - 1]
        assert not on_disk(cloud, marker)
    plain_md5 = f'"{hashlib.md5(body).hexdigest()}"'
    assert (put["ETag"] == plain_md5) == (not reading)


def test_without_its_key_an_object_is_closed(s3: Any, bucket: str) -> None:
    """No key, another key, half of one, one that is not needed: each has its error."""
    s3.put_object(Bucket=bucket, Key="closed", Body=b"secret", **customer())
    s3.put_object(Bucket=bucket, Key="open", Body=b"plain")
    for ask in (s3.get_object, s3.head_object):
        head = ask == s3.head_object
        with refused("400" if head else "InvalidRequest", 400):
            ask(Bucket=bucket, Key="closed")
        with refused("403" if head else "AccessDenied", 403) if not head else refused("400", 400):
            ask(Bucket=bucket, Key="closed", **(customer(OTHER) if not head else {}))
        with refused("400" if head else "InvalidRequest", 400):
            ask(Bucket=bucket, Key="open", **customer())
    with refused("InvalidArgument", 400):
        s3.get_object(Bucket=bucket, Key="closed", SSECustomerAlgorithm="AES256")
    with refused("InvalidEncryptionAlgorithmError", 400):
        s3.put_object(Bucket=bucket, Key="x", SSECustomerAlgorithm="ROT13", SSECustomerKey=KEY)
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="x", SSECustomerAlgorithm="AES256", SSECustomerKey=b"short")
    with refused("InvalidArgument", 400):
        encoded = {"SSECustomerKey": base64.b64encode(KEY).decode(), "SSECustomerKeyMD5": "AAAA"}
        s3.put_object(Bucket=bucket, Key="x", SSECustomerAlgorithm="AES256", **encoded)
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="x", **customer(), **AES256)
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="x", ServerSideEncryption="rot13")
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="x", ServerSideEncryption="aws:kms:dsse")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["closed", "open"]


def test_a_bucket_encrypts_by_default(s3: Any, bucket: str) -> None:
    """Configured, its new objects are encrypted, those from before are as they were; and it can be taken back."""
    s3.put_object(Bucket=bucket, Key="before", Body=b"1")
    with refused("ServerSideEncryptionConfigurationNotFoundError", 404):
        s3.get_bucket_encryption(Bucket=bucket)
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == rules
    assert s3.put_object(Bucket=bucket, Key="after", Body=b"2")["ServerSideEncryption"] == "AES256"
    assert "ServerSideEncryption" not in s3.head_object(Bucket=bucket, Key="before")
    s3.delete_bucket_encryption(Bucket=bucket)
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="later", Body=b"3")
    assert s3.get_object(Bucket=bucket, Key="after")["Body"].read() == b"2"


def test_a_bucket_can_refuse_customers_keys(s3: Any, bucket: str) -> None:
    """What is blocked is refused; the rest goes on."""
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": False,
            "BlockedEncryptionTypes": {"EncryptionType": ["SSE-C"]},
        }
    ]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == rules
    with refused("AccessDenied", 403):
        s3.put_object(Bucket=bucket, Key="k", Body=b"1", **customer())
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")


@pytest.mark.parametrize("how", [AES256, customer()], ids=["AES256", "customer"])
def test_an_upload_in_parts_is_encrypted(cloud: LiveCloud, s3: Any, bucket: str, how: dict[str, Any]) -> None:
    """Parts that come and parts that are copied, from plain and from encrypted objects, under one key."""
    marker = os.urandom(16).hex().encode()
    first, last = (marker * (5 * MIB // 32 + 1))[: 5 * MIB], marker * 100
    s3.put_object(Bucket=bucket, Key="source", Body=last + marker, **customer(OTHER))
    mine = how if "SSECustomerKey" in how else {}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **how)
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    if mine:
        with refused("InvalidRequest", 400):
            s3.upload_part(**where, PartNumber=1, Body=first)
        with refused("InvalidRequest", 400):
            s3.upload_part(**where, PartNumber=1, Body=first, **customer(OTHER))
    one = s3.upload_part(**where, PartNumber=1, Body=first, **mine)
    two = s3.upload_part_copy(
        **where,
        PartNumber=2,
        CopySource=f"{bucket}/source",
        CopySourceRange=f"bytes=0-{len(last) - 1}",
        **mine,
        **customer(OTHER, "CopySource"),
    )
    parts = [{"PartNumber": 1, "ETag": one["ETag"]}, {"PartNumber": 2, "ETag": two["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k", **mine)["Body"].read() == first + last
    across = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={5 * MIB - 10}-{5 * MIB + 9}", **mine)
    assert across["Body"].read() == first[-10:] + last[:10]
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=2, **mine)["Body"].read() == last
    assert not on_disk(cloud, marker)


PLAIN: dict[str, Any] = {}


@pytest.mark.parametrize("size", [20, 2 * MIB])
@pytest.mark.parametrize("before", [PLAIN, AES256, customer()], ids=["plain", "AES256", "customer"])
@pytest.mark.parametrize("after", [PLAIN, AES256, customer(OTHER)], ids=["to plain", "to AES256", "to customer"])
def test_copies_change_the_key(s3: Any, bucket: str, size: int, before: dict[str, Any], after: dict[str, Any]) -> None:
    """From each way of being encrypted to each other, without a byte changed; checksums stay true."""
    body = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="a", Body=body, ChecksumAlgorithm="SHA256", **before)
    opens = customer(KEY, "CopySource") if "SSECustomerKey" in before else {}
    answer = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", **opens, **after)
    reading = after if "SSECustomerKey" in after else {}
    got = s3.get_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED", **reading)
    assert got["Body"].read() == body
    assert got["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert got.get("ServerSideEncryption") == answer.get("ServerSideEncryption") == after.get("ServerSideEncryption")
    s3.delete_object(Bucket=bucket, Key="a")
    assert s3.get_object(Bucket=bucket, Key="b", **reading)["Body"].read() == body


def test_an_object_is_encrypted_in_place(s3: Any, bucket: str) -> None:
    """A copy onto itself that changes nothing but the encryption."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"text", Metadata={"a": "b"})
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k")
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", **AES256)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["Metadata"], got["ServerSideEncryption"]) == (b"text", {"a": "b"}, "AES256")


def test_a_copy_with_another_checksum_of_any_size(s3: Any, bucket: str) -> None:
    """Beyond what was ever held in memory: read once more, and the new checksum is of these very bytes."""
    body = os.urandom(40 * MIB)
    s3.put_object(Bucket=bucket, Key="a", Body=body)
    answer = s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a", ChecksumAlgorithm="SHA256")
    assert answer["CopyObjectResult"]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == body


# -- keys of KMS -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kms(cloud: LiveCloud) -> Any:
    return cloud.client("kms")


@pytest.fixture
def kms_key(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.mark.parametrize("size", [5, 2 * MIB])
def test_a_key_of_kms_encrypts(s3: Any, bucket: str, kms: Any, kms_key: str, size: int) -> None:
    """The object is read for as long as its key works, and again when it works again."""
    body = text(size)
    context = {"team": "a"}
    put = s3.put_object(
        Bucket=bucket,
        Key="k",
        Body=body,
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=kms_key,
        SSEKMSEncryptionContext=base64.b64encode(b'{"team": "a"}').decode(),
    )
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", kms_key)
    assert json.loads(base64.b64decode(put["SSEKMSEncryptionContext"])) == context
    assert put["ETag"] != f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["SSEKMSKeyId"], got["ETag"]) == (body, kms_key, put["ETag"])
    kms.disable_key(KeyId=kms_key)
    with refused("KMS.DisabledException", 400):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("KMS.DisabledException", 400):
        s3.put_object(Bucket=bucket, Key="l", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=kms_key)
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == size
    kms.enable_key(KeyId=kms_key)
    kms.rotate_key_on_demand(KeyId=kms_key)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_the_account_has_a_key_of_its_own(s3: Any, bucket: str, kms: Any) -> None:
    """Without a key's name it is aws/s3, which nobody had to make; in parts, too, and with a bucket key."""
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", BucketKeyEnabled=True)
    managed = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]
    assert put["SSEKMSKeyId"] == managed["Arn"]
    assert managed["KeyManager"] == "AWS"
    assert put["BucketKeyEnabled"] is True
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ServerSideEncryption="aws:kms")
    where = {"Bucket": bucket, "Key": "m", "UploadId": upload["UploadId"]}
    part = s3.upload_part(**where, PartNumber=1, Body=b"part")
    assert part["SSEKMSKeyId"] == managed["Arn"]
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert done["ServerSideEncryption"] == "aws:kms"
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == b"part"
    copied = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/m")
    assert "ServerSideEncryption" not in copied
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"part"


def test_who_may_not_use_the_key_may_not_read(cloud: LiveCloud, s3: Any, bucket: str, kms_key: str) -> None:
    """S3's permission alone opens nothing."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=kms_key)
    s3.put_object(Bucket=bucket, Key="managed", Body=b"y", ServerSideEncryption="aws:kms")
    iam = cloud.client("iam")
    name = f"reader-{bucket}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    secrets = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    reader = cloud.client("s3", **secrets)
    with refused("AccessDenied", 403):
        reader.get_object(Bucket=bucket, Key="k")
    with refused("AccessDenied", 403):
        reader.put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId=kms_key)
    assert reader.get_object(Bucket=bucket, Key="managed")["Body"].read() == b"y"  # its policy lets S3's users use it
    document["Statement"] = [allowed, {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": kms_key}]
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_keys_of_kms_that_cannot_be(s3: Any, bucket: str) -> None:
    """No such key; a key without the algorithm; a context that is none."""
    with refused("KMS.NotFoundException", 400):
        missing = "11111111-2222-4333-8444-555555555555"
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=missing)
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", SSEKMSKeyId="any")
    with refused("InvalidArgument", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256", SSEKMSKeyId="any")
    for context in ("!", base64.b64encode(b'{"a": 1}').decode(), base64.b64encode(b'{"aws:s3:arn": "x"}').decode()):
        with refused("InvalidArgument", 400):
            s3.put_object(
                Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSEncryptionContext=context
            )


def test_a_bucket_encrypts_with_a_key_of_kms(s3: Any, bucket: str, kms_key: str) -> None:
    """By default, and what asks for less gets less."""
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key}
    rules = [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"] == rules
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert (put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == (kms_key, True)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    plain = s3.put_object(Bucket=bucket, Key="l", Body=b"x", ServerSideEncryption="AES256")
    assert plain["ServerSideEncryption"] == "AES256"
    copied = s3.copy_object(Bucket=bucket, Key="m", CopySource=f"{bucket}/l")
    assert copied["SSEKMSKeyId"] == kms_key
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == b"x"
