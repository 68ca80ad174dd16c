"""What strangers send is not read before it is known that they may."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from live import LiveCloud, Unique
from refusals import refused
from s3kit import Raw, code_of

MIB = 1024 * 1024


@pytest.fixture
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def answered_without_body(cloud: LiveCloud, method: str, target: str, length: int) -> tuple[int, bytes]:
    """The answer to headers alone, of a request that announces a body and never sends it."""
    connection = http.client.HTTPConnection(cloud.endpoint.removeprefix("http://"), timeout=10)
    try:
        connection.putrequest(method, target)
        connection.putheader("Content-Length", str(length))
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("POST", "?delete"),
        ("PUT", "?acl"),
        ("PUT", "?cors"),
        ("PUT", "?tagging"),
        ("PUT", "?versioning"),
        ("PUT", "?object-lock"),
        ("POST", "/key?uploadId=x"),
        ("POST", "/key?restore"),
        ("PUT", "/key?acl"),
    ],
)
def test_strangers_are_turned_away_by_their_headers(cloud: LiveCloud, bucket: str, method: str, query: str) -> None:
    """Documents for a private bucket are refused although not one byte of them has come."""
    status, body = answered_without_body(cloud, method, f"/{bucket}{query}", MIB)
    assert (status, code_of(body)) == (403, "AccessDenied")


def test_other_answers_come_early_too(cloud: LiveCloud) -> None:
    """A bucket that is not there is told of as early."""
    status, body = answered_without_body(cloud, "POST", "/no-such-bucket-anywhere?delete", MIB)
    assert (status, code_of(body)) == (404, "NoSuchBucket")


@pytest.mark.parametrize("query", ["?tagging", "?legal-hold"])
def test_where_the_body_decides_it_is_short(cloud: LiveCloud, bucket: str, query: str) -> None:
    """What must be read before the question can be asked is at most 64 KiB long."""
    status, _, body = Raw(cloud.endpoint)("PUT", f"/{bucket}/key{query}", b"<a>" * 30_000)
    assert (status, code_of(body)) == (413, "RequestEntityTooLarge")


def test_strangers_who_may_delete_in_batches(cloud: LiveCloud, s3: Any, bucket: str) -> None:
    """With a policy that lets them, a thousand keys at once; keys that it does not name are denied one by one."""
    s3.delete_public_access_block(Bucket=bucket)
    stranger = cloud.client("s3", config=Config(signature_version=UNSIGNED))
    long = "x" * 1000
    objects = [{"Key": f"open/{long}{number}"} for number in range(999)]
    with refused("AccessDenied", 403):
        stranger.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": f"arn:aws:s3:::{bucket}/open/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket=bucket, Key="closed", Body=b"x")
    answer = stranger.delete_objects(Bucket=bucket, Delete={"Objects": [*objects, {"Key": "closed"}]})
    assert len(answer["Deleted"]) == 999
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("closed", "AccessDenied")]
    assert s3.head_object(Bucket=bucket, Key="closed")["ContentLength"] == 1
