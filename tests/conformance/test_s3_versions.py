"""Versions and locks of objects through boto3, over a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from live import LiveCloud, Unique
from refusals import refused

UNKNOWN = "A" * 32


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


def emptied(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}):
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            place = {"Bucket": bucket, "Key": entry["Key"], "VersionId": entry["VersionId"]}
            s3.delete_object(**place)
    s3.delete_bucket(Bucket=bucket)


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("versions")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield name
    emptied(s3, name)


@pytest.fixture
def vault(s3: Any, unique: Unique) -> str:
    """A bucket with object lock; what is locked in it stays there when the test is over."""
    name = unique("vault")
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def put(s3: Any, bucket: str, key: str, data: bytes, **more: Any) -> str:
    version: str = s3.put_object(Bucket=bucket, Key=key, Body=data, **more)["VersionId"]
    return version


def headers(refusal: Any) -> dict[str, str]:
    found: dict[str, str] = refusal.response["ResponseMetadata"]["HTTPHeaders"]
    return found


def test_the_switch(s3: Any, bucket: str) -> None:
    """Enabled, suspended, and MFA delete honestly not there."""
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    with refused("NotImplemented", 501):
        s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"}, MFA="serial 123456"
        )
    with refused("IllegalVersioningConfigurationException", 400):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={})


def test_versions_and_delete_markers(s3: Any, bucket: str) -> None:
    """A life of a key: written twice, deleted, looked for, brought back."""
    first, second = put(s3, bucket, "a", b"one"), put(s3, bucket, "a", b"two")
    assert s3.get_object(Bucket=bucket, Key="a")["VersionId"] == second
    old = s3.get_object(Bucket=bucket, Key="a", VersionId=first)
    assert (old["Body"].read(), old["VersionId"]) == (b"one", first)
    gone = s3.delete_object(Bucket=bucket, Key="a")
    assert gone["DeleteMarker"] is True
    marker = gone["VersionId"]
    for call, code in ((s3.get_object, "NoSuchKey"), (s3.head_object, "404")):
        with refused(code, 404) as missing:
            call(Bucket=bucket, Key="a")
        told = headers(missing)
        assert (told["x-amz-delete-marker"], told["x-amz-version-id"]) == ("true", marker)
    for call, code in ((s3.get_object, "MethodNotAllowed"), (s3.head_object, "405")):
        with refused(code, 405) as not_allowed:
            call(Bucket=bucket, Key="a", VersionId=marker)
        told = headers(not_allowed)
        assert (told["x-amz-delete-marker"], told["allow"]) == ("true", "DELETE")
        assert told["last-modified"].endswith("GMT")
    with refused("NoSuchVersion", 404):
        s3.get_object(Bucket=bucket, Key="a", VersionId=UNKNOWN)
    with refused("InvalidArgument", 400):
        s3.get_object(Bucket=bucket, Key="a", VersionId="x")
    back = s3.delete_object(Bucket=bucket, Key="a", VersionId=marker)
    assert (back["DeleteMarker"], back["VersionId"]) == (True, marker)
    assert s3.get_object(Bucket=bucket, Key="a")["VersionId"] == second


def test_listing_by_pages(s3: Any, bucket: str) -> None:
    """boto3's paginator sees each version once, with folders and encodings."""
    made = {(key, put(s3, bucket, key, b"x")) for key in ("a b", "a b", "a b", "dir/1", "dir/2", "é") for _ in range(2)}
    s3.delete_object(Bucket=bucket, Key="é")
    found: list[tuple[str, str]] = []
    markers: list[str] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 4}):
        found += [(entry["Key"], entry["VersionId"]) for entry in page.get("Versions", [])]
        markers += [entry["Key"] for entry in page.get("DeleteMarkers", [])]
    assert (len(found), set(found), markers) == (len(made), made, ["é"])
    page = s3.list_object_versions(Bucket=bucket, Delimiter="/", Prefix="d")
    assert [common["Prefix"] for common in page["CommonPrefixes"]] == ["dir/"]


def test_copies_tags_and_batches_of_versions(s3: Any, bucket: str) -> None:
    """A version is copied, tagged and deleted by its id."""
    first, second = put(s3, bucket, "a", b"one"), put(s3, bucket, "a", b"two")
    copied = s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a", "VersionId": first})
    assert copied["CopySourceVersionId"] == first
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"one"
    tags = [{"Key": "k", "Value": "v"}]
    s3.put_object_tagging(Bucket=bucket, Key="a", VersionId=first, Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="a", VersionId=first)["TagSet"] == tags
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == []
    wanted = [{"Key": "a", "VersionId": first}, {"Key": "b"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    by_key = {line["Key"]: line for line in answer["Deleted"]}
    assert by_key["a"] == {"Key": "a", "VersionId": first}
    assert by_key["b"]["DeleteMarker"] is True
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=bucket)
    assert s3.head_object(Bucket=bucket, Key="a")["VersionId"] == second


def test_a_lock_holds(s3: Any, vault: str) -> None:
    """Governance until who may bypasses it; compliance for nobody; a hold until it is lifted."""
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    governed = put(s3, vault, "g", b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    strict = put(s3, vault, "c", b"x", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
    held = put(s3, vault, "h", b"x", ObjectLockLegalHoldStatus="ON")
    for key, version in (("g", governed), ("c", strict), ("h", held)):
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=vault, Key=key, VersionId=version)
    seen = s3.head_object(Bucket=vault, Key="g")
    assert (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    s3.delete_object(Bucket=vault, Key="g", VersionId=governed, BypassGovernanceRetention=True)
    with refused("AccessDenied", 403):
        s3.delete_object(Bucket=vault, Key="c", VersionId=strict, BypassGovernanceRetention=True)
    shorter = {"Mode": "COMPLIANCE", "RetainUntilDate": until - timedelta(hours=1)}
    with refused("AccessDenied", 403):
        s3.put_object_retention(Bucket=vault, Key="c", Retention=shorter, BypassGovernanceRetention=True)
    longer = {"Mode": "COMPLIANCE", "RetainUntilDate": until + timedelta(hours=1)}
    s3.put_object_retention(Bucket=vault, Key="c", Retention=longer)
    assert s3.get_object_retention(Bucket=vault, Key="c")["Retention"] == longer
    s3.put_object_legal_hold(Bucket=vault, Key="h", LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(Bucket=vault, Key="h")["LegalHold"] == {"Status": "OFF"}
    answer = s3.delete_objects(
        Bucket=vault, Delete={"Objects": [{"Key": "c", "VersionId": strict}, {"Key": "h", "VersionId": held}]}
    )
    assert [line["Key"] for line in answer["Deleted"]] == ["h"]
    assert [(line["Key"], line["Code"]) for line in answer["Errors"]] == [("c", "AccessDenied")]


def test_the_lock_of_a_bucket(s3: Any, vault: str) -> None:
    """Its configuration, what it does to new objects, and what it forbids."""
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    s3.put_object_lock_configuration(Bucket=vault, ObjectLockConfiguration=wanted)
    assert s3.get_object_lock_configuration(Bucket=vault)["ObjectLockConfiguration"] == wanted
    put(s3, vault, "a", b"x")
    left = s3.head_object(Bucket=vault, Key="a")["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert timedelta(days=2) < left <= timedelta(days=3, minutes=1)
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=vault, VersioningConfiguration={"Status": "Suspended"})
    with refused("InvalidRetentionPeriod", 400):
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 0}}
        s3.put_object_lock_configuration(Bucket=vault, ObjectLockConfiguration={**wanted, "Rule": rule})
