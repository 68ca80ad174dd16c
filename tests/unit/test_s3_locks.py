"""Object lock on a real store, under a fake clock, without HTTP. What is locked when: tests/properties."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilvi.core.errors import AccessDenied, CloudError, NotBuilt
from pilvi.services.s3 import errors
from pilvi.services.s3.locks.configuration import ObjectLockConfigurationNotFoundError
from pilvi.services.s3.locks.rules import DAY_MS, InvalidRetentionPeriod
from pilvi.services.s3.locks.versions import NoSuchObjectLockConfiguration
from pilvi.services.s3.versioning.configuration import InvalidBucketState
from s3kit import Buckets, digest

B = "vault"
MD5 = {"ContentMD5": b64encode(digest("md5", b"1")).decode()}


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket=B, ObjectLockEnabledForBucket=True)
        buckets.s3("CreateBucket", Bucket="open", ObjectLockEnabledForBucket=False)
        yield buckets


def after(s3: Buckets, days: float) -> datetime:
    return datetime.fromtimestamp(s3.clock.now_ms() / 1000, UTC) + timedelta(days=days)


def locked(s3: Buckets, mode: str = "GOVERNANCE", days: float = 1) -> dict[str, Any]:
    return {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": after(s3, days)}


def configure(s3: Buckets, bucket: str = B, **retention: Any) -> None:
    rule = {"DefaultRetention": retention}
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.s3("PutObjectLockConfiguration", Bucket=bucket, ObjectLockConfiguration=wanted)


# -- buckets -----------------------------------------------------------------------------------------------------------


def test_a_bucket_with_locks_keeps_versions(s3: Buckets) -> None:
    """From its creation on; its versioning cannot be suspended; its creator must be allowed both."""
    assert s3.s3("GetBucketVersioning", Bucket=B) == {"Status": "Enabled"}
    with pytest.raises(InvalidBucketState):
        s3.s3("PutBucketVersioning", Bucket=B, VersioningConfiguration={"Status": "Suspended"})
    asked = s3.checks("CreateBucket", Bucket="third", ObjectLockEnabledForBucket=True)
    assert [check.action for check in asked] == [
        "s3:CreateBucket", "s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning",
    ]  # fmt: skip
    assert len(s3.checks("CreateBucket", Bucket="third", ObjectLockEnabledForBucket=False)) == 1


def test_locks_of_a_bucket_that_is_there(s3: Buckets) -> None:
    """They can be switched on where versions are kept."""
    with pytest.raises(ObjectLockConfigurationNotFoundError):
        s3.s3("GetObjectLockConfiguration", Bucket="open")
    for status in ("", "Suspended"):
        if status:
            s3.s3("PutBucketVersioning", Bucket="open", VersioningConfiguration={"Status": status})
        with pytest.raises(InvalidBucketState):
            configure(s3, "open", Mode="GOVERNANCE", Days=1)
    s3.s3("PutBucketVersioning", Bucket="open", VersioningConfiguration={"Status": "Enabled"})
    s3.s3("PutObjectLockConfiguration", Bucket="open", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    answer = s3.s3("GetObjectLockConfiguration", Bucket="open")
    assert answer == {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}


@pytest.mark.parametrize(
    ("retention", "kind"),
    [
        ({"Mode": "governance", "Days": 1}, errors.MalformedXML),
        ({"Days": 1}, errors.MalformedXML),
        ({"Mode": "COMPLIANCE"}, errors.MalformedXML),
        ({"Mode": "COMPLIANCE", "Days": 1, "Years": 1}, errors.MalformedXML),
        ({"Mode": "COMPLIANCE", "Days": 0}, InvalidRetentionPeriod),
        ({"Mode": "COMPLIANCE", "Years": -1}, InvalidRetentionPeriod),
        ({"Mode": "COMPLIANCE", "Days": 36_501}, InvalidRetentionPeriod),
        ({"Mode": "COMPLIANCE", "Years": 101}, InvalidRetentionPeriod),
        ({"Mode": "COMPLIANCE", "Days": 1, "DefaultEventHold": {"Days": 1}}, NotBuilt),
        ({}, errors.MalformedXML),
    ],
)
def test_default_retentions_that_cannot_be(s3: Buckets, retention: dict[str, Any], kind: type[CloudError]) -> None:
    """A mode, and days or years within AWS's limits."""
    with pytest.raises(kind):
        configure(s3, **retention)
    assert "Rule" not in s3.s3("GetObjectLockConfiguration", Bucket=B)["ObjectLockConfiguration"]


@pytest.mark.parametrize("wanted", [{}, {"ObjectLockEnabled": "Disabled"}, {"Rule": {}}])
def test_locks_cannot_be_switched_off(s3: Buckets, wanted: dict[str, Any]) -> None:
    """A configuration says Enabled, or it is malformed."""
    with pytest.raises(errors.MalformedXML):
        s3.s3("PutObjectLockConfiguration", Bucket=B, ObjectLockConfiguration=wanted)


def test_default_retention_is_of_everything_that_is_made(s3: Buckets) -> None:
    """Uploads, copies and uploads in parts, from now on, unless they say themselves how; delete markers never."""
    s3.put(B, "before", b"1")
    configure(s3, Mode="COMPLIANCE", Years=1)
    s3.put(B, "a", b"1")
    s3.s3("CopyObject", Bucket=B, Key="b", CopySource=f"{B}/a")
    s3.multipart(B, "c", [b"1"])
    s3.put(B, "d", b"1", **MD5, **locked(s3))
    until = after(s3, 365)
    for key in ("a", "b", "c"):
        retention = s3.s3("GetObjectRetention", Bucket=B, Key=key)["Retention"]
        assert retention == {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    assert s3.s3("GetObjectRetention", Bucket=B, Key="d")["Retention"]["Mode"] == "GOVERNANCE"
    with pytest.raises(NoSuchObjectLockConfiguration):
        s3.s3("GetObjectRetention", Bucket=B, Key="before")
    marker = s3.s3("DeleteObject", Bucket=B, Key="a")["VersionId"]
    s3.s3("DeleteObject", Bucket=B, Key="a", VersionId=marker)


# -- uploads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "kind", "text"),
    [
        ({"ObjectLockMode": "GOVERNANCE"}, errors.InvalidArgument, "must both be supplied"),
        ({"ObjectLockRetainUntilDate": 1.0}, errors.InvalidArgument, "must both be supplied"),
        ({"ObjectLockMode": "G", "ObjectLockRetainUntilDate": 1.0}, errors.InvalidArgument, "wormMode"),
        ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": 0.0}, errors.InvalidArgument, "future"),
        ({"ObjectLockLegalHoldStatus": "on"}, errors.InvalidArgument, "Legal Hold"),
        ({"ObjectLockEventHold": "ON"}, NotBuilt, "not implemented"),
    ],
)
def test_locks_that_cannot_be(s3: Buckets, headers: dict[str, Any], kind: type[CloudError], text: str) -> None:
    """Mode and date come together, in S3's words; the date is to come. Nothing is stored otherwise."""
    for name, value in headers.items():
        if isinstance(value, float):
            headers = {**headers, name: after(s3, value)}
    for operation in ("CopyObject", "CreateMultipartUpload"):
        source = {"CopySource": "open/a"} if operation == "CopyObject" else {}
        s3.put("open", "a", b"1")
        with pytest.raises(kind, match=text):
            s3.s3(operation, Bucket=B, Key="a", **source, **headers)
    with pytest.raises(kind, match=text):
        s3.put(B, "a", b"1", **MD5, **headers)
    assert s3.keys(B) == []


def test_what_is_locked_comes_with_its_checksum(s3: Buckets) -> None:
    """Or it is not taken; and where nothing can be locked, a lock is refused."""
    with pytest.raises(errors.InvalidRequest, match="Content-MD5"):
        s3.put(B, "a", b"1", **locked(s3))
    with pytest.raises(errors.InvalidRequest, match="missing Object Lock"):
        s3.put("open", "a", b"1", **MD5, **locked(s3))
    with pytest.raises(errors.InvalidRequest, match="missing Object Lock"):
        s3.s3("CreateMultipartUpload", Bucket="open", Key="a", ObjectLockLegalHoldStatus="ON")


def test_locks_of_copies_and_of_uploads_in_parts(s3: Buckets) -> None:
    """Are those that the request says, never the source's."""
    s3.put(B, "a", b"1", **MD5, **locked(s3), ObjectLockLegalHoldStatus="ON")
    s3.s3("CopyObject", Bucket=B, Key="b", CopySource=f"{B}/a")
    assert "ObjectLockMode" not in s3.s3("HeadObject", Bucket=B, Key="b")
    s3.s3("CopyObject", Bucket=B, Key="b", CopySource=f"{B}/a", **locked(s3, "COMPLIANCE", 2))
    s3.multipart(B, "c", [b"1"], **locked(s3, "COMPLIANCE", 2), ObjectLockLegalHoldStatus="OFF")
    for key in ("b", "c"):
        answer = s3.s3("HeadObject", Bucket=B, Key=key)
        assert (answer["ObjectLockMode"], answer["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", after(s3, 2))
        assert answer.get("ObjectLockLegalHoldStatus") == {"b": None, "c": "OFF"}[key]


def test_questions_of_uploads_with_locks(s3: Buckets) -> None:
    """Locking needs permissions of its own, and policies know what lock is asked for."""
    asked = s3.checks("PutObject", Bucket=B, Key="a", **locked(s3, days=2.5), ObjectLockLegalHoldStatus="ON")
    assert [check.action for check in asked] == ["s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectLegalHold"]
    assert asked[0].context == {
        "s3:object-lock-mode": "GOVERNANCE",
        "s3:object-lock-legal-hold": "ON",
        "s3:object-lock-retain-until-date": f"{after(s3, 2.5):%Y-%m-%dT%H:%M:%SZ}",
        "s3:object-lock-remaining-retention-days": "3",
    }
    retention = {"Mode": "COMPLIANCE", "RetainUntilDate": after(s3, 1)}
    version = s3.put(B, "a", b"1", Tagging="t=1")["VersionId"]
    (asked_one,) = s3.checks("PutObjectRetention", Bucket=B, Key="a", VersionId=version, Retention=retention)
    assert asked_one.action == "s3:PutObjectRetention"
    assert asked_one.context["s3:object-lock-remaining-retention-days"] == "1"
    assert asked_one.context["s3:ExistingObjectTag/t"] == "1"
    assert asked_one.context["s3:VersionId"] == version
    (asked_one,) = s3.checks("PutObjectLegalHold", Bucket=B, Key="a", LegalHold={"Status": "ON"})
    assert asked_one.context["s3:object-lock-legal-hold"] == "ON"


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retention", "kind"),
    [
        ({"Mode": "GOVERNANCE"}, errors.MalformedXML),
        ({"RetainUntilDate": 1.0}, errors.MalformedXML),
        ({"Mode": "governance", "RetainUntilDate": 1.0}, errors.MalformedXML),
        ({"Mode": "GOVERNANCE", "RetainUntilDate": 0.0}, errors.InvalidArgument),
        ({"Mode": "GOVERNANCE", "RetainUntilDate": 1.0, "EventHold": "ON"}, NotBuilt),
    ],
)
def test_retentions_that_cannot_be(s3: Buckets, retention: dict[str, Any], kind: type[CloudError]) -> None:
    """A mode and a time to come, or neither."""
    s3.put(B, "a", b"1")
    wanted = {name: after(s3, value) if isinstance(value, float) else value for name, value in retention.items()}
    with pytest.raises(kind):
        s3.s3("PutObjectRetention", Bucket=B, Key="a", Retention=wanted)


@pytest.mark.parametrize(
    "operation", ["GetObjectRetention", "PutObjectRetention", "GetObjectLegalHold", "PutObjectLegalHold"]
)
def test_locks_of_what_cannot_be_locked(s3: Buckets, operation: str) -> None:
    """A bucket without locks: InvalidRequest; no object: NoSuchKey; a marker: MethodNotAllowed."""
    more: dict[str, Any] = {
        "PutObjectRetention": {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": after(s3, 1)}},
        "PutObjectLegalHold": {"LegalHold": {"Status": "ON"}},
    }.get(operation, {})
    s3.put("open", "a", b"1")
    with pytest.raises(errors.InvalidRequest, match="missing Object Lock"):
        s3.s3(operation, Bucket="open", Key="a", **more)
    with pytest.raises(errors.NoSuchKey):
        s3.s3(operation, Bucket=B, Key="a", **more)
    marker = s3.s3("DeleteObject", Bucket=B, Key="a")["VersionId"]
    with pytest.raises(errors.MethodNotAllowed):
        s3.s3(operation, Bucket=B, Key="a", VersionId=marker, **more)


def test_holds(s3: Buckets) -> None:
    """Never said: no configuration. ON and OFF are told as they were said; other words are malformed."""
    version = s3.put(B, "a", b"1")["VersionId"]
    with pytest.raises(NoSuchObjectLockConfiguration):
        s3.s3("GetObjectLegalHold", Bucket=B, Key="a")
    for status in ("ON", "OFF"):
        s3.s3("PutObjectLegalHold", Bucket=B, Key="a", LegalHold={"Status": status})
        assert s3.s3("GetObjectLegalHold", Bucket=B, Key="a") == {"LegalHold": {"Status": status}}
        assert s3.s3("HeadObject", Bucket=B, Key="a")["ObjectLockLegalHoldStatus"] == status
    with pytest.raises(errors.MalformedXML):
        s3.s3("PutObjectLegalHold", Bucket=B, Key="a", LegalHold={"Status": "on"})
    s3.s3("PutObjectLegalHold", Bucket=B, Key="a", LegalHold={"Status": "ON"})
    with pytest.raises(AccessDenied, match="object lock"):
        s3.s3("DeleteObject", Bucket=B, Key="a", VersionId=version, BypassGovernanceRetention=True)


def test_locks_are_shown_to_who_may_see_them(s3: Buckets) -> None:
    """Retention and hold are permissions of their own."""
    s3.put(B, "a", b"1", **MD5, **locked(s3), ObjectLockLegalHoldStatus="ON")
    s3.cloud.denied = {"s3:GetObjectRetention"}
    answer = s3.s3("HeadObject", Bucket=B, Key="a")
    assert ("ObjectLockMode" in answer, answer["ObjectLockLegalHoldStatus"]) == (False, "ON")
    s3.cloud.denied = {"s3:GetObjectLegalHold"}
    answer = s3.s3("HeadObject", Bucket=B, Key="a")
    assert (answer["ObjectLockMode"], "ObjectLockLegalHoldStatus" in answer) == ("GOVERNANCE", False)


def test_compliance_ends_with_its_time(s3: Buckets) -> None:
    """Not a millisecond earlier."""
    version = s3.put(B, "a", b"1", **MD5, **locked(s3, "COMPLIANCE"))["VersionId"]
    s3.clock.advance(DAY_MS - 1)
    with pytest.raises(AccessDenied):
        s3.s3("DeleteObject", Bucket=B, Key="a", VersionId=version, BypassGovernanceRetention=True)
    s3.clock.advance(1)
    s3.s3("DeleteObject", Bucket=B, Key="a", VersionId=version)
    assert s3.blobs() == 0
