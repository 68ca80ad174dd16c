"""Replication at operation level: what configurations may say, and deliveries under a fake clock."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import replicating
from pilvi.core.caller import Check
from pilvi.core.errors import CloudError, NotBuilt
from pilvi.core.operation import RetryAt, Settled
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.replication import delivery
from pilvi.services.s3.replication.delivery import GIVEN_UP_MS, PAUSE_MS_MAX, Replicating
from pilvi.services.s3.replication.role import KEPT_MS
from replicating import COPY, SOURCE, deliver, deliver_all, due, replicate, rule, status, versions, waiting
from s3kit import Buckets, digest

MINUTE_MS = 60_000


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        replicating.begin(buckets)
        yield buckets


def refused(s3: Buckets, *rules: dict[str, Any], role: str = replicating.ROLE) -> str:
    """The error's code and message."""
    with pytest.raises(CloudError) as caught:
        s3.s3("PutBucketReplication", Bucket=SOURCE, ReplicationConfiguration={"Role": role, "Rules": list(rules)})
    return f"{caught.value.code}: {caught.value.message}"


# -- configurations ----------------------------------------------------------------------------------------------------


OLD = {"ID": "old", "Status": "Enabled", "Prefix": "a", "Destination": {"Bucket": f"arn:aws:s3:::{COPY}"}}
TAGGED: dict[str, Any] = {"Filter": {"Tag": {"Key": "k", "Value": "v"}}}
TIMED = {"ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}}}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "MalformedXML"),
        ([rule(), rule(Priority=2)], "InvalidArgument: Rule Id must be unique"),
        ([rule(), rule(ID="2")], "InvalidRequest: Found duplicate priority"),
        ([rule(ID="x" * 256)], "InvalidArgument: ID length"),
        ([rule(Status="On")], "MalformedXML"),
        ([rule(Prefix="a")], "MalformedXML"),
        ([rule(Filter={"Prefix": "a", "Tag": {"Key": "k", "Value": "v"}})], "MalformedXML"),
        ([rule(**TAGGED)], "InvalidRequest: Delete marker replication is not supported"),
        ([{name: value for name, value in rule().items() if name != "Priority"}], "InvalidRequest: Priority must be"),
        (
            [{name: value for name, value in rule().items() if name != "DeleteMarkerReplication"}],
            "InvalidRequest: DeleteMarkerReplication must be",
        ),
        ([OLD, rule()], "InvalidRequest: Rules with and without"),
        ([OLD | {"Priority": 1}], "InvalidRequest: Priority cannot be used"),
        ([OLD, OLD | {"ID": "2", "Prefix": "ab"}], "InvalidRequest: Found overlapping prefixes 'a' and 'ab'"),
        ([rule("no-such-bucket")], "InvalidRequest: Destination bucket must exist."),
        ([rule("unversioned")], "InvalidRequest: Destination bucket must have versioning enabled."),
        ([rule(SOURCE)], "InvalidRequest: Destination bucket cannot be the same"),
        ([rule(Destination={"Bucket": "arn:aws:s3:::a/b"})], "InvalidArgument: Invalid bucket ARN."),
        ([rule(Destination={"Bucket": COPY})], "InvalidArgument: Invalid bucket ARN."),
        ([rule(Destination={"Account": "111111111111"})], "InvalidRequest: The destination does not belong"),
        ([rule(Destination={"AccessControlTranslation": {"Owner": "Destination"}})], "InvalidRequest: Account ID"),
        ([rule(Destination={"StorageClass": "SLOW"})], "InvalidStorageClass"),
        ([rule(Destination=TIMED)], "InvalidRequest: Replication Time Control needs Metrics"),
        (
            [rule(Destination={"Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 16}}})],
            "InvalidArgument: EventThreshold must be 15 minutes.",
        ),
        (
            [rule(SourceSelectionCriteria={"SseKmsEncryptedObjects": {"Status": "Enabled"}})],
            "InvalidRequest: EncryptionConfiguration must be specified",
        ),
        (
            [rule(Destination={"EncryptionConfiguration": {"ReplicaKmsKeyID": "k"}})],
            "InvalidRequest: SourceSelectionCriteria",
        ),
    ],
)
def test_what_cannot_be(s3: Buckets, rules: list[dict[str, Any]], said: str) -> None:
    """Each mistake has S3's error, and nothing is stored."""
    s3.s3("CreateBucket", Bucket="unversioned")
    assert refused(s3, *rules).startswith(said)
    with pytest.raises(CloudError, match="not found"):
        s3.s3("GetBucketReplication", Bucket=SOURCE)


def test_roles_that_cannot_be(s3: Buckets) -> None:
    """A role is the ARN of one, of this account, that trusts S3."""
    for role, said in (
        ("replication", "InvalidArgument: Invalid Role ARN"),
        ("arn:aws:iam::000000000000:user/x", "InvalidArgument: Invalid Role ARN"),
        ("arn:aws:iam::111111111111:role/x", "InvalidRequest: The role must belong"),
        ("arn:aws:iam::000000000000:role/none", "InvalidRequest: The role cannot be assumed"),
    ):
        assert refused(s3, rule(), role=role).startswith(said)


def test_a_bucket_without_versions_cannot_replicate(s3: Buckets) -> None:
    """Versions come first."""
    s3.s3("CreateBucket", Bucket="plain")
    with pytest.raises(CloudError, match="Versioning must be 'Enabled'"):
        replicate(s3, rule(), source="plain")


def test_existing_objects_are_said_not_to_be_built(s3: Buckets) -> None:
    """What does not happen is not promised."""
    with pytest.raises(NotBuilt):
        replicate(s3, rule(ExistingObjectReplication={"Status": "Enabled"}))


def test_who_configures_must_be_allowed_to_pass_the_role(s3: Buckets) -> None:
    """iam:PassRole, to S3."""
    wanted = {"Role": replicating.ROLE, "Rules": [rule()]}
    asked = s3.checks("PutBucketReplication", Bucket=SOURCE, ReplicationConfiguration=wanted)
    owner = replicating.ROLE.split(":")[4]
    assert asked[1] == Check(
        "iam:PassRole", replicating.ROLE, owner, context={"iam:PassedToService": "s3.amazonaws.com"}
    )


# -- deliveries --------------------------------------------------------------------------------------------------------


def test_what_was_there_before_stays_where_it_is(s3: Buckets) -> None:
    """Only what is written from then on is replicated, and only what a rule means."""
    s3.put(SOURCE, "old", b"1")
    replicate(s3, rule(Filter={"Prefix": "a/"}))
    s3.put(SOURCE, "b", b"1")
    assert waiting(s3) == []
    assert (status(s3, "old"), status(s3, "b")) == ("", "")


def test_bytes_are_shared(s3: Buckets) -> None:
    """A replica costs a row: no blob more. The last of both to go takes the bytes along."""
    replicate(s3, rule())
    version = s3.put(SOURCE, "a", b"x" * 1000)["VersionId"]
    blobs = s3.blobs()
    deliver_all(s3)
    assert s3.blobs() == blobs
    assert versions(s3, COPY) == versions(s3, SOURCE)
    s3.s3("DeleteObject", Bucket=SOURCE, Key="a", VersionId=version)
    assert s3.get(COPY, "a")[0] == b"x" * 1000
    s3.s3("DeleteObject", Bucket=COPY, Key="a", VersionId=version)
    assert s3.blobs() == blobs - 1


def test_a_delivery_may_come_twice(s3: Buckets) -> None:
    """Whether the process died before or after: the same comes of it."""
    replicate(s3, rule())
    s3.put(SOURCE, "a", b"1")
    (entry,) = due(s3)
    assert deliver(s3, entry, dies=True) is None
    assert versions(s3, COPY) == []
    assert deliver(s3, entry) == Settled()
    deliver(s3, entry)
    assert versions(s3, COPY) == versions(s3, SOURCE)
    assert status(s3, "a") == "COMPLETED"


def test_order_does_not_matter(s3: Buckets) -> None:
    """Versions take their places, whichever comes first."""
    replicate(s3, rule())
    for data in (b"1", b"2"):
        s3.put(SOURCE, "a", data)
    s3.s3("DeleteObject", Bucket=SOURCE, Key="a")
    s3.put(SOURCE, "a", b"3")
    for entry in reversed(due(s3)):
        deliver(s3, entry)
    assert versions(s3, COPY) == versions(s3, SOURCE)
    assert s3.get(COPY, "a")[0] == b"3"


def test_a_day_of_trying(s3: Buckets) -> None:
    """While the destination has no versions it is tried again, ever less often; after a day it is FAILED."""
    replicate(s3, rule())
    s3.s3("PutBucketVersioning", Bucket=COPY, VersioningConfiguration={"Status": "Suspended"})
    s3.put(SOURCE, "a", b"1")
    begun, pauses = s3.clock.now, []
    while status(s3, "a") == "PENDING":
        (entry,) = waiting(s3)
        s3.clock.now = max(s3.clock.now, entry.due_ms)
        decided = deliver(s3, entry)
        if isinstance(decided, RetryAt):
            pauses.append(decided.due_ms - s3.clock.now)
            assert "versioning" in decided.failure
        else:
            assert isinstance(decided, Settled)
            assert "could not be replicated" in decided.dropped
    assert status(s3, "a") == "FAILED"
    assert pauses == sorted(pauses)
    assert max(pauses) == PAUSE_MS_MAX
    assert GIVEN_UP_MS <= s3.clock.now - begun <= GIVEN_UP_MS + PAUSE_MS_MAX
    assert versions(s3, COPY) == []


def test_one_destination_in_trouble(s3: Buckets) -> None:
    """The others get theirs; the source is COMPLETED when all have theirs."""
    replicating.make(s3, "second")
    replicate(s3, rule(), rule("second", Priority=2))
    s3.s3("PutBucketVersioning", Bucket=COPY, VersioningConfiguration={"Status": "Suspended"})
    s3.put(SOURCE, "a", b"1")
    deliver_all(s3)
    assert status(s3, "a", "second") == "REPLICA"
    assert status(s3, "a") == "PENDING"
    s3.s3("PutBucketVersioning", Bucket=COPY, VersioningConfiguration={"Status": "Enabled"})
    s3.clock.advance(MINUTE_MS)
    deliver_all(s3)
    assert status(s3, "a") == "COMPLETED"
    assert versions(s3, COPY) == versions(s3, "second") == versions(s3, SOURCE)


def test_a_configuration_that_goes_meanwhile(s3: Buckets) -> None:
    """Nothing more is replicated, and nothing is said to have been."""
    replicate(s3, rule())
    s3.put(SOURCE, "a", b"1")
    s3.s3("DeleteBucketReplication", Bucket=SOURCE)
    deliver_all(s3)
    assert status(s3, "a") == "FAILED"
    assert versions(s3, COPY) == []


@pytest.mark.parametrize(
    ("denied", "there", "tagged"),
    [
        ("s3:GetObjectVersionForReplication", False, False),
        ("s3:ReplicateObject", False, False),
        ("s3:GetObjectVersionTagging", True, False),
        ("s3:ReplicateTags", True, False),
        ("s3:ReplicateDelete", True, True),
        ("sts:AssumeRole", False, False),
    ],
)
def test_leave(s3: Buckets, denied: str, there: bool, tagged: bool) -> None:
    """Each permission counts for what it is for."""
    replicate(s3, rule())
    s3.cloud.denied.add(denied)
    s3.put(SOURCE, "a", b"1", Tagging="k=v")
    s3.s3("DeleteObject", Bucket=SOURCE, Key="b")
    deliver_all(s3)
    s3.cloud.denied.clear()
    found = {entry[0]: entry for entry in versions(s3, COPY)}
    assert ("a" in found) == there
    assert ("b" in found) == (denied not in ("s3:ReplicateDelete", "sts:AssumeRole"))
    if there:
        assert found["a"][5] == ({"k": "v"} if tagged else {})


def test_sessions_are_kept_for_a_while(s3: Buckets) -> None:
    """A role is assumed anew after five minutes, and after anything that went wrong."""
    replicate(s3, rule())
    delivery = Replicating()

    def settled(key: str) -> bool:
        s3.put(SOURCE, key, b"1")
        entry = waiting(s3)[-1]
        decided = s3.store.write(lambda tx: delivery.settle(s3.context(tx), entry, None))
        return isinstance(decided, Settled)

    assert settled("a")
    s3.cloud.denied.add("sts:AssumeRole")
    assert settled("b")
    s3.clock.advance(KEPT_MS)
    assert not settled("c")
    s3.cloud.denied.clear()
    assert settled("d")
    s3.cloud.denied.add("s3:ReplicateObject")
    assert not settled("e")
    s3.cloud.denied = {"sts:AssumeRole"}
    assert not settled("f")


def test_locks_go_along(s3: Buckets) -> None:
    """Retention and legal hold; only to buckets whose objects can be locked; a compliance lock is never made shorter."""
    for name in ("locked", "vault"):
        s3.s3("CreateBucket", Bucket=name, ObjectLockEnabledForBucket=True)
    with pytest.raises(CloudError, match="Object Lock enabled"):
        replicate(s3, rule(), source="locked")
    replicate(s3, rule("vault"), source="locked")
    md5 = b64encode(digest("md5", b"1")).decode()
    s3.put("locked", "a", b"1", ObjectLockLegalHoldStatus="ON", ContentMD5=md5)
    deliver_all(s3)
    assert s3.s3("GetObjectLegalHold", Bucket="vault", Key="a")["LegalHold"] == {"Status": "ON"}
    s3.s3("PutObjectLegalHold", Bucket="locked", Key="a", LegalHold={"Status": "OFF"})
    deliver_all(s3)
    assert s3.s3("GetObjectLegalHold", Bucket="vault", Key="a")["LegalHold"] == {"Status": "OFF"}


def test_what_the_destination_has_locked_stays_locked(s3: Buckets) -> None:
    """A source cannot weaken a replica's compliance lock by a longer one of another mode, nor end its legal hold."""
    for name in ("locked", "vault"):
        s3.s3("CreateBucket", Bucket=name, ObjectLockEnabledForBucket=True)
    replicate(s3, rule("vault"), source="locked")
    s3.put("locked", "a", b"1")
    deliver_all(s3)
    named = {"Bucket": "vault", "Key": "a"}
    strict = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime(2100, 1, 1, tzinfo=UTC)}
    s3.s3("PutObjectRetention", **named, Retention=strict)
    s3.s3("PutObjectLegalHold", **named, LegalHold={"Status": "ON"})
    weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2200, 1, 1, tzinfo=UTC)}
    s3.s3("PutObjectRetention", Bucket="locked", Key="a", Retention=weaker)
    deliver_all(s3)
    assert s3.s3("GetObjectRetention", **named)["Retention"] == strict
    assert s3.s3("GetObjectLegalHold", **named)["LegalHold"] == {"Status": "ON"}
    longer = {"Mode": "COMPLIANCE", "RetainUntilDate": datetime(2200, 1, 1, tzinfo=UTC)}
    s3.s3("PutObjectRetention", Bucket="locked", Key="a", Retention=longer, BypassGovernanceRetention=True)
    deliver_all(s3)
    assert s3.s3("GetObjectRetention", **named)["Retention"] == longer


# -- bytes that are read again -----------------------------------------------------------------------------------------


def encrypt(s3: Buckets, bucket: str) -> None:
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.s3("PutBucketEncryption", Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [default]})


def test_several_destinations_that_encrypt(s3: Buckets) -> None:
    """Each has bytes of its own, read for it alone; both come though one of them is refused for a while."""
    replicating.make(s3, "second")
    replicate(s3, rule(), rule("second", Priority=2))
    for bucket in (COPY, "second"):
        encrypt(s3, bucket)
    s3.put(SOURCE, "a", b"x" * 500_000)
    s3.cloud.denied.add("s3:ReplicateTags")
    deliver_all(s3)
    for bucket in (COPY, "second"):
        assert s3.s3("HeadObject", Bucket=bucket, Key="a")["ServerSideEncryption"] == "AES256"
    assert status(s3, "a") == "COMPLETED"
    assert waiting(s3) == []


def test_what_was_read_for_nothing_is_let_go(s3: Buckets) -> None:
    """The version is deleted, or the destination changes its mind, while its bytes are read: no file is left."""
    replicate(s3, rule())
    encrypt(s3, COPY)
    version = s3.put(SOURCE, "a", b"x" * 500_000)["VersionId"]
    (entry,) = due(s3)
    gone = {"Bucket": SOURCE, "Key": "a", "VersionId": version}
    assert deliver(s3, entry, meanwhile=lambda: s3.s3("DeleteObject", **gone)) == Settled()
    assert s3.blobs() == 0
    assert files(s3) == []
    s3.put(SOURCE, "b", b"x" * 500_000)
    (entry,) = due(s3)
    deliver(s3, entry, meanwhile=lambda: s3.s3("DeleteBucketEncryption", Bucket=COPY))
    assert "ServerSideEncryption" not in s3.s3("HeadObject", Bucket=COPY, Key="b")
    assert len(files(s3)) == 1


def files(s3: Buckets) -> list[Path]:
    return [path for path in (s3.folder / "blobs").rglob("*") if path.is_file()]


# -- events ------------------------------------------------------------------------------------------------------------


def test_delays_are_told(s3: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    """With metrics: once when the promised time is over, once when it comes after all; and when it is given up."""
    told: list[tuple[str, dict[str, Any]]] = []

    def tell(ctx: Any, bucket: Any, event: str, about: Any, more: dict[str, Any]) -> None:
        told.append((event, more["replicationEventData"]))

    monkeypatch.setattr(delivery, "notify", tell)
    measured = {"Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}}}
    replicate(s3, rule(Destination=measured))
    notifies(s3)
    s3.s3("PutBucketVersioning", Bucket=COPY, VersioningConfiguration={"Status": "Suspended"})
    s3.put(SOURCE, "late", b"1")
    begun = s3.clock.now
    while not told:
        (entry,) = waiting(s3)
        s3.clock.now = max(s3.clock.now, entry.due_ms)
        deliver(s3, entry)
    assert s3.clock.now == begun + 15 * MINUTE_MS
    event, data = told.pop()
    assert event == "Replication:OperationMissedThreshold"
    assert (data["replicationRuleId"], data["destinationBucket"]) == (f"to-{COPY}", f"arn:aws:s3:::{COPY}")
    s3.clock.advance(MINUTE_MS * 20)
    deliver_all(s3)
    assert told == []
    s3.s3("PutBucketVersioning", Bucket=COPY, VersioningConfiguration={"Status": "Enabled"})
    s3.clock.advance(MINUTE_MS * 20)
    deliver_all(s3)
    assert [event for event, _ in told] == ["Replication:OperationReplicatedAfterThreshold"]
    told.clear()
    s3.s3("PutBucketVersioning", Bucket=COPY, VersioningConfiguration={"Status": "Suspended"})
    s3.put(SOURCE, "never", b"1")
    s3.clock.advance(GIVEN_UP_MS)
    deliver_all(s3)
    assert [event for event, _ in told] == [
        "Replication:OperationMissedThreshold",
        "Replication:OperationFailedReplication",
    ]
    assert "versioning" in told[1][1]["failureReason"]


def notifies(s3: Buckets) -> None:
    """As if somebody wanted to know."""

    def attempt(tx: Any) -> None:
        bucket = tx[Bucket].get(SOURCE)
        tx[Bucket].put(msgspec.structs.replace(bucket, notifies=True))

    s3.store.write(attempt)
