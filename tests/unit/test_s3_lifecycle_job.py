"""Lifecycle rules at work: what goes, what stays, what moves, and when; in steps that survive their process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aging import BUCKET, DAY_MS, Crash, due, pass_days, rules, run, shown, step, waiting
from pilvi.core.context import Context
from pilvi.services.s3.lifecycle import round as rounds
from pilvi.services.s3.records import Bucket, Layout, OlderVersion, Piece, StoredObject
from s3kit import Buckets

NOON = 1_790_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:watcher"
BIG = b"x" * (128 * 1024)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.clock.now = NOON
        buckets.s3("CreateBucket", Bucket=BUCKET)
        yield buckets


@pytest.fixture
def versioned(s3: Buckets) -> Buckets:
    version(s3, "Enabled")
    return s3


def version(s3: Buckets, status: str) -> None:
    s3.s3("PutBucketVersioning", Bucket=BUCKET, VersioningConfiguration={"Status": status})


@pytest.fixture
def told(s3: Buckets, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The records that a function gets for everything that can happen by a rule."""
    records: list[dict[str, Any]] = []

    def call(ctx: Context, service: str, operation: str, request: dict[str, Any], caller: Any) -> None:
        if request["InvocationType"] == "Event":
            records.extend(msgspec.json.decode(request["Payload"])["Records"])

    monkeypatch.setattr(s3.cloud, "call", call)
    wanted = {"LambdaFunctionArn": FUNCTION, "Events": ["s3:LifecycleExpiration:*", "s3:LifecycleTransition"]}
    s3.s3(
        "PutBucketNotificationConfiguration",
        Bucket=BUCKET,
        NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]},
    )
    return records


def days(number: int, **more: Any) -> dict[str, Any]:
    return {"Expiration": {"Days": number}, **more}


def older(number: int, **more: Any) -> dict[str, Any]:
    return {"NoncurrentVersionExpiration": {"NoncurrentDays": number, **more}}


def storage(s3: Buckets, key: str = "k", **more: Any) -> str:
    return str(s3.s3("HeadObject", Bucket=BUCKET, Key=key, **more).get("StorageClass", "STANDARD"))


# -- when ----------------------------------------------------------------------------------------------------------------


def test_days_end_at_midnight(s3: Buckets) -> None:
    """What was put at noon goes a day later, at the midnight after: not at the first midnight, and not at noon."""
    s3.put(BUCKET, "k", b"x")
    rules(s3, days(1))
    run(s3)
    assert s3.keys(BUCKET) == ["k"]
    pass_days(s3, 1)
    assert s3.keys(BUCKET) == ["k"]
    s3.clock.now += DAY_MS // 2
    run(s3)
    assert s3.keys(BUCKET) == ["k"]
    pass_days(s3, 1)
    assert s3.keys(BUCKET) == []
    assert s3.blobs() == 0


def test_what_is_old_already_goes_soon(s3: Buckets) -> None:
    """Rules look at what is there as soon as they are put."""
    s3.put(BUCKET, "k", b"x")
    pass_days(s3, 5)
    rules(s3, days(1))
    run(s3)
    assert s3.keys(BUCKET) == []


def test_dates(s3: Buckets) -> None:
    """Everything goes on a date, and what is put after it too."""
    s3.put(BUCKET, "k", b"x")
    date = datetime.fromtimestamp((NOON // DAY_MS + 2) * DAY_MS / 1000, UTC)
    rules(s3, {"Expiration": {"Date": date}})
    pass_days(s3, 1)
    assert s3.keys(BUCKET) == ["k"]
    pass_days(s3, 1)
    assert s3.keys(BUCKET) == []
    s3.put(BUCKET, "late", b"x")
    pass_days(s3, 1)
    assert s3.keys(BUCKET) == []


def test_a_shorter_day(s3: Buckets) -> None:
    """The owner of the cloud may shorten the day; midnights come as often."""
    s3.cloud.settings["lifecycle_day_seconds"] = "10"
    s3.put(BUCKET, "k", b"x")
    rules(s3, days(3))
    run(s3)
    assert s3.keys(BUCKET) == ["k"]
    s3.clock.now += 40_000
    run(s3)
    assert s3.keys(BUCKET) == []


# -- which ---------------------------------------------------------------------------------------------------------------


def test_filters(s3: Buckets) -> None:
    """By prefix, tags and size, all that a filter names; disabled rules do nothing."""
    both = {"And": {"Prefix": "a/", "Tags": [{"Key": "t", "Value": "1"}], "ObjectSizeGreaterThan": 2}}
    s3.put(BUCKET, "a/all", b"xxx", Tagging="t=1&u=2")
    s3.put(BUCKET, "a/small", b"xx", Tagging="t=1")
    s3.put(BUCKET, "a/other", b"xxx", Tagging="t=2")
    s3.put(BUCKET, "b/all", b"xxx", Tagging="t=1")
    s3.put(BUCKET, "c", b"x")
    rules(s3, days(1, Filter=both), days(1, Filter={"Prefix": "c"}, Status="Disabled"))
    pass_days(s3, 2)
    assert s3.keys(BUCKET) == ["a/other", "a/small", "b/all", "c"]


def test_only_what_rules_speak_of_is_read(s3: Buckets) -> None:
    """A rule with a prefix costs nothing for other keys: one step, however many there are."""
    for number in range(600):
        s3.put(BUCKET, f"a{number:03}")
    s3.put(BUCKET, "b", b"x")
    rules(s3, days(1, Filter={"Prefix": "b"}))
    assert run(s3) == 1
    rules(s3, days(1))
    assert run(s3) == 3  # pages of 250


def test_many_objects_go_in_bounded_steps(s3: Buckets) -> None:
    """No step changes more than a hundred, none is forgotten."""
    for number in range(620):
        s3.put(BUCKET, f"{number:03}", b"x")
    rules(s3, days(1))
    s3.clock.now += 3 * DAY_MS
    before = 620
    while due(s3) or waiting(s3)[0].due_ms <= s3.clock.now + 1000:
        for entry in due(s3):
            step(s3, entry)
        left = len(s3.keys(BUCKET))
        assert before - left <= rounds.DONE_MAX
        before = left
        s3.clock.advance(10)
    assert before == 0
    assert s3.blobs() == 0


@pytest.mark.parametrize("keeps_versions", [False, True])
def test_objects_in_many_parts_go_few_at_a_time(s3: Buckets, keeps_versions: bool) -> None:
    """What a step lets go of is bounded though every object has thousands of parts."""
    if keeps_versions:
        version(s3, "Enabled")
    for number in range(6):
        in_parts(s3, f"{number}", 4_000)
    if keeps_versions:
        for number in range(6):
            s3.s3("DeleteObject", Bucket=BUCKET, Key=f"{number}")
    rules(s3, older(1) if keeps_versions else days(1))
    s3.clock.now += 3 * DAY_MS
    before, most = layouts(s3), 0
    while before:
        for entry in due(s3):
            step(s3, entry)
        left = layouts(s3)
        before, most = left, max(most, before - left)
        s3.clock.advance(10)
    assert most == 3
    assert s3.blobs() == 0


def in_parts(s3: Buckets, key: str, number: int) -> None:
    """An object whose parts are all the same bytes."""
    s3.put(BUCKET, key, b"x")

    def attempt(tx: Any) -> None:
        bucket = tx[Bucket].get(BUCKET)
        made = tx[StoredObject].get(bucket.id, key)
        runs = ((made.blob, 0, 1),)
        layout = Layout(tx.next_id("s3_layout"), "", tuple(Piece(n, 1, "", "", runs) for n in range(1, number + 1)))
        for _ in range(number - 1):
            tx.blobs.share(made.blob)
        tx[Layout].put(layout)
        tx[StoredObject].put(msgspec.structs.replace(made, blob=0, layout=layout.id, parts=number, size=number))

    s3.store.write(attempt)


def layouts(s3: Buckets) -> int:
    with s3.store.read() as tx:
        return len(list(tx[Layout].scan()))


# -- versions ------------------------------------------------------------------------------------------------------------


def test_with_versions_a_delete_marker_comes_first(versioned: Buckets, told: list[dict[str, Any]]) -> None:
    """The current version steps back, the marker stays until it has nothing behind it."""
    versioned.put(BUCKET, "k", b"x")
    rules(versioned, days(1) | older(1))
    pass_days(versioned, 2)
    assert [marker for _, _, marker in shown(versioned)] == [False, True]
    assert told[-1]["eventName"] == "LifecycleExpiration:DeleteMarkerCreated"
    pass_days(versioned, 1)
    assert [marker for _, _, marker in shown(versioned)] == [True]
    assert told[-1]["eventName"] == "LifecycleExpiration:Delete"
    pass_days(versioned, 1)
    assert shown(versioned) == []
    assert versioned.blobs() == 0
    assert len(told) == 3


def test_suspended_versions(versioned: Buckets) -> None:
    """The null version goes for good, replaced by a null marker; versions from before stay behind it."""
    versioned.put(BUCKET, "k", b"1")
    version(versioned, "Suspended")
    versioned.put(BUCKET, "k", b"2")
    assert versioned.blobs() == 2
    rules(versioned, days(1))
    pass_days(versioned, 2)
    assert [(name == "null", marker) for _, name, marker in shown(versioned)] == [(False, False), (True, True)]
    assert versioned.blobs() == 1


def test_older_versions_go_by_age_and_number(versioned: Buckets) -> None:
    """Those superseded long enough ago, but for the newest few of them; what is current stays."""
    made = []
    for number in range(10):
        made.append(versioned.put(BUCKET, "k", b"%d" % number)["VersionId"])
        versioned.clock.advance(1)
    rules(versioned, older(2, NewerNoncurrentVersions=5))
    pass_days(versioned, 2)
    assert len(shown(versioned)) == 10
    pass_days(versioned, 1)
    assert {name for _, name, _ in shown(versioned)} == set(made[4:])


def test_versions_are_counted_across_steps(versioned: Buckets) -> None:
    """A key with more versions than a step reads keeps exactly as many as the rule says; its neighbours are their own."""
    for key in ("a", "k", "z"):
        for _ in range(rounds.LOOKED_AT_MAX + 30 if key == "k" else 3):
            versioned.put(BUCKET, key)
    rules(versioned, older(1, NewerNoncurrentVersions=7))
    pass_days(versioned, 2)
    with versioned.store.read() as tx:
        left = [row.key for row in tx[OlderVersion].scan()]
    assert left == ["a"] * 2 + ["k"] * 7 + ["z"] * 2


def test_expired_delete_markers(versioned: Buckets) -> None:
    """Markers go that are all there is of their key; not those with versions behind, and no versions."""
    versioned.s3("DeleteObject", Bucket=BUCKET, Key="alone")
    versioned.put(BUCKET, "kept", b"x")
    versioned.s3("DeleteObject", Bucket=BUCKET, Key="kept")
    versioned.s3("DeleteObject", Bucket=BUCKET, Key="twice")
    versioned.s3("DeleteObject", Bucket=BUCKET, Key="twice")
    rules(versioned, {"Expiration": {"ExpiredObjectDeleteMarker": True}})
    run(versioned)
    assert [(key, marker) for key, _, marker in shown(versioned)] == [
        ("kept", False), ("kept", True), ("twice", True), ("twice", True),
    ]  # fmt: skip


def test_days_take_expired_markers_along_when_they_are_old(versioned: Buckets) -> None:
    """A marker alone is as old as it is, not as what it deleted."""
    versioned.s3("DeleteObject", Bucket=BUCKET, Key="k")
    rules(versioned, days(3))
    pass_days(versioned, 3)
    assert len(shown(versioned)) == 1
    pass_days(versioned, 1)
    assert shown(versioned) == []


def locked(s3: Buckets, key: str, **fields: Any) -> None:
    """Locks every version of a key, as the record has it."""

    def attempt(tx: Any) -> None:
        objects, rows = tx[StoredObject], tx[OlderVersion]
        bucket = next(iter(objects.scan())).bucket
        objects.put(msgspec.structs.replace(objects.get(bucket, key), **fields))
        for row in list(rows.scan(bucket, key)):
            rows.put(msgspec.structs.replace(row, state=msgspec.structs.replace(row.state, **fields)))

    s3.store.write(attempt)


@pytest.mark.parametrize(
    "lock",
    [{"held": True}, {"lock": "governance", "locked_until_ms": NOON + 100 * DAY_MS}],
    ids=["held", "retained"],
)
def test_locked_versions_stay(versioned: Buckets, lock: dict[str, Any]) -> None:
    """They are not removed as long as they are locked; a delete marker may come in front of them."""
    versioned.put(BUCKET, "k", b"1")
    versioned.put(BUCKET, "k", b"2")
    locked(versioned, "k", **lock)
    rules(versioned, days(1) | older(1))
    pass_days(versioned, 9)
    assert [marker for _, _, marker in shown(versioned)] == [False, False, True]


def test_locks_end(versioned: Buckets) -> None:
    """After its time a version goes as if it had never been locked."""
    versioned.put(BUCKET, "k", b"1")
    versioned.put(BUCKET, "k", b"2")
    locked(versioned, "k", lock="compliance", locked_until_ms=NOON + 4 * DAY_MS)
    rules(versioned, older(1))
    pass_days(versioned, 4)
    assert len(shown(versioned)) == 2
    pass_days(versioned, 1)
    assert len(shown(versioned)) == 1


def replicate(s3: Buckets, *, on: bool) -> None:
    """Switches the bucket's flag, as a replication configuration does."""

    def attempt(tx: Any) -> None:
        tx[Bucket].put(msgspec.structs.replace(tx[Bucket].get(BUCKET), replicates=on))

    s3.store.write(attempt)


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_what_is_not_yet_elsewhere_waits(versioned: Buckets, status: str) -> None:
    """A version that is to be copied to another bucket neither goes nor moves before it was; completed ones do."""
    versioned.put(BUCKET, "k", BIG)
    versioned.put(BUCKET, "k", BIG)
    locked(versioned, "k", replication=status)
    versioned.put(BUCKET, "done", b"1")
    versioned.put(BUCKET, "done", b"2")
    locked(versioned, "done", replication="completed")
    replicate(versioned, on=True)
    rules(versioned, older(1), moves(("GLACIER", 0)))
    pass_days(versioned, 3)
    assert [key for key, _, _ in shown(versioned)] == ["done", "k", "k"]
    assert storage(versioned) == "STANDARD"
    replicate(versioned, on=False)
    pass_days(versioned, 1)
    assert [key for key, _, _ in shown(versioned)] == ["done", "k"]
    assert storage(versioned) == "GLACIER"


# -- moves ---------------------------------------------------------------------------------------------------------------


def moves(*wanted: tuple[str, int]) -> dict[str, Any]:
    return {"Transitions": [{"StorageClass": to, "Days": number} for to, number in wanted]}


def test_moves_change_the_storage_class(s3: Buckets, told: list[dict[str, Any]]) -> None:
    """Each on its day, with an event that says where to; time, bytes and ETag stay."""
    before = s3.put(BUCKET, "k", BIG)["ETag"]
    rules(s3, moves(("STANDARD_IA", 30), ("GLACIER_IR", 60)))
    pass_days(s3, 30)
    assert storage(s3) == "STANDARD"
    pass_days(s3, 1)
    assert storage(s3) == "STANDARD_IA"
    pass_days(s3, 30)
    assert storage(s3) == "GLACIER_IR"
    body, answer = s3.get(BUCKET, "k")
    assert (body, answer["ETag"], int(answer["LastModified"].timestamp() * 1000)) == (BIG, before, NOON)
    assert [record["lifecycleEventData"] for record in told] == [
        {"transitionEventData": {"destinationStorageClass": to}} for to in ("STANDARD_IA", "GLACIER_IR")
    ]


def test_of_several_moves_the_cheapest(s3: Buckets) -> None:
    """When two are due at once, it is moved once; and never back."""
    s3.put(BUCKET, "k", BIG)
    s3.put(BUCKET, "deep", BIG)
    s3.clock.now += 200 * DAY_MS
    rules(s3, moves(("STANDARD_IA", 30)), moves(("GLACIER", 60)))
    run(s3)
    assert (storage(s3), storage(s3, "deep")) == ("GLACIER", "GLACIER")
    rules(s3, moves(("INTELLIGENT_TIERING", 0)))
    run(s3)
    assert storage(s3) == "GLACIER"


@pytest.mark.parametrize(
    ("size", "more", "rule", "to"),
    [
        (128 * 1024, {}, {}, "GLACIER"),
        (128 * 1024 - 1, {}, {}, "STANDARD"),
        (1, {"TransitionDefaultMinimumObjectSize": "varies_by_storage_class"}, {}, "GLACIER"),
        (1, {}, {"Filter": {"ObjectSizeGreaterThan": 0}}, "GLACIER"),
    ],
)
def test_small_objects_do_not_move(s3: Buckets, size: int, more: dict[str, Any], rule: dict[str, Any], to: str) -> None:
    """Below 128 KB, unless sizes vary by class (then to archives), or the rule itself speaks of sizes."""
    s3.put(BUCKET, "k", b"x" * size)
    rules(s3, moves(("GLACIER", 0)) | rule, **more)
    pass_days(s3, 1)
    assert storage(s3) == to


def test_older_versions_move(versioned: Buckets) -> None:
    """By the time since they were superseded, but for the newest few; the current one stays where it is."""
    made = [versioned.put(BUCKET, "k", BIG)["VersionId"] for _ in range(4)]
    move = {"StorageClass": "GLACIER", "NoncurrentDays": 1, "NewerNoncurrentVersions": 1}
    rules(versioned, {"NoncurrentVersionTransitions": [move]})
    pass_days(versioned, 2)
    found = [storage(versioned, VersionId=name) for name in made]
    assert found == ["GLACIER", "GLACIER", "STANDARD", "STANDARD"]


def test_an_end_comes_before_a_move(s3: Buckets) -> None:
    """When both are due, the object goes."""
    s3.put(BUCKET, "k", BIG)
    s3.clock.now += 10 * DAY_MS
    rules(s3, moves(("GLACIER", 1)), days(1))
    run(s3)
    assert s3.keys(BUCKET) == []


def test_a_move_comes_before_a_marker(versioned: Buckets) -> None:
    """Where nothing is lost by it, the version is moved first, and steps back the day after."""
    name = versioned.put(BUCKET, "k", BIG)["VersionId"]
    versioned.clock.now += 10 * DAY_MS
    rules(versioned, moves(("GLACIER", 1)), days(1))
    run(versioned)
    assert storage(versioned) == "GLACIER"
    pass_days(versioned, 1)
    assert [marker for _, _, marker in shown(versioned)] == [False, True]
    assert storage(versioned, VersionId=name) == "GLACIER"


# -- uploads -------------------------------------------------------------------------------------------------------------


def test_uploads_are_aborted(s3: Buckets) -> None:
    """With their parts, so many days after they were begun; others stay."""
    for key in ("a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "b/1"):
        upload = s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key=key)["UploadId"]
        s3.part(BUCKET, key, upload, 1, b"x")
    rules(s3, {"Filter": {"Prefix": "a/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}})
    pass_days(s3, 2)
    assert len(s3.s3("ListMultipartUploads", Bucket=BUCKET)["Uploads"]) == 7
    pass_days(s3, 1)
    assert [entry["Key"] for entry in s3.s3("ListMultipartUploads", Bucket=BUCKET)["Uploads"]] == ["b/1"]
    assert s3.blobs() == 1


# -- what answers say ----------------------------------------------------------------------------------------------------

EXPIRY = 'expiry-date="Wed, 23 Sep 2026 00:00:00 GMT", rule-id="{}"'


def test_answers_say_when_an_object_expires(s3: Buckets) -> None:
    """Each that speaks of the current version: by the rule that ends it first."""
    rules(s3, {**days(9), "ID": "later"}, {**days(1), "ID": 'my rule "ä"'})
    expected = EXPIRY.format("my rule %22%C3%A4%22")
    assert s3.put(BUCKET, "k", b"x")["Expiration"] == expected
    assert s3.get(BUCKET, "k")[1]["Expiration"] == expected
    assert s3.s3("HeadObject", Bucket=BUCKET, Key="k")["Expiration"] == expected
    assert s3.s3("CopyObject", Bucket=BUCKET, Key="l", CopySource=f"{BUCKET}/k")["Expiration"] == expected
    assert s3.multipart(BUCKET, "m", [b"x"])["Expiration"] == expected
    assert "Expiration" not in s3.s3("HeadObject", Bucket=BUCKET, Key="k", VersionId="null")


def test_answers_say_nothing_where_nothing_ends(s3: Buckets) -> None:
    """No rule, none for this object, none that is enabled, or one about delete markers alone."""
    assert "Expiration" not in s3.put(BUCKET, "k", b"x")
    rules(
        s3,
        days(1, Filter={"Prefix": "other"}),
        days(1, Status="Disabled"),
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
        days(1, Filter={"Tag": {"Key": "t", "Value": "1"}}),
    )
    assert "Expiration" not in s3.put(BUCKET, "k", b"x")
    s3.s3("PutObjectTagging", Bucket=BUCKET, Key="k", Tagging={"TagSet": [{"Key": "t", "Value": "1"}]})
    assert s3.s3("HeadObject", Bucket=BUCKET, Key="k")["Expiration"] == EXPIRY.format("rule-3")


def test_the_end_of_time(s3: Buckets) -> None:
    """As many days as a number can count: the answer names the last date there is."""
    many = 2**31 - 1
    rules(s3, days(many) | {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": many}})
    assert s3.put(BUCKET, "k", b"x")["Expiration"].startswith('expiry-date="Fri, 31 Dec 9999 00:00:00 GMT"')
    begun = s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key="k")
    assert begun["AbortDate"] == datetime(9999, 12, 31, tzinfo=UTC)
    pass_days(s3, 1)
    assert s3.keys(BUCKET) == ["k"]


def test_answers_say_when_an_upload_is_aborted(s3: Buckets) -> None:
    """CreateMultipartUpload and ListParts; not for keys that no rule means."""
    rules(s3, {"Filter": {"Prefix": "a/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    begun = s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key="a/k")
    expected = (datetime(2026, 9, 23, tzinfo=UTC), "rule-0")
    assert (begun["AbortDate"], begun["AbortRuleId"]) == expected
    listed = s3.s3("ListParts", Bucket=BUCKET, Key="a/k", UploadId=begun["UploadId"])
    assert (listed["AbortDate"], listed["AbortRuleId"]) == expected
    assert "AbortDate" not in s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key="k")


def test_the_event_says_that_s3_did_it(s3: Buckets, told: list[dict[str, Any]]) -> None:
    """Version 2.3 of the record, S3 as the one who did it, no size of what is gone."""
    s3.put(BUCKET, "a b", b"x")
    rules(s3, days(1))
    pass_days(s3, 2)
    (record,) = told
    assert record["eventVersion"] == "2.3"
    assert record["userIdentity"] == {"principalId": "s3.amazonaws.com"}
    assert record["requestParameters"] == {"sourceIPAddress": "s3.amazonaws.com"}
    assert record["s3"]["object"].keys() == {"key", "sequencer"}
    assert record["s3"]["object"]["key"] == "a+b"


# -- the job -------------------------------------------------------------------------------------------------------------


def test_rounds_end_with_their_rules(s3: Buckets) -> None:
    """Replaced, removed, or gone with their bucket: their entry ends when it is due, and changes nothing."""
    s3.put(BUCKET, "k", b"x")
    rules(s3, days(1))
    rules(s3, days(5))
    assert len(waiting(s3)) == 2
    run(s3)
    assert len(waiting(s3)) == 1
    s3.s3("DeleteBucketLifecycle", Bucket=BUCKET)
    pass_days(s3, 9)
    assert (waiting(s3), s3.keys(BUCKET)) == ([], ["k"])
    s3.s3("DeleteObject", Bucket=BUCKET, Key="k")
    rules(s3, days(1))
    s3.s3("DeleteBucket", Bucket=BUCKET)
    s3.s3("CreateBucket", Bucket=BUCKET)
    s3.put(BUCKET, "k", b"x")
    pass_days(s3, 9)
    assert (waiting(s3), s3.keys(BUCKET)) == ([], ["k"])


def test_the_next_round_is_at_midnight(s3: Buckets) -> None:
    """A round that is complete waits for the next day, in the same entry, with nothing of its progress."""
    rules(s3, days(1))
    (first,) = waiting(s3)
    run(s3)
    (entry,) = waiting(s3)
    assert (entry.id, entry.body) == (first.id, first.body)
    assert entry.due_ms == (NOON // DAY_MS + 1) * DAY_MS


def fill(s3: Buckets) -> None:
    """Something of everything that a round can come across."""
    for number in range(130):
        s3.put(BUCKET, f"k{number:03}", b"%d" % number)
    for number in range(0, 130, 2):
        s3.put(BUCKET, f"k{number:03}", b"again")
    for number in range(0, 130, 5):
        s3.s3("DeleteObject", Bucket=BUCKET, Key=f"k{number:03}")
    for number in range(9):
        upload = s3.s3("CreateMultipartUpload", Bucket=BUCKET, Key=f"u{number}")["UploadId"]
        s3.part(BUCKET, f"u{number}", upload, 1, b"part")
    s3.clock.now += 9 * DAY_MS
    everything = days(3) | older(2) | {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    rules(s3, everything)


def state(s3: Buckets) -> tuple[Any, ...]:
    uploads = [entry["Key"] for entry in s3.s3("ListMultipartUploads", Bucket=BUCKET)["Uploads"]]
    return [(key, marker) for key, _, marker in shown(s3)], uploads, s3.blobs()


def test_a_process_that_dies_at_any_step_goes_on_where_it_was(tmp_path: Path) -> None:
    """Whichever step is the last of its process, and whether it was committed: the outcome is that of an undisturbed one."""
    outcomes = []
    dies_at = 0
    while True:
        s3 = Buckets(tmp_path / f"{dies_at}")
        s3.clock.now = NOON
        s3.s3("CreateBucket", Bucket=BUCKET)
        version(s3, "Enabled")
        fill(s3)
        for _ in range(dies_at):
            s3.clock.advance(10)
            step(s3, due(s3)[0])
        s3.clock.advance(10)
        entries = due(s3)
        if entries:
            with pytest.raises(Crash):
                step(s3, entries[0], dies=True)
        now = s3.clock.now
        s3.store.close()
        with Buckets(tmp_path / f"{dies_at}") as again:
            again.clock.now = now
            run(again)
            outcomes.append(state(again))
        if not entries:
            break
        dies_at += 1
    assert dies_at > 4
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert not outcomes[0][1]


def test_the_worker_runs_the_job() -> None:
    """The service names the delivery under the topic that rules publish to."""
    from pilvi import services

    topics = [delivery.topic for delivery in services.discover()["s3"].deliveries]
    assert rounds.TOPIC in topics
