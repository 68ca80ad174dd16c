"""Versions of objects on a real store, under a fake clock, without HTTP."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pilvi.core.errors import CloudError, NotBuilt
from pilvi.services.s3 import errors
from pilvi.services.s3.objects import rank_of
from pilvi.services.s3.versioning.configuration import IllegalVersioningConfigurationException
from pilvi.state.table import SqliteTable
from s3kit import Buckets

B = "photos"
UNKNOWN = "A" * 32


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket=B)
        yield buckets


@pytest.fixture
def kept(s3: Buckets) -> Buckets:
    """A bucket with versions."""
    switch(s3, "Enabled")
    return s3


def switch(s3: Buckets, status: str) -> None:
    s3.s3("PutBucketVersioning", Bucket=B, VersioningConfiguration={"Status": status})


def put(s3: Buckets, key: str, data: bytes = b"", **more: Any) -> str:
    version: str = s3.put(B, key, data, **more)["VersionId"]
    return version


def listed(s3: Buckets, **request: Any) -> dict[str, Any]:
    page: dict[str, Any] = s3.s3("ListObjectVersions", Bucket=B, **request)
    return page


def shown(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["Key"], entry["VersionId"]) for entry in page["Versions"]]


# -- the switch --------------------------------------------------------------------------------------------------------


def test_versioning_is_off_until_it_is_switched_on(s3: Buckets) -> None:
    """Never set: no status. Then Enabled or Suspended, and never back."""
    assert s3.s3("GetBucketVersioning", Bucket=B) == {}
    for status in ("Enabled", "Suspended", "Enabled"):
        switch(s3, status)
        assert s3.s3("GetBucketVersioning", Bucket=B) == {"Status": status}


@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        ({}, IllegalVersioningConfigurationException),
        ({"Status": "enabled"}, errors.MalformedXML),
        ({"Status": "Enabled", "MFADelete": "Enabled"}, NotBuilt),
        ({"Status": "Enabled", "MFADelete": "yes"}, errors.MalformedXML),
    ],
)
def test_states_that_cannot_be(s3: Buckets, wanted: dict[str, str], kind: type[CloudError]) -> None:
    """A status is needed, in S3's words; deletes with a second factor are not built, and say so."""
    with pytest.raises(kind):
        s3.s3("PutBucketVersioning", Bucket=B, VersioningConfiguration=wanted)
    assert s3.s3("GetBucketVersioning", Bucket=B) == {}


def test_mfa_delete_can_be_said_to_be_off(s3: Buckets) -> None:
    """It is."""
    s3.s3("PutBucketVersioning", Bucket=B, VersioningConfiguration={"Status": "Enabled", "MFADelete": "Disabled"})
    assert s3.s3("GetBucketVersioning", Bucket=B) == {"Status": "Enabled"}


# -- what it costs where it is off -------------------------------------------------------------------------------------


def test_without_versions_nothing_is_asked_about_them(tmp_path: Path) -> None:
    """PUT, GET and DELETE in a bucket that never had versions look at no table but those of buckets, objects and bytes."""
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(statements.append)
        return connection

    with mock.patch.object(sqlite3, "connect", traced), Buckets(tmp_path / "data") as s3:
        s3.s3("CreateBucket", Bucket=B)
        s3.put(B, "warm", b"x")
        s3.get(B, "warm")

        def told(do: Callable[[], object]) -> list[str]:
            statements.clear()
            do()
            words = [statement.split() for statement in statements]
            tables = ("blobs", '"s3_bucket"', '"s3_object"', '"s3_older_version"', "pilvi_sequence")
            found = [(line[0], [table for table in tables if table in line]) for line in words]
            return [f"{verb} {names[0]}" for verb, names in found if names]

        bucket, present = 'SELECT "s3_bucket"', 'SELECT "s3_object"'
        written = told(lambda: s3.put(B, "a", b"1"))
        assert [line for line in written if line != bucket] == [present, "INSERT blobs", 'INSERT "s3_object"']
        written = told(lambda: s3.put(B, "a", b"2"))
        assert [line for line in written if line != bucket] == [
            present, "INSERT blobs", "DELETE blobs", 'INSERT "s3_object"',
        ]  # fmt: skip
        assert told(lambda: s3.get(B, "a")) == [bucket, present, "SELECT blobs"]
        gone = told(lambda: s3.s3("DeleteObject", Bucket=B, Key="a"))
        assert [line for line in gone if line != bucket] == [present, present, "DELETE blobs", 'DELETE "s3_object"']


# -- by version --------------------------------------------------------------------------------------------------------


def test_each_version_keeps_what_it_was(kept: Buckets) -> None:
    """Bytes, metadata and tags of each are reached by its id, and answers name it."""
    first = put(kept, "a", b"one", Metadata={"n": "1"}, Tagging="n=1")
    second = put(kept, "a", b"two!", Metadata={"n": "2"})
    assert first != second
    for version, data, number in ((first, b"one", "1"), (second, b"two!", "2")):
        body, answer = kept.get(B, "a", VersionId=version)
        assert (body, answer["VersionId"], answer["Metadata"]) == (data, version, {"n": number})
        place = {"Bucket": B, "Key": "a", "VersionId": version}
        assert kept.s3("HeadObject", **place)["VersionId"] == version
        known = kept.s3("GetObjectAttributes", **place, ObjectAttributes=["ObjectSize"])
        assert (known["VersionId"], known["ObjectSize"]) == (version, len(data))
        assert kept.s3("GetObjectTagging", **place)["VersionId"] == version
        assert kept.s3("GetObjectAcl", **place)["Grants"]
    assert kept.s3("GetObjectTagging", Bucket=B, Key="a", VersionId=first)["TagSet"] == [{"Key": "n", "Value": "1"}]
    assert kept.get(B, "a")[1]["VersionId"] == second


def test_tags_of_an_older_version(kept: Buckets) -> None:
    """They change there alone, and make no version."""
    first, second = put(kept, "a", b"1"), put(kept, "a", b"2")
    place = {"Bucket": B, "Key": "a", "VersionId": first}
    tagging = {"TagSet": [{"Key": "t", "Value": "old"}]}
    assert kept.s3("PutObjectTagging", **place, Tagging=tagging) == {"VersionId": first}
    assert kept.s3("GetObjectTagging", **place)["TagSet"] == tagging["TagSet"]
    assert kept.s3("GetObjectTagging", Bucket=B, Key="a") == {"TagSet": [], "VersionId": second}
    assert kept.s3("DeleteObjectTagging", **place) == {"VersionId": first}
    assert kept.s3("GetObjectTagging", **place)["TagSet"] == []
    assert shown(listed(kept)) == [("a", second), ("a", first)]


PLACED = ["GetObject", "HeadObject", "GetObjectAttributes", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging",
          "GetObjectAcl", "PutObjectAcl"]  # fmt: skip
MORE: dict[str, dict[str, Any]] = {
    "GetObjectAttributes": {"ObjectAttributes": ["ETag"]},
    "PutObjectTagging": {"Tagging": {"TagSet": []}},
    "PutObjectAcl": {"ACL": "bucket-owner-full-control"},
}


@pytest.mark.parametrize("operation", PLACED)
def test_versions_that_are_not_there(kept: Buckets, operation: str) -> None:
    """No such id: InvalidArgument. No such version: NoSuchVersion. A delete marker: MethodNotAllowed, and which."""
    put(kept, "a", b"1")
    marker = kept.s3("DeleteObject", Bucket=B, Key="a")["VersionId"]
    put(kept, "b", b"1")
    request = {"Bucket": B, **MORE.get(operation, {})}
    for malformed in ("", "x", "null ", "A" * 31, "ä" * 32):
        with pytest.raises(errors.InvalidArgument, match=r"Invalid version id|Version id cannot be the empty") as bad:
            kept.s3(operation, **request, Key="b", VersionId=malformed)
        assert bad.value.fields == {"ArgumentName": "versionId", "ArgumentValue": malformed}
    for unknown in (UNKNOWN, marker, "null"):
        with pytest.raises(errors.NoSuchVersion) as missing:
            kept.s3(operation, **request, Key="b", VersionId=unknown)
        assert missing.value.fields == {"Key": "b", "VersionId": unknown}
    with pytest.raises(errors.MethodNotAllowed) as refused:
        kept.s3(operation, **request, Key="a", VersionId=marker)
    told = refused.value.headers
    assert (told["x-amz-delete-marker"], told["x-amz-version-id"], told["Allow"]) == ("true", marker, "DELETE")
    with pytest.raises(errors.NoSuchKey) as gone:
        kept.s3(operation, **request, Key="a")
    assert gone.value.headers == {"x-amz-delete-marker": "true", "x-amz-version-id": marker}


def test_copies_of_versions(kept: Buckets) -> None:
    """Any version is a source, the answer says which; restoring is copying onto itself; a marker is none."""
    first, second = put(kept, "a", b"1"), put(kept, "a", b"2")
    answer = kept.s3("CopyObject", Bucket=B, Key="a", CopySource=f"{B}/a?versionId={first}")
    assert answer["CopySourceVersionId"] == first
    assert answer["VersionId"] not in (first, second)
    assert kept.get(B, "a")[0] == b"1"
    answer = kept.s3("CopyObject", Bucket=B, Key="b", CopySource=f"{B}/a")
    assert answer["CopySourceVersionId"] == listed(kept)["Versions"][0]["VersionId"]
    marker = kept.s3("DeleteObject", Bucket=B, Key="a")["VersionId"]
    with pytest.raises(errors.NoSuchKey):
        kept.s3("CopyObject", Bucket=B, Key="c", CopySource=f"{B}/a")
    with pytest.raises(errors.InvalidRequest, match="delete marker"):
        kept.s3("CopyObject", Bucket=B, Key="c", CopySource=f"{B}/a?versionId={marker}")
    with pytest.raises(errors.NoSuchVersion):
        kept.s3("CopyObject", Bucket=B, Key="c", CopySource=f"{B}/a?versionId={UNKNOWN}")


def test_a_copy_has_nothing_of_its_source_s_place(kept: Buckets) -> None:
    """Where no versions are kept, the copy of a version is the null version like any other object."""
    version = put(kept, "a", b"1")
    kept.s3("CreateBucket", Bucket="plain")
    answer = kept.s3("CopyObject", Bucket="plain", Key="a", CopySource=f"{B}/a?versionId={version}")
    assert "VersionId" not in answer
    assert kept.get("plain", "a", VersionId="null")[0] == b"1"
    with pytest.raises(errors.NoSuchVersion):
        kept.get("plain", "a", VersionId=version)
    kept.s3("PutBucketVersioning", Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    kept.put("plain", "a", b"2")
    assert [entry["VersionId"] for entry in kept.s3("ListObjectVersions", Bucket="plain")["Versions"]][1:] == ["null"]


def test_parts_of_versions(kept: Buckets) -> None:
    """UploadPartCopy reads the version that is named, and says so."""
    first = put(kept, "a", b"old")
    put(kept, "a", b"new")
    upload = kept.s3("CreateMultipartUpload", Bucket=B, Key="b")["UploadId"]
    place = {"Bucket": B, "Key": "b", "UploadId": upload}
    answer = kept.s3("UploadPartCopy", **place, PartNumber=1, CopySource=f"{B}/a?versionId={first}")
    assert answer["CopySourceVersionId"] == first
    parts = [{"PartNumber": 1, "ETag": answer["CopyPartResult"]["ETag"]}]
    done = kept.s3("CompleteMultipartUpload", **place, MultipartUpload={"Parts": parts})
    assert kept.get(B, "b", VersionId=done["VersionId"])[0] == b"old"
    again = kept.s3("CompleteMultipartUpload", **place, MultipartUpload={"Parts": parts})
    assert again == done


# -- deleting ----------------------------------------------------------------------------------------------------------


def test_a_delete_can_be_undone(kept: Buckets) -> None:
    """Deleting puts a marker in front; deleting the marker brings back what is behind."""
    first = put(kept, "a", b"1")
    answer = kept.s3("DeleteObject", Bucket=B, Key="a")
    marker = answer["VersionId"]
    assert answer == {"DeleteMarker": True, "VersionId": marker}
    page = listed(kept)
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in page["Versions"]] == [(first, False)]
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in page["DeleteMarkers"]] == [(marker, True)]
    assert kept.keys(B) == []
    answer = kept.s3("DeleteObject", Bucket=B, Key="a", VersionId=marker)
    assert answer == {"DeleteMarker": True, "VersionId": marker}
    assert kept.get(B, "a")[0] == b"1"
    assert listed(kept)["Versions"][0]["IsLatest"]


def test_deleting_what_is_not_there(kept: Buckets) -> None:
    """A key without versions gets a marker; a version that is not there was deleted; a malformed id is refused."""
    assert kept.s3("DeleteObject", Bucket=B, Key="a")["DeleteMarker"] is True
    assert kept.s3("DeleteObject", Bucket=B, Key="b", VersionId=UNKNOWN) == {"VersionId": UNKNOWN}
    with pytest.raises(errors.InvalidArgument):
        kept.s3("DeleteObject", Bucket=B, Key="b", VersionId="x")
    assert [entry["Key"] for entry in listed(kept)["DeleteMarkers"]] == ["a"]


def test_the_version_behind_moves_up(kept: Buckets) -> None:
    """When the latest is deleted for good, whatever was before it is the latest: an object, or a marker."""
    first = put(kept, "a", b"1")
    marker = kept.s3("DeleteObject", Bucket=B, Key="a")["VersionId"]
    second = put(kept, "a", b"2")
    kept.s3("DeleteObject", Bucket=B, Key="a", VersionId=second)
    with pytest.raises(errors.NoSuchKey):
        kept.get(B, "a")
    assert listed(kept)["DeleteMarkers"][0]["IsLatest"]
    kept.s3("DeleteObject", Bucket=B, Key="a", VersionId=marker)
    assert kept.get(B, "a")[1]["VersionId"] == first
    kept.s3("DeleteObject", Bucket=B, Key="a", VersionId=first)
    assert kept.blobs() == 0


def test_conditions_are_about_the_latest_version(kept: Buckets) -> None:
    """Behind a delete marker a key is free; a conditional delete looks at the object that is there now."""
    put(kept, "a", b"1")
    with pytest.raises(errors.PreconditionFailed):
        kept.put(B, "a", b"2", IfNoneMatch="*")
    kept.s3("DeleteObject", Bucket=B, Key="a")
    with pytest.raises(errors.NoSuchKey):
        kept.put(B, "a", b"2", IfMatch="*")
    put(kept, "a", b"2", IfNoneMatch="*")
    with pytest.raises(errors.PreconditionFailed):
        kept.s3("DeleteObject", Bucket=B, Key="a", IfMatch='"0"')
    assert kept.get(B, "a")[0] == b"2"


def test_batches(kept: Buckets) -> None:
    """Each line says what happened to it: a marker was made, a version or a marker is gone."""
    first = put(kept, "a", b"1")
    marker = kept.s3("DeleteObject", Bucket=B, Key="b")["VersionId"]
    wanted = [{"Key": "a", "VersionId": first}, {"Key": "b", "VersionId": marker}, {"Key": "c"},
              {"Key": "d", "VersionId": "x"}, {"Key": "d", "VersionId": UNKNOWN}]  # fmt: skip
    answer = kept.s3("DeleteObjects", Bucket=B, Delete={"Objects": wanted})
    made = listed(kept)["DeleteMarkers"][0]["VersionId"]
    assert answer["Deleted"] == [
        {"Key": "a", "VersionId": first},
        {"Key": "b", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker},
        {"Key": "c", "DeleteMarker": True, "DeleteMarkerVersionId": made},
        {"Key": "d", "VersionId": UNKNOWN},
    ]
    (error,) = answer["Errors"]
    assert (error["Key"], error["VersionId"], error["Code"]) == ("d", "x", "InvalidArgument")


def test_a_bucket_with_versions_is_not_empty(kept: Buckets) -> None:
    """Older versions and delete markers keep it."""
    kept.s3("DeleteObject", Bucket=B, Key="a")
    with pytest.raises(errors.BucketNotEmpty):
        kept.s3("DeleteBucket", Bucket=B)
    marker = listed(kept)["DeleteMarkers"][0]["VersionId"]
    kept.s3("DeleteObject", Bucket=B, Key="a", VersionId=marker)
    kept.s3("DeleteBucket", Bucket=B)


# -- the null version --------------------------------------------------------------------------------------------------


def test_what_was_there_before_is_the_null_version(s3: Buckets) -> None:
    """Objects from before versioning stay, called null, behind what is put since."""
    s3.put(B, "a", b"before")
    switch(s3, "Enabled")
    assert s3.get(B, "a")[1]["VersionId"] == "null"
    version = put(s3, "a", b"since")
    assert shown(listed(s3)) == [("a", version), ("a", "null")]
    assert s3.get(B, "a", VersionId="null")[0] == b"before"


def test_suspended_versioning_has_one_null_version(kept: Buckets) -> None:
    """It is replaced by each write and delete, wherever it stands; versions with ids stay."""
    first = put(kept, "a", b"1")
    switch(kept, "Suspended")
    assert "VersionId" not in kept.put(B, "a", b"2")
    switch(kept, "Enabled")
    third = put(kept, "a", b"3")
    assert shown(listed(kept)) == [("a", third), ("a", "null"), ("a", first)]
    switch(kept, "Suspended")
    answer = kept.s3("DeleteObject", Bucket=B, Key="a")
    assert answer == {"DeleteMarker": True, "VersionId": "null"}
    page = listed(kept)
    assert shown(page) == [("a", third), ("a", first)]
    assert [entry["VersionId"] for entry in page["DeleteMarkers"]] == ["null"]
    assert kept.s3("DeleteObject", Bucket=B, Key="a") == answer
    kept.put(B, "a", b"4")
    assert shown(listed(kept)) == [("a", "null"), ("a", third), ("a", first)]
    assert not listed(kept)["DeleteMarkers"]
    assert kept.blobs() == 3


# -- listing -----------------------------------------------------------------------------------------------------------


def test_pages_of_versions(kept: Buckets) -> None:
    """Keys in order, newest first, the key and version of the last line as markers; folders are folded."""
    expected = [(key, put(kept, key, key.encode())) for key in ("a/x", "b", "b", "b", "c", "d/1", "d/2", "e")]
    expected.sort(key=lambda line: (line[0], rank_of(line[1]) or 0))
    for most in (1, 2, 3, 1000):
        found: list[tuple[str, str]] = []
        more: dict[str, str] = {}
        while True:
            page = listed(kept, MaxKeys=most, **more)
            found += shown(page)
            if not page["IsTruncated"]:
                break
            more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
        assert found == expected
    page = listed(kept, Delimiter="/", MaxKeys=3)
    assert [common["Prefix"] for common in page["CommonPrefixes"]] == ["a/"]
    assert shown(page) == expected[1:3]
    page = listed(kept, Delimiter="/", KeyMarker=page["NextKeyMarker"], VersionIdMarker=page["NextVersionIdMarker"])
    assert [common["Prefix"] for common in page["CommonPrefixes"]] == ["d/"]
    assert shown(page) == [expected[3], expected[4], expected[7]]
    assert shown(listed(kept, Prefix="d/")) == expected[5:7]
    assert shown(listed(kept, KeyMarker="b")) == expected[4:]
    assert listed(kept, MaxKeys=0)["IsTruncated"] is False


def test_a_page_that_ends_with_a_folder(kept: Buckets) -> None:
    """Has a key marker alone, and the next page begins behind the folder."""
    for key in ("a/1", "a/2", "b"):
        put(kept, key)
    page = listed(kept, Delimiter="/", MaxKeys=1)
    assert (page["NextKeyMarker"], "NextVersionIdMarker" in page) == ("a/", False)
    page = listed(kept, Delimiter="/", KeyMarker="a/")
    assert ([entry["Key"] for entry in page["Versions"]], page["CommonPrefixes"]) == (["b"], [])


def test_markers_that_do_not_go_together(kept: Buckets) -> None:
    """A version without its key, and what is no version."""
    with pytest.raises(errors.InvalidArgument, match="without a key marker"):
        listed(kept, VersionIdMarker=UNKNOWN)
    with pytest.raises(errors.InvalidArgument, match="Invalid version id"):
        listed(kept, KeyMarker="a", VersionIdMarker="x")


def test_encoded_keys_of_markers(kept: Buckets) -> None:
    """encoding-type=url encodes the keys of delete markers too."""
    kept.s3("DeleteObject", Bucket=B, Key="a b\n")
    page = listed(kept, EncodingType="url")
    assert [entry["Key"] for entry in page["DeleteMarkers"]] == ["a%20b%0A"]


def test_a_page_costs_the_same_however_much_lies_behind_it(kept: Buckets) -> None:
    """Neither listings of objects nor pages of versions walk over older versions; folders are jumped over."""
    for number in range(40):
        put(kept, "a", str(number).encode())
        put(kept, "f/x", b"")
    put(kept, "z", b"")
    rows = 0
    scan, columns = SqliteTable.scan, SqliteTable.columns

    def counting(self: SqliteTable[Any], *prefix: Any, **bounds: Any) -> Iterator[Any]:
        nonlocal rows
        for row in scan(self, *prefix, **bounds):
            rows += 1
            yield row

    def counting_columns(self: SqliteTable[Any], *prefix: Any, **bounds: Any) -> dict[str, list[Any]]:
        nonlocal rows
        found = columns(self, *prefix, **bounds)
        rows += len(found["key"])
        return found

    def cost(do: Callable[[], object]) -> int:
        nonlocal rows
        rows = 0
        do()
        return rows

    with mock.patch.multiple(SqliteTable, scan=counting, columns=counting_columns):
        assert cost(lambda: kept.s3("ListObjectsV2", Bucket=B)) == 3
        assert cost(lambda: listed(kept, MaxKeys=2)) <= 8
        middle = listed(kept)["Versions"][20]["VersionId"]
        assert cost(lambda: listed(kept, MaxKeys=2, KeyMarker="a", VersionIdMarker=middle)) <= 9
        assert cost(lambda: listed(kept, Delimiter="/", KeyMarker="b")) <= 12


# -- what is asked, and told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "actions"),
    [
        ("GetObject", ["s3:GetObjectVersion"]),
        ("GetObjectAttributes", ["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"]),
        ("DeleteObject", ["s3:DeleteObjectVersion"]),
        ("GetObjectTagging", ["s3:GetObjectVersionTagging"]),
        ("PutObjectTagging", ["s3:PutObjectVersionTagging"]),
        ("DeleteObjectTagging", ["s3:DeleteObjectVersionTagging"]),
        ("GetObjectAcl", ["s3:GetObjectVersionAcl"]),
        ("PutObjectAcl", ["s3:PutObjectVersionAcl"]),
    ],
)
def test_actions_of_versions(kept: Buckets, operation: str, actions: list[str]) -> None:
    """Requests for a version have actions of their own, with its id and its tags as conditions."""
    version = put(kept, "a", b"1", Tagging="team=blue")
    put(kept, "a", b"2", Tagging="team=red")
    asked = kept.checks(operation, Bucket=B, Key="a", VersionId=version, **MORE.get(operation, {}))
    assert [check.action for check in asked] == actions
    for check in asked:
        assert check.context.items() >= {"s3:VersionId": version, "s3:ExistingObjectTag/team": "blue"}.items()


def test_actions_of_versions_in_batches_and_copies(kept: Buckets) -> None:
    """Who may delete objects may not delete versions; who may read objects may not copy versions."""
    version = put(kept, "a", b"1")
    (reading, *_) = kept.checks("CopyObject", Bucket=B, Key="b", CopySource=f"{B}/a?versionId={version}")
    assert (reading.action, reading.context) == ("s3:GetObjectVersion", {"s3:VersionId": version})
    kept.cloud.denied.add("s3:DeleteObjectVersion")
    wanted = {"Objects": [{"Key": "a", "VersionId": version}, {"Key": "a"}]}
    answer = kept.s3("DeleteObjects", Bucket=B, Delete=wanted)
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert [line["Key"] for line in answer["Deleted"]] == ["a"]
