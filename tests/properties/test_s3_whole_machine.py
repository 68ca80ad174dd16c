"""Buckets of every kind at once against a model: versions, parts, copies, encryption, holds, and a process that dies.

What the model says is what is listed and read; and every blob is held exactly as often as its count says.
"""

from __future__ import annotations

import shutil
import tempfile
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from harness import MASTER_KEY
from pilvi.config import MASTER_KEY_FILE
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.services.s3 import errors
from pilvi.services.s3.multipart import complete
from pilvi.services.s3.records import Layout, OlderVersion, StoredObject, UploadedPart
from pilvi.state.stage import INLINE_BYTES_MAX
from s3kit import Buckets, digest
from trust import checked

BUCKETS = {"plain": "", "enabled": "Enabled", "paused": "Suspended", "locked": "Enabled"}
KEYS = ["a", "b/c"]
CUSTOMER_KEYS = {"one": bytes([1]) * 32, "two": bytes([2]) * 32}
places = st.tuples(st.sampled_from(list(BUCKETS)), st.sampled_from(KEYS))
CHANGES = st.sampled_from(["", "", "put", "delete"])
picks = st.sampled_from([0, 0, 0, 1, 1, 2])
seals = st.sampled_from(["", "", "s3", "one", "two"])
contents = st.one_of(
    st.binary(max_size=8), st.sampled_from([bytes(INLINE_BYTES_MAX + 1), b"x" * (INLINE_BYTES_MAX - 10)])
)

Place = tuple[str, str]
Dying = Callable[[Any], Any]


class Dead(Exception):
    """The process ended before the commit."""


class Version(msgspec.Struct):
    """What the model knows of one version; `data` is None for a delete marker. `seal`: "", "s3" or a customer's key."""

    version: str
    data: bytes | None
    seal: str = ""
    tags: dict[str, str] = {}
    held: bool = False


class Begun(msgspec.Struct):
    place: Place
    seal: str
    parts: dict[int, bytes] = {}
    etags: dict[int, str] = {}


def asked(seal: str, prefix: str = "") -> dict[str, str]:
    """The members that say how bytes are (to be) encrypted."""
    if seal in CUSTOMER_KEYS:
        key = CUSTOMER_KEYS[seal]
        return {
            f"{prefix}SSECustomerAlgorithm": "AES256",
            f"{prefix}SSECustomerKey": b64encode(key).decode(),
            f"{prefix}SSECustomerKeyMD5": b64encode(digest("md5", key)).decode(),
        }
    return {"ServerSideEncryption": "AES256"} if seal and not prefix else {}


class Storage(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.s3 = Buckets(self.folder)
        (self.folder / MASTER_KEY_FILE).write_bytes(MASTER_KEY)
        self.patch = mock.patch.object(complete, "PART_BYTES_MIN", 1)
        self.patch.start()
        self.model: dict[Place, list[Version]] = {(bucket, key): [] for bucket in BUCKETS for key in KEYS}
        self.begun: list[tuple[str, Begun]] = []
        for bucket, status in BUCKETS.items():
            self.s3.s3("CreateBucket", Bucket=bucket, ObjectLockEnabledForBucket=bucket == "locked")
            if status and bucket != "locked":
                self.s3.s3("PutBucketVersioning", Bucket=bucket, VersioningConfiguration={"Status": status})

    def teardown(self) -> None:
        self.patch.stop()
        self.s3.store.close()
        summary, told = checked(self.folder)
        shutil.rmtree(self.folder)
        assert not summary.damage, told

    # -- the model -----------------------------------------------------------------------------------------------------

    def push(self, place: Place, answer: dict[str, Any], made: Version) -> None:
        """A version comes in front; where there is one called null at most, it goes."""
        made.version = answer.get("VersionId", "null")
        line = self.model[place]
        if made.version == "null":
            line[:] = [known for known in line if known.version != "null"]
        line.insert(0, made)
        self.get(place, 0)

    def existing(self, number: int) -> tuple[Place, Version] | None:
        """One of all versions that are objects."""
        found = [(place, known) for place, line in self.model.items() for known in line if known.data is not None]
        return found[number % len(found)] if found else None

    def pick(self, place: Place, number: int) -> Version | None:
        line = self.model[place]
        return line[number] if number < len(line) else None

    def current(self, place: Place) -> Version | None:
        known = self.pick(place, 0)
        return known if known is not None and known.data is not None else None

    @initialize(before=st.sets(places, min_size=1))
    def begin_with(self, before: set[Place]) -> None:
        for place in sorted(before):
            self.put(place, b"before", "", tagged=False)

    # -- changes -------------------------------------------------------------------------------------------------------

    @rule(place=places, content=contents, seal=seals, tagged=st.booleans())
    def put(self, place: Place, content: bytes, seal: str, tagged: bool) -> None:
        more = {"Tagging": "t=1"} if tagged else {}
        answer = self.s3.put(*place, content, **asked(seal), **more)
        self.push(place, answer, Version("", content, seal, {"t": "1"} if tagged else {}))

    @rule(which=st.integers(0, 20), named=st.booleans(), to=places, seal=seals, changes=CHANGES)
    def copy(self, which: int, named: bool, to: Place, seal: str, changes: str) -> None:
        """Of any version, to any place, sealed anyhow; while it is read its source may be replaced, or deleted."""
        found = self.existing(which)
        if found is None:
            return
        source, known = found
        named = named or known is not self.current(source)
        where = f"{source[0]}/{source[1]}" + (f"?versionId={known.version}" if named else "")
        request = {"Bucket": to[0], "Key": to[1], "CopySource": where, "MetadataDirective": "REPLACE"}
        happens = iter([changes])

        def meanwhile() -> None:
            what = next(happens, "")
            if what == "put":
                self.put(source, b"newer", known.seal, tagged=False)
            elif what == "delete":
                self.delete(source)

        with mock.patch.object(self.s3, "meanwhile", meanwhile):
            try:
                answer = self.s3.s3("CopyObject", **request, **asked(seal), **asked(known.seal, "CopySource"))
            except (errors.NoSuchKey, errors.NoSuchVersion):
                assert changes
                return
            except errors.InvalidRequest:  # the version it names went, and what is there now is sealed otherwise
                assert changes
                return
        line = self.model[source]
        copied = next(one for one in line if one.version == known.version) if named else line[0]
        self.push(to, answer, Version("", copied.data, seal, copied.tags))

    @rule(place=places)
    def delete(self, place: Place) -> None:
        answer = self.s3.s3("DeleteObject", Bucket=place[0], Key=place[1])
        if BUCKETS[place[0]]:
            self.push(place, answer, Version("", None))
        else:
            self.model[place] = []

    @rule(place=places, number=picks)
    def delete_version(self, place: Place, number: int) -> None:
        known = self.pick(place, number)
        if known is None:
            return
        request = {"Bucket": place[0], "Key": place[1], "VersionId": known.version}
        if known.held:
            with pytest.raises(AccessDenied):
                self.s3.s3("DeleteObject", **request)
        else:
            self.s3.s3("DeleteObject", **request)
            self.model[place].remove(known)

    @rule(bucket=st.sampled_from(list(BUCKETS)), chosen=st.lists(st.tuples(st.sampled_from(KEYS), picks), unique=True))
    def delete_many(self, bucket: str, chosen: list[tuple[str, int]]) -> None:
        wanted = [((bucket, key), self.pick((bucket, key), number)) for key, number in chosen]
        named = [(place, known) for place, known in wanted if known is not None]
        if not named:
            return
        objects = [{"Key": place[1], "VersionId": known.version} for place, known in named]
        answer = self.s3.s3("DeleteObjects", Bucket=bucket, Delete={"Objects": objects})
        assert len(answer.get("Errors", [])) == sum(known.held for _, known in named)
        for place, known in named:
            if not known.held:
                self.model[place].remove(known)

    @rule(key=st.sampled_from(KEYS), number=picks, held=st.booleans())
    def hold(self, key: str, number: int, held: bool) -> None:
        known = self.pick(("locked", key), number)
        if known is not None and known.data is not None:
            place = {"Bucket": "locked", "Key": key, "VersionId": known.version}
            self.s3.s3("PutObjectLegalHold", **place, LegalHold={"Status": "ON" if held else "OFF"})
            known.held = held

    @rule(place=places, number=picks, value=st.sampled_from(["1", "2"]))
    def tag(self, place: Place, number: int, value: str) -> None:
        known = self.pick(place, number)
        if known is not None and known.data is not None:
            named = {"Bucket": place[0], "Key": place[1], "VersionId": known.version}
            self.s3.s3("PutObjectTagging", **named, Tagging={"TagSet": [{"Key": "t", "Value": value}]})
            known.tags = {"t": value}

    # -- uploads in parts ----------------------------------------------------------------------------------------------

    @rule(place=places, seal=seals)
    def begin(self, place: Place, seal: str) -> None:
        answer = self.s3.s3("CreateMultipartUpload", Bucket=place[0], Key=place[1], **asked(seal))
        self.begun = [*self.begun, (answer["UploadId"], Begun(place, seal))][-3:]

    @rule(which=st.integers(0, 2), number=st.integers(1, 3), content=contents)
    def part(self, which: int, number: int, content: bytes) -> None:
        if which < len(self.begun):
            upload, known = self.begun[which]
            sealed = asked(known.seal) if known.seal in CUSTOMER_KEYS else {}
            known.etags[number] = self.s3.part(*known.place, upload, number, content, **sealed)["ETag"]
            known.parts[number] = content

    @rule(which=st.integers(0, 2), number=st.integers(1, 3), origin=st.integers(0, 20))
    def part_copy(self, which: int, number: int, origin: int) -> None:
        chosen = self.existing(origin)
        if which >= len(self.begun) or chosen is None:
            return
        source, copied = chosen
        assert copied.data is not None
        upload, known = self.begun[which]
        sealed = asked(known.seal) if known.seal in CUSTOMER_KEYS else {}
        answer = self.s3.s3(
            "UploadPartCopy",
            Bucket=known.place[0],
            Key=known.place[1],
            UploadId=upload,
            PartNumber=number,
            CopySource=f"{source[0]}/{source[1]}?versionId={copied.version}",
            **sealed,
            **asked(copied.seal, "CopySource"),
        )
        known.etags[number], known.parts[number] = answer["CopyPartResult"]["ETag"], copied.data

    @rule(which=st.integers(0, 2), aborts=st.booleans())
    def end(self, which: int, aborts: bool) -> None:
        """Completed (with all parts but, sometimes, one), or given up."""
        if which >= len(self.begun):
            return
        upload, known = self.begun.pop(which)
        request = {"Bucket": known.place[0], "Key": known.place[1], "UploadId": upload}
        if aborts or any(not known.parts[number] for number in sorted(known.parts)[:-1]) or not known.parts:
            self.s3.s3("AbortMultipartUpload", **request)
            return
        named = [{"PartNumber": number, "ETag": known.etags[number]} for number in sorted(known.parts)]
        answer = self.s3.s3("CompleteMultipartUpload", **request, MultipartUpload={"Parts": named})
        whole = b"".join(known.parts[number] for number in sorted(known.parts))
        self.push(known.place, answer, Version("", whole, known.seal))

    # -- the end of processes ------------------------------------------------------------------------------------------

    @rule(place=places, to=places, what=st.sampled_from(["put", "copy", "delete"]), seal=seals)
    def die(self, place: Place, to: Place, what: str, seal: str) -> None:
        """Just before the commit: nothing has happened, and nothing is left over."""
        source = self.current(place)

        def attempt() -> Any:
            if what == "put":
                return self.s3.put(*place, bytes(INLINE_BYTES_MAX + 1), **asked(seal))
            if what == "copy" and source is not None:
                request = {
                    "Bucket": to[0],
                    "Key": to[1],
                    "CopySource": f"{place[0]}/{place[1]}",
                    "MetadataDirective": "REPLACE",
                }
                return self.s3.s3("CopyObject", **request, **asked(seal), **asked(source.seal, "CopySource"))
            return self.s3.s3("DeleteObject", Bucket=place[0], Key=place[1])

        original = self.s3.store.write

        def write(work: Dying) -> Any:
            def dying(tx: Any) -> Any:
                work(tx)
                raise Dead

            return original(dying)

        with mock.patch.object(self.s3.store, "write", write), pytest.raises((Dead, CloudError)):
            attempt()
        self.restart()

    @rule()
    def restart(self) -> None:
        clock, ids = self.s3.clock, self.s3.ids
        self.s3.store.close()
        self.s3 = Buckets(self.folder)
        self.s3.clock, self.s3.ids = clock, ids
        self.s3.store.sweep()
        with self.s3.store.read() as tx:
            rows = tx.execute("SELECT count(*) FROM blobs WHERE file IS NOT NULL", ()).fetchone()[0]  # type: ignore[attr-defined]
        files = [path for top in ("blobs", "staging") for path in (self.folder / top).rglob("*") if path.is_file()]
        assert len(files) == rows

    # -- looking -------------------------------------------------------------------------------------------------------

    @rule(place=places, number=picks)
    def get(self, place: Place, number: int) -> None:
        known = self.pick(place, number)
        if known is None or known.data is None:
            return
        key = asked(known.seal) if known.seal in CUSTOMER_KEYS else {}
        body, answer = self.s3.get(*place, VersionId=known.version, **key)
        assert body == known.data
        assert answer.get("TagCount", 0) == len(known.tags)
        assert answer.get("ServerSideEncryption") == ("AES256" if known.seal == "s3" else None)
        if known.seal in CUSTOMER_KEYS:
            with pytest.raises(errors.InvalidRequest):
                self.s3.get(*place, VersionId=known.version)
        if len(known.data) > 3:
            body, _ = self.s3.get(*place, VersionId=known.version, Range="bytes=1-2", **key)
            assert body == known.data[1:3]

    @invariant()
    def listings_are_the_model(self) -> None:
        for bucket in BUCKETS:
            page = self.s3.s3("ListObjectVersions", Bucket=bucket)
            shown = [(entry["Key"], entry["VersionId"], entry["IsLatest"], entry["Size"]) for entry in page["Versions"]]
            assert shown == [
                (key, known.version, not number, len(known.data))
                for key in KEYS
                for number, known in enumerate(self.model[bucket, key])
                if known.data is not None
            ]
            assert self.s3.keys(bucket) == [key for key in KEYS if self.current((bucket, key))]

    @invariant()
    def blobs_are_held_as_often_as_they_say(self) -> None:
        with self.s3.store.read() as tx:
            held = Counter(
                blob
                for record in (StoredObject, OlderVersion, Layout, UploadedPart)
                for row in tx[record].scan()
                for blob in row.blobs()
            )
            counted = dict(tx.execute("SELECT id, refs FROM blobs", ()).fetchall())  # type: ignore[attr-defined]
        assert counted == dict(held)


TestStorage = Storage.TestCase
TestStorage.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
