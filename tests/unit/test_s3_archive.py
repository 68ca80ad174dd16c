"""Objects in GLACIER and DEEP_ARCHIVE: kept, told of, and read only while they are restored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilvi.core.errors import NotBuilt
from pilvi.services.s3 import errors
from s3kit import Buckets

DAY_MS = 24 * 60 * 60 * 1000


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


def restore(s3: Buckets, days: int = 2, **more: Any) -> Any:
    return s3.s3("RestoreObject", Bucket="photos", Key="a", RestoreRequest={"Days": days, **more})


def head(s3: Buckets) -> Any:
    return s3.s3("HeadObject", Bucket="photos", Key="a")


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_what_is_archived_is_not_read(s3: Buckets, storage_class: str) -> None:
    """GET and copies are refused, HEAD and listings tell the class, it can be deleted."""
    s3.put("photos", "a", b"data", StorageClass=storage_class)
    with pytest.raises(errors.InvalidObjectState) as refusal:
        s3.get("photos", "a")
    assert refusal.value.fields == {"StorageClass": storage_class}
    with pytest.raises(errors.ObjectNotInActiveTierError):
        s3.s3("CopyObject", Bucket="photos", Key="b", CopySource="photos/a")
    upload = s3.s3("CreateMultipartUpload", Bucket="photos", Key="b")["UploadId"]
    with pytest.raises(errors.ObjectNotInActiveTierError):
        s3.s3("UploadPartCopy", Bucket="photos", Key="b", UploadId=upload, PartNumber=1, CopySource="photos/a")
    assert head(s3)["StorageClass"] == storage_class
    assert "Restore" not in head(s3)
    listed = s3.s3("ListObjectsV2", Bucket="photos", OptionalObjectAttributes=["RestoreStatus"])["Contents"]
    assert [(entry["StorageClass"], "RestoreStatus" in entry) for entry in listed] == [(storage_class, False)]
    s3.s3("DeleteObject", Bucket="photos", Key="a")
    assert s3.keys("photos") == []


def test_restored_for_some_days(s3: Buckets) -> None:
    """Until midnight UTC after the days that were asked for; then it is archived as before."""
    s3.put("photos", "a", b"data", StorageClass="GLACIER")
    assert restore(s3, 2) == {"Begins": True}
    midnight = datetime.fromtimestamp(s3.clock.now_ms() / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    until = midnight + timedelta(days=3)
    assert s3.get("photos", "a")[0] == b"data"
    assert head(s3)["Restore"] == f'ongoing-request="false", expiry-date="{until:%a, %d %b %Y %H:%M:%S} GMT"'
    for operation in ("ListObjects", "ListObjectsV2"):
        [entry] = s3.s3(operation, Bucket="photos", OptionalObjectAttributes=["RestoreStatus"])["Contents"]
        assert entry["RestoreStatus"] == {"IsRestoreInProgress": False, "RestoreExpiryDate": until}
        assert "RestoreStatus" not in s3.s3(operation, Bucket="photos")["Contents"][0]
    [version] = s3.s3("ListObjectVersions", Bucket="photos", OptionalObjectAttributes=["RestoreStatus"])["Versions"]
    assert version["RestoreStatus"]["RestoreExpiryDate"] == until
    s3.clock.now = int(until.timestamp() * 1000) - 1
    assert s3.get("photos", "a")[0] == b"data"
    s3.clock.now += 1
    with pytest.raises(errors.InvalidObjectState):
        s3.get("photos", "a")
    assert "Restore" not in head(s3)
    assert head(s3)["StorageClass"] == "GLACIER"


def test_asked_again_it_stays_for_other_days(s3: Buckets) -> None:
    """While the copy is there its end can be moved, to later and to sooner."""
    s3.put("photos", "a", b"data", StorageClass="GLACIER")
    restore(s3, 2)
    first = head(s3)["Restore"]
    assert restore(s3, 5) == {}
    assert head(s3)["Restore"] != first
    assert restore(s3, 2) == {}
    assert head(s3)["Restore"] == first
    s3.clock.now += 4 * DAY_MS
    assert restore(s3, 1) == {"Begins": True}


def test_a_copy_of_what_is_restored_is_not_restored(s3: Buckets) -> None:
    """It has the class that its request names, and in an archive it lies anew."""
    s3.put("photos", "a", b"data", StorageClass="GLACIER")
    restore(s3)
    s3.s3("CopyObject", Bucket="photos", Key="b", CopySource="photos/a")
    assert s3.get("photos", "b")[0] == b"data"
    s3.s3("CopyObject", Bucket="photos", Key="c", CopySource="photos/a", StorageClass="DEEP_ARCHIVE")
    with pytest.raises(errors.InvalidObjectState):
        s3.get("photos", "c")


def test_versions_are_restored_one_by_one(s3: Buckets) -> None:
    """The version that is named, and no other."""
    s3.s3("PutBucketVersioning", Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put("photos", "a", b"one", StorageClass="GLACIER")["VersionId"]
    s3.put("photos", "a", b"two", StorageClass="GLACIER")
    s3.s3("RestoreObject", Bucket="photos", Key="a", VersionId=first, RestoreRequest={"Days": 1})
    assert s3.get("photos", "a", VersionId=first)[0] == b"one"
    with pytest.raises(errors.InvalidObjectState):
        s3.get("photos", "a")
    [check] = s3.checks("RestoreObject", Bucket="photos", Key="a", VersionId=first)
    assert (check.action, check.context["s3:VersionId"]) == ("s3:RestoreObject", first)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({}, errors.MalformedXML),
        ({"Days": 0}, errors.InvalidArgument),
        ({"Days": -1}, errors.InvalidArgument),
        ({"Days": 10**9}, errors.InvalidArgument),
        ({"Days": 1, "GlacierJobParameters": {"Tier": "Soon"}}, errors.MalformedXML),
        ({"Days": 1, "Tier": "Soon"}, errors.MalformedXML),
        ({"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}, errors.InvalidArgument),
        ({"Type": "SELECT", "Days": 1}, NotBuilt),
        ({"OutputLocation": {"S3": {}}, "Days": 1}, NotBuilt),
    ],
)
def test_restores_that_cannot_be(s3: Buckets, wanted: dict[str, Any], error: type[Exception]) -> None:
    """Of deep archives: not in no time; nothing is changed."""
    s3.put("photos", "a", b"data", StorageClass="DEEP_ARCHIVE")
    with pytest.raises(error):
        s3.s3("RestoreObject", Bucket="photos", Key="a", RestoreRequest=wanted)
    with pytest.raises(errors.InvalidObjectState):
        s3.get("photos", "a")


@pytest.mark.parametrize("tier", ["Standard", "Bulk", "Expedited"])
def test_all_tiers_of_glacier(s3: Buckets, tier: str) -> None:
    """However fast it is asked for."""
    s3.put("photos", "a", b"data", StorageClass="GLACIER")
    restore(s3, GlacierJobParameters={"Tier": tier})
    assert s3.get("photos", "a")[0] == b"data"


def test_only_what_is_archived_is_restored(s3: Buckets) -> None:
    """Any other class is InvalidObjectState; what is not there NoSuchKey."""
    s3.put("photos", "a", b"data", StorageClass="GLACIER_IR")
    with pytest.raises(errors.InvalidObjectState, match="Restore is not allowed"):
        restore(s3)
    with pytest.raises(errors.NoSuchKey):
        s3.s3("RestoreObject", Bucket="photos", Key="absent", RestoreRequest={"Days": 1})
