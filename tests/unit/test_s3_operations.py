"""S3's operations on a real store, under a fake clock, without HTTP: objects and buckets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness import ACCOUNT
from pilvi.core import caller as callers
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.services.s3 import errors
from pilvi.services.s3.names import owner_id
from s3kit import MIB, Buckets

HOSTILE_KEYS = [
    "..", "../../etc/passwd", "/", "//", "/leading", "a//b", "a/../b", ".", "a\x00b", "\x00", "a\nb", "\r\n", "\x01\x1f\x7f",
    " ", "a b", "+", "a+b", "%00", "%2e%2e", "é" * 512, "k" * 1024, "😀", "a\u2028b", "~", "a'b\"c<>&;", "\ufffe", "\U0010ffff",
]  # fmt: skip


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


def other_account(s3: Buckets) -> callers.Caller:
    return callers.root("222222222222")


# -- buckets -----------------------------------------------------------------------------------------------------------


def test_creating_a_bucket_again(s3: Buckets) -> None:
    """In us-east-1 the owner may, and nothing changes; elsewhere it is BucketAlreadyOwnedByYou, for others taken."""
    s3.put("photos", "a")
    assert s3.s3("CreateBucket", Bucket="photos")["Location"] == "/photos"
    assert s3.keys("photos") == ["a"]
    eu = {"LocationConstraint": "eu-west-1"}
    s3.s3("CreateBucket", Bucket="euro", CreateBucketConfiguration=eu)
    for again in ({"CreateBucketConfiguration": eu}, {}):
        with pytest.raises(errors.BucketAlreadyOwnedByYou):
            s3.s3("CreateBucket", Bucket="euro", **again)
    with pytest.raises(errors.BucketAlreadyExists):
        s3.run_as(other_account(s3), "s3", "CreateBucket", Bucket="photos")


@pytest.mark.parametrize(
    ("here", "constraint", "region"),
    [
        ("us-east-1", None, "us-east-1"),
        ("us-east-1", "EU", "eu-west-1"),
        ("us-east-1", "eu-central-1", "eu-central-1"),
        ("us-east-1", "us-east-1", errors.InvalidLocationConstraint),
        ("us-east-1", "mars-north-1", errors.InvalidLocationConstraint),
        ("eu-west-1", None, errors.IllegalLocationConstraintException),
        ("eu-west-1", "EU", "eu-west-1"),
        ("eu-west-1", "eu-central-1", errors.IllegalLocationConstraintException),
        ("local-1", "local-1", "local-1"),
    ],
)
def test_location_constraints(tmp_path: Path, here: str, constraint: str | None, region: Any) -> None:
    """Where a bucket may be made from where."""
    with Buckets(tmp_path / "data", region=here) as s3:
        asked = {"CreateBucketConfiguration": {"LocationConstraint": constraint}} if constraint else {}
        if not isinstance(region, str):
            with pytest.raises(region):
                s3.s3("CreateBucket", Bucket="somewhere", **asked)
            return
        s3.s3("CreateBucket", Bucket="somewhere", **asked)
        shown = s3.s3("GetBucketLocation", Bucket="somewhere").get("LocationConstraint", "us-east-1")
        assert shown == region


def test_a_bucket_of_another_region(s3: Buckets) -> None:
    """301 with the region in a header, as S3's own endpoints answer; GetBucketLocation works from everywhere."""
    s3.s3("CreateBucket", Bucket="euro", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    with pytest.raises(errors.PermanentRedirect) as failure:
        s3.s3("HeadBucket", Bucket="euro")
    assert failure.value.status == 301
    assert failure.value.headers == {"x-amz-bucket-region": "eu-west-1"}
    assert s3.s3("GetBucketLocation", Bucket="euro") == {"LocationConstraint": "eu-west-1"}


def test_deleting_buckets(s3: Buckets) -> None:
    """Only empty ones; uploads in progress are no content and go with it; a new one of that name begins anew."""
    s3.put("photos", "a")
    with pytest.raises(errors.BucketNotEmpty):
        s3.s3("DeleteBucket", Bucket="photos")
    s3.s3("DeleteObject", Bucket="photos", Key="a")
    upload = s3.s3("CreateMultipartUpload", Bucket="photos", Key="a")["UploadId"]
    s3.part("photos", "a", upload, 1, b"part")
    s3.s3("PutBucketTagging", Bucket="photos", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.s3("DeleteBucket", Bucket="photos")
    assert s3.blobs() == 0
    with pytest.raises(errors.NoSuchBucket):
        s3.s3("HeadBucket", Bucket="photos")
    s3.s3("CreateBucket", Bucket="photos")
    with pytest.raises(errors.NoSuchUpload):
        s3.s3("ListParts", Bucket="photos", Key="a", UploadId=upload)
    with pytest.raises(errors.NoSuchTagSet):
        s3.s3("GetBucketTagging", Bucket="photos")


def test_listing_buckets(s3: Buckets) -> None:
    """By name, those of the caller's account, in pages, by prefix and region."""
    for name in ("b-1", "b-2", "b-3"):
        s3.s3("CreateBucket", Bucket=name)
    s3.s3("CreateBucket", Bucket="b-4", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.run_as(other_account(s3), "s3", "CreateBucket", Bucket="b-5")
    everything = s3.s3("ListBuckets")
    assert [bucket["Name"] for bucket in everything["Buckets"]] == ["b-1", "b-2", "b-3", "b-4", "photos"]
    assert "BucketRegion" not in everything["Buckets"][0]
    first = s3.s3("ListBuckets", Prefix="b-", MaxBuckets=3)
    assert [bucket["Name"] for bucket in first["Buckets"]] == ["b-1", "b-2", "b-3"]
    rest = s3.s3("ListBuckets", Prefix="b-", MaxBuckets=3, ContinuationToken=first["ContinuationToken"])
    assert [bucket["Name"] for bucket in rest["Buckets"]] == ["b-4"]
    assert "ContinuationToken" not in rest
    euro = s3.s3("ListBuckets", BucketRegion="eu-west-1")["Buckets"]
    assert [(bucket["Name"], bucket["BucketRegion"]) for bucket in euro] == [("b-4", "eu-west-1")]
    with pytest.raises(errors.InvalidArgument):
        s3.s3("ListBuckets", MaxBuckets=0)


def test_expected_owners(s3: Buckets) -> None:
    """A bucket of somebody else than expected is not touched."""
    s3.s3("HeadBucket", Bucket="photos", ExpectedBucketOwner=s3.caller.account)
    for operation in ("HeadBucket", "ListObjectsV2", "DeleteBucket"):
        with pytest.raises(AccessDenied):
            s3.s3(operation, Bucket="photos", ExpectedBucketOwner="222222222222")


def test_names_that_no_bucket_has(s3: Buckets) -> None:
    """InvalidBucketName for what could never be one, NoSuchBucket for what could."""
    for name in ("a", "ä" * 10, "a/b", "a\x00bc"):
        with pytest.raises(errors.InvalidBucketName):
            s3.s3("HeadBucket", Bucket=name)
    for name in ("Legacy_Bucket", "absent"):
        with pytest.raises(errors.NoSuchBucket):
            s3.s3("HeadBucket", Bucket=name)


# -- objects -----------------------------------------------------------------------------------------------------------


def test_what_is_put_is_got(s3: Buckets) -> None:
    """Bytes, entity tag, type, metadata, headers, tags, time in whole seconds."""
    data = b"a photo"
    put = s3.put(
        "photos",
        "a.jpg",
        data,
        ContentType="image/jpeg",
        CacheControl="no-cache",
        Expires="whatever the client said",
        Metadata={"Camera": "x"},
        Tagging="a=b",
        StorageClass="STANDARD_IA",
    )
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert put["ChecksumType"] == "FULL_OBJECT"
    body, answer = s3.get("photos", "a.jpg")
    assert body == data
    assert answer["ETag"] == put["ETag"]
    assert answer["ContentType"] == "image/jpeg"
    assert answer["CacheControl"] == "no-cache"
    assert answer["Expires"] == "whatever the client said"
    assert answer["Metadata"] == {"camera": "x"}
    assert answer["TagCount"] == 1
    assert answer["StorageClass"] == "STANDARD_IA"
    assert answer["AcceptRanges"] == "bytes"
    assert answer["LastModified"] == datetime.fromtimestamp(s3.clock.now // 1000, UTC)
    head = s3.s3("HeadObject", Bucket="photos", Key="a.jpg")
    assert head == {name: value for name, value in answer.items() if name != "Body"}


def test_defaults_of_an_object(s3: Buckets) -> None:
    """binary/octet-stream, standard class (unsaid), CRC64NVME on request."""
    s3.put("photos", "a", b"123456789")
    _, answer = s3.get("photos", "a")
    assert answer["ContentType"] == "binary/octet-stream"
    assert "StorageClass" not in answer
    assert "ChecksumCRC64NVME" not in answer
    assert s3.get("photos", "a", ChecksumMode="ENABLED")[1]["ChecksumCRC64NVME"] == "rosUhgp5mIg="


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 3 * MIB])
def test_sizes_around_the_store_s_limits(s3: Buckets, size: int) -> None:
    """Small objects live in the store, large ones in files: nobody can tell."""
    data = bytes(range(256)) * (size // 256 + 1)
    s3.put("photos", "a", data[:size])
    assert s3.get("photos", "a")[0] == data[:size]
    if size:
        part, answer = s3.get("photos", "a", Range=f"bytes={size // 2}-")
        assert part == data[size // 2 : size]
        assert answer["ContentRange"] == f"bytes {size // 2}-{size - 1}/{size}"


def test_replacing_and_deleting_let_go_of_the_bytes(s3: Buckets) -> None:
    """No blob outlives the objects that need it."""
    for data in (b"one", b"two", b"x" * MIB):
        s3.put("photos", "a", data)
    assert s3.blobs() == 1
    s3.s3("DeleteObject", Bucket="photos", Key="a")
    assert s3.blobs() == 0
    assert s3.s3("DeleteObject", Bucket="photos", Key="a") == {}


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_hostile_keys_are_just_keys(s3: Buckets, key: str) -> None:
    """Whatever a key looks like, it is stored, listed and deleted as it is, and no file appears for it."""
    before = {path.relative_to(s3.folder) for path in s3.folder.rglob("*")}
    s3.put("photos", key, b"data")
    assert s3.get("photos", key)[0] == b"data"
    assert s3.keys("photos") == [key]
    assert s3.keys("photos", Prefix=key) == [key]
    s3.s3("CopyObject", Bucket="photos", Key="copy", CopySource=f"photos/{quoted(key)}")
    s3.s3("DeleteObject", Bucket="photos", Key=key)
    assert s3.keys("photos") == ["copy"]
    after = {path.relative_to(s3.folder) for path in s3.folder.rglob("*")}
    assert {path for path in after - before if not path.name.startswith("data.db")} == set()


def quoted(key: str) -> str:
    from urllib.parse import quote

    return quote(key, safe="")


def test_keys_that_cannot_be(s3: Buckets) -> None:
    """Too long: KeyTooLongError; no UTF-8: InvalidURI."""
    for operation in ("GetObject", "HeadObject", "DeleteObject"):
        with pytest.raises(errors.KeyTooLongError):
            s3.checks(operation, Bucket="photos", Key="k" * 1025)
        with pytest.raises(errors.InvalidURI):
            s3.checks(operation, Bucket="photos", Key="\udc80")


def test_missing_objects(s3: Buckets) -> None:
    """NoSuchKey for who may list the bucket, AccessDenied for who may not know."""
    with pytest.raises(errors.NoSuchKey) as failure:
        s3.get("photos", "absent")
    assert failure.value.fields == {"Key": "absent"}
    s3.cloud.denied.add("s3:ListBucket")
    with pytest.raises(AccessDenied):
        s3.get("photos", "absent")


def test_metadata_has_a_limit(s3: Buckets) -> None:
    """2 KB of names and values."""
    s3.put("photos", "a", Metadata={"k" * 48: "v" * 2000})
    with pytest.raises(errors.MetadataTooLarge) as failure:
        s3.put("photos", "a", Metadata={"k" * 48: "v" * 2001})
    assert failure.value.fields == {"Size": 2049, "MaxSizeAllowed": 2048}


def test_aws_chunked_is_no_content_encoding(s3: Buckets) -> None:
    """It says how the body came, not what it is."""
    for given, kept in (
        ("aws-chunked", None),
        ("gzip, aws-chunked", "gzip"),
        ("aws-chunked,gzip", "gzip"),
        ("br", "br"),
    ):
        s3.put("photos", "a", b"x", ContentEncoding=given)
        assert s3.get("photos", "a")[1].get("ContentEncoding") == kept


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        ({"ACL": "public-read"}, errors.AccessControlListNotSupported),
        ({"GrantRead": "id=abc"}, errors.AccessControlListNotSupported),
        ({"StorageClass": "SLOW"}, errors.InvalidStorageClass),
        ({"SSECustomerKey": "x"}, errors.InvalidArgument),
        ({"ObjectLockMode": "GOVERNANCE"}, errors.InvalidRequest),
        ({"Tagging": "a=1&a=2"}, errors.InvalidArgument),
        ({"ChecksumCRC32": "AAAAAA=="}, errors.BadDigest),
        ({"ContentMD5": "JfnnlDI7RTiF9RgfG2JNCw=="}, errors.BadDigest),
        ({"ContentLength": 5 * 1024**3 + 1}, errors.EntityTooLarge),
    ],
)
def test_uploads_that_are_refused(s3: Buckets, parameter: dict[str, Any], kind: type[CloudError]) -> None:
    """Nothing is stored, and nothing is pretended."""
    with pytest.raises(kind):
        s3.put("photos", "a", b"data", **parameter)
    assert s3.keys("photos") == []
    assert s3.blobs() == 0


def test_the_true_list_is_accepted(s3: Buckets) -> None:
    """bucket-owner-full-control says what is so when the bucket's owner owns everything; so does a grant of just that."""
    s3.put("photos", "a", ACL="bucket-owner-full-control")
    s3.put("photos", "a", GrantFullControl=f'id="{owner_id(ACCOUNT)}"')
    with pytest.raises(errors.AccessControlListNotSupported):
        s3.put("photos", "a", ACL="private")


def test_conditional_writes(s3: Buckets) -> None:
    """If-None-Match: * creates, If-Match replaces; the loser is told, and refused before its body is read."""
    etag = s3.put("photos", "a", b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(errors.PreconditionFailed):
        s3.put("photos", "a", b"2", IfNoneMatch="*")
    new = s3.put("photos", "a", b"3", IfMatch=etag)["ETag"]
    with pytest.raises(errors.PreconditionFailed):
        s3.put("photos", "a", b"4", IfMatch=etag)
    with pytest.raises(errors.NoSuchKey):
        s3.put("photos", "b", b"5", IfMatch=etag)
    with pytest.raises(errors.PreconditionFailed):
        s3.s3("DeleteObject", Bucket="photos", Key="a", IfMatch=etag)
    s3.s3("DeleteObject", Bucket="photos", Key="a", IfMatch=new)
    assert s3.s3("DeleteObject", Bucket="photos", Key="a", IfMatch=new) == {}
    assert s3.keys("photos") == []


def test_overridden_headers(s3: Buckets) -> None:
    """response-* of signed requests; anonymous ones may not."""
    s3.put("photos", "a", ContentType="image/jpeg")
    asked = {"ResponseContentType": "text/plain", "ResponseContentDisposition": "attachment"}
    _, answer = s3.get("photos", "a", **asked)
    assert (answer["ContentType"], answer["ContentDisposition"]) == ("text/plain", "attachment")
    with pytest.raises(errors.InvalidRequest):
        s3.run_as(callers.ANONYMOUS, "s3", "HeadObject", Bucket="photos", Key="a", **asked)


def test_the_null_version(s3: Buckets) -> None:
    """The one version of an object is called null; others were never handed out."""
    s3.put("photos", "a", b"1")
    assert s3.get("photos", "a", VersionId="null")[0] == b"1"
    for operation in ("HeadObject", "DeleteObject"):
        with pytest.raises(errors.InvalidArgument, match="Invalid version id"):
            s3.s3(operation, Bucket="photos", Key="a", VersionId="3HL4kqtJlcpXroDTDmJ")
    listed = s3.s3("ListObjectVersions", Bucket="photos")["Versions"]
    assert [(entry["Key"], entry["VersionId"], entry["IsLatest"]) for entry in listed] == [("a", "null", True)]
    s3.s3("DeleteObject", Bucket="photos", Key="a", VersionId="null")
    assert s3.keys("photos") == []


def test_part_number_of_a_whole_object(s3: Buckets) -> None:
    """It has one part, itself."""
    s3.put("photos", "a", b"data")
    body, answer = s3.get("photos", "a", PartNumber=1)
    assert (body, answer["ContentRange"]) == (b"data", "bytes 0-3/4")
    with pytest.raises(errors.InvalidPartNumber):
        s3.get("photos", "a", PartNumber=2)
    with pytest.raises(errors.InvalidRequest):
        s3.get("photos", "a", PartNumber=1, Range="bytes=0-1")


# -- deleting many -----------------------------------------------------------------------------------------------------


def test_deleting_many(s3: Buckets) -> None:
    """Each key on its own: permission, condition, existence; Quiet shows errors alone."""
    for key in ("a", "b", "c"):
        s3.put("photos", key, key.encode())
    wanted = [{"Key": "a"}, {"Key": "absent"}, {"Key": "b", "ETag": '"x"'}, {"Key": "c", "VersionId": "v"},
              {"Key": "k" * 1025}]  # fmt: skip
    answer = s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": wanted})
    assert answer["Deleted"] == [{"Key": "a"}, {"Key": "absent"}]
    assert [(error["Key"][:6], error["Code"]) for error in answer["Errors"]] == [
        ("b", "PreconditionFailed"), ("c", "InvalidArgument"), ("kkkkkk", "KeyTooLongError"),
    ]  # fmt: skip
    assert s3.keys("photos") == ["b", "c"]
    assert s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": [{"Key": "b"}], "Quiet": True}) == {}
    s3.cloud.denied.add("s3:DeleteObject")
    answer = s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": [{"Key": "c"}], "Quiet": True})
    assert answer == {"Errors": [{"Key": "c", "Code": "AccessDenied", "Message": "Access Denied"}]}
    assert s3.keys("photos") == ["c"]


def test_deleting_too_many(s3: Buckets) -> None:
    """One to a thousand keys."""
    for count in (0, 1001):
        objects = [{"Key": str(number)} for number in range(count)]
        with pytest.raises(errors.MalformedXML):
            s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": objects})


def test_nothing_is_locked_so_no_lock_is_bypassed(s3: Buckets) -> None:
    """The header of object lock is refused for buckets without it, whatever it says; a batch has nothing to bypass."""
    s3.put("photos", "a")
    for said in (True, False):
        with pytest.raises(errors.InvalidArgument, match="only applicable to Object Lock enabled buckets"):
            s3.s3("DeleteObject", Bucket="photos", Key="a", BypassGovernanceRetention=said)
    assert s3.keys("photos") == ["a"]
    s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": [{"Key": "a"}]}, BypassGovernanceRetention=True)
    assert s3.keys("photos") == []


# -- listing -----------------------------------------------------------------------------------------------------------


def test_folders(s3: Buckets) -> None:
    """Delimiter and prefix fold keys into common prefixes, page by page."""
    for key in ("a/1", "a/2", "b", "c/d/1", "c/e", "c-", "z"):
        s3.put("photos", key)
    page = s3.s3("ListObjectsV2", Bucket="photos", Delimiter="/")
    assert [entry["Key"] for entry in page["Contents"]] == ["b", "c-", "z"]
    assert [common["Prefix"] for common in page["CommonPrefixes"]] == ["a/", "c/"]
    assert page["KeyCount"] == 5
    pages = list(s3.pages("photos", Delimiter="/", MaxKeys=2))
    assert [(keys(page), prefixes(page)) for page in pages] == [
        (["b"], ["a/"]), (["c-"], ["c/"]), (["z"], []),
    ]  # fmt: skip
    inner = s3.s3("ListObjectsV2", Bucket="photos", Delimiter="/", Prefix="c/")
    assert (keys(inner), prefixes(inner)) == (["c/e"], ["c/d/"])


def keys(page: dict[str, Any]) -> list[str]:
    return [entry["Key"] for entry in page["Contents"]]


def prefixes(page: dict[str, Any]) -> list[str]:
    return [common["Prefix"] for common in page.get("CommonPrefixes", [])]


def test_where_a_listing_begins(s3: Buckets) -> None:
    """StartAfter and Marker are exclusive; a token overrules StartAfter; a common prefix is a place too."""
    for key in ("a", "b/1", "b/2", "c"):
        s3.put("photos", key)
    assert s3.keys("photos", StartAfter="a") == ["b/1", "b/2", "c"]
    assert s3.keys("photos", StartAfter="a\x00") == ["b/1", "b/2", "c"]
    assert s3.keys("photos", StartAfter="z") == []
    first = s3.s3("ListObjectsV2", Bucket="photos", MaxKeys=1, StartAfter="a")
    again = s3.s3("ListObjectsV2", Bucket="photos", StartAfter="a", ContinuationToken=first["NextContinuationToken"])
    assert keys(again) == ["b/2", "c"]
    old = s3.s3("ListObjects", Bucket="photos", Delimiter="/", MaxKeys=2)
    assert (keys(old), prefixes(old), old["NextMarker"]) == (["a"], ["b/"], "b/")
    rest = s3.s3("ListObjects", Bucket="photos", Delimiter="/", Marker=old["NextMarker"])
    assert (keys(rest), prefixes(rest), rest["IsTruncated"]) == (["c"], [], False)
    assert "NextMarker" not in s3.s3("ListObjects", Bucket="photos", MaxKeys=1)


def test_page_sizes(s3: Buckets) -> None:
    """0 shows nothing, more than a thousand is a thousand, below zero is InvalidArgument."""
    for number in range(3):
        s3.put("photos", str(number))
    nothing = s3.s3("ListObjectsV2", Bucket="photos", MaxKeys=0)
    assert (keys(nothing), nothing["IsTruncated"], nothing["KeyCount"]) == ([], False, 0)
    assert s3.s3("ListObjectsV2", Bucket="photos", MaxKeys=5000)["MaxKeys"] == 1000
    exactly = s3.s3("ListObjectsV2", Bucket="photos", MaxKeys=3)
    assert not exactly["IsTruncated"]
    for most in (-1, 2**31):
        with pytest.raises(errors.InvalidArgument):
            s3.s3("ListObjects", Bucket="photos", MaxKeys=most)


def test_encoded_listings(s3: Buckets) -> None:
    """encoding-type=url makes keys fit for XML; anything else is InvalidArgument."""
    s3.put("photos", "a b/\x01+")
    page = s3.s3("ListObjectsV2", Bucket="photos", EncodingType="url", StartAfter="a ", Prefix="a ")
    assert (keys(page), page["Prefix"], page["StartAfter"]) == (["a%20b/%01%2B"], "a%20", "a%20")
    folded = s3.s3("ListObjects", Bucket="photos", EncodingType="url", Delimiter=" ")
    assert (prefixes(folded), folded["Delimiter"]) == (["a%20"], "%20")
    with pytest.raises(errors.InvalidArgument):
        s3.s3("ListObjects", Bucket="photos", EncodingType="base64")


def test_owners_in_listings(s3: Buckets) -> None:
    """Always in version 1, on request in version 2."""
    s3.put("photos", "a")
    assert "Owner" not in s3.s3("ListObjectsV2", Bucket="photos")["Contents"][0]
    shown = s3.s3("ListObjectsV2", Bucket="photos", FetchOwner=True)["Contents"][0]["Owner"]
    assert shown == s3.s3("ListObjects", Bucket="photos")["Contents"][0]["Owner"]
    assert len(shown["ID"]) == 64


def test_order_is_by_bytes(s3: Buckets) -> None:
    """Keys are listed in the order of their UTF-8 bytes."""
    names = ["\uffee", "\U0001f600", "a", "B", "é", "Z", "~"]
    for name in names:
        s3.put("photos", name)
    assert s3.keys("photos") == sorted(names, key=str.encode)


def test_buckets_are_worlds_apart(s3: Buckets) -> None:
    """Neighbouring buckets never show in each other's listings."""
    for bucket in ("aaa", "bbb", "ccc"):
        s3.s3("CreateBucket", Bucket=bucket)
        s3.put(bucket, f"in-{bucket}")
    for bucket in ("aaa", "bbb", "ccc"):
        assert s3.keys(bucket) == [f"in-{bucket}"]
