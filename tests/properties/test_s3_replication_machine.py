"""Whatever is done to a bucket that replicates, in the end its copy has the versions that the rules mean.

Deliveries are made in any order, twice, and by processes that die before they commit.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import replicating
from replicating import COPY, SOURCE, Version, deliver, due, versions
from s3kit import Buckets

KEYS = st.sampled_from(["a/1", "a/2", "b/1"])
BODIES = st.sampled_from([b"", b"1", b"2" * 300_000])
TAGS = st.sampled_from(["", "k=v", "k=w"])


class Replication(RuleBasedStateMachine):
    """The model is the source itself, and what was deleted there for good: the copy may have kept that."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.s3 = Buckets(Path(self.folder.name) / "data")
        self.gone: set[str] = set()
        replicating.begin(self.s3)

    def teardown(self) -> None:
        self.s3.store.close()
        self.folder.cleanup()

    @initialize(encrypts=st.booleans(), back=st.booleans())
    def configure(self, *, encrypts: bool, back: bool) -> None:
        if encrypts:
            default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            self.s3.s3("PutBucketEncryption", Bucket=COPY, ServerSideEncryptionConfiguration={"Rules": [default]})
        replicating.replicate(self.s3, replicating.rule(Filter={"Prefix": "a/"}))
        if back:  # what comes from the source must not go back to it
            replicating.replicate(self.s3, replicating.rule(SOURCE), source=COPY)

    @rule(key=KEYS, body=BODIES, tags=TAGS)
    def put(self, key: str, body: bytes, tags: str) -> None:
        self.s3.put(SOURCE, key, body, **({"Tagging": tags} if tags else {}))

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.s3.s3("DeleteObject", Bucket=SOURCE, Key=key)

    @precondition(lambda self: bool(self.there()))
    @rule(data=st.data(), value=st.sampled_from(["x", "y"]))
    def retag(self, data: st.DataObject, value: str) -> None:
        key, version, *_ = data.draw(st.sampled_from(self.there()))
        tags = {"TagSet": [{"Key": "k", "Value": value}]}
        self.s3.s3("PutObjectTagging", Bucket=SOURCE, Key=key, VersionId=version, Tagging=tags)

    @precondition(lambda self: bool(versions(self.s3, SOURCE)))
    @rule(data=st.data())
    def delete_for_good(self, data: st.DataObject) -> None:
        key, version, *_ = data.draw(st.sampled_from(versions(self.s3, SOURCE)))
        self.s3.s3("DeleteObject", Bucket=SOURCE, Key=key, VersionId=version)
        self.gone.add(version)

    @precondition(lambda self: bool(due(self.s3)))
    @rule(data=st.data(), dies=st.booleans())
    def deliver_one(self, data: st.DataObject, *, dies: bool) -> None:
        deliver(self.s3, data.draw(st.sampled_from(due(self.s3))), dies=dies)

    @precondition(lambda self: bool(self.there()))
    @rule(data=st.data())
    def copy_onto(self, data: st.DataObject) -> None:
        key, version, *_ = data.draw(st.sampled_from(self.there()))
        self.s3.s3("CopyObject", Bucket=SOURCE, Key="a/2", CopySource=f"{SOURCE}/{key}?versionId={version}")

    @rule()
    def reopen(self) -> None:
        self.s3.store.close()
        clock = self.s3.clock
        self.s3 = Buckets(self.s3.folder)
        self.s3.clock.now = clock.now

    @rule()
    def quiescence(self) -> None:
        replicating.deliver_all(self.s3)
        meant = [entry for entry in versions(self.s3, SOURCE) if entry[0].startswith("a/")]
        copied = [entry for entry in versions(self.s3, COPY) if entry[1] not in self.gone]
        assert [without_place(entry) for entry in copied] == [without_place(entry) for entry in meant]
        if not self.gone:
            assert copied == meant
        assert not replicating.waiting(self.s3)
        for key, version, marker, *_ in meant:
            if not marker:
                found: dict[str, Any] = self.s3.s3("HeadObject", Bucket=SOURCE, Key=key, VersionId=version)
                assert found["ReplicationStatus"] == "COMPLETED"

    @invariant()
    def nothing_else_is_there(self) -> None:
        known = {entry[1] for entry in versions(self.s3, SOURCE)} | self.gone
        assert {entry[1] for entry in versions(self.s3, COPY)} <= known

    def there(self) -> list[Version]:
        return [entry for entry in versions(self.s3, SOURCE) if not entry[2]]


def without_place(entry: Version) -> tuple[Any, ...]:
    """All but whether it is the latest."""
    return entry[:3] + entry[4:]


TestReplication = Replication.TestCase
TestReplication.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
