"""Doors of S3 that are not built say so: S3 Control, access points, directory buckets, and single operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from live import LiveCloud, Unique
from refusals import refused
from s3kit import Raw, code_of

ACCESS_POINT = "arn:aws:s3:us-east-1:000000000000:accesspoint/door"


@pytest.fixture
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    yield name
    s3.delete_bucket(Bucket=name)


def test_s3_control_says_so(cloud: LiveCloud) -> None:
    """Its requests come with the account in the host name, and are signed as S3's."""
    raw = Raw(cloud.endpoint, cloud.access_key, cloud.secret_key)
    port = raw.host.rpartition(":")[2]
    for target in ("/v20180820/configuration/publicAccessBlock", "/v20180820/accesspoint/door", "/v20180820/jobs"):
        headers = {"Host": f"{cloud.account}.localhost:{port}", "x-amz-account-id": cloud.account}
        status, _, body = raw("GET", target, headers=headers)
        assert status == 501, target
        assert b"s3control is not built" in body


def test_directory_buckets_say_so(cloud: LiveCloud) -> None:
    """ListDirectoryBuckets is no ListBuckets, though both are GET /."""
    client = cloud.client("s3")
    with refused("NotImplemented", 501):
        client.list_directory_buckets()
    request = AWSRequest("PUT", f"{cloud.endpoint}/door--use1-az4--x-s3/key", headers={}, data=b"x")
    S3SigV4Auth(Credentials(cloud.access_key, cloud.secret_key), "s3express", cloud.region).add_auth(request)
    status, _, body = Raw(cloud.endpoint)("PUT", "/door--use1-az4--x-s3/key", b"x", dict(request.headers.items()))
    assert (status, code_of(body)) == (501, "NotImplemented")


def test_copies_from_access_points_say_so(s3: Any, bucket: str) -> None:
    """However the ARN is encoded in the header."""
    with refused("NotImplemented", 501):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{ACCESS_POINT}/object/key")
    with refused("NotImplemented", 501):
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": ACCESS_POINT, "Key": "key"})


UNBUILT = {
    "GetObjectTorrent": {"Key": "key"},
    "CreateSession": {},
    "ListBucketInventoryConfigurations": {},
    "ListBucketAnalyticsConfigurations": {},
    "ListBucketMetricsConfigurations": {},
    "ListBucketIntelligentTieringConfigurations": {},
    "GetBucketInventoryConfiguration": {"Id": "one"},
    "GetBucketAnalyticsConfiguration": {"Id": "one"},
    "GetBucketMetricsConfiguration": {"Id": "one"},
    "GetBucketIntelligentTieringConfiguration": {"Id": "one"},
    "GetBucketMetadataConfiguration": {},
    "GetBucketMetadataTableConfiguration": {},
    "PutBucketAccelerateConfiguration": {"AccelerateConfiguration": {"Status": "Enabled"}},
    "RenameObject": {"Key": "key", "RenameSource": "other"},
    "SelectObjectContent": {
        "Key": "key",
        "Expression": "SELECT * FROM S3Object",
        "ExpressionType": "SQL",
        "InputSerialization": {"CSV": {}},
        "OutputSerialization": {"CSV": {}},
    },
}


@pytest.mark.parametrize("operation", sorted(UNBUILT))
def test_operations_that_are_not_built_name_themselves(cloud: LiveCloud, bucket: str, operation: str) -> None:
    """501 with the operation's name, as the model has it, and not as some other that looks alike."""
    client = cloud.client("s3", config=Config(s3={"addressing_style": "path"}))
    method = next(name for name, model in client.meta.method_to_api_mapping.items() if model == operation)
    with refused("NotImplemented", 501) as refusal:
        getattr(client, method)(Bucket=bucket, **UNBUILT[operation])
    assert refusal.message == f"s3:{operation} is not built."
