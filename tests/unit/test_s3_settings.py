"""S3's settings of buckets and objects: tags, policies, the public, ACLs, and telling functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilvi.core import caller as callers
from pilvi.core.caller import Caller
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, CloudError, NotBuilt, ServiceUnavailable
from pilvi.services.s3 import errors
from pilvi.services.s3.notifications.notify import PRINCIPAL
from s3kit import Buckets

STRANGER = callers.root("222222222222")
PUBLIC = {"Principal": "*"}


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Buckets]:
    with Buckets(tmp_path / "data") as buckets:
        buckets.s3("CreateBucket", Bucket="photos")
        yield buckets


# -- tags --------------------------------------------------------------------------------------------------------------


def tag_set(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}


def test_tags_of_objects(s3: Buckets) -> None:
    """Put, got, removed; neither time nor bytes change."""
    s3.put("photos", "a", b"x")
    before = s3.get("photos", "a")[1]["LastModified"]
    s3.clock.advance(10_000)
    s3.s3("PutObjectTagging", Bucket="photos", Key="a", Tagging=tag_set(a="1", b="2"))
    assert s3.s3("GetObjectTagging", Bucket="photos", Key="a") == tag_set(a="1", b="2")
    assert s3.get("photos", "a")[1]["LastModified"] == before
    s3.s3("DeleteObjectTagging", Bucket="photos", Key="a")
    assert s3.s3("GetObjectTagging", Bucket="photos", Key="a") == tag_set()
    for operation, more in (("PutObjectTagging", {"Tagging": tag_set()}), ("GetObjectTagging", {})):
        with pytest.raises(errors.NoSuchKey):
            s3.s3(operation, Bucket="photos", Key="absent", **more)
    twice = {"TagSet": [{"Key": "a", "Value": "1"}] * 2}
    with pytest.raises(errors.InvalidTag):
        s3.s3("PutObjectTagging", Bucket="photos", Key="a", Tagging=twice)


def test_tags_are_condition_keys(s3: Buckets) -> None:
    """Those an object has, and those a request brings."""
    s3.put("photos", "a", b"x", Tagging="team=blue")
    (asked,) = s3.checks("GetObject", Bucket="photos", Key="a")
    assert asked.context == {"s3:ExistingObjectTag/team": "blue"}
    body, tags = s3.checks("PutObject", Bucket="photos", Key="a", Tagging="team=red")
    assert (body.action, tags.action) == ("s3:PutObject", "s3:PutObjectTagging")
    assert tags.context == {"s3:RequestObjectTag/team": "red", "s3:RequestObjectTagKeys": ["team"]}


def test_tags_of_buckets(s3: Buckets) -> None:
    """Fifty; without any, NoSuchTagSet."""
    with pytest.raises(errors.NoSuchTagSet):
        s3.s3("GetBucketTagging", Bucket="photos")
    fifty = tag_set(**{f"k{number:02}": "v" for number in range(50)})
    s3.s3("PutBucketTagging", Bucket="photos", Tagging=fifty)
    assert s3.s3("GetBucketTagging", Bucket="photos") == fifty
    with pytest.raises(errors.BadRequest):
        s3.s3("PutBucketTagging", Bucket="photos", Tagging=tag_set(**{f"k{number}": "v" for number in range(51)}))
    s3.s3("DeleteBucketTagging", Bucket="photos")
    with pytest.raises(errors.NoSuchTagSet):
        s3.s3("GetBucketTagging", Bucket="photos")


# -- what is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "request_", "actions"),
    [
        ("HeadBucket", {}, ["s3:ListBucket"]),
        ("ListObjects", {}, ["s3:ListBucket"]),
        ("ListObjectVersions", {}, ["s3:ListBucketVersions"]),
        ("ListMultipartUploads", {}, ["s3:ListBucketMultipartUploads"]),
        ("DeleteBucketTagging", {}, ["s3:PutBucketTagging"]),
        ("GetBucketNotificationConfiguration", {}, ["s3:GetBucketNotification"]),
        ("GetBucketEncryption", {}, ["s3:GetEncryptionConfiguration"]),
        ("HeadObject", {"Key": "k"}, ["s3:GetObject"]),
        ("GetObject", {"Key": "k", "VersionId": "null"}, ["s3:GetObjectVersion"]),
        ("GetObjectAttributes", {"Key": "k"}, ["s3:GetObject", "s3:GetObjectAttributes"]),
        ("DeleteObject", {"Key": "k"}, ["s3:DeleteObject"]),
        ("DeleteObject", {"Key": "k", "VersionId": "null"}, ["s3:DeleteObjectVersion"]),
        ("CreateMultipartUpload", {"Key": "k"}, ["s3:PutObject"]),
        ("UploadPart", {"Key": "k"}, ["s3:PutObject"]),
        ("CompleteMultipartUpload", {"Key": "k"}, ["s3:PutObject"]),
        ("AbortMultipartUpload", {"Key": "k"}, ["s3:AbortMultipartUpload"]),
        ("ListParts", {"Key": "k"}, ["s3:ListMultipartUploadParts"]),
        ("DeleteObjects", {}, []),
    ],
)
def test_actions(s3: Buckets, operation: str, request_: dict[str, Any], actions: list[str]) -> None:
    """Each operation asks for S3's own actions, on the bucket or the object, with the bucket's owner and policy."""
    s3.cloud.denied.add("s3:ListBucket")  # who may list is asked less about what is not there
    asked = s3.checks(operation, Bucket="photos", **request_)
    assert [check.action for check in asked] == actions
    for check in asked:
        assert check.resource == ("arn:aws:s3:::photos/k" if "Key" in request_ else "arn:aws:s3:::photos")
        assert (check.owner, check.policy) == (s3.caller.account, None)


def test_conditions_of_listings(s3: Buckets) -> None:
    """Prefix, delimiter and page size, when given."""
    (asked,) = s3.checks("ListObjectsV2", Bucket="photos", Prefix="home/", Delimiter="/", MaxKeys=10)
    assert asked.context == {"s3:prefix": "home/", "s3:delimiter": "/", "s3:max-keys": "10"}
    assert s3.checks("ListObjectsV2", Bucket="photos")[0].context == {}


# -- policies ----------------------------------------------------------------------------------------------------------


def document(**statement: Any) -> str:
    whole = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*", **statement}
    return msgspec.json.encode({"Version": "2012-10-17", "Statement": [whole]}).decode()


FRIENDS = document(Principal={"AWS": "arn:aws:iam::222222222222:root"})


def test_policies_are_kept_as_they_came(s3: Buckets) -> None:
    """Byte for byte, and asked with from then on."""
    s3.put("photos", "k")
    with pytest.raises(errors.NoSuchBucketPolicy):
        s3.s3("GetBucketPolicy", Bucket="photos")
    s3.s3("PutBucketPolicy", Bucket="photos", Policy=FRIENDS)
    assert s3.s3("GetBucketPolicy", Bucket="photos") == {"Policy": FRIENDS}
    assert s3.s3("GetBucketPolicyStatus", Bucket="photos") == {"PolicyStatus": {"IsPublic": False}}
    assert s3.checks("GetObject", Bucket="photos", Key="k")[0].policy == FRIENDS
    s3.s3("DeleteBucketPolicy", Bucket="photos")
    assert s3.checks("GetObject", Bucket="photos", Key="k")[0].policy is None


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "{",
        "[]",
        " " * 20_481,
        document(Principal="*", Resource="arn:aws:s3:::other/*"),
        document(Principal="*", Resource="arn:aws:s3:::photos-2/*"),
        document(Principal="*", Action="sqs:SendMessage"),
    ],
)
def test_policies_that_cannot_be(s3: Buckets, policy: str) -> None:
    """A bucket's policy speaks of that bucket and of S3."""
    with pytest.raises(errors.MalformedPolicy):
        s3.s3("PutBucketPolicy", Bucket="photos", Policy=policy)


def test_policies_are_the_owner_s_business(s3: Buckets) -> None:
    """Another account may be allowed to, and still gets 405; the owner's root needs no policy."""
    with pytest.raises(errors.MethodNotAllowed):
        s3.run_as(STRANGER, "s3", "PutBucketPolicy", Bucket="photos", Policy=FRIENDS)
    s3.s3("PutBucketPolicy", Bucket="photos", Policy=document(Principal="*", Effect="Deny", Action="s3:*"))
    assert s3.checks("DeleteBucketPolicy", Bucket="photos")[0].policy is None
    assert s3.checks("DeleteBucket", Bucket="photos")[0].policy is not None


def test_the_public_is_kept_out_by_default(s3: Buckets) -> None:
    """A public policy is refused until the block is lifted."""
    assert s3.s3("GetPublicAccessBlock", Bucket="photos")["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
    }  # fmt: skip
    with pytest.raises(AccessDenied, match="BlockPublicPolicy"):
        s3.s3("PutBucketPolicy", Bucket="photos", Policy=document(**PUBLIC))
    s3.s3("DeletePublicAccessBlock", Bucket="photos")
    with pytest.raises(errors.NoSuchPublicAccessBlockConfiguration):
        s3.s3("GetPublicAccessBlock", Bucket="photos")
    s3.s3("PutBucketPolicy", Bucket="photos", Policy=document(**PUBLIC))
    assert s3.s3("GetBucketPolicyStatus", Bucket="photos") == {"PolicyStatus": {"IsPublic": True}}


def test_restricted_public_buckets(s3: Buckets) -> None:
    """A public policy then counts for the owner's account and for services alone."""
    s3.put("photos", "k")
    s3.s3("DeletePublicAccessBlock", Bucket="photos")
    s3.s3("PutBucketPolicy", Bucket="photos", Policy=document(**PUBLIC))

    def policy_seen_by(caller: Caller) -> str | None:
        owner, s3.caller = s3.caller, caller
        try:
            return s3.checks("GetObject", Bucket="photos", Key="k")[0].policy
        finally:
            s3.caller = owner

    assert policy_seen_by(callers.ANONYMOUS) is not None
    s3.s3("PutPublicAccessBlock", Bucket="photos", PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert policy_seen_by(callers.ANONYMOUS) is None
    assert policy_seen_by(STRANGER) is None
    assert policy_seen_by(s3.caller) is not None
    assert policy_seen_by(callers.service("cloudfront.amazonaws.com", "333333333333")) is not None


# -- owners and what is never set --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("GetBucketVersioning", {}),
        ("GetBucketAccelerateConfiguration", {}),
        ("GetBucketLogging", {}),
        ("GetBucketRequestPayment", {"Payer": "BucketOwner"}),
        ("GetBucketCors", "NoSuchCORSConfiguration"),
        ("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
        ("GetBucketWebsite", "NoSuchWebsiteConfiguration"),
        ("GetBucketReplication", "ReplicationConfigurationNotFoundError"),
        ("GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
    ],
)
def test_what_is_never_set(s3: Buckets, operation: str, answer: Any) -> None:
    """A feature that cannot be switched on says that it is off; of an absent bucket it says nothing."""
    if isinstance(answer, dict):
        assert s3.s3(operation, Bucket="photos") == answer
    else:
        with pytest.raises(CloudError) as caught:
            s3.s3(operation, Bucket="photos")
        assert (caught.value.code, caught.value.status) == (answer, 404)
    with pytest.raises(errors.NoSuchBucket):
        s3.s3(operation, Bucket="absent")


# -- telling functions -------------------------------------------------------------------------------------------------

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:thumbnails"


class Functions:
    """Stands where the lambda service is: remembers what it is asked, refuses what it is told to."""

    def __init__(self) -> None:
        self.failure: CloudError | None = None
        self.invoked: list[dict[str, Any]] = []
        self.callers: list[Caller | None] = []

    def call(self, ctx: Context, service: str, operation: str, request: dict[str, Any], caller: Caller | None) -> Any:
        assert (service, operation) == ("lambda", "Invoke")
        if self.failure is not None:
            raise self.failure
        self.callers.append(caller)
        self.invoked.append(request)

    @property
    def events(self) -> list[dict[str, Any]]:
        found = [request for request in self.invoked if request["InvocationType"] == "Event"]
        return [msgspec.json.decode(request["Payload"])["Records"][0] for request in found]


@pytest.fixture
def functions(s3: Buckets, monkeypatch: pytest.MonkeyPatch) -> Functions:
    made = Functions()
    monkeypatch.setattr(s3.cloud, "call", made.call)
    return made


def tell(s3: Buckets, *rules: dict[str, Any], **more: Any) -> None:
    wanted = [{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"], **rule} for rule in rules]
    configuration = {"LambdaFunctionConfigurations": wanted}
    s3.s3("PutBucketNotificationConfiguration", Bucket="photos", NotificationConfiguration=configuration, **more)


def when(*rules: tuple[str, str]) -> dict[str, Any]:
    return {"Filter": {"Key": {"FilterRules": [{"Name": name, "Value": value} for name, value in rules]}}}


def test_a_change_is_told(s3: Buckets, functions: Functions) -> None:
    """The record is AWS's, in the name of the bucket, in the transaction that changes."""
    tell(s3, {"Id": "mine", **when(("prefix", "in/"), ("suffix", ".jpg"))})
    s3.put("photos", "in/a b+é.jpg", b"data")
    s3.put("photos", "out/a.jpg", b"data")
    (event,) = functions.events
    assert event == {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-09-21T14:13:20.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:000000000000"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": event["responseElements"],
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "mine",
            "bucket": {
                "name": "photos",
                "ownerIdentity": event["s3"]["bucket"]["ownerIdentity"],
                "arn": "arn:aws:s3:::photos",
            },
            "object": {
                "key": "in/a+b%2B%C3%A9.jpg",
                "size": 4,
                "eTag": "8d777f385d3dfec8815d20f7496026dc",
                "sequencer": event["s3"]["object"]["sequencer"],
            },
        },
    }
    assert event["responseElements"].keys() == {"x-amz-request-id", "x-amz-id-2"}
    caller = functions.callers[-1]
    assert caller is not None
    assert (caller.kind, caller.arn, caller.source) == ("service", PRINCIPAL, "arn:aws:s3:::photos")


def test_every_kind_of_change(s3: Buckets, functions: Functions) -> None:
    """Put, copy, completion, deletion (of what was there), tags; the sequencer grows."""
    tell(s3, {"Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]})
    s3.put("photos", "a", b"x")
    s3.s3("CopyObject", Bucket="photos", Key="b", CopySource="photos/a")
    s3.multipart("photos", "c", [b"x"])
    s3.s3("PutObjectTagging", Bucket="photos", Key="a", Tagging=tag_set(a="1"))
    s3.s3("DeleteObjectTagging", Bucket="photos", Key="a")
    s3.s3("DeleteObject", Bucket="photos", Key="a")
    s3.s3("DeleteObject", Bucket="photos", Key="a")
    s3.s3("DeleteObjects", Bucket="photos", Delete={"Objects": [{"Key": "b"}, {"Key": "absent"}]})
    assert [(event["eventName"], event["s3"]["object"]["key"]) for event in functions.events] == [
        ("ObjectCreated:Put", "a"),
        ("ObjectCreated:Copy", "b"),
        ("ObjectCreated:CompleteMultipartUpload", "c"),
        ("ObjectTagging:Put", "a"),
        ("ObjectTagging:Delete", "a"),
        ("ObjectRemoved:Delete", "a"),
        ("ObjectRemoved:Delete", "b"),
    ]
    order = [event["s3"]["object"]["sequencer"] for event in functions.events]
    assert order == sorted(order)
    assert len(set(order)) == len(order)
    assert "size" not in functions.events[-1]["s3"]["object"]


def test_changes_of_versions_are_told(s3: Buckets, functions: Functions) -> None:
    """Which version was made or removed; a delete that made a marker has a name of its own."""
    s3.s3("PutBucketVersioning", Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    tell(s3, {"Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]})
    made = s3.put("photos", "a", b"x")["VersionId"]
    marker = s3.s3("DeleteObject", Bucket="photos", Key="a")["VersionId"]
    s3.s3("DeleteObject", Bucket="photos", Key="a", VersionId=marker)
    s3.s3("DeleteObject", Bucket="photos", Key="a", VersionId=made)
    s3.s3("DeleteObject", Bucket="photos", Key="a", VersionId=made)
    assert [(event["eventName"], event["s3"]["object"]["versionId"]) for event in functions.events] == [
        ("ObjectCreated:Put", made),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", marker),
        ("ObjectRemoved:Delete", made),
    ]


def test_a_target_that_refuses_loses_the_event_alone(s3: Buckets, functions: Functions) -> None:
    """The change is made all the same."""
    tell(s3, {})
    functions.failure = AccessDenied("not for you")
    s3.put("photos", "a", b"x")
    assert s3.keys("photos") == ["a"]
    assert functions.events == []


def test_an_event_that_cannot_be_kept_undoes_the_change(s3: Buckets, functions: Functions) -> None:
    """A failure of our own is not the target's: client and events agree that nothing happened."""
    tell(s3, {})
    functions.failure = ServiceUnavailable("the disk is full")
    with pytest.raises(ServiceUnavailable):
        s3.put("photos", "a", b"x")
    assert s3.keys("photos") == []


def test_configurations_are_shown_as_they_came(s3: Buckets, functions: Functions) -> None:
    """With an id for those without; an empty one switches off."""
    assert s3.s3("GetBucketNotificationConfiguration", Bucket="photos") == {}
    tell(s3, {"Id": "mine", **when(("Prefix", "a"), ("Suffix", "b"))}, {"Events": ["s3:ObjectRemoved:Delete"]})
    first, second = s3.s3("GetBucketNotificationConfiguration", Bucket="photos")["LambdaFunctionConfigurations"]
    assert first == {
        "Id": "mine", "LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"], **when(("Prefix", "a"), ("Suffix", "b")),
    }  # fmt: skip
    assert second["Id"]
    assert "Filter" not in second
    tell(s3)
    assert s3.s3("GetBucketNotificationConfiguration", Bucket="photos") == {}
    s3.put("photos", "ab", b"x")
    assert functions.events == []


def test_targets_are_tried(s3: Buckets, functions: Functions) -> None:
    """S3 asks with a dry run whether it may invoke; the client can waive that."""
    functions.failure = AccessDenied("not for you")
    with pytest.raises(errors.InvalidArgument, match="Unable to validate") as failure:
        tell(s3, {})
    assert failure.value.fields["ArgumentName1"] == FUNCTION
    assert s3.s3("GetBucketNotificationConfiguration", Bucket="photos") == {}
    tell(s3, {}, SkipDestinationValidation=True)
    functions.failure = None
    tell(s3, {})
    assert functions.invoked == [{"FunctionName": FUNCTION, "InvocationType": "DryRun"}]


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ([{}, {}], False),
        ([{}, {"Events": ["s3:ObjectCreated:Put"]}], False),
        ([{}, {"Events": ["s3:ObjectRemoved:*"]}], True),
        ([when(("prefix", "a")), when(("prefix", "b"))], True),
        ([when(("prefix", "a")), when(("prefix", "ab"))], False),
        ([when(("prefix", "a")), {}], False),
        ([when(("suffix", ".jpg")), when(("suffix", ".png"))], True),
        ([when(("suffix", ".jpg")), when(("suffix", "g"))], False),
        ([when(("prefix", "a"), ("suffix", "x")), when(("prefix", "ab"), ("suffix", "y"))], True),
    ],
)
def test_overlapping_rules(s3: Buckets, functions: Functions, rules: list[dict[str, Any]], allowed: bool) -> None:
    """Two rules for the same event never mean the same key."""
    if allowed:
        tell(s3, *rules)
        return
    with pytest.raises(errors.InvalidArgument, match="ambiguously defined"):
        tell(s3, *rules)


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ({"Events": ["s3:ObjectEaten:*"]}, errors.InvalidArgument),
        ({"Events": ["ObjectCreated:*"]}, errors.InvalidArgument),
        ({"Events": []}, errors.MalformedXML),
        ({"LambdaFunctionArn": "thumbnails"}, errors.InvalidArgument),
        ({"LambdaFunctionArn": "arn:aws:sqs:us-east-1:000000000000:q"}, errors.InvalidArgument),
        ({"LambdaFunctionArn": FUNCTION.replace("us-east-1", "eu-west-1")}, errors.InvalidArgument),
        (when(("infix", "a")), errors.InvalidArgument),
        (when(("prefix", "a"), ("Prefix", "b")), errors.InvalidArgument),
        (when(("prefix", "a" * 1025)), errors.InvalidArgument),
    ],
)
def test_rules_that_cannot_be(s3: Buckets, functions: Functions, rule: dict[str, Any], kind: type[CloudError]) -> None:
    """Refused, and what was configured stays."""
    tell(s3, {"Id": "before"})
    with pytest.raises(kind):
        tell(s3, rule)
    shown = s3.s3("GetBucketNotificationConfiguration", Bucket="photos")["LambdaFunctionConfigurations"]
    assert [entry["Id"] for entry in shown] == ["before"]


def test_other_targets_are_not_built(s3: Buckets, functions: Functions) -> None:
    """Queues, topics and the event bus answer 501 instead of swallowing events."""
    for configuration in (
        {
            "QueueConfigurations": [
                {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectCreated:*"]}
            ]
        },
        {
            "TopicConfigurations": [
                {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Events": ["s3:ObjectCreated:*"]}
            ]
        },
        {"EventBridgeConfiguration": {}},
    ):
        with pytest.raises(NotBuilt):
            s3.s3("PutBucketNotificationConfiguration", Bucket="photos", NotificationConfiguration=configuration)


def test_the_owner_pays(s3: Buckets) -> None:
    """That can be said; that requesters pay is not built."""
    payment = {"Payer": "BucketOwner"}
    s3.s3("PutBucketRequestPayment", Bucket="photos", RequestPaymentConfiguration=payment)
    assert s3.s3("GetBucketRequestPayment", Bucket="photos") == payment
    with pytest.raises(NotBuilt):
        s3.s3("PutBucketRequestPayment", Bucket="photos", RequestPaymentConfiguration={"Payer": "Requester"})
    with pytest.raises(errors.MalformedXML):
        s3.s3("PutBucketRequestPayment", Bucket="photos", RequestPaymentConfiguration={"Payer": "Nobody"})
    assert s3.s3("GetBucketRequestPayment", Bucket="photos") == payment
