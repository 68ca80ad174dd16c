"""boto3 as programs use it: transfers in threads, links, forms, pages, waiters, resources."""

from __future__ import annotations

import hashlib
import io
import json
import random
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from forms import posted
from live import LiveCloud

MIB = 1024 * 1024
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8)
LARGE = random.Random(20).randbytes(23 * MIB)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_a_file_goes_up_and_down_in_parts_by_threads(
    cloud: LiveCloud, bucket: str, tmp_path: Path, algorithm: str
) -> None:
    """Each byte is there, the object has the checksum that was asked for, and callbacks tell all of it."""
    client = cloud.client("s3")
    (tmp_path / "up").write_bytes(LARGE)
    told: list[int] = []
    client.upload_file(
        str(tmp_path / "up"),
        bucket,
        "large",
        Config=PARTS,
        Callback=told.append,
        ExtraArgs={"ChecksumAlgorithm": algorithm, "Metadata": {"made": "here"}, "ContentType": "application/x-made"},
    )
    head = client.head_object(Bucket=bucket, Key="large", ChecksumMode="ENABLED")
    assert sum(told) == len(LARGE) == head["ContentLength"]
    assert head["ETag"].endswith('-5"')
    assert head[f"Checksum{algorithm}"]
    assert (head["Metadata"], head["ContentType"]) == ({"made": "here"}, "application/x-made")
    client.download_file(bucket, "large", str(tmp_path / "down"), Config=PARTS)
    assert hashlib.sha256((tmp_path / "down").read_bytes()).digest() == hashlib.sha256(LARGE).digest()


def test_a_large_object_is_copied_in_parts(cloud: LiveCloud, bucket: str) -> None:
    """`copy` with many parts: ranges of the source become parts of the copy."""
    client = cloud.client("s3")
    client.upload_fileobj(io.BytesIO(LARGE), bucket, "source", Config=PARTS)
    client.copy({"Bucket": bucket, "Key": "source"}, bucket, "copy", Config=PARTS)
    assert client.get_object(Bucket=bucket, Key="copy")["Body"].read() == LARGE
    client.delete_object(Bucket=bucket, Key="source")
    back = io.BytesIO()
    client.download_fileobj(bucket, "copy", back, Config=PARTS)
    assert back.getvalue() == LARGE


def test_a_damaged_body_is_refused(cloud: LiveCloud, bucket: str) -> None:
    """What does not have the checksum that it was announced with is not stored."""
    client = cloud.client("s3")
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=bucket, Key="x", Body=b"damaged", ChecksumSHA256="A" * 43 + "=")
    assert refused.value.response["Error"]["Code"] == "BadDigest"
    assert client.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def send(method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of a request without an SDK."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.mark.parametrize("signature", ["s3", "s3v4"])
def test_links_put_get_and_end(cloud: LiveCloud, bucket: str, signature: str) -> None:
    """A presigned URL of either version does what it was made for, and nothing else."""
    client = cloud.client("s3", config=Config(signature_version=signature))
    target = {"Bucket": bucket, "Key": "a key/ä+b"}
    put = client.generate_presigned_url("put_object", {**target, "ContentType": "text/x-sent"})
    assert send("PUT", put, b"by link", {"Content-Type": "text/x-sent"})[0] == 200
    assert send("PUT", put, b"other", {"Content-Type": "text/html"})[0] == 403
    get = client.generate_presigned_url("get_object", {**target, "ResponseContentType": "text/x-own"})
    with urllib.request.urlopen(get, timeout=30) as answer:
        assert (answer.read(), answer.headers["content-type"]) == (b"by link", "text/x-own")
    assert send("PUT", get, b"other")[0] == 403
    assert send("GET", get.replace("b?", "c?"))[0] == 403
    assert client.get_object(**target)["Body"].read() == b"by link"


def test_a_form_is_bound_to_what_it_was_made_for(cloud: LiveCloud, bucket: str) -> None:
    """generate_presigned_post: the file is stored under the key; a larger one, or another key, is refused."""
    client = cloud.client("s3")
    form = client.generate_presigned_post(
        bucket,
        "in/${filename}",
        Fields={"x-amz-meta-by": "form"},
        Conditions=[
            ["starts-with", "$key", "in/"],
            {"x-amz-meta-by": "form"},
            ["content-length-range", 1, 10],
        ],
    )

    def post(data: bytes, **changed: str) -> int:
        headers, body = posted({**form["fields"], **changed}, data, "a.txt")
        return send("POST", form["url"], body, headers)[0]

    assert post(b"0123456789") == 204
    assert post(b"0123456789!") == 400
    assert post(b"x", key="out/a.txt") == 403
    assert [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["in/a.txt"]
    found = client.get_object(Bucket=bucket, Key="in/a.txt")
    assert (found["Body"].read(), found["Metadata"]) == (b"0123456789", {"by": "form"})


def test_paginators_meet_everything_once(cloud: LiveCloud, bucket: str) -> None:
    """Objects, folders, versions, uploads and parts, in pages of few."""
    client = cloud.client("s3")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    keys = [f"{folder}/{number}" for folder in "ab" for number in range(7)]
    for key in [*keys, *keys]:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    uploads = [client.create_multipart_upload(Bucket=bucket, Key=f"u{number}")["UploadId"] for number in range(5)]
    for number in range(1, 6):
        client.upload_part(Bucket=bucket, Key="u0", UploadId=uploads[0], PartNumber=number, Body=b"x")

    def every(name: str, member: str, **asked: Any) -> list[Any]:
        pages = client.get_paginator(name).paginate(Bucket=bucket, PaginationConfig={"PageSize": 3}, **asked)
        return [entry for page in pages for entry in page.get(member, [])]

    for name in ("list_objects", "list_objects_v2"):
        assert [entry["Key"] for entry in every(name, "Contents")] == keys
        assert [entry["Prefix"] for entry in every(name, "CommonPrefixes", Delimiter="/")] == ["a/", "b/"]
    found = every("list_object_versions", "Versions")
    assert [entry["Key"] for entry in found] == [key for key in keys for _ in range(2)]
    assert len({entry["VersionId"] for entry in found}) == len(found)
    assert [entry["UploadId"] for entry in every("list_multipart_uploads", "Uploads")] == uploads
    parts = every("list_parts", "Parts", Key="u0", UploadId=uploads[0])
    assert [part["PartNumber"] for part in parts] == [1, 2, 3, 4, 5]
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    assert list(pages.search("Contents[?Size > `0`].Key")) == keys


def test_waiters_see_things_come_and_go(cloud: LiveCloud, bucket: str) -> None:
    """They return when it is so, and give up when it is not."""
    client = cloud.client("s3")
    once = {"Delay": 0, "MaxAttempts": 1}
    client.get_waiter("bucket_exists").wait(Bucket=bucket, WaiterConfig=once)
    client.get_waiter("object_not_exists").wait(Bucket=bucket, Key="x", WaiterConfig=once)
    with pytest.raises(WaiterError):
        client.get_waiter("object_exists").wait(Bucket=bucket, Key="x", WaiterConfig=once)
    client.put_object(Bucket=bucket, Key="x", Body=b"")
    client.get_waiter("object_exists").wait(Bucket=bucket, Key="x", WaiterConfig=once)
    client.delete_object(Bucket=bucket, Key="x")
    client.delete_bucket(Bucket=bucket)
    client.get_waiter("bucket_not_exists").wait(Bucket=bucket, WaiterConfig=once)


def test_resources_have_versions_and_collections(cloud: LiveCloud, bucket: str) -> None:
    """The object-oriented interface: batches over collections, versions of an object, an object's own methods."""
    s3 = boto3.resource(
        "s3",
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id=cloud.access_key,
        aws_secret_access_key=cloud.secret_key,
    )
    box = s3.Bucket(bucket)
    box.Versioning().enable()
    assert box.Versioning().status == "Enabled"
    report = box.Object("report")
    made = [report.put(Body=text)["VersionId"] for text in (b"one", b"two")]
    assert report.get()["Body"].read() == b"two"
    assert report.Version(made[0]).get()["Body"].read() == b"one"
    marker = report.delete()
    assert marker["DeleteMarker"]
    seen = [(version.id, version.is_latest) for version in box.object_versions.filter(Prefix="report")]
    assert seen == [(made[1], False), (made[0], False), (marker["VersionId"], True)]  # markers have a list of their own
    report.Version(marker["VersionId"]).delete()
    assert report.content_length == 3
    for number in range(12):
        box.put_object(Key=f"many/{number:02}", Body=b"x")
    assert sum(entry.size for entry in box.objects.filter(Prefix="many/")) == 12
    box.objects.filter(Prefix="many/").delete()
    assert [entry.key for entry in box.objects.all()] == ["report"]
    box.object_versions.delete()
    box.delete()
    assert bucket not in [other.name for other in s3.buckets.all()]


def test_an_object_says_what_is_in_its_metadata_and_policy(cloud: LiveCloud, bucket: str) -> None:
    """Resources of a bucket: its policy, tags and CORS rules are what was put."""
    s3 = boto3.resource(
        "s3",
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id=cloud.access_key,
        aws_secret_access_key=cloud.secret_key,
    )
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/no/*"}
        ],
    }
    s3.BucketPolicy(bucket).put(Policy=json.dumps(policy))
    assert json.loads(s3.BucketPolicy(bucket).policy) == policy
    s3.BucketTagging(bucket).put(Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.BucketTagging(bucket).tag_set == [{"Key": "a", "Value": "b"}]
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://example.com"], "MaxAgeSeconds": 5}
    s3.BucketCors(bucket).put(CORSConfiguration={"CORSRules": [rule]})
    assert s3.BucketCors(bucket).cors_rules == [rule]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.Object(bucket, "no/x").put(Body=b"x")
