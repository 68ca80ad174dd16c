"""Lines of access logs and their delivery, at operation level."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aging
from pilvi import services
from pilvi.core import caller as callers
from pilvi.core.caller import ANONYMOUS, Caller
from pilvi.core.errors import CloudError
from pilvi.core.watched import WATCHED, Answered
from pilvi.services.s3.accesslogs import deliver
from pilvi.services.s3.accesslogs.gather import BATCH_BYTES_MAX, HELD_BYTES_MAX, Gatherer
from pilvi.services.s3.accesslogs.lines import lines, moment, requester, shown_key
from pilvi.services.s3.accesslogs.watch import TARGET
from pilvi.services.s3.accesslogs.words import operation_word
from pilvi.services.s3.names import owner_id
from pilvi.services.s3.records import Bucket
from s3kit import Buckets

FIELDS = 26
FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
ROOT = callers.root("000000000000")
SEEN = Answered(
    at_ms=1_549_411_238_000,
    request_id="r",
    operation="GetObject",
    shape={"Key": "k"},
    caller=ROOT,
    method="GET",
    path="/photos/k",
    query="",
    headers={"host": "localhost"},
    peer="192.0.2.3",
    secure=False,
    signature="SigV4",
    presigned=False,
    status=200,
    error="",
    shown=[("Content-Type", "text/plain")],
    size=3,
    length=3,
    us=7_400,
    own_us=2_600,
)
BUCKET = Bucket("photos", "000000000000", 1, "us-east-1", 0, logs=True)


def fields(**more: Any) -> list[str]:
    ((_, line),) = lines(msgspec.structs.replace(SEEN, **more), {TARGET: BUCKET})
    assert "\n" not in line
    return FIELD.findall(line)


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line() -> None:
    """In AWS's order."""
    owner = owner_id("000000000000")
    assert fields() == [
        owner, "photos", "[06/Feb/2019:00:00:38 +0000]", "192.0.2.3", owner, "r", "REST.GET.OBJECT", "k",
        '"GET /photos/k HTTP/1.1"', "200", "-", "3", "3", "7", "2", '"-"', '"-"', "-", "pilvi/r", "SigV4", "-",
        "AuthHeader", "localhost", "-", "-", "-",
    ]  # fmt: skip


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_nothing_breaks_a_line(key: str, agent: str, referer: str, query: str, version: str) -> None:
    """Whatever a client sends, a line is one line of as many fields."""
    headers = {"user-agent": agent, "referer": referer, "host": agent}
    assert len(fields(shape={"Key": key, "VersionId": version}, headers=headers, query=query)) == FIELDS


def test_keys_are_encoded_twice() -> None:
    """As AWS does."""
    assert shown_key("a b/c=d") == "a%2520b/c%253Dd"
    assert shown_key("") == "-"


def test_requesters() -> None:
    """An account is shown by its canonical id, users and sessions by their ARN, and who did not sign not at all."""
    user = Caller("user", "1", "arn:aws:iam::1:user/x", "AIDA")
    assert [requester(one) for one in (ANONYMOUS, ROOT, user)] == ["-", owner_id("000000000000"), user.arn]


def test_months_are_english() -> None:
    """Whatever the locale."""
    assert moment(1_575_158_400_000) == "[01/Dec/2019:00:00:00 +0000]"


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        ("PutObject", "REST.PUT.OBJECT"),
        ("GetBucketVersioning", "REST.GET.VERSIONING"),
        ("GetBucketLogging", "REST.GET.LOGGING_STATUS"),
        ("PutBucketPolicy", "REST.PUT.BUCKETPOLICY"),
        ("ListObjectsV2", "REST.GET.BUCKET"),
        ("PutObjectTagging", "REST.PUT.OBJECT_TAGGING"),
        ("GetPublicAccessBlock", "REST.GET.PUBLIC_ACCESS_BLOCK"),
        ("GetBucketOwnershipControls", "REST.GET.OWNERSHIP_CONTROLS"),
        ("GetObjectLockConfiguration", "REST.GET.OBJECT_LOCK_CONFIGURATION"),
    ],
)
def test_words(operation: str, word: str) -> None:
    """AWS's, where it has told them."""
    assert operation_word(operation) == word


def test_websites_have_words_of_their_own() -> None:
    """With the method that was sent."""
    assert fields(operation="GetWebsite", method="HEAD")[6] == "WEBSITE.HEAD.OBJECT"


def test_sizes() -> None:
    """Of the object and of what was sent: a part of it, nothing for HEAD, none for an error."""
    assert fields(status=206, shown=[("Content-Range", "bytes 0-2/50")])[11:13] == ["3", "50"]
    assert fields(operation="HeadObject", method="HEAD", size=0, length=50)[11:13] == ["-", "50"]
    assert fields(status=404, error="NoSuchKey", size=300)[10:13] == ["NoSuchKey", "300", "-"]


# -- gathering ---------------------------------------------------------------------------------------------------------


def test_batches_are_bounded() -> None:
    """What is gathered becomes objects of bounded length, in order, and is early when there is much of it."""
    gatherer = Gatherer()
    assert gatherer.empty
    count = 0
    while not gatherer.full:
        gatherer.add(msgspec.structs.replace(SEEN, request_id=str(count)), {TARGET: BUCKET})
        count += 1
    batches = gatherer.take()
    assert (gatherer.empty, gatherer.full) == (True, False)
    sizes = [sum(len(line) + 1 for _, line in batch.lines) for batch in batches]
    assert max(sizes) <= BATCH_BYTES_MAX
    assert sum(sizes) >= HELD_BYTES_MAX
    found = [line.split(" ")[6] for batch in batches for _, line in batch.lines]
    assert found == [str(number) for number in range(count)]


# -- delivery ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        buckets.s3("CreateBucket", Bucket="logs")
        put_logging(buckets, TargetPrefix="log/")
        yield buckets


def put_logging(s3: Buckets, **more: Any) -> None:
    wanted = {"TargetBucket": "logs", "TargetPrefix": "", **more}
    s3.s3("PutBucketLogging", Bucket="photos", BucketLoggingStatus={"LoggingEnabled": wanted})


def gather(s3: Buckets, *at_ms: int) -> Gatherer:
    """Requests to the bucket at these times."""
    with s3.store.read() as tx:
        bucket = tx[Bucket].get("photos")
    gatherer = Gatherer()
    for one in at_ms:
        gatherer.add(msgspec.structs.replace(SEEN, at_ms=one), {TARGET: bucket})
    return gatherer


def delivered(s3: Buckets, gatherer: Gatherer) -> list[str]:
    """Why lines were dropped."""
    return s3.store.write(lambda tx: deliver.deliver(s3.context(tx), gatherer.take()))


def logged(s3: Buckets) -> list[str]:
    """All lines, in the order of keys."""
    return [line for key in s3.keys("logs") for line in s3.get("logs", key)[0].decode().splitlines()]


def test_a_reading_request_marks_itself(s3: Buckets) -> None:
    """The check leaves the bucket behind; where nothing is logged it leaves nothing."""
    with s3.store.read() as tx:
        for name, wanted in (("photos", True), ("logs", False)):
            ctx = s3.context(tx)
            s3.cloud.authorise(ctx, "s3", operation("ListObjectsV2"), {"Bucket": name})
            assert (WATCHED in ctx.memo) == wanted


def operation(name: str) -> Any:
    return services.discover()["s3"].operations[name]


def test_event_time_makes_an_object_for_each_day(s3: Buckets) -> None:
    """Named by the day of its lines."""
    put_logging(s3, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    day = 86_400_000
    assert delivered(s3, gather(s3, 5, day - 1, day, 3 * day)) == []
    assert [key.rpartition("-")[0] for key in s3.keys("logs")] == [
        f"000000000000/us-east-1/photos/1970/01/{one}/1970-01-{one}-00-00-00" for one in ("01", "02", "04")
    ]
    assert len(logged(s3)) == 4


def test_where_it_may_not_go(s3: Buckets) -> None:
    """Lines are dropped, with a reason; nothing else happens."""
    s3.cloud.denied.add("s3:PutObject")
    (reason,) = delivered(s3, gather(s3, 1))
    assert "may not be written to logs" in reason
    s3.cloud.denied.clear()
    gatherer = gather(s3, 1)
    s3.s3("DeleteBucket", Bucket="logs")
    (reason,) = delivered(s3, gatherer)
    assert "no bucket to go to" in reason
    gatherer = gather(s3, 1)
    s3.s3("PutBucketLogging", Bucket="photos", BucketLoggingStatus={})
    (reason,) = delivered(s3, gatherer)
    assert "not logged any more" in reason


def test_encrypted_where_the_bucket_wants_that(s3: Buckets) -> None:
    """By default encryption; a log that cannot be encrypted is dropped."""
    for algorithm, dropped in (("AES256", 0), ("aws:kms", 1)):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
        s3.s3("PutBucketEncryption", Bucket="logs", ServerSideEncryptionConfiguration={"Rules": [rule]})
        s3.cloud.denied.add("kms:GenerateDataKey")
        assert len(delivered(s3, gather(s3, 1))) == dropped
    (key,) = s3.keys("logs")
    assert s3.s3("HeadObject", Bucket="logs", Key=key)["ServerSideEncryption"] == "AES256"
    assert len(logged(s3)) == 1


def test_grants_of_the_log(s3: Buckets) -> None:
    """They stand on its objects, where lists count."""
    s3.s3(
        "PutBucketOwnershipControls",
        Bucket="logs",
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
    )
    s3.s3("PutBucketAcl", Bucket="logs", ACL="log-delivery-write")
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "a" * 64}, "Permission": "READ"}
    put_logging(s3, TargetGrants=[grant])
    shown = s3.s3("GetBucketLogging", Bucket="photos")["LoggingEnabled"]
    assert shown == {"TargetBucket": "logs", "TargetPrefix": "", "TargetGrants": [grant]}
    assert delivered(s3, gather(s3, 1)) == []
    (key,) = s3.keys("logs")
    grants = s3.s3("GetObjectAcl", Bucket="logs", Key=key)["Grants"]
    assert [(one["Grantee"]["ID"], one["Permission"]) for one in grants] == [
        (owner_id("000000000000"), "FULL_CONTROL"),
        ("a" * 64, "READ"),
    ]


def test_a_bucket_with_lists_must_let_log_delivery_in(s3: Buckets) -> None:
    """Otherwise the configuration is refused."""
    s3.s3(
        "PutBucketOwnershipControls",
        Bucket="logs",
        OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
    )
    s3.cloud.denied.add("s3:PutObject")
    with pytest.raises(CloudError, match="log-delivery group"):
        put_logging(s3)


def test_what_lifecycle_rules_do(tmp_path: Path) -> None:
    """Is logged too, though nobody asked for it."""
    with Buckets(tmp_path / "data") as s3:
        for name in ("photos", "logs"):
            s3.s3("CreateBucket", Bucket=name)
        put_logging(s3)
        s3.put("photos", "a b", b"1")
        aging.rules(s3, {"Expiration": {"Days": 1}})
        aging.pass_days(s3, 3)
        assert s3.keys("photos") == []
        with s3.store.read() as tx:
            assert deliver.waiting(s3.context(tx))
        assert delivered(s3, Gatherer()) == []
        (line,) = logged(s3)
        found = FIELD.findall(line)
        assert len(found) == FIELDS
        assert found[4] == "AmazonS3"
        assert found[6:9] == ["S3.EXPIRE.OBJECT", "a%2520b", '"-"']
        with s3.store.read() as tx:
            assert not deliver.waiting(s3.context(tx))
