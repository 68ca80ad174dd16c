"""Lifecycle configurations: what S3 accepts, shows again and refuses, with its codes and sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilvi.core.errors import CloudError
from pilvi.services.s3 import errors
from pilvi.services.s3.lifecycle.configuration import NoSuchLifecycleConfiguration
from s3kit import Buckets

DATE = datetime(2030, 1, 1, tzinfo=UTC)
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
OLD: dict[str, Any] = {"Prefix": "a/", "Status": "Enabled", "Expiration": {"Days": 1}}
NEW: dict[str, Any] = {"Filter": {"Prefix": "a/"}, "Status": "Enabled", "Expiration": {"Days": 1}}
ANY: dict[str, Any] = {"Filter": {}, "Status": "Enabled"}
TAG = {"Key": "k", "Value": "v"}


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


def put(s3: Buckets, *rules: dict[str, Any], **more: Any) -> Any:
    return s3.s3(
        "PutBucketLifecycleConfiguration", Bucket="photos", LifecycleConfiguration={"Rules": list(rules)}, **more
    )


def shown(s3: Buckets) -> Any:
    return s3.s3("GetBucketLifecycleConfiguration", Bucket="photos")


def move(to: str, days: int) -> dict[str, Any]:
    return {"StorageClass": to, "Days": days}


def older(to: str, days: int, **more: Any) -> dict[str, Any]:
    return {"StorageClass": to, "NoncurrentDays": days, **more}


def test_a_configuration_is_put_shown_and_removed(s3: Buckets) -> None:
    """Without one, NoSuchLifecycleConfiguration; removing none is no error; the bucket's flag follows."""
    for _ in range(2):
        with pytest.raises(NoSuchLifecycleConfiguration):
            shown(s3)
        s3.s3("DeleteBucketLifecycle", Bucket="photos")
    put(s3, {**NEW, "ID": "one"})
    assert [rule["ID"] for rule in shown(s3)["Rules"]] == ["one"]
    put(s3, {**NEW, "ID": "two"})
    assert [rule["ID"] for rule in shown(s3)["Rules"]] == ["two"]
    s3.s3("DeleteBucketLifecycle", Bucket="photos")
    with pytest.raises(NoSuchLifecycleConfiguration):
        shown(s3)


ACCEPTED: dict[str, dict[str, Any]] = {
    "old prefix": OLD,
    "old empty prefix": {**OLD, "Prefix": ""},
    "empty filter": {**ANY, "Expiration": {"Days": 1}},
    "filter with a prefix": NEW,
    "filter with an empty prefix": {**NEW, "Filter": {"Prefix": ""}},
    "filter with a tag": {**NEW, "Filter": {"Tag": TAG}},
    "filter with sizes": {**NEW, "Filter": {"And": {"ObjectSizeGreaterThan": 0, "ObjectSizeLessThan": 1}}},
    "filter with one size": {**NEW, "Filter": {"ObjectSizeLessThan": 10}},
    "filter with all": {
        **NEW,
        "Filter": {
            "And": {
                "Prefix": "a",
                "Tags": [TAG, {"Key": "l", "Value": ""}],
                "ObjectSizeGreaterThan": 5,
                "ObjectSizeLessThan": 9,
            }
        },
    },
    "filter with an empty prefix and a tag": {**NEW, "Filter": {"And": {"Prefix": "", "Tags": [TAG]}}},
    "disabled": {**NEW, "Status": "Disabled"},
    "a date": {**NEW, "Expiration": {"Date": DATE}},
    "delete markers": {**NEW, "Expiration": {"ExpiredObjectDeleteMarker": True}},
    "no delete markers": {**NEW, "Expiration": {"ExpiredObjectDeleteMarker": False}},
    "older versions": {**ANY, "NoncurrentVersionExpiration": {"NoncurrentDays": 3}},
    "older versions kept": {
        **ANY,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 500},
    },
    "uploads": {**ANY, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    "moves": {
        **ANY,
        "Transitions": [move("STANDARD_IA", 30), move("GLACIER_IR", 60), move("DEEP_ARCHIVE", 61)],
        "Expiration": {"Days": 62},
    },
    "a move at once": {**ANY, "Transitions": [move("GLACIER", 0)]},
    "a move on a date": {**ANY, "Transitions": [{"StorageClass": "GLACIER", "Date": DATE}]},
    "older moves": {
        **ANY,
        "NoncurrentVersionTransitions": [
            older("STANDARD_IA", 1, NewerNoncurrentVersions=2),
            older("GLACIER", 5),
        ],
        "NoncurrentVersionExpiration": {"NoncurrentDays": 9},
    },
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_rules_come_back_as_they_went(s3: Buckets, name: str) -> None:
    """Each form of filter and each action, to the letter."""
    put(s3, {"ID": "rule", **ACCEPTED[name]})
    assert shown(s3)["Rules"] == [{"ID": "rule", **ACCEPTED[name]}]


def test_rules_without_an_id_get_one(s3: Buckets) -> None:
    """48 characters, different for each."""
    put(s3, NEW, {**NEW, "ID": ""})
    first, second = (rule["ID"] for rule in shown(s3)["Rules"])
    assert len(first) == len(second) == 48
    assert first != second


@pytest.mark.parametrize("value", ["varies_by_storage_class", "all_storage_classes_128K"])
def test_the_least_size_of_moves(s3: Buckets, value: str) -> None:
    """Answered and kept; without it, 128 KB for all."""
    assert put(s3, NEW) == {"TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"}
    assert put(s3, NEW, TransitionDefaultMinimumObjectSize=value) == {"TransitionDefaultMinimumObjectSize": value}
    assert shown(s3)["TransitionDefaultMinimumObjectSize"] == value


REFUSED: list[tuple[type[CloudError], str, dict[str, Any]]] = [
    (errors.InvalidArgument, "ID length should not exceed allowed limit of 255", {**NEW, "ID": "x" * 256}),
    (errors.MalformedXML, "", {**NEW, "Status": "enabled"}),
    (errors.MalformedXML, "", {"Status": "Enabled", "Expiration": {"Days": 1}}),
    (errors.InvalidRequest, "Base level prefix cannot be used in Lifecycle V2", {**NEW, "Prefix": ""}),
    (errors.MalformedXML, "", {**NEW, "Filter": {"Prefix": "a", "Tag": TAG}}),
    (errors.MalformedXML, "", {**NEW, "Filter": {"And": {"Prefix": "a"}}}),
    (errors.MalformedXML, "", {**NEW, "Filter": {"And": {"Tags": [TAG]}}}),
    (errors.InvalidRequest, "Duplicate Tag Keys", {**NEW, "Filter": {"And": {"Tags": [TAG, TAG]}}}),
    (errors.InvalidTag, "TagKey", {**NEW, "Filter": {"Tag": {"Key": "", "Value": "v"}}}),
    (errors.InvalidTag, "TagKey", {**NEW, "Filter": {"Tag": {"Key": "k" * 129, "Value": "v"}}}),
    (errors.InvalidTag, "TagValue", {**NEW, "Filter": {"Tag": {"Key": "k", "Value": "v" * 257}}}),
    (errors.InvalidRequest, "maximum size of a prefix is 1024", {**NEW, "Filter": {"Prefix": "ä" * 513}}),
    (
        errors.InvalidRequest,
        "'ObjectSizeLessThan' should be between 1 and",
        {**NEW, "Filter": {"ObjectSizeLessThan": 0}},
    ),
    (errors.InvalidRequest, "'ObjectSizeGreaterThan'", {**NEW, "Filter": {"ObjectSizeGreaterThan": -1}}),
    (
        errors.InvalidRequest,
        "has to be a value greater than",
        {**NEW, "Filter": {"And": {"ObjectSizeLessThan": 9, "ObjectSizeGreaterThan": 9}}},
    ),
    (errors.InvalidRequest, "At least one action needs to be specified in a rule", ANY),
    (errors.MalformedXML, "", {**NEW, "Expiration": {}}),
    (errors.MalformedXML, "", {**NEW, "Expiration": {"Days": 1, "Date": DATE}}),
    (errors.MalformedXML, "", {**NEW, "Expiration": {"Days": 1, "ExpiredObjectDeleteMarker": True}}),
    (errors.InvalidArgument, "'Days' for Expiration action must be a positive", {**NEW, "Expiration": {"Days": 0}}),
    (errors.InvalidArgument, "'Date' must be at midnight GMT", {**NEW, "Expiration": {"Date": NOON}}),
    (
        errors.InvalidRequest,
        "ExpiredObjectDeleteMarker cannot be specified with Tags.",
        {**NEW, "Filter": {"Tag": TAG}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
    ),
    (
        errors.InvalidRequest,
        "ExpiredObjectDeleteMarker cannot be specified with Object Size.",
        {**NEW, "Filter": {"ObjectSizeLessThan": 5}, "Expiration": {"ExpiredObjectDeleteMarker": False}},
    ),
    (errors.MalformedXML, "", {**ANY, "NoncurrentVersionExpiration": {}}),
    (errors.MalformedXML, "", {**ANY, "NoncurrentVersionExpiration": {"NewerNoncurrentVersions": 1}}),
    (
        errors.InvalidArgument,
        "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
        {**ANY, "NoncurrentVersionExpiration": {"NoncurrentDays": 0}},
    ),
    (
        errors.InvalidArgument,
        "'NewerNoncurrentVersions' for",
        {**ANY, "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 0}},
    ),
    (
        errors.InvalidArgument,
        "'NewerNoncurrentVersions' for",
        {**ANY, "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1001}},
    ),
    (
        errors.InvalidRequest,
        "NewerNoncurrentVersions element can only be used in Lifecycle V2.",
        {
            "Prefix": "",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1},
        },
    ),
    (errors.MalformedXML, "", {**ANY, "AbortIncompleteMultipartUpload": {}}),
    (
        errors.InvalidArgument,
        "'DaysAfterInitiation' for AbortIncompleteMultipartUpload",
        {**ANY, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 0}},
    ),
    (
        errors.InvalidRequest,
        "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        {**ANY, "Filter": {"Tag": TAG}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ),
    (errors.MalformedXML, "", {**ANY, "Transitions": [{"Days": 1}]}),
    (errors.MalformedXML, "", {**ANY, "Transitions": [{"StorageClass": "GLACIER"}]}),
    (errors.MalformedXML, "", {**ANY, "Transitions": [{"StorageClass": "STANDARD", "Days": 1}]}),
    (errors.MalformedXML, "", {**ANY, "Transitions": [{"StorageClass": "GLACIER", "Days": 1, "Date": DATE}]}),
    (errors.InvalidArgument, "nonnegative", {**ANY, "Transitions": [move("GLACIER", -1)]}),
    (errors.InvalidArgument, "midnight", {**ANY, "Transitions": [{"StorageClass": "GLACIER", "Date": NOON}]}),
    (
        errors.InvalidArgument,
        "'Days' in Transition action must be greater than or equal to 30 for storageClass 'ONEZONE_IA'",
        {**ANY, "Transitions": [move("ONEZONE_IA", 29)]},
    ),
    (
        errors.InvalidRequest,
        "'StorageClass' must be different for 'Transition' actions",
        {**ANY, "Transitions": [move("GLACIER", 1), move("GLACIER", 2)]},
    ),
    (
        errors.InvalidRequest,
        "Found mixed 'Date' and 'Days' based Transition actions",
        {**ANY, "Transitions": [move("GLACIER", 1), {"StorageClass": "DEEP_ARCHIVE", "Date": DATE}]},
    ),
    (
        errors.InvalidRequest,
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions",
        {**ANY, "Transitions": [move("GLACIER", 1)], "Expiration": {"Date": DATE}},
    ),
    (
        errors.InvalidRequest,
        "Found mixed 'Date' and 'Days' based Expiration and Transition actions",
        {**ANY, "Transitions": [{"StorageClass": "GLACIER", "Date": DATE}], "Expiration": {"Days": 2}},
    ),
    (
        errors.InvalidArgument,
        "must be 30 days more than",
        {**ANY, "Transitions": [move("STANDARD_IA", 30), move("GLACIER", 59)]},
    ),
    (
        errors.InvalidArgument,
        "must be greater than 'Days' in the 'Transition' action for StorageClass 'GLACIER'",
        {**ANY, "Transitions": [move("GLACIER", 5), move("DEEP_ARCHIVE", 5)]},
    ),
    (
        errors.InvalidArgument,
        "'Days' in the Expiration action for filter '(prefix=a/)' must be greater than 'Days' in the Transition action",
        {**NEW, "Transitions": [move("GLACIER", 1)]},
    ),
    (
        errors.InvalidArgument,
        "'Date' in the Expiration action",
        {**NEW, "Transitions": [{"StorageClass": "GLACIER", "Date": DATE}], "Expiration": {"Date": DATE}},
    ),
    (
        errors.InvalidArgument,
        "'NoncurrentDays' in the NoncurrentVersionExpiration action",
        {
            **ANY,
            "NoncurrentVersionTransitions": [older("GLACIER", 3)],
            "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
        },
    ),
    (errors.MalformedXML, "", {**ANY, "NoncurrentVersionTransitions": [{"StorageClass": "GLACIER"}]}),
]


@pytest.mark.parametrize(("error", "text", "rule"), REFUSED)
def test_what_no_rule_can_say(s3: Buckets, error: type[CloudError], text: str, rule: dict[str, Any]) -> None:
    """Refused with S3's code and sentence; what was there before stays."""
    put(s3, {**NEW, "ID": "before"})
    with pytest.raises(error) as caught:
        put(s3, {"ID": "rule", **rule})
    assert text in caught.value.message
    assert [rule["ID"] for rule in shown(s3)["Rules"]] == ["before"]


@pytest.mark.parametrize(
    ("error", "text", "rules"),
    [
        (errors.MalformedXML, "", []),
        (errors.MalformedXML, "", [{**NEW, "ID": f"{number}"} for number in range(1001)]),
        (errors.InvalidArgument, "Rule ID must be unique", [{**NEW, "ID": "a"}, {**NEW, "ID": "a"}]),
        (errors.InvalidRequest, "Filter element can only be used in Lifecycle V2.", [OLD, NEW]),
        (errors.InvalidRequest, "Base level prefix cannot be used in Lifecycle V2", [NEW, OLD]),
        (
            errors.InvalidRequest,
            "Found overlapping prefixes 'a/' and 'a/b' for same action type 'Expiration'",
            [{**OLD, "Prefix": "a/b"}, OLD],
        ),
    ],
)
def test_rules_that_cannot_stand_together(
    s3: Buckets, error: type[CloudError], text: str, rules: list[dict[str, Any]]
) -> None:
    """At least one, at most a thousand, each with its own id, all of one form; old ones do not overlap."""
    with pytest.raises(error) as caught:
        put(s3, *rules)
    assert text in caught.value.message


def test_rules_that_may_overlap(s3: Buckets) -> None:
    """Filters may; prefixes of old may when they are for different actions; a thousand rules are not too many."""
    put(s3, NEW, {**NEW, "Filter": {}}, {**NEW, "Filter": {"Prefix": "a/b"}})
    put(s3, OLD, {"Prefix": "a/b", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    put(s3, *({**OLD, "Prefix": f"{number:04}"} for number in range(1000)))
    assert len(shown(s3)["Rules"]) == 1000


def test_an_unknown_least_size_is_refused(s3: Buckets) -> None:
    """With its name in the sentence."""
    with pytest.raises(errors.InvalidRequest, match="Invalid TransitionDefaultMinimumObjectSize found: value"):
        put(s3, NEW, TransitionDefaultMinimumObjectSize="value")
