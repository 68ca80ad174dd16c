"""All ten algorithms of S3: computed right, kept with objects, and made of parts' where that can be."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilvi.core import digests
from pilvi.services.s3 import checksums, errors
from s3kit import MIB, Buckets

HASHES = ["sha1", "sha256", "sha512", "md5", "xxhash64", "xxhash3", "xxhash128"]


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("md5", "d41d8cd98f00b204e9800998ecf8427e"),
        (
            "sha512",
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        ),
        ("xxhash64", "ef46db3751d8e999"),
        ("xxhash3", "2d06800538d394c2"),
        ("xxhash128", "99aa06d3014798d86001c324468d497f"),
    ],
)
def test_of_nothing(kind: str, expected: str) -> None:
    """The published values of the empty input, big-endian."""
    assert checksums.compute(kind, b"") == b64encode(bytes.fromhex(expected)).decode()


@pytest.mark.parametrize("kind", sorted(checksums.SIZES))
def test_piece_by_piece(kind: str) -> None:
    """However the bytes come, the checksum is that of the whole, and as long as it says."""
    made = digests.make([kind])[kind]
    for piece in (b"", b"1234", b"56789" * 1000, b"x"):
        made.update(piece)
    raw = made.digest()
    assert len(raw) == checksums.SIZES[kind]
    assert checksums.encode(raw) == checksums.compute(kind, b"1234" + b"56789" * 1000 + b"x")


@pytest.mark.parametrize("kind", sorted(checksums.SIZES))
def test_objects_keep_the_checksum_that_they_came_with(s3: Buckets, kind: str) -> None:
    """In a header, compared, answered, shown by HEAD when it is asked for; a wrong one is BadDigest."""
    member, value = checksums.MEMBERS[kind], checksums.compute(kind, b"data")
    assert s3.put("photos", "a", b"data", **{member: value})[member] == value
    assert s3.s3("HeadObject", Bucket="photos", Key="a", ChecksumMode="ENABLED")[member] == value
    with pytest.raises(errors.BadDigest, match=f"The {checksums.NAMES[kind]} you specified did not match"):
        s3.put("photos", "a", b"other", **{member: value})


@pytest.mark.parametrize("kind", HASHES)
def test_a_hash_of_parts_is_a_hash_of_their_hashes(s3: Buckets, kind: str) -> None:
    """COMPOSITE is all that a hash can be; its end is the number of parts."""
    name, parts = checksums.NAMES[kind], [b"a" * 5 * MIB, b"b"]
    with pytest.raises(errors.InvalidRequest, match="FULL_OBJECT checksum type cannot be used"):
        s3.s3("CreateMultipartUpload", Bucket="photos", Key="a", ChecksumAlgorithm=name, ChecksumType="FULL_OBJECT")
    upload = s3.s3("CreateMultipartUpload", Bucket="photos", Key="a", ChecksumAlgorithm=name)
    assert upload["ChecksumType"] == "COMPOSITE"
    named = []
    for number, data in enumerate(parts, start=1):
        answer = s3.part(
            "photos", "a", upload["UploadId"], number, data, **{checksums.MEMBERS[kind]: checksums.compute(kind, data)}
        )
        sums = {checksums.MEMBERS[kind]: answer[checksums.MEMBERS[kind]]}
        named.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
    done = s3.s3(
        "CompleteMultipartUpload",
        Bucket="photos",
        Key="a",
        UploadId=upload["UploadId"],
        MultipartUpload={"Parts": named},
    )
    assert done[checksums.MEMBERS[kind]] == checksums.composed(
        kind, [checksums.decode(kind, checksums.compute(kind, part)) for part in parts]
    )
    assert done[checksums.MEMBERS[kind]].endswith("-2")
