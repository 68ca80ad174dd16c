"""S3 against a model: any sequence of requests leaves what a dictionary says, and no byte more."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from pilvi.services.s3 import errors
from pilvi.services.s3.checksums import compute
from pilvi.services.s3.multipart import complete
from s3kit import Buckets

BUCKETS = ["one", "two"]
PART_BYTES_MIN = 4  # 5 MiB on AWS; the machine uploads thousands of parts

names = st.text(st.sampled_from("ab/.%\x00é\U0001f600"), min_size=1, max_size=4)
data = st.binary(max_size=12)
labels = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]))


class Kept(msgspec.Struct):
    """What the model knows of an object."""

    data: bytes
    metadata: dict[str, str] = {}
    tags: dict[str, str] = {}
    parts: int = 0
    pieces: list[bytes] = []


class Begun(msgspec.Struct):
    bucket: str
    key: str
    parts: dict[int, bytes] = {}
    etags: dict[int, str] = {}


class ObjectStorage(RuleBasedStateMachine):
    keys = Bundle("keys")
    uploads = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.s3 = Buckets(self.folder)
        self.model: dict[tuple[str, str], Kept] = {}
        self.begun: dict[str, Begun] = {}
        self.patch = mock.patch.object(complete, "PART_BYTES_MIN", PART_BYTES_MIN)
        self.patch.start()
        for bucket in BUCKETS:
            self.s3.s3("CreateBucket", Bucket=bucket)

    def teardown(self) -> None:
        self.patch.stop()
        self.s3.store.close()
        shutil.rmtree(self.folder)

    @rule(target=keys, bucket=st.sampled_from(BUCKETS), key=names)
    def name(self, bucket: str, key: str) -> tuple[str, str]:
        return bucket, key

    # -- changes -------------------------------------------------------------------------------------------------------

    @rule(place=keys, content=data, metadata=labels, tags=labels)
    def put(self, place: tuple[str, str], content: bytes, metadata: dict[str, str], tags: dict[str, str]) -> None:
        more = {"Tagging": "&".join(f"{name}={value}" for name, value in tags.items())} if tags else {}
        self.s3.put(*place, content, Metadata=metadata, **more)
        self.model[place] = Kept(content, metadata, tags)

    @rule(place=keys, content=data)
    def put_if_absent(self, place: tuple[str, str], content: bytes) -> None:
        try:
            self.s3.put(*place, content, IfNoneMatch="*")
        except errors.PreconditionFailed:
            assert place in self.model
        else:
            assert place not in self.model
            self.model[place] = Kept(content)

    @rule(place=keys, content=data, expected=data)
    def put_if_this(self, place: tuple[str, str], content: bytes, expected: bytes) -> None:
        known = self.model.get(place)
        try:
            self.s3.put(*place, content, IfMatch=hashlib.md5(expected).hexdigest())
        except errors.NoSuchKey:
            assert known is None
        except errors.PreconditionFailed:
            assert known is not None
            assert known.data != expected or known.parts
        else:
            assert known is not None
            assert known.data == expected
            self.model[place] = Kept(content)

    @rule(place=keys)
    def delete(self, place: tuple[str, str]) -> None:
        self.s3.s3("DeleteObject", Bucket=place[0], Key=place[1])
        self.model.pop(place, None)

    @rule(bucket=st.sampled_from(BUCKETS), places=st.lists(keys, min_size=1, max_size=4))
    def delete_many(self, bucket: str, places: list[tuple[str, str]]) -> None:
        wanted = [{"Key": key} for _, key in places]
        self.s3.s3("DeleteObjects", Bucket=bucket, Delete={"Objects": wanted})
        for _, key in places:
            self.model.pop((bucket, key), None)

    @rule(source=keys, to=keys, replace=st.booleans())
    def copy(self, source: tuple[str, str], to: tuple[str, str], replace: bool) -> None:
        known = self.model.get(source)
        more = {"MetadataDirective": "REPLACE", "Metadata": {"z": "9"}} if replace else {}
        where = f"{source[0]}/{quote(source[1], safe='')}"
        try:
            self.s3.s3("CopyObject", Bucket=to[0], Key=to[1], CopySource=where, **more)
        except errors.NoSuchKey:
            assert known is None
        except errors.InvalidRequest:
            assert source == to
            assert not replace
        else:
            assert known is not None
            self.model[to] = Kept(known.data, {"z": "9"} if replace else known.metadata, known.tags)

    @rule(place=keys, tags=labels)
    def retag(self, place: tuple[str, str], tags: dict[str, str]) -> None:
        tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
        try:
            self.s3.s3("PutObjectTagging", Bucket=place[0], Key=place[1], Tagging={"TagSet": tag_set})
        except errors.NoSuchKey:
            assert place not in self.model
        else:
            self.model[place].tags = tags

    # -- uploads in parts ----------------------------------------------------------------------------------------------

    @rule(target=uploads, place=keys)
    def begin(self, place: tuple[str, str]) -> str:
        upload: str = self.s3.s3("CreateMultipartUpload", Bucket=place[0], Key=place[1])["UploadId"]
        self.begun[upload] = Begun(*place)
        return upload

    @rule(upload=uploads, number=st.integers(1, 4), content=st.binary(min_size=PART_BYTES_MIN, max_size=9))
    def part(self, upload: str, number: int, content: bytes) -> None:
        known = self.begun.get(upload)
        if known is None:
            return
        answer = self.s3.part(known.bucket, known.key, upload, number, content)
        known.parts[number] = content
        known.etags[number] = answer["ETag"]

    @rule(upload=uploads, number=st.integers(1, 4), source=keys, cut=st.tuples(st.integers(0, 9), st.integers(0, 9)))
    def part_copy(self, upload: str, number: int, source: tuple[str, str], cut: tuple[int, int]) -> None:
        known, origin = self.begun.get(upload), self.model.get(source)
        if known is None or origin is None or not cut[0] <= cut[1] < len(origin.data):
            return
        answer = self.s3.s3(
            "UploadPartCopy",
            Bucket=known.bucket,
            Key=known.key,
            UploadId=upload,
            PartNumber=number,
            CopySource=f"{source[0]}/{quote(source[1], safe='')}",
            CopySourceRange=f"bytes={cut[0]}-{cut[1]}",
        )
        known.parts[number] = origin.data[cut[0] : cut[1] + 1]
        known.etags[number] = answer["CopyPartResult"]["ETag"]

    @rule(upload=uploads)
    def complete(self, upload: str) -> None:
        known = self.begun.get(upload)
        if known is None or not known.parts:
            return
        numbers = sorted(known.parts)
        named = [{"PartNumber": number, "ETag": known.etags[number]} for number in numbers]
        request: dict[str, Any] = {"Bucket": known.bucket, "Key": known.key, "UploadId": upload}
        try:
            self.s3.s3("CompleteMultipartUpload", **request, MultipartUpload={"Parts": named})
        except errors.EntityTooSmall:
            assert any(len(known.parts[number]) < PART_BYTES_MIN for number in numbers[:-1])
            return
        pieces = [known.parts[number] for number in numbers]
        self.model[known.bucket, known.key] = Kept(b"".join(pieces), parts=len(pieces), pieces=pieces)
        del self.begun[upload]

    @rule(upload=uploads)
    def abort(self, upload: str) -> None:
        known = self.begun.pop(upload, None)
        if known is not None:
            self.s3.s3("AbortMultipartUpload", Bucket=known.bucket, Key=known.key, UploadId=upload)

    # -- looking -------------------------------------------------------------------------------------------------------

    @rule(place=keys)
    def get(self, place: tuple[str, str]) -> None:
        known = self.model.get(place)
        try:
            body, answer = self.s3.get(*place, ChecksumMode="ENABLED")
        except errors.NoSuchKey:
            assert known is None
            return
        assert known is not None
        assert body == known.data
        assert answer.get("Metadata", {}) == known.metadata
        assert answer.get("TagCount", 0) == len(known.tags)
        assert answer["ChecksumCRC64NVME"] == compute("crc64nvme", body)
        if not known.parts:
            assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'

    @rule(place=keys, start=st.integers(0, 12), length=st.integers(1, 12))
    def get_range(self, place: tuple[str, str], start: int, length: int) -> None:
        known = self.model.get(place)
        if known is None:
            return
        try:
            body, _ = self.s3.get(*place, Range=f"bytes={start}-{start + length - 1}")
        except errors.InvalidRange:
            assert start >= len(known.data)
        else:
            assert body == known.data[start : start + length]

    @rule(bucket=st.sampled_from(BUCKETS), prefix=st.sampled_from(["", "a", "/", "é"]), most=st.integers(1, 3))
    def list_folders(self, bucket: str, prefix: str, most: int) -> None:
        """Page by page, each key and common prefix once."""
        shown: list[str] = []
        for page in self.s3.pages(bucket, Prefix=prefix, Delimiter="/", MaxKeys=most):
            shown += [entry["Key"] for entry in page["Contents"]]
            shown += [common["Prefix"] for common in page.get("CommonPrefixes", [])]
        expected = set()
        for place, key in self.model:
            if place == bucket and key.startswith(prefix):
                cut = key.find("/", len(prefix))
                expected.add(key if cut < 0 else key[: cut + 1])
        assert len(shown) == len(set(shown))
        assert set(shown) == expected

    @rule(milliseconds=st.integers(1, 10**6))
    def wait(self, milliseconds: int) -> None:
        self.s3.clock.advance(milliseconds)

    @precondition(lambda self: self.model)
    @rule()
    def restart(self) -> None:
        """Everything is still there after the store was closed and opened again."""
        clock, ids = self.s3.clock, self.s3.ids
        self.s3.store.close()
        self.s3 = Buckets(self.folder)
        self.s3.clock, self.s3.ids = clock, ids

    # -- always --------------------------------------------------------------------------------------------------------

    @invariant()
    def listings_are_the_model(self) -> None:
        for bucket in BUCKETS:
            expected = sorted((key for place, key in self.model if place == bucket), key=str.encode)
            assert self.s3.keys(bucket) == expected

    @invariant()
    def no_blob_without_a_reader(self) -> None:
        """Without any object and upload, nothing is kept."""
        if not self.model and not any(known.parts for known in self.begun.values()):
            assert self.s3.blobs() == 0


TestObjectStorage = ObjectStorage.TestCase
TestObjectStorage.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
