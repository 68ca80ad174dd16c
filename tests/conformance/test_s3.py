"""S3 as boto3 sees it: objects, listings, copies, uploads in parts, checksums."""

from __future__ import annotations

import base64
import hashlib
import io
import socket
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from live import LiveCloud, Unique
from pilvi.services.s3.checksums import compute
from refusals import refused

MIB = 1024 * 1024
HOSTILE_KEYS = [
    "..", "../../etc/passwd", "/", "//", "/leading", "a//b", "a/../b", "a/./b", ".", "a\x00b", "a\nb", "\r\n", "\x01\x1f\x7f",
    " ", " a ", "a b", "+", "a+b", "%00", "%2e%2e", "a%2Fb", "é" * 512, "k" * 1024, "😀", "a\u2028b", "~", "a'b\"c<>&;", "?a=b",
    "#x", "a?versionId=null", "\ufffe", "\U0010ffff", "=;,:@$!*()[]{}|\\^`",
]  # fmt: skip


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=entry["Key"])
    for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=name)


# -- objects -----------------------------------------------------------------------------------------------------------


def test_round_trip(s3: Any, bucket: str) -> None:
    """What boto3 puts it gets, with everything beside the bytes."""
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    put = s3.put_object(
        Bucket=bucket,
        Key="photo.jpg",
        Body=b"bytes",
        ContentType="image/jpeg",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="x"',
        ContentEncoding="identity",
        ContentLanguage="fi",
        Expires=expires,
        Metadata={"Camera": "Nokia", "empty": ""},
        Tagging="a=1&b=2",
        StorageClass="STANDARD_IA",
        WebsiteRedirectLocation="/elsewhere",
    )
    assert put["ETag"] == f'"{hashlib.md5(b"bytes").hexdigest()}"'
    assert put["ChecksumCRC32"] == compute("crc32", b"bytes")  # what boto3 adds by default
    assert "ServerSideEncryption" not in put
    got = s3.get_object(Bucket=bucket, Key="photo.jpg")
    head = s3.head_object(Bucket=bucket, Key="photo.jpg")
    assert got["Body"].read() == b"bytes"
    for answer in (got, head):
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ContentLength"] == 5
        assert answer["ContentType"] == "image/jpeg"
        assert answer["CacheControl"] == "max-age=60"
        assert answer["ContentDisposition"] == 'attachment; filename="x"'
        assert answer["ContentEncoding"] == "identity"
        assert answer["ContentLanguage"] == "fi"
        assert answer["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
        assert answer["Metadata"] == {"camera": "Nokia", "empty": ""}
        assert answer["TagCount"] == 2
        assert answer["StorageClass"] == "STANDARD_IA"
        assert answer["WebsiteRedirectLocation"] == "/elsewhere"
        assert answer["ETag"] == put["ETag"]
        assert answer["AcceptRanges"] == "bytes"
        assert abs(answer["LastModified"] - datetime.now(UTC)) < timedelta(minutes=5)
        assert answer["ResponseMetadata"]["RequestId"]
        assert answer["ResponseMetadata"]["HostId"]


@pytest.mark.parametrize("size", [0, 1, 4096, 65_536, 256 * 1024, 256 * 1024 + 1, 5 * MIB + 3])
def test_sizes(s3: Any, bucket: str, size: int) -> None:
    """Of any size, byte for byte."""
    data = hashlib.shake_128(b"seed").digest(size)
    s3.put_object(Bucket=bucket, Key="a", Body=data)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == data
    assert s3.head_object(Bucket=bucket, Key="a")["ContentLength"] == size


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_hostile_keys(cloud: LiveCloud, s3: Any, bucket: str, key: str) -> None:
    """Any text is a key: put, got, listed, copied, deleted as it is; no file of that name comes to be."""
    s3.put_object(Bucket=bucket, Key=key, Body=b"data")
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"data"
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket, Prefix=key)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key=key + "2" if len(key) < 500 else "2", CopySource={"Bucket": bucket, "Key": key})
    s3.delete_object(Bucket=bucket, Key=key)
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key=key)
    assert not [path for path in cloud.data.parent.rglob("*") if path.name in (key, "passwd", "leading")]


def test_ranges(s3: Any, bucket: str) -> None:
    """206 with what was asked for, 416 with what there is."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"0123456789")
    part = s3.get_object(Bucket=bucket, Key="a", Range="bytes=2-4")
    assert (part["Body"].read(), part["ContentRange"], part["ContentLength"]) == (b"234", "bytes 2-4/10", 3)
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = s3.head_object(Bucket=bucket, Key="a", Range="bytes=-2")
    assert (head["ContentLength"], head["ResponseMetadata"]["HTTPStatusCode"]) == (2, 206)
    with refused("InvalidRange", 416) as error:
        s3.get_object(Bucket=bucket, Key="a", Range="bytes=10-")
    assert error.response["Error"]["ActualObjectSize"] == "10"
    assert error.response["Error"]["RangeRequested"] == "bytes=10-"


def test_conditions(s3: Any, bucket: str) -> None:
    """304 with the entity tag and without a body, 412 with the condition's name."""
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"x")["ETag"]
    past, future = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    assert s3.get_object(Bucket=bucket, Key="a", IfMatch=etag, IfModifiedSince=past)["Body"].read() == b"x"
    with refused("304", 304) as error:
        s3.get_object(Bucket=bucket, Key="a", IfNoneMatch=etag)
    assert error.response["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag
    with refused("304", 304):
        s3.head_object(Bucket=bucket, Key="a", IfModifiedSince=future)
    with refused("PreconditionFailed", 412) as error:
        s3.get_object(Bucket=bucket, Key="a", IfUnmodifiedSince=past)
    assert error.response["Error"]["Condition"] == "If-Unmodified-Since"
    with refused("412", 412):
        s3.head_object(Bucket=bucket, Key="a", IfMatch='"x"')


def test_one_of_many_writers_wins(cloud: LiveCloud, s3: Any, bucket: str) -> None:
    """Of sixteen conditional puts at once exactly one creates the object."""
    barrier = threading.Barrier(16)
    lost: list[str] = []

    def write(number: int) -> bool:
        barrier.wait()
        try:
            s3.put_object(Bucket=bucket, Key="lock", Body=str(number).encode(), IfNoneMatch="*")
        except ClientError as error:
            lost.append(error.response["Error"]["Code"])
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(write, range(16)))
    assert won.count(True) == 1
    assert lost == ["PreconditionFailed"] * 15
    assert s3.get_object(Bucket=bucket, Key="lock")["Body"].read() == str(won.index(True)).encode()


def test_missing_things(s3: Any, bucket: str, unique: Unique) -> None:
    """Errors name what is missing; HEAD has no body to do so."""
    with refused("NoSuchKey", 404) as error:
        s3.get_object(Bucket=bucket, Key="absent")
    assert error.response["Error"]["Key"] == "absent"
    assert error.response["Error"]["Message"] == "The specified key does not exist."
    absent = unique("absent")
    with refused("NoSuchBucket", 404) as error:
        s3.list_objects_v2(Bucket=absent)
    assert error.response["Error"]["BucketName"] == absent
    for call, where in ((s3.head_object, {"Key": "absent"}), (s3.head_bucket, {})):
        with refused("404", 404):
            call(Bucket=absent, **where)
    with refused("NoSuchBucket", 404):
        s3.put_object(Bucket=absent, Key="a", Body=b"x" * MIB)


def test_limits(s3: Any, bucket: str) -> None:
    """Keys of 1,024 bytes, metadata of 2 KB."""
    with refused("KeyTooLongError", 400):
        s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"x")
    with refused("MetadataTooLarge", 400):
        s3.put_object(Bucket=bucket, Key="k", Metadata={"a": "b" * 2048})


def test_deleting_many(s3: Any, bucket: str) -> None:
    """A thousand keys in one request; hostile ones too."""
    keys = [f"{number:04}" for number in range(990)] + ["a b", "a+b", "<&>", "é", "a\tb", "//"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b""), keys))
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == sorted(keys)
    assert "Errors" not in answer
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_overrides(s3: Any, bucket: str) -> None:
    """response-content-type and its kind, in presigned addresses too."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    got = s3.get_object(Bucket=bucket, Key="a", ResponseContentType="text/x", ResponseContentDisposition="inline")
    assert (got["ContentType"], got["ContentDisposition"]) == ("text/x", "inline")


# -- checksums ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3: Any, bucket: str, algorithm: str) -> None:
    """Each algorithm, computed by the client and kept; a wrong one is BadDigest and stores nothing."""
    data = b"The quick brown fox" * 1000
    expected = compute(algorithm.lower(), data)
    put = s3.put_object(Bucket=bucket, Key="a", Body=data, ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"] == expected
    got = s3.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert got["Body"].read() == data  # boto3 verifies the bytes against the checksum
    assert (got[f"Checksum{algorithm}"], got["ChecksumType"]) == (expected, "FULL_OBJECT")
    attributes = s3.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["Checksum", "ObjectSize", "ETag"])
    assert attributes["Checksum"][f"Checksum{algorithm}"] == expected
    assert attributes["ETag"] == put["ETag"].strip('"')
    wrong = compute(algorithm.lower(), b"other")
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="b", Body=data, **{f"Checksum{algorithm}": wrong})
    with refused("404", 404):
        s3.head_object(Bucket=bucket, Key="b")


def test_default_checksum(cloud: LiveCloud, bucket: str) -> None:
    """A client that sends none gets CRC64NVME."""
    plain = cloud.client("s3", config=Config(request_checksum_calculation="when_required"))
    put = plain.put_object(Bucket=bucket, Key="a", Body=b"123456789")
    assert (put["ChecksumCRC64NVME"], put["ChecksumType"]) == ("rosUhgp5mIg=", "FULL_OBJECT")


def test_trailing_checksums(s3: Any, bucket: str) -> None:
    """A stream of unknown checksum is sent in chunks with the checksum behind."""

    class Stream(io.BytesIO):
        """Not rewound for hashing before it is sent."""

    data = b"z" * (3 * MIB)
    put = s3.put_object(Bucket=bucket, Key="a", Body=Stream(data), ContentLength=len(data), ChecksumAlgorithm="SHA256")
    assert put["ChecksumSHA256"] == compute("sha256", data)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == data


def test_content_md5(s3: Any, bucket: str) -> None:
    """Compared, and refused when it cannot be one."""
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", ContentMD5=right)
    with refused("BadDigest", 400):
        s3.put_object(Bucket=bucket, Key="a", Body=b"y", ContentMD5=right)
    with refused("InvalidDigest", 400):
        s3.put_object(Bucket=bucket, Key="a", Body=b"y", ContentMD5="abc")


# -- listings ----------------------------------------------------------------------------------------------------------


def fill(s3: Any, bucket: str, *keys: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode()), keys))


def test_pages_of_listings(s3: Any, bucket: str) -> None:
    """boto3's paginators see every key once, in both versions, with and without folders."""
    keys = [f"{folder}/{number}" for folder in "abc" for number in range(5)] + ["root", "a"]
    fill(s3, bucket, *keys)
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation)
        found = [
            entry["Key"]
            for page in pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": 4})
            for entry in page["Contents"]
        ]
        assert found == sorted(keys)
        entries, prefixes = [], []
        for page in pages.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}):
            entries += [entry["Key"] for entry in page.get("Contents", [])]
            prefixes += [common["Prefix"] for common in page.get("CommonPrefixes", [])]
        assert (entries, prefixes) == (["a", "root"], ["a/", "b/", "c/"])


def test_shape_of_listings(s3: Any, bucket: str) -> None:
    """All that S3 says today."""
    fill(s3, bucket, "a")
    page = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)
    (entry,) = page["Contents"]
    assert entry["ETag"] == f'"{hashlib.md5(b"a").hexdigest()}"'
    assert (entry["Size"], entry["StorageClass"]) == (1, "STANDARD")
    assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == (["CRC32"], "FULL_OBJECT")
    assert len(entry["Owner"]["ID"]) == 64
    assert (page["Name"], page["Prefix"], page["MaxKeys"], page["KeyCount"]) == (bucket, "", 1000, 1)
    assert page["IsTruncated"] is False
    assert s3.head_object(Bucket=bucket, Key="a")["LastModified"] == entry["LastModified"]


def test_places_in_listings(s3: Any, bucket: str) -> None:
    """StartAfter, Marker, tokens, sizes of pages."""
    fill(s3, bucket, "a", "b", "c")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, StartAfter="a")["Contents"]] == ["b", "c"]
    assert [entry["Key"] for entry in s3.list_objects(Bucket=bucket, Marker="b")["Contents"]] == ["c"]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    with refused("InvalidArgument", 400) as error:
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="invented")
    assert error.response["Error"]["ArgumentName"] == "continuation-token"
    with refused("InvalidArgument", 400):
        s3.list_objects(Bucket=bucket, MaxKeys=-1)


# -- uploads in parts --------------------------------------------------------------------------------------------------


def test_transfer_manager(s3: Any, bucket: str) -> None:
    """boto3 uploads and downloads in parts with eight threads; the whole has its checksum."""
    data = hashlib.shake_128(b"large").digest(23 * MIB + 11)
    threads = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=8)
    s3.upload_fileobj(io.BytesIO(data), bucket, "large", Config=threads, ExtraArgs={"Metadata": {"a": "b"}})
    head = s3.head_object(Bucket=bucket, Key="large", PartNumber=2)
    assert (head["PartsCount"], head["ContentLength"]) == (5, 5 * MIB)
    assert head["ContentRange"] == f"bytes {5 * MIB}-{10 * MIB - 1}/{len(data)}"
    received = io.BytesIO()
    s3.download_fileobj(bucket, "large", received, Config=threads)
    assert received.getvalue() == data
    s3.copy({"Bucket": bucket, "Key": "large"}, bucket, "copy", Config=threads)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == data
    crcs = b"".join(zlib.crc32(data[at : at + 5 * MIB]).to_bytes(4, "big") for at in range(0, len(data), 5 * MIB))
    got = s3.head_object(Bucket=bucket, Key="large", ChecksumMode="ENABLED")
    assert got["ChecksumCRC32"] == base64.b64encode(zlib.crc32(crcs).to_bytes(4, "big")).decode() + "-5"
    assert got["ChecksumType"] == "COMPOSITE"


def test_multipart_by_hand(s3: Any, bucket: str) -> None:
    """Create, send, list, complete; the full object's checksum when that was chosen."""
    created = s3.create_multipart_upload(
        Bucket=bucket, Key="a", ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT", ContentType="text/x"
    )
    upload = created["UploadId"]
    assert (created["ChecksumAlgorithm"], created["ChecksumType"]) == ("CRC64NVME", "FULL_OBJECT")
    data = [b"a" * 5 * MIB, b"b"]
    parts = []
    for number, content in enumerate(data, start=1):
        sent = s3.upload_part(
            Bucket=bucket, Key="a", UploadId=upload, PartNumber=number, Body=content, ChecksumAlgorithm="CRC64NVME"
        )
        parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumCRC64NVME": sent["ChecksumCRC64NVME"]})
    listed = s3.list_parts(Bucket=bucket, Key="a", UploadId=upload)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, 5 * MIB), (2, 1)]
    assert listed["Initiator"]["ID"] == listed["Owner"]["ID"]
    assert [entry["UploadId"] for entry in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="a", UploadId=upload, MultipartUpload={"Parts": parts}, MpuObjectSize=5 * MIB + 1
    )
    assert done["ChecksumCRC64NVME"] == compute("crc64nvme", b"".join(data))
    assert done["Location"].endswith(f"/{bucket}/a")
    assert s3.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")["Body"].read() == b"".join(data)
    attributes = s3.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["ObjectParts"])
    assert attributes["ObjectParts"]["TotalPartsCount"] == 2


def test_multipart_refusals(s3: Any, bucket: str) -> None:
    """Small parts, wrong order, wrong tags, unknown uploads."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    named = {"Bucket": bucket, "Key": "a", "UploadId": upload}
    tags = [s3.upload_part(**named, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)]
    one, two = ({"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, start=1))
    for parts, code in (
        ([one, two], "EntityTooSmall"),
        ([two, one], "InvalidPartOrder"),
        ([{**one, "ETag": '"x"'}], "InvalidPart"),
        ([], "MalformedXML"),
    ):
        with refused(code, 400):
            s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    s3.abort_multipart_upload(**named)
    with refused("NoSuchUpload", 404):
        s3.upload_part(**named, PartNumber=1, Body=b"x")


def test_part_copies(s3: Any, bucket: str) -> None:
    """A range of an object becomes a part."""
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    named = {"Bucket": bucket, "Key": "a", "UploadId": upload}
    copied = s3.upload_part_copy(**named, PartNumber=1, CopySource=f"{bucket}/source", CopySourceRange="bytes=2-4")[
        "CopyPartResult"
    ]
    assert copied["ETag"] == f'"{hashlib.md5(b"234").hexdigest()}"'
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": copied["ETag"]}]})
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"234"


# -- copies and buckets ------------------------------------------------------------------------------------------------


def test_copies(s3: Any, bucket: str, unique: Unique) -> None:
    """Between buckets, with directives and conditions."""
    other = unique("other")
    s3.create_bucket(Bucket=other)
    etag = s3.put_object(Bucket=bucket, Key="a b", Body=b"x", Metadata={"k": "v"}, Tagging="t=1")["ETag"]
    copied = s3.copy_object(Bucket=other, Key="c", CopySource={"Bucket": bucket, "Key": "a b"}, CopySourceIfMatch=etag)
    assert copied["CopyObjectResult"]["ETag"] == etag
    head = s3.head_object(Bucket=other, Key="c")
    assert (head["Metadata"], head["TagCount"]) == ({"k": "v"}, 1)
    with refused("PreconditionFailed", 412):
        s3.copy_object(Bucket=other, Key="c", CopySource=f"{bucket}/a b", CopySourceIfNoneMatch=etag)
    with refused("InvalidRequest", 400):
        s3.copy_object(Bucket=other, Key="c", CopySource=f"{other}/c")
    s3.delete_object(Bucket=other, Key="c")
    s3.delete_bucket(Bucket=other)


def test_buckets(cloud: LiveCloud, s3: Any, unique: Unique) -> None:
    """Made, found, listed in pages, refused, removed."""
    prefix = unique("paged")
    names = [f"{prefix}-{number}" for number in range(3)]
    for name in names:
        created = s3.create_bucket(Bucket=name)
        assert created["Location"] == f"/{name}"
    head = s3.head_bucket(Bucket=names[0])
    assert head["BucketRegion"] == cloud.region
    assert s3.get_bucket_location(Bucket=names[0])["LocationConstraint"] is None
    pages = s3.get_paginator("list_buckets").paginate(Prefix=f"{prefix}-", PaginationConfig={"PageSize": 2})
    listed = [found["Name"] for page in pages for found in page["Buckets"]]
    assert listed == sorted(names)
    s3.put_object(Bucket=names[0], Key="a")
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=names[0])
    s3.delete_object(Bucket=names[0], Key="a")
    for name in names:
        s3.delete_bucket(Bucket=name)
    with refused("404", 404):
        s3.head_bucket(Bucket=names[0])
    for name in ("UPPER", "a_b", "192.168.1.1"):
        with refused("InvalidBucketName", 400):
            s3.create_bucket(Bucket=name)


def test_regions(cloud: LiveCloud, s3: Any, unique: Unique) -> None:
    """A bucket lives in one region; boto3 follows the redirect to it."""
    name = unique("euro")
    euro = cloud.client("s3", region_name="eu-west-1")
    with refused("IllegalLocationConstraintException", 400):
        euro.create_bucket(Bucket=name)
    euro.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-1"
    with refused("BucketAlreadyOwnedByYou", 409):
        euro.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    assert euro.get_object(Bucket=name, Key="a")["Body"].read() == b"x"
    euro.delete_object(Bucket=name, Key="a")
    euro.delete_bucket(Bucket=name)


def test_unbuilt_is_said(s3: Any, bucket: str) -> None:
    """501 that names the operation or the header, never a pretended success."""
    with refused("NotImplemented", 501):
        s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    with refused("NotImplemented", 501):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x", ServerSideEncryption="aws:kms:dsse")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_virtual_hosts(cloud: LiveCloud, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket may stand in the host's name."""
    resolve = socket.getaddrinfo  # not every machine resolves *.localhost

    def resolved(host: str, *rest: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if host.endswith(".localhost") else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    port = cloud.endpoint.rpartition(":")[2]
    hosted = cloud.client(
        "s3", endpoint_url=f"http://localhost:{port}", config=Config(s3={"addressing_style": "virtual"})
    )
    hosted.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"x"
    assert hosted.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
