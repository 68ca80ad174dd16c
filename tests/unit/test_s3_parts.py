"""S3's uploads in parts and copies, on a real store, without HTTP."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilvi.core.errors import AccessDenied, CloudError, NotBuilt
from pilvi.services.s3 import delete, errors
from pilvi.services.s3.checksums import compute
from pilvi.services.s3.multipart.parts import PART_BYTES_MAX, PARTS_MAX
from pilvi.services.s3.records import UploadedPart
from s3kit import MIB, Buckets

FIVE = 5 * MIB
PARTS = [b"a" * FIVE, b"b" * FIVE, b"c"]
WHOLE = b"".join(PARTS)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


def begin(s3: Buckets, key: str = "big", **request: Any) -> str:
    upload: str = s3.s3("CreateMultipartUpload", Bucket="photos", Key=key, **request)["UploadId"]
    return upload


def complete(s3: Buckets, upload: str, parts: list[dict[str, Any]], **request: Any) -> Any:
    return s3.s3(
        "CompleteMultipartUpload",
        Bucket="photos",
        Key="big",
        UploadId=upload,
        MultipartUpload={"Parts": parts},
        **request,
    )


def send(s3: Buckets, upload: str, parts: dict[int, bytes], **request: Any) -> list[dict[str, Any]]:
    return [
        {"PartNumber": number, "ETag": s3.part("photos", "big", upload, number, data, **request)["ETag"]}
        for number, data in parts.items()
    ]


# -- uploads -----------------------------------------------------------------------------------------------------------


def test_parts_become_an_object(s3: Buckets) -> None:
    """Their bytes in order, S3's entity tag, the attributes the upload began with, and no blob too many."""
    answer = s3.multipart("photos", "big", PARTS, ContentType="image/tiff", Metadata={"a": "b"}, Tagging="t=1")
    digests = b"".join(hashlib.md5(part).digest() for part in PARTS)
    assert answer["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    body, got = s3.get("photos", "big", ChecksumMode="ENABLED")
    assert body == WHOLE
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("image/tiff", {"a": "b"}, 1)
    assert (got["ChecksumCRC64NVME"], got["ChecksumType"]) == (compute("crc64nvme", WHOLE), "FULL_OBJECT")
    assert s3.blobs() == 3
    s3.s3("DeleteObject", Bucket="photos", Key="big")
    assert s3.blobs() == 0


def test_ranges_and_parts_of_the_object(s3: Buckets) -> None:
    """Any range crosses parts unnoticed; a part number gives exactly that part."""
    s3.multipart("photos", "big", PARTS)
    body, answer = s3.get("photos", "big", Range=f"bytes={FIVE - 2}-{FIVE + 1}")
    assert body == b"aabb"
    assert s3.get("photos", "big", Range="bytes=-2")[0] == b"bc"
    body, answer = s3.get("photos", "big", PartNumber=3, ChecksumMode="ENABLED")
    assert (body, answer["PartsCount"], answer["ContentRange"]) == (
        b"c",
        3,
        f"bytes {2 * FIVE}-{2 * FIVE}/{len(WHOLE)}",
    )
    assert answer["ChecksumCRC64NVME"] == compute("crc64nvme", b"c")
    with pytest.raises(errors.InvalidPartNumber):
        s3.get("photos", "big", PartNumber=4)


@pytest.mark.parametrize(
    ("algorithm", "kind", "composite"),
    [
        ("CRC32", None, True),
        ("CRC32", "FULL_OBJECT", False),
        ("CRC32C", "COMPOSITE", True),
        ("CRC32C", "FULL_OBJECT", False),
        ("CRC64NVME", None, False),
        ("SHA1", None, True),
        ("SHA256", "COMPOSITE", True),
    ],
)
def test_checksums_of_uploads(s3: Buckets, algorithm: str, kind: str | None, composite: bool) -> None:
    """Composite or of the full object, as chosen; without a choice, as the algorithm can."""
    chosen = {"ChecksumType": kind} if kind else {}
    answer = s3.multipart("photos", "big", PARTS, ChecksumAlgorithm=algorithm, **chosen)
    name = algorithm.lower()
    if composite:
        raws = b"".join(b64decode(compute(name, part)) for part in PARTS)
        expected = f"{compute(name, raws)}-3"
    else:
        expected = compute(name, WHOLE)
    assert answer[f"Checksum{algorithm}"] == expected
    assert answer["ChecksumType"] == ("COMPOSITE" if composite else "FULL_OBJECT")
    assert s3.s3("ListObjectsV2", Bucket="photos")["Contents"][0]["ChecksumAlgorithm"] == [algorithm]
    attributes = s3.s3("GetObjectAttributes", Bucket="photos", Key="big", ObjectAttributes=["Checksum", "ObjectParts"])
    assert attributes["Checksum"][f"Checksum{algorithm}"] == expected
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3
    if composite:
        assert attributes["ObjectParts"]["Parts"][2][f"Checksum{algorithm}"] == compute(name, b"c")


@pytest.mark.parametrize(
    "chosen",
    [
        {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"},
        {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "COMPOSITE"},
        {"ChecksumAlgorithm": "CRC32", "ChecksumType": "HALF"},
        {"ChecksumType": "COMPOSITE"},
        {"ChecksumAlgorithm": "ROT13"},
    ],
)
def test_checksums_that_uploads_cannot_have(s3: Buckets, chosen: dict[str, str]) -> None:
    """A hash of the whole cannot be made of parts, a CRC64NVME is never composite."""
    with pytest.raises(errors.InvalidRequest):
        begin(s3, **chosen)


def test_parts_keep_to_the_chosen_checksum(s3: Buckets) -> None:
    """Another one is a mismatch; without a choice any is welcome and checked."""
    chosen = begin(s3, ChecksumAlgorithm="SHA256")
    with pytest.raises(errors.InvalidRequest, match="expected checksum Type: sha256, actual checksum Type: crc32"):
        s3.part("photos", "big", chosen, 1, b"x", ChecksumCRC32=compute("crc32", b"x"))
    free = begin(s3)
    answer = s3.part("photos", "big", free, 1, b"x", ChecksumCRC32=compute("crc32", b"x"))
    assert answer["ChecksumCRC32"] == compute("crc32", b"x")
    with pytest.raises(errors.BadDigest):
        s3.part("photos", "big", free, 1, b"x", ChecksumCRC32=compute("crc32", b"y"))
    done = complete(s3, free, [{"PartNumber": 1, "ETag": answer["ETag"]}])
    assert done["ChecksumCRC64NVME"] == compute("crc64nvme", b"x")


def test_part_numbers_may_have_gaps(s3: Buckets) -> None:
    """Any ascending numbers; a part that is not named is forgotten with its bytes."""
    upload = begin(s3)
    sent = send(s3, upload, {7: PARTS[0], 10_000: b"end", 8: b"unnamed"})
    complete(s3, upload, sent[:2])
    assert s3.get("photos", "big")[0] == PARTS[0] + b"end"
    assert s3.get("photos", "big", PartNumber=10_000)[0] == b"end"
    assert s3.blobs() == 2


def test_a_part_sent_again_replaces_the_first(s3: Buckets) -> None:
    """The last one counts, and the bytes of the first are let go."""
    upload = begin(s3)
    first = send(s3, upload, {1: b"first"})
    second = send(s3, upload, {1: b"second"})
    with pytest.raises(errors.InvalidPart):
        complete(s3, upload, first)
    complete(s3, upload, second)
    assert s3.get("photos", "big")[0] == b"second"
    assert s3.blobs() == 1


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_numbers_that_no_part_has(s3: Buckets, number: int) -> None:
    """1 to 10,000."""
    with pytest.raises(errors.InvalidArgument, match="between 1 and 10000"):
        s3.part("photos", "big", begin(s3), number, b"x")


def test_a_part_that_is_named_again(s3: Buckets) -> None:
    """Sent again while it was still on its way, and named both times: the last entry is the one that counts."""
    upload = begin(s3)
    (before,) = send(s3, upload, {1: b"before"})
    (after,) = send(s3, upload, {1: b"after"})
    made = complete(s3, upload, [before, after])
    assert made["ETag"].endswith('-1"')
    assert s3.get("photos", "big")[0] == b"after"


def test_lists_of_parts_that_make_no_object(s3: Buckets) -> None:
    """Each refusal leaves the upload as it was."""
    upload = begin(s3)
    one, two = send(s3, upload, {1: b"small", 2: b"last"})
    for parts, kind in (
        ([], errors.MalformedXML),
        ([{"PartNumber": 1}], errors.MalformedXML),
        ([two, one], errors.InvalidPartOrder),
        ([one, {**one, "ETag": '"abc"'}], errors.InvalidPart),
        ([{**one, "ETag": '"abc"'}], errors.InvalidPart),
        ([one, {"PartNumber": 3, "ETag": one["ETag"]}], errors.InvalidPart),
        ([{**one, "ChecksumCRC64NVME": compute("crc64nvme", b"other")}], errors.InvalidPart),
        ([one, two], errors.EntityTooSmall),
    ):
        with pytest.raises(kind):
            complete(s3, upload, parts)
    for promise, kind in (
        ({"MpuObjectSize": 6}, errors.InvalidRequest),
        ({"ChecksumType": "COMPOSITE"}, errors.InvalidRequest),
        ({"ChecksumCRC64NVME": compute("crc64nvme", b"x")}, errors.BadDigest),
    ):
        with pytest.raises(kind):
            complete(s3, upload, [one], **promise)
    complete(s3, upload, [one], MpuObjectSize=5, ChecksumCRC64NVME=compute("crc64nvme", b"small"))


def test_composite_uploads_want_each_part_s_checksum(s3: Buckets) -> None:
    """A chosen composite checksum is named for every part on completion."""
    upload = begin(s3, ChecksumAlgorithm="SHA256")
    sent = send(s3, upload, {1: b"x"}, ChecksumSHA256=compute("sha256", b"x"))
    with pytest.raises(errors.InvalidRequest, match="It was missing for part 1"):
        complete(s3, upload, sent)
    complete(s3, upload, [{**sent[0], "ChecksumSHA256": compute("sha256", b"x")}])


def test_completing_again_gives_the_same_answer(s3: Buckets) -> None:
    """A client that lost the answer asks again; once the object is another's, the upload is unknown."""
    upload = begin(s3)
    sent = send(s3, upload, {1: b"x"})
    first = complete(s3, upload, sent)
    assert complete(s3, upload, sent) == first
    s3.put("photos", "big", b"new")
    with pytest.raises(errors.NoSuchUpload):
        complete(s3, upload, sent)


def test_conditional_completion(s3: Buckets) -> None:
    """If-None-Match: * loses against an object that came meanwhile; the upload stays."""
    upload = begin(s3)
    sent = send(s3, upload, {1: b"x"})
    s3.put("photos", "big", b"sooner")
    with pytest.raises(errors.PreconditionFailed):
        complete(s3, upload, sent, IfNoneMatch="*")
    s3.s3("DeleteObject", Bucket="photos", Key="big")
    complete(s3, upload, sent, IfNoneMatch="*")


def test_aborting_forgets_everything(s3: Buckets) -> None:
    """Parts and bytes are gone, the upload is unknown."""
    upload = begin(s3)
    sent = send(s3, upload, {1: b"x", 2: b"y"})
    s3.s3("AbortMultipartUpload", Bucket="photos", Key="big", UploadId=upload)
    assert s3.blobs() == 0
    for call in (
        lambda: send(s3, upload, {1: b"x"}),
        lambda: complete(s3, upload, sent),
        lambda: s3.s3("ListParts", Bucket="photos", Key="big", UploadId=upload),
        lambda: s3.s3("AbortMultipartUpload", Bucket="photos", Key="big", UploadId=upload),
    ):
        with pytest.raises(errors.NoSuchUpload):
            call()


def test_an_abort_has_no_condition(s3: Buckets) -> None:
    """The time of its beginning is a condition of directory buckets alone: it is refused, not passed over."""
    upload = begin(s3)
    with pytest.raises(NotBuilt):
        s3.s3("AbortMultipartUpload", Bucket="photos", Key="big", UploadId=upload, IfMatchInitiatedTime="x")
    assert s3.s3("ListParts", Bucket="photos", Key="big", UploadId=upload)["UploadId"] == upload


def test_an_upload_belongs_to_its_key(s3: Buckets) -> None:
    """Another key, bucket or an invented id is NoSuchUpload."""
    upload = begin(s3)
    s3.s3("CreateBucket", Bucket="other")
    for bucket, key, wanted in (("photos", "small", upload), ("other", "big", upload), ("photos", "big", "é")):
        with pytest.raises(errors.NoSuchUpload):
            s3.s3("ListParts", Bucket=bucket, Key=key, UploadId=wanted)


def test_listing_parts(s3: Buckets) -> None:
    """In order, in pages."""
    upload = begin(s3)
    send(s3, upload, {3: b"ccc", 1: b"a", 2: b"bb"})
    page = s3.s3("ListParts", Bucket="photos", Key="big", UploadId=upload, MaxParts=2)
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(1, 1), (2, 2)]
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 2)
    rest = s3.s3("ListParts", Bucket="photos", Key="big", UploadId=upload, PartNumberMarker=2)
    assert [part["PartNumber"] for part in rest["Parts"]] == [3]
    assert not rest["IsTruncated"]


def test_listing_uploads(s3: Buckets) -> None:
    """By key, then by age; in pages that may end between two uploads of one key; folded by delimiter."""
    ids = {}
    for key in ("a", "a", "b/1", "b/2", "c"):
        s3.clock.advance(1000)
        ids.setdefault(key, []).append(begin(s3, key))
    everything = s3.s3("ListMultipartUploads", Bucket="photos")["Uploads"]
    assert [(upload["Key"], upload["UploadId"]) for upload in everything] == [
        (key, upload) for key, uploads in ids.items() for upload in uploads
    ]
    seen: list[str] = []
    marker: dict[str, str] = {}
    for _ in range(5):
        page = s3.s3("ListMultipartUploads", Bucket="photos", MaxUploads=1, **marker)
        seen += [upload["UploadId"] for upload in page["Uploads"]]
        if page["IsTruncated"]:
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert seen == [upload["UploadId"] for upload in everything]
    assert not page["IsTruncated"]
    behind = s3.s3("ListMultipartUploads", Bucket="photos", KeyMarker="a")["Uploads"]
    assert [upload["Key"] for upload in behind] == ["b/1", "b/2", "c"]
    folded = s3.s3("ListMultipartUploads", Bucket="photos", Delimiter="/")
    assert folded["CommonPrefixes"] == [{"Prefix": "b/"}]
    assert [upload["Key"] for upload in folded["Uploads"]] == ["a", "a", "c"]


# -- copies ------------------------------------------------------------------------------------------------------------


def copy(s3: Buckets, source: str, key: str, **request: Any) -> Any:
    return s3.s3("CopyObject", Bucket="photos", Key=key, CopySource=source, **request)["CopyObjectResult"]


def test_a_copy_shares_the_bytes(s3: Buckets) -> None:
    """One blob, and it stays until the last of them goes."""
    etag = s3.put("photos", "a", b"x" * MIB)["ETag"]
    assert copy(s3, "photos/a", "b")["ETag"] == etag
    assert s3.blobs() == 1
    s3.s3("DeleteObject", Bucket="photos", Key="a")
    assert s3.get("photos", "b")[0] == b"x" * MIB
    s3.s3("DeleteObject", Bucket="photos", Key="b")
    assert s3.blobs() == 0


def test_directives(s3: Buckets) -> None:
    """COPY takes metadata and tags along, REPLACE takes the request's; the storage class is never copied."""
    s3.put("photos", "a", b"x", ContentType="image/png", Metadata={"a": "1"}, Tagging="t=1", StorageClass="STANDARD_IA")
    copy(s3, "photos/a", "b", ContentType="ignored/here", Metadata={"z": "2"}, Tagging="t=2")
    _, answer = s3.get("photos", "b")
    assert (answer["ContentType"], answer["Metadata"]) == ("image/png", {"a": "1"})
    assert "StorageClass" not in answer
    assert s3.s3("GetObjectTagging", Bucket="photos", Key="b")["TagSet"] == [{"Key": "t", "Value": "1"}]
    copy(s3, "photos/a", "b", MetadataDirective="REPLACE", TaggingDirective="REPLACE", Metadata={"z": "2"})
    _, answer = s3.get("photos", "b")
    assert (answer["ContentType"], answer["Metadata"]) == ("binary/octet-stream", {"z": "2"})
    assert "TagCount" not in answer
    with pytest.raises(errors.InvalidArgument, match="Unknown metadata directive"):
        copy(s3, "photos/a", "b", MetadataDirective="MAYBE")


def test_copying_onto_itself(s3: Buckets) -> None:
    """Illegal unless something changes; then the bytes stay."""
    s3.put("photos", "a", b"x", Metadata={"a": "1"})
    with pytest.raises(errors.InvalidRequest, match="without changing"):
        copy(s3, "photos/a", "a")
    copy(s3, "photos/a", "a", MetadataDirective="REPLACE", Metadata={"a": "2"})
    body, answer = s3.get("photos", "a")
    assert (body, answer["Metadata"]) == (b"x", {"a": "2"})
    copy(s3, "photos/a", "a", StorageClass="ONEZONE_IA")
    assert s3.blobs() == 1


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("photos", errors.InvalidArgument),
        ("/photos/", errors.InvalidArgument),
        ("photos/%ff", errors.InvalidArgument),
        ("photos/absent", errors.NoSuchKey),
        ("absent/a", errors.NoSuchBucket),
        ("photos/a?versionId=xyz", errors.InvalidArgument),
        ("arn:aws:s3:eu-west-1:123456789012:accesspoint/x/object/a", NotBuilt),
    ],
)
def test_sources_that_are_none(s3: Buckets, source: str, kind: type[CloudError]) -> None:
    """A source names an object of a bucket, percent-encoded."""
    s3.put("photos", "a", b"x")
    with pytest.raises(kind):
        copy(s3, source, "b")


@pytest.mark.parametrize(
    "condition",
    [
        {"CopySourceIfMatch": '"x"'},
        {"CopySourceIfNoneMatch": "*"},
        {"IfNoneMatch": "*"},
    ],
)
def test_conditions_of_copies(s3: Buckets, condition: dict[str, str]) -> None:
    """On the source, and on what is to be replaced: 412."""
    s3.put("photos", "a", b"x")
    s3.put("photos", "b", b"y")
    with pytest.raises(errors.PreconditionFailed):
        copy(s3, "photos/a", "b", **condition)
    assert s3.get("photos", "b")[0] == b"y"


def test_copies_of_uploads_in_parts(s3: Buckets) -> None:
    """The copy is one piece, read once more: with the digests of the whole, and bytes of its own."""
    s3.multipart("photos", "big", PARTS, ChecksumAlgorithm="SHA256")
    answer = copy(s3, "photos/big", "copy")
    assert answer["ETag"] == f'"{hashlib.md5(WHOLE).hexdigest()}"'
    assert answer["ChecksumSHA256"] == compute("sha256", WHOLE)
    body, got = s3.get("photos", "copy", PartNumber=1)
    assert body == WHOLE
    assert "PartsCount" not in got
    assert s3.blobs() == 4
    s3.s3("DeleteObject", Bucket="photos", Key="big")
    assert s3.blobs() == 1
    assert s3.get("photos", "copy")[0] == WHOLE
    s3.s3("DeleteObject", Bucket="photos", Key="copy")
    assert s3.blobs() == 0


def test_a_large_copy_of_an_upload_in_parts_stays_in_parts(s3: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are shared, its ETag is that of its source."""
    monkeypatch.setattr("pilvi.services.s3.copies.copy.REREAD_BYTES_MAX", len(WHOLE) - 1)
    s3.multipart("photos", "big", PARTS)
    assert copy(s3, "photos/big", "copy")["ETag"].endswith(f'-{len(PARTS)}"')
    assert s3.blobs() == 3
    s3.s3("DeleteObject", Bucket="photos", Key="big")
    assert s3.get("photos", "copy")[0] == WHOLE
    s3.s3("DeleteObject", Bucket="photos", Key="copy")
    assert s3.blobs() == 0


@pytest.mark.parametrize("gone", [False, True])
def test_a_source_that_changes_while_it_is_read(s3: Buckets, monkeypatch: pytest.MonkeyPatch, gone: bool) -> None:
    """What was read of the one before is thrown away; the copy is of what is there now, and as encrypted as was asked."""
    s3.put("photos", "a", b"before")
    others = iter([True])

    def change() -> None:
        if not next(others, False):
            return
        if gone:
            s3.s3("DeleteObject", Bucket="photos", Key="a")
        else:
            s3.put("photos", "a", b"after")

    monkeypatch.setattr(s3, "meanwhile", change)
    if gone:
        with pytest.raises(errors.NoSuchKey):
            copy(s3, "photos/a", "b", ServerSideEncryption="AES256")
        assert s3.blobs() == 0
        return
    copy(s3, "photos/a", "b", ServerSideEncryption="AES256")
    body, answer = s3.get("photos", "b")
    assert (body, answer["ServerSideEncryption"]) == (b"after", "AES256")
    assert s3.blobs() == 2
    assert not any((s3.folder / "staging").iterdir())


def test_another_checksum_for_a_copy(s3: Buckets) -> None:
    """Computed from the bytes."""
    s3.put("photos", "a", b"123456789")
    assert copy(s3, "photos/a", "b", ChecksumAlgorithm="SHA1")["ChecksumSHA1"] == compute("sha1", b"123456789")
    assert copy(s3, "photos/b", "c")["ChecksumSHA1"] == compute("sha1", b"123456789")


def test_what_a_copy_asks(s3: Buckets) -> None:
    """Reading there, writing here; tags twice more, when there are some."""
    s3.put("photos", "a", b"x", Tagging="t=1")
    s3.s3("CreateBucket", Bucket="other")
    asked = s3.checks("CopyObject", Bucket="other", Key="b", CopySource="photos/a")
    assert [(check.action, check.resource) for check in asked] == [
        ("s3:GetObject", "arn:aws:s3:::photos/a"),
        ("s3:PutObject", "arn:aws:s3:::other/b"),
        ("s3:GetObjectTagging", "arn:aws:s3:::photos/a"),
        ("s3:PutObjectTagging", "arn:aws:s3:::other/b"),
    ]
    s3.cloud.denied.add("s3:GetObject")
    with pytest.raises(AccessDenied):
        copy(s3, "photos/a", "b")


def test_parts_copied_from_objects(s3: Buckets) -> None:
    """A range of any object, across its parts, becomes a part: read once more; a whole object is shared. Digests are true."""
    s3.multipart("photos", "source", PARTS)
    s3.put("photos", "small", b"tail")
    upload = begin(s3)
    span = (FIVE - 3, 2 * FIVE - 1)
    first = s3.s3(
        "UploadPartCopy", Bucket="photos", Key="big", UploadId=upload, PartNumber=1, CopySource="photos/source",
        CopySourceRange=f"bytes={span[0]}-{span[1]}",
    )["CopyPartResult"]  # fmt: skip
    expected = WHOLE[span[0] : span[1] + 1]
    assert first["ETag"] == f'"{hashlib.md5(expected).hexdigest()}"'
    second = s3.s3(
        "UploadPartCopy", Bucket="photos", Key="big", UploadId=upload, PartNumber=2, CopySource="photos/small"
    )["CopyPartResult"]
    assert second["ETag"] == f'"{hashlib.md5(b"tail").hexdigest()}"'
    assert s3.blobs() == 5
    for key in ("source", "small"):
        s3.s3("DeleteObject", Bucket="photos", Key=key)
    complete(s3, upload, [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 2, "ETag": second["ETag"]}])
    body, answer = s3.get("photos", "big", ChecksumMode="ENABLED")
    assert body == expected + b"tail"
    assert answer["ChecksumCRC64NVME"] == compute("crc64nvme", body)
    assert s3.get("photos", "big", Range="bytes=2-4")[0] == b"abb"
    s3.s3("DeleteObject", Bucket="photos", Key="big")
    assert s3.blobs() == 0


@pytest.mark.parametrize("header", ["bytes=0-4", "bytes=4-", "bytes=-1", "bytes=2-1", "0-1", "bytes=0-1,2-3"])
def test_source_ranges_that_cannot_be(s3: Buckets, header: str) -> None:
    """Both ends, inside of the source."""
    s3.put("photos", "small", b"tail")
    with pytest.raises((errors.InvalidArgument, errors.InvalidRange)):
        s3.s3(
            "UploadPartCopy", Bucket="photos", Key="big", UploadId=begin(s3), PartNumber=1, CopySource="photos/small",
            CopySourceRange=header,
        )  # fmt: skip


def test_attributes_of_objects(s3: Buckets) -> None:
    """Only what is asked for; the parts in pages."""
    s3.multipart("photos", "big", PARTS, ChecksumAlgorithm="CRC32")
    s3.multipart("photos", "plain", PARTS)
    plain = s3.s3("GetObjectAttributes", Bucket="photos", Key="plain", ObjectAttributes=["ObjectParts"])["ObjectParts"]
    assert plain["Parts"] == [{"PartNumber": number, "Size": len(part)} for number, part in enumerate(PARTS, start=1)]
    asked = ["ETag", "ObjectSize", "StorageClass"]
    answer = s3.s3("GetObjectAttributes", Bucket="photos", Key="big", ObjectAttributes=asked)
    assert answer["ETag"].endswith("-3")
    assert (answer["ObjectSize"], answer["StorageClass"]) == (len(WHOLE), "STANDARD")
    assert answer.keys() == {"ETag", "ObjectSize", "StorageClass", "LastModified"}
    page = s3.s3(
        "GetObjectAttributes", Bucket="photos", Key="big", ObjectAttributes=["ObjectParts"], MaxParts=1,
        PartNumberMarker=1,
    )["ObjectParts"]  # fmt: skip
    assert [part["PartNumber"] for part in page["Parts"]] == [2]
    assert (page["IsTruncated"], int(page["NextPartNumberMarker"])) == (True, 2)
    with pytest.raises(errors.InvalidArgument):
        s3.s3("GetObjectAttributes", Bucket="photos", Key="big", ObjectAttributes=["Color"])


def test_content_md5_of_parts(s3: Buckets) -> None:
    """Checked as for objects."""
    right = b64encode(hashlib.md5(b"x").digest()).decode()
    upload = begin(s3)
    s3.part("photos", "big", upload, 1, b"x", ContentMD5=right)
    with pytest.raises(errors.BadDigest):
        s3.part("photos", "big", upload, 1, b"y", ContentMD5=right)


def test_a_batch_lets_go_of_so_many_parts(s3: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for one batch is told to come again, and nothing of it is gone; what is small still goes."""
    monkeypatch.setattr(delete, "RELEASED_MAX", 5)
    for key in ("one", "two"):
        s3.multipart("photos", key, PARTS)
    s3.put("photos", "three", b"x")
    wanted = [{"Key": key} for key in ("one", "two", "three")]
    answer = s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": wanted})
    assert answer["Deleted"] == [{"Key": "one"}, {"Key": "three"}]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("two", "SlowDown")]
    assert s3.get("photos", "two")[0] == WHOLE
    assert "Errors" not in s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": wanted})
    assert s3.blobs() == 0


def test_the_largest_object_is_made_of_the_largest_parts(s3: Buckets) -> None:
    """10,000 parts of 5 GiB, 48.8 TiB: AWS's limit follows from the parts'. One more part, or byte of one, cannot be."""
    upload = s3.s3("CreateMultipartUpload", Bucket="photos", Key="k")["UploadId"]
    etag = "0" * 32
    checksum = compute("crc64nvme", b"")

    def uploaded(tx: Any) -> None:
        for number in range(1, PARTS_MAX + 1):
            tx[UploadedPart].put(UploadedPart(upload, number, PART_BYTES_MAX, etag, checksum, (), 1))

    s3.store.write(uploaded)
    named = [{"PartNumber": number, "ETag": etag} for number in range(1, PARTS_MAX + 1)]
    s3.s3("CompleteMultipartUpload", Bucket="photos", Key="k", UploadId=upload, MultipartUpload={"Parts": named})
    assert s3.s3("HeadObject", Bucket="photos", Key="k")["ContentLength"] == 10_000 * 5 * 1024**3
    other = s3.s3("CreateMultipartUpload", Bucket="photos", Key="k")["UploadId"]
    with pytest.raises(errors.EntityTooLarge):
        s3.part("photos", "k", other, 1, b"", ContentLength=PART_BYTES_MAX + 1)
    with pytest.raises(CloudError, match="between 1 and 10000"):
        s3.part("photos", "k", other, PARTS_MAX + 1, b"")
