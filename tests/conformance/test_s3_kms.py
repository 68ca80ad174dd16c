"""Objects under keys of KMS: S3 asks KMS as the one who asks S3."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from live import LiveCloud, Unique
from refusals import refused

MIB = 1024 * 1024
KMS = {"ServerSideEncryption": "aws:kms"}
Who = Callable[..., tuple[str, Any, Any]]


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def kms(cloud: LiveCloud) -> Any:
    return cloud.client("kms")


@pytest.fixture
def key(kms: Any) -> str:
    """The ARN of a new key."""
    return str(kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("kms")
    s3.create_bucket(Bucket=name)
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def who(cloud: LiveCloud, unique: Unique) -> Who:
    """Makes users who may do these actions: their ARN, and clients of theirs for S3 and KMS."""

    def make(*actions: str) -> tuple[str, Any, Any]:
        iam, name = cloud.client("iam"), unique("user")
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
        return arn, cloud.client("s3", **keys), cloud.client("kms", **keys)

    return make


@pytest.mark.parametrize("size", [0, 1, 5_000, 3 * MIB + 11])
def test_the_key_of_s3_needs_no_one_to_make_it(s3: Any, kms: Any, bucket: str, size: int) -> None:
    """Without a key named it is the account's alias/aws/s3; bytes come back whole and in part, and answers name the key."""
    body = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, **KMS)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body
    arn = kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]
    for answer in (put, got, s3.head_object(Bucket=bucket, Key="k")):
        assert (answer["ServerSideEncryption"], answer["SSEKMSKeyId"]) == ("aws:kms", arn)
    if size > 1:
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={size // 2}-")
        assert part["Body"].read() == body[size // 2 :]


def test_the_key_of_s3_is_listed_once_it_is_used(cloud: LiveCloud, unique: Unique) -> None:
    """As on AWS, where the first use makes it."""
    region = "eu-south-1"
    s3, kms, name = cloud.client("s3", region_name=region), cloud.client("kms", region_name=region), unique("first")
    assert kms.list_keys()["Keys"] == []
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    put = s3.put_object(Bucket=name, Key="k", Body=b"x", **KMS)
    assert [entry["KeyArn"] for entry in kms.list_keys()["Keys"]] == [put["SSEKMSKeyId"]]
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)


def test_keys_by_every_name(s3: Any, kms: Any, bucket: str, key: str, unique: Unique) -> None:
    """Id, ARN and alias; the answer has the ARN."""
    alias = f"alias/{unique('a')}"
    kms.create_alias(AliasName=alias, TargetKeyId=key.rpartition("/")[2])
    for named in (key, key.rpartition("/")[2], alias):
        assert s3.put_object(Bucket=bucket, Key="k", Body=b"x", SSEKMSKeyId=named, **KMS)["SSEKMSKeyId"] == key
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_who_may_not_use_the_key_gets_nothing(s3: Any, kms: Any, bucket: str, key: str, who: Who) -> None:
    """Everything in S3 is not enough: the key must be allowed as well, and by its policy; for each operation its own."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", SSEKMSKeyId=key, **KMS)
    _, stranger, _ = who("s3:*")
    _, reader, _ = who("s3:*", "kms:Decrypt")
    _, writer, _ = who("s3:*", "kms:GenerateDataKey")
    with refused("AccessDenied", 403):
        stranger.get_object(Bucket=bucket, Key="k")
    with refused("AccessDenied", 403):
        stranger.put_object(Bucket=bucket, Key="new", Body=b"x", SSEKMSKeyId=key, **KMS)
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        reader.put_object(Bucket=bucket, Key="new", Body=b"x", SSEKMSKeyId=key, **KMS)
    writer.put_object(Bucket=bucket, Key="k", Body=b"y", SSEKMSKeyId=key, **KMS)
    with refused("AccessDenied", 403):
        writer.get_object(Bucket=bucket, Key="k")


def test_everybody_who_may_use_s3_may_use_its_key(s3: Any, bucket: str, who: Who) -> None:
    """Its policy lets in the account's principals, through S3 alone."""
    _, reader, directly = who("s3:*")
    reader.put_object(Bucket=bucket, Key="k", Body=b"x", **KMS)
    assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with refused("AccessDeniedException", 400):
        directly.generate_data_key(KeyId="alias/aws/s3", KeySpec="AES_256")


def test_a_key_for_s3_alone(s3: Any, kms: Any, cloud: LiveCloud, bucket: str, who: Who) -> None:
    """kms:ViaService and the encryption context, which is the object's ARN, can be asked for by a key's policy."""
    arn, reader, directly = who("s3:*")
    root = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    condition = {
        "StringEquals": {"kms:ViaService": f"s3.{cloud.region}.amazonaws.com"},
        "ArnLike": {"kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}/open/*"},
    }
    allow = {**root, "Principal": {"AWS": arn}, "Condition": condition}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [root, allow]})
    key = kms.create_key(Policy=policy)["KeyMetadata"]["Arn"]
    reader.put_object(Bucket=bucket, Key="open/k", Body=b"x", SSEKMSKeyId=key, **KMS)
    assert reader.get_object(Bucket=bucket, Key="open/k")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        reader.put_object(Bucket=bucket, Key="closed/k", Body=b"x", SSEKMSKeyId=key, **KMS)
    with refused("AccessDeniedException", 400):
        directly.generate_data_key(
            KeyId=key, KeySpec="AES_256", EncryptionContext={"aws:s3:arn": f"arn:aws:s3:::{bucket}/open/k"}
        )


def test_a_key_that_cannot_be_used(s3: Any, kms: Any, bucket: str, key: str) -> None:
    """Disabled, about to be deleted, for signatures, not there: each has KMS's error, and nothing is stored or read."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", SSEKMSKeyId=key, **KMS)
    kms.disable_key(KeyId=key)
    with refused("KMS.DisabledException", 400):
        s3.get_object(Bucket=bucket, Key="k")
    with refused("KMS.DisabledException", 400):
        s3.put_object(Bucket=bucket, Key="new", Body=b"x", SSEKMSKeyId=key, **KMS)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with refused("KMS.KMSInvalidStateException", 400):
        s3.get_object(Bucket=bucket, Key="k")
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    signing = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    for wrong, code in ((signing, "InvalidKeyUsageException"), ("alias/nothing", "NotFoundException")):
        with refused(f"KMS.{code}", 400):
            s3.put_object(Bucket=bucket, Key="new", Body=b"x", SSEKMSKeyId=wrong, **KMS)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


def test_objects_of_before_a_rotation(s3: Any, kms: Any, bucket: str, key: str) -> None:
    """A rotated key opens them all."""
    for name in ("before", "after"):
        s3.put_object(Bucket=bucket, Key=name, Body=name.encode(), SSEKMSKeyId=key, **KMS)
        kms.rotate_key_on_demand(KeyId=key)
    for name in ("before", "after"):
        assert s3.get_object(Bucket=bucket, Key=name)["Body"].read() == name.encode()


def test_a_buckets_own_key(s3: Any, bucket: str, key: str) -> None:
    """What says nothing is encrypted with it, with one context for the whole bucket where it is a bucket key."""
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    for bucket_key in (False, True):
        rules = [{**default, "BucketKeyEnabled": bucket_key}]
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        assert (put["SSEKMSKeyId"], put.get("BucketKeyEnabled", False)) == (key, bucket_key)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_copies_change_their_key(s3: Any, kms: Any, bucket: str, key: str) -> None:
    """Out of one key into another, into S3's own, and into none; each is read again."""
    other, body = kms.create_key()["KeyMetadata"]["Arn"], os.urandom(MIB)
    s3.put_object(Bucket=bucket, Key="0", Body=body, SSEKMSKeyId=key, **KMS)
    hows: list[dict[str, Any]] = [{"SSEKMSKeyId": other, **KMS}, {"ServerSideEncryption": "AES256"}, KMS, {}]
    for number, how in enumerate(hows):
        s3.copy_object(Bucket=bucket, Key=str(number + 1), CopySource=f"{bucket}/{number}", **how)
        assert s3.get_object(Bucket=bucket, Key=str(number + 1))["Body"].read() == body
    kms.disable_key(KeyId=key)
    assert s3.get_object(Bucket=bucket, Key="1")["Body"].read() == body
    with refused("KMS.DisabledException", 400):
        s3.copy_object(Bucket=bucket, Key="new", CopySource=f"{bucket}/0")


def test_uploads_in_parts(s3: Any, bucket: str, key: str) -> None:
    """All parts are under one key."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", SSEKMSKeyId=key, **KMS)
    assert upload["SSEKMSKeyId"] == key
    where = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    parts, whole = [], b""
    for number in (1, 2):
        body = os.urandom(5 * MIB)
        whole += body
        parts.append({"PartNumber": number, "ETag": s3.upload_part(**where, PartNumber=number, Body=body)["ETag"]})
    done = s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert done["SSEKMSKeyId"] == key
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == whole
