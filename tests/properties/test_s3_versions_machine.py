"""Versions against a model: a key's history is a list, newest first, and nothing else happens to it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pilvi.services.s3 import errors
from s3kit import Buckets

BUCKET = "photos"
KEYS = ["a", "b/c"]
keys = st.sampled_from(KEYS)
data = st.binary(max_size=8)
picks = st.sampled_from([0, 0, 0, 1, 1, 2])  # mostly the latest: that is where something moves up


Lines = list[tuple[str, str, bool, bool]]
"""(key, version, whether it is the latest, whether it is a delete marker)"""


class Version(msgspec.Struct):
    """What the model knows of one version; `data` is None for a delete marker."""

    version: str
    data: bytes | None
    tags: dict[str, str] = {}
    parts: bool = False


class Versions(RuleBasedStateMachine):
    """A bucket whose versioning is switched on and suspended."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.s3 = Buckets(self.folder)
        self.s3.s3("CreateBucket", Bucket=BUCKET)
        self.status = ""
        self.model: dict[str, list[Version]] = {key: [] for key in KEYS}

    def teardown(self) -> None:
        self.s3.store.close()
        shutil.rmtree(self.folder)

    # -- the model -----------------------------------------------------------------------------------------------------

    def push(self, key: str, version: str, content: bytes | None, tags: dict[str, str] | None = None) -> None:
        line = self.model[key]
        if version == "null":
            line[:] = [known for known in line if known.version != "null"]
        assert all(known.version != version for known in line)
        line.insert(0, Version(version, content, tags or {}))

    def answered(self, answer: dict[str, Any]) -> str:
        """The version that an answer names, as it must for this state of the bucket."""
        assert ("VersionId" in answer) == (self.status == "Enabled")
        version: str = answer.get("VersionId", "null")
        return version

    def current(self, key: str) -> Version | None:
        line = self.model[key]
        return line[0] if line and line[0].data is not None else None

    # -- changes -------------------------------------------------------------------------------------------------------

    @initialize(status=st.sampled_from(["", "Enabled", "Enabled", "Suspended"]), before=st.sets(keys))
    def begin(self, status: str, before: set[str]) -> None:
        """Most histories are of buckets with versions, over objects from before that."""
        for key in sorted(before):
            self.put(key, b"before")
        if status:
            self.switch(status)

    @rule(status=st.sampled_from(["Enabled", "Suspended"]))
    def switch(self, status: str) -> None:
        self.s3.s3("PutBucketVersioning", Bucket=BUCKET, VersioningConfiguration={"Status": status})
        self.status = status

    @rule(key=keys, content=data)
    def put(self, key: str, content: bytes) -> None:
        self.push(key, self.answered(self.s3.put(BUCKET, key, content)), content)

    @rule(key=keys, content=data)
    def put_if_absent(self, key: str, content: bytes) -> None:
        try:
            answer = self.s3.put(BUCKET, key, content, IfNoneMatch="*")
        except errors.PreconditionFailed:
            assert self.current(key) is not None
        else:
            assert self.current(key) is None
            self.push(key, self.answered(answer), content)

    @rule(key=keys, parts=st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=1))
    def upload(self, key: str, parts: list[bytes]) -> None:
        self.push(key, self.answered(self.s3.multipart(BUCKET, key, parts)), b"".join(parts))
        self.model[key][0].parts = True

    @rule(source=keys, pick=picks, to=keys)
    def copy(self, source: str, pick: int, to: str) -> None:
        """Any version can be copied, onto its own key too."""
        line = self.model[source]
        if pick >= len(line) or line[pick].parts:  # what came in parts is read anew, off the writer
            return
        chosen = line[pick]
        where = f"{BUCKET}/{source}?versionId={chosen.version}"
        try:
            answer = self.s3.s3("CopyObject", Bucket=BUCKET, Key=to, CopySource=where)
        except errors.InvalidRequest:
            assert chosen.data is None
        else:
            assert chosen.data is not None
            self.push(to, self.answered(answer), chosen.data, chosen.tags)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        answer = self.s3.s3("DeleteObject", Bucket=BUCKET, Key=key)
        if not self.status:
            assert answer == {}
            self.model[key] = []
        else:
            assert answer["DeleteMarker"] is True
            assert (answer["VersionId"] == "null") == (self.status == "Suspended")
            self.push(key, answer["VersionId"], None)

    @rule(key=keys)
    def undelete(self, key: str) -> None:
        """As often as there are delete markers in front."""
        while self.model[key] and self.model[key][0].data is None:
            self.delete_version(key, 0)

    @rule(key=keys, pick=picks)
    def delete_version(self, key: str, pick: int) -> None:
        line = self.model[key]
        if pick >= len(line):
            return
        gone = line.pop(pick)
        answer = self.s3.s3("DeleteObject", Bucket=BUCKET, Key=key, VersionId=gone.version)
        if self.status:
            assert answer["VersionId"] == gone.version
        assert answer.get("DeleteMarker", False) == (gone.data is None)

    @rule(picks=st.lists(st.tuples(keys, st.integers(0, 3)), min_size=1, max_size=4, unique=True))
    def delete_many(self, picks: list[tuple[str, int]]) -> None:
        chosen = [(key, self.model[key][pick]) for key, pick in picks if pick < len(self.model[key])]
        if not chosen:
            return
        wanted = [{"Key": key, "VersionId": known.version} for key, known in chosen]
        answer = self.s3.s3("DeleteObjects", Bucket=BUCKET, Delete={"Objects": wanted})
        assert "Errors" not in answer
        for (key, known), said in zip(chosen, answer["Deleted"], strict=True):
            self.model[key].remove(known)
            assert said.get("DeleteMarkerVersionId") == (known.version if known.data is None else None)

    @rule(key=keys, pick=picks, value=st.sampled_from(["1", "2"]))
    def tag(self, key: str, pick: int, value: str) -> None:
        line = self.model[key]
        if pick >= len(line):
            return
        tagging = {"TagSet": [{"Key": "t", "Value": value}]}
        place = {"Bucket": BUCKET, "Key": key, "VersionId": line[pick].version}
        try:
            self.s3.s3("PutObjectTagging", **place, Tagging=tagging)
        except errors.MethodNotAllowed:
            assert line[pick].data is None
        else:
            line[pick].tags = {"t": value}

    @rule(milliseconds=st.integers(1, 10**6))
    def wait(self, milliseconds: int) -> None:
        self.s3.clock.advance(milliseconds)

    @precondition(lambda self: any(self.model.values()))
    @rule()
    def restart(self) -> None:
        clock, ids = self.s3.clock, self.s3.ids
        self.s3.store.close()
        self.s3 = Buckets(self.folder)
        self.s3.clock, self.s3.ids = clock, ids

    # -- looking -------------------------------------------------------------------------------------------------------

    @rule(key=keys)
    def get(self, key: str) -> None:
        line, known = self.model[key], self.current(key)
        if known is None:
            with pytest.raises(errors.NoSuchKey) as missing:
                self.s3.get(BUCKET, key)
            told = {"x-amz-delete-marker": "true", "x-amz-version-id": line[0].version} if line else {}
            assert missing.value.headers == told
            return
        body, answer = self.s3.get(BUCKET, key)
        assert body == known.data
        assert answer.get("VersionId", "null") == known.version
        assert answer.get("TagCount", 0) == len(known.tags)

    @rule(key=keys, pick=picks)
    def get_version(self, key: str, pick: int) -> None:
        line = self.model[key]
        if pick >= len(line):
            with pytest.raises(errors.NoSuchVersion):
                self.s3.get(BUCKET, key, VersionId="A" * 32)
        elif line[pick].data is None:
            with pytest.raises(errors.MethodNotAllowed) as refused:
                self.s3.get(BUCKET, key, VersionId=line[pick].version)
            assert refused.value.headers["x-amz-version-id"] == line[pick].version
        else:
            body, answer = self.s3.get(BUCKET, key, VersionId=line[pick].version)
            assert body == line[pick].data
            assert answer.get("TagCount", 0) == len(line[pick].tags)

    @rule(most=st.integers(1, 3), forget=st.booleans())
    def list_by_pages(self, most: int, forget: bool) -> None:
        """Page by page each version once, though the one that a page ended with is deleted before the next is asked for."""
        expected = self.lines()
        shown: Lines = []
        more: dict[str, str] = {}
        while True:
            page = self.s3.s3("ListObjectVersions", Bucket=BUCKET, MaxKeys=most, **more)
            found = _told(page)
            assert len(found) <= most
            assert found or not page["IsTruncated"]
            shown += found
            if not page["IsTruncated"]:
                break
            key, version = page["NextKeyMarker"], page["NextVersionIdMarker"]
            assert (key, version) in [line[:2] for line in found]
            more = {"KeyMarker": key, "VersionIdMarker": version}
            if forget:
                self.s3.s3("DeleteObject", Bucket=BUCKET, Key=key, VersionId=version)
                self.model[key] = [known for known in self.model[key] if known.version != version]
        told = list(dict.fromkeys(line[:2] for line in shown))
        assert forget or len(told) == len(shown)
        assert sorted(told) == sorted(line[:2] for line in expected)

    def lines(self) -> Lines:
        """Everything, in order."""
        return [
            (key, known.version, place == 0, known.data is None)
            for key in KEYS
            for place, known in enumerate(self.model[key])
        ]

    @rule()
    def delete_bucket(self) -> None:
        try:
            self.s3.s3("DeleteBucket", Bucket=BUCKET)
        except errors.BucketNotEmpty:
            assert any(self.model.values())
        else:
            assert not any(self.model.values())
            self.s3.s3("CreateBucket", Bucket=BUCKET)
            self.status = ""

    # -- always --------------------------------------------------------------------------------------------------------

    @invariant()
    def listings_are_the_model(self) -> None:
        page = self.s3.s3("ListObjectVersions", Bucket=BUCKET)
        assert _told(page) == _split(self.lines())
        assert self.s3.keys(BUCKET) == [key for key in KEYS if self.current(key)]

    @invariant()
    def no_blob_without_a_version(self) -> None:
        if not any(known.data is not None for line in self.model.values() for known in line):
            assert self.s3.blobs() == 0


def _told(page: dict[str, Any]) -> Lines:
    """What a page shows: versions and delete markers, each in the order of the listing."""
    both = [(entry, False) for entry in page["Versions"]] + [(entry, True) for entry in page["DeleteMarkers"]]
    return [(entry["Key"], entry["VersionId"], entry["IsLatest"], marker) for entry, marker in both]


def _split(lines: Lines) -> Lines:
    """As `_told` has them."""
    return [line for line in lines if not line[3]] + [line for line in lines if line[3]]


TestVersions = Versions.TestCase
TestVersions.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
