"""Notification configurations for every kind of target, and what records of different events hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilvi.core.caller import Caller
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.services.s3 import errors
from pilvi.services.s3.notifications import targets
from pilvi.services.s3.notifications.configuration import EVENTS
from pilvi.services.s3.notifications.notify import matches, notify
from pilvi.services.s3.records import Bucket, NotificationRule, StoredObject
from pilvi.wire import model
from s3kit import Buckets

QUEUE = "arn:aws:sqs:us-east-1:000000000000:jobs"
TOPIC = "arn:aws:sns:us-east-1:000000000000:news"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:thumbnails"
ALL = ["s3:ObjectCreated:*"]


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


def put(s3: Buckets, **configuration: Any) -> None:
    s3.s3("PutBucketNotificationConfiguration", Bucket="photos", NotificationConfiguration=configuration)


class Queues:
    """What a queue target would be: one class."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []
        self.why = ""

    def refusal(self, ctx: Context, caller: Caller, rule: NotificationRule) -> str:
        return self.why

    def send(self, ctx: Context, caller: Caller, rule: NotificationRule, record: Mapping[str, Any]) -> None:
        self.records.append(msgspec.json.decode(targets.message(record))["Records"][0])


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Queues:
    made = Queues()
    for name in ("notify", "configuration"):
        module = import_module(f"pilvi.services.s3.notifications.{name}")
        monkeypatch.setattr(module, "TARGETS", {**targets.TARGETS, "queue": made})
    return made


# -- configurations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "configuration",
    [
        {"QueueConfigurations": [{"QueueArn": QUEUE, "Events": ALL}]},
        {"TopicConfigurations": [{"TopicArn": TOPIC, "Events": ALL}]},
        {"EventBridgeConfiguration": {}},
    ],
)
def test_targets_that_are_not_built_say_so(s3: Buckets, configuration: dict[str, Any]) -> None:
    """501, and nothing is kept."""
    with pytest.raises(NotBuilt):
        put(s3, **configuration)
    assert s3.s3("GetBucketNotificationConfiguration", Bucket="photos") == {}


@pytest.mark.parametrize(
    ("kind", "arn"),
    [
        ("Queue", "jobs"),
        ("Queue", TOPIC),
        ("Queue", QUEUE.replace("us-east-1", "eu-west-1")),
        ("Queue", f"{QUEUE}.fifo"),
        ("Topic", QUEUE),
        ("Topic", FUNCTION),
    ],
)
def test_arns_that_name_no_such_target(s3: Buckets, kind: str, arn: str) -> None:
    """What could never be one is InvalidArgument, whether or not that kind of target is built."""
    with pytest.raises(errors.InvalidArgument) as caught:
        put(s3, **{f"{kind}Configurations": [{f"{kind}Arn": arn, "Events": ALL}]})
    assert caught.value.fields["ArgumentName"] == kind
    assert caught.value.fields["ArgumentValue"] == arn


def test_a_new_kind_of_target_is_one_class(s3: Buckets, queues: Queues) -> None:
    """With it, configurations are accepted, tried, shown in their place, and told of changes."""
    rule = {"Id": "mine", "QueueArn": QUEUE, "Events": ALL}
    queues.why = "Permissions on the destination queue do not allow S3 to publish notifications from this bucket"
    with pytest.raises(errors.InvalidArgument, match="Unable to validate") as caught:
        put(s3, QueueConfigurations=[rule])
    assert caught.value.fields == {"ArgumentName1": QUEUE, "ArgumentValue1": queues.why}
    queues.why = ""
    put(s3, QueueConfigurations=[rule])
    assert s3.s3("GetBucketNotificationConfiguration", Bucket="photos") == {"QueueConfigurations": [rule]}
    s3.put("photos", "a", b"x")
    (record,) = queues.records
    assert (record["eventName"], record["s3"]["configurationId"]) == ("ObjectCreated:Put", "mine")


def test_rules_of_different_targets_must_not_overlap(s3: Buckets, queues: Queues) -> None:
    """One change is told once, whatever to; and ids are unique over all."""
    function = {"LambdaFunctionArn": FUNCTION, "Events": ALL}
    with pytest.raises(errors.InvalidArgument, match="ambiguously defined"):
        put(s3, LambdaFunctionConfigurations=[function], QueueConfigurations=[{"QueueArn": QUEUE, "Events": ALL}])
    other = {"Id": "same", "QueueArn": QUEUE, "Events": ["s3:ObjectRemoved:*"]}
    with pytest.raises(errors.InvalidArgument, match="Same ID"):
        put(s3, LambdaFunctionConfigurations=[{**function, "Id": "same"}], QueueConfigurations=[other])


def test_every_event_of_the_model_is_known() -> None:
    """What clients can subscribe to, by AWS's model; no more and no less."""
    listed = model.load("s3").shapes["Event"].enum
    assert {f"s3:{event}" for event in EVENTS} == set(listed)


# -- records -------------------------------------------------------------------------------------------------------------

OBJECT = StoredObject(bucket=1, key="k", size=3, modified_ms=0, etag="abc", version="v1")


@pytest.mark.parametrize(
    ("event", "version"),
    [
        ("ObjectCreated:Put", "2.1"),
        ("ObjectCreated:Post", "2.1"),
        ("ObjectRemoved:DeleteMarkerCreated", "2.1"),
        ("Replication:OperationFailedReplication", "2.2"),
        ("ObjectTagging:Put", "2.3"),
        ("ObjectAcl:Put", "2.3"),
        ("LifecycleExpiration:Delete", "2.3"),
        ("LifecycleTransition", "2.3"),
    ],
)
def test_the_version_of_a_record(s3: Buckets, queues: Queues, event: str, version: str) -> None:
    """Follows from the event, as AWS lists it; what only some events have stands beside the rest."""
    put(s3, QueueConfigurations=[{"QueueArn": QUEUE, "Events": [f"s3:{event}"]}])
    extra = {"replicationEventData": {"replicationRuleId": "r"}}

    def attempt(tx: Any) -> None:
        bucket = tx[Bucket].get("photos")
        notify(s3.context(tx), bucket, event, OBJECT, extra)
        notify(s3.context(tx), bucket, "ReducedRedundancyLostObject", OBJECT)

    s3.store.write(attempt)
    (record,) = queues.records
    assert record["eventVersion"] == version
    assert record["replicationEventData"] == {"replicationRuleId": "r"}
    assert record["s3"]["object"]["versionId"] == "v1"


@pytest.mark.parametrize(
    ("event", "about", "members"),
    [
        ("ObjectCreated:Copy", OBJECT, {"size", "eTag", "versionId"}),
        ("ObjectTagging:Delete", OBJECT, {"size", "eTag", "versionId"}),
        ("ObjectRemoved:Delete", OBJECT, {"versionId"}),
        ("ObjectRemoved:DeleteMarkerCreated", msgspec.structs.replace(OBJECT, marker=True), {"eTag", "versionId"}),
        (
            "LifecycleExpiration:DeleteMarkerCreated",
            msgspec.structs.replace(OBJECT, marker=True),
            {"eTag", "versionId"},
        ),
        ("LifecycleExpiration:Delete", msgspec.structs.replace(OBJECT, version=""), set()),
    ],
)
def test_what_a_record_says_of_the_object(
    s3: Buckets, queues: Queues, event: str, about: StoredObject, members: set[str]
) -> None:
    """What it looks like as long as it is there; its version where there are versions; key and sequencer always."""
    put(s3, QueueConfigurations=[{"QueueArn": QUEUE, "Events": [f"s3:{event}"]}])
    s3.store.write(lambda tx: notify(s3.context(tx), tx[Bucket].get("photos"), event, about))
    assert queues.records[0]["s3"]["object"].keys() == members | {"key", "sequencer"}


@pytest.mark.parametrize(
    ("pattern", "event", "told"),
    [
        ("ObjectCreated:*", "ObjectCreated:Put", True),
        ("ObjectCreated:Put", "ObjectCreated:Put", True),
        ("ObjectCreated:Put", "ObjectCreated:Post", False),
        ("ObjectRemoved:*", "LifecycleExpiration:Delete", False),
        ("LifecycleExpiration:*", "LifecycleExpiration:DeleteMarkerCreated", True),
    ],
)
def test_which_events_a_rule_means(pattern: str, event: str, told: bool) -> None:
    """One by its name, or a family by its star; what a rule removed is no removal by a client."""
    assert matches(NotificationRule("r", "queue", QUEUE, (pattern,)), event, "k") is told
