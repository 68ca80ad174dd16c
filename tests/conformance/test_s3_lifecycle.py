"""Lifecycle rules as clients see them: documents on the wire, headers, and rules that run while days are short."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions import TRUST_LAMBDA, allow, handler
from live import LiveCloud, Unique, unique_name
from s3kit import Raw, code_of
from waiting import wait_until

DAY_S = 1


@pytest.fixture
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> str:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    return name


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400)


def put(s3: Any, bucket: str, *rules: dict[str, Any], **more: Any) -> Any:
    filled = [{"ID": f"rule{number}", "Filter": {}, "Status": "Enabled", **rule} for number, rule in enumerate(rules)]
    return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": filled}, **more)


# -- documents -----------------------------------------------------------------------------------------------------------


def test_a_configuration_goes_and_comes(s3: Any, bucket: str) -> None:
    """Every element of a rule survives the way, with the header for sizes."""
    rules = [
        {
            "ID": "everything & more",
            "Filter": {
                "And": {
                    "Prefix": "a/ü<",
                    "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": ""}],
                    "ObjectSizeGreaterThan": 1,
                    "ObjectSizeLessThan": 10**12,
                }
            },
            "Status": "Enabled",
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 90, "StorageClass": "GLACIER"}],
            "Expiration": {"Days": 365},
            "NoncurrentVersionTransitions": [
                {"NoncurrentDays": 5, "StorageClass": "GLACIER_IR", "NewerNoncurrentVersions": 3}
            ],
            "NoncurrentVersionExpiration": {"NoncurrentDays": 9, "NewerNoncurrentVersions": 3},
        },
        {
            "ID": "uploads",
            "Filter": {"Prefix": ""},
            "Status": "Disabled",
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {
            "ID": "date",
            "Filter": {},
            "Status": "Enabled",
            "Expiration": {"Date": datetime(2099, 1, 1, tzinfo=UTC)},
        },
    ]
    answer = s3.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={"Rules": rules},
        TransitionDefaultMinimumObjectSize="varies_by_storage_class",
    )
    assert answer["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    shown = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert shown["Rules"] == rules
    assert shown["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    assert s3.delete_bucket_lifecycle(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert s3.delete_bucket_lifecycle(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_clients_from_before_there_were_filters(s3: Any, bucket: str) -> None:
    """PutBucketLifecycle and GetBucketLifecycle speak to the same configuration."""
    rule = {
        "ID": "old",
        "Prefix": "logs/",
        "Status": "Enabled",
        "Transition": {"Days": 30, "StorageClass": "STANDARD_IA"},
        "Expiration": {"Days": 61},
        "NoncurrentVersionTransition": {"NoncurrentDays": 2, "StorageClass": "GLACIER"},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3},
    }
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle(Bucket=bucket)["Rules"] == [rule]
    (shown,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert shown["Transitions"] == [rule["Transition"]]
    assert "Filter" not in shown


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"Status": "enabled"}, "MalformedXML"),
        ({"Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Expiration": {"Date": "2030-01-01T12:00:00Z"}}, "InvalidArgument"),
        ({"Expiration": {}}, "MalformedXML"),
        ({"ID": "x" * 256}, "InvalidArgument"),
        ({"Transitions": [{"Days": 40, "StorageClass": "STANDARD"}]}, "MalformedXML"),
    ],
)
def test_what_is_refused(s3: Any, bucket: str, rule: dict[str, Any], code: str) -> None:
    """With 400 and S3's code."""
    with refused(code):
        put(s3, bucket, {"Expiration": {"Days": 1}, **rule})


RULES = [
    "",
    "<Rule/>",
    "<Rule><ID>a</ID><Filter/><Expiration><Days>1</Days></Expiration></Rule>",
    "<Rule><Filter/><Status>Enabled</Status><Expiration><Date>Fri, 01 Jan 2016</Date></Expiration></Rule>",
    "<Rule><Filter/><Status>Enabled</Status><Expiration><Days>many</Days></Expiration></Rule>",
    "<Rule><Filter/><Status>Enabled</Status><Expiration><Days>1</Days><Date>2020-01-01</Date></Expiration></Rule>",
    "<Rule>",
]


@pytest.mark.parametrize("rule", RULES)
def test_documents_that_are_none(cloud: LiveCloud, bucket: str, rule: str) -> None:
    """400 MalformedXML, whatever is missing or unreadable."""
    raw = Raw(cloud.endpoint, cloud.access_key, cloud.secret_key)
    document = f"<LifecycleConfiguration>{rule}</LifecycleConfiguration>".encode()
    digest = b64encode(hashlib.md5(document, usedforsecurity=False).digest()).decode()
    status, _, body = raw("PUT", f"/{bucket}?lifecycle", document, {"Content-MD5": digest})
    assert (status, code_of(body)) == (400, "MalformedXML")


def test_headers_say_what_will_be(s3: Any, bucket: str) -> None:
    """When and by which rule an object expires, an upload is aborted."""
    put(s3, bucket, {"Expiration": {"Days": 1}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}})
    before = datetime.now(UTC)
    answers = [
        s3.put_object(Bucket=bucket, Key="a", Body=b"x"),
        s3.head_object(Bucket=bucket, Key="a"),
        s3.get_object(Bucket=bucket, Key="a"),
        s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a"),
    ]
    assert answers[2]["Body"].read() == b"x"
    for answer in answers:
        told = re.fullmatch(r'expiry-date="(.+ GMT)", rule-id="rule0"', answer["Expiration"])
        assert told is not None
        moment = parsedate_to_datetime(told.group(1))
        assert timedelta(days=1) <= moment - before <= timedelta(days=2, seconds=60)
        assert (moment.hour, moment.minute, moment.second) == (0, 0, 0)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="c")
    assert upload["AbortRuleId"] == "rule0"
    assert timedelta(days=2) <= upload["AbortDate"] - before <= timedelta(days=3, seconds=60)
    listed = s3.list_parts(Bucket=bucket, Key="c", UploadId=upload["UploadId"])
    assert (listed["AbortDate"], listed["AbortRuleId"]) == (upload["AbortDate"], "rule0")


def test_who_may(cloud: LiveCloud, s3: Any, bucket: str) -> None:
    """s3:PutLifecycleConfiguration to change or remove, s3:GetLifecycleConfiguration to read."""
    put(s3, bucket, {"Expiration": {"Days": 9}})
    iam, name = cloud.client("iam"), unique_name("user")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("s3:GetLifecycleConfiguration"))
    reader = cloud.client_of("s3", _key(iam.create_access_key(UserName=name)))
    assert len(reader.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 1
    with pytest.raises(ClientError, match="s3:PutLifecycleConfiguration"):
        put(reader, bucket, {"Expiration": {"Days": 9}})
    with pytest.raises(ClientError, match="s3:PutLifecycleConfiguration"):
        reader.delete_bucket_lifecycle(Bucket=bucket)


def _key(made: dict[str, Any]) -> dict[str, str]:
    return {name: made["AccessKey"][name] for name in ("AccessKeyId", "SecretAccessKey")}


# -- rules that run ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    """A cloud whose days are a second long."""
    with LiveCloud(tmp_path_factory.mktemp("fast"), "--lifecycle-day-seconds", str(DAY_S)) as running:
        yield running


def keys(s3: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def made(cloud: LiveCloud, **more: Any) -> tuple[Any, str]:
    s3, bucket = cloud.client("s3"), unique_name("bucket")
    s3.create_bucket(Bucket=bucket, **more)
    return s3, bucket


def test_objects_expire(fast: LiveCloud) -> None:
    """Those that the rule means, also those that are put later; the others stay."""
    s3, bucket = made(fast)
    for key in ("logs/1", "logs/2", "kept"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    put(s3, bucket, {"Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}})
    wait_until(lambda: keys(s3, bucket) == ["kept"], "the logs expire")
    s3.put_object(Bucket=bucket, Key="logs/3", Body=b"x")
    wait_until(lambda: keys(s3, bucket) == ["kept"], "and so does a later one")


def test_versions_expire(fast: LiveCloud) -> None:
    """A marker in front, then what is behind it goes, then the marker: nothing is left of the key."""
    s3, bucket = made(fast)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        s3.put_object(Bucket=bucket, Key="k", Body=b"%d" % number)
    put(s3, bucket, {"Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})

    def left() -> int:
        listed = s3.list_object_versions(Bucket=bucket)
        return len(listed.get("Versions", [])) + len(listed.get("DeleteMarkers", []))

    assert left() >= 3
    wait_until(lambda: left() == 0, "all versions and the marker go")


def test_uploads_are_aborted(fast: LiveCloud) -> None:
    """An upload that nobody completes ends."""
    s3, bucket = made(fast)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    put(s3, bucket, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    wait_until(lambda: "Uploads" not in s3.list_multipart_uploads(Bucket=bucket), "the upload is aborted")
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)


def test_objects_change_their_storage_class(fast: LiveCloud) -> None:
    """Small ones too, where sizes vary by class; what is in an archive is there, and has to be restored to be read."""
    s3, bucket = made(fast)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    rule = {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    put(s3, bucket, rule, TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    wait_until(lambda: s3.head_object(Bucket=bucket, Key="k").get("StorageClass") == "GLACIER", "it moves")
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "GLACIER"
    with pytest.raises(ClientError, match="InvalidObjectState"):
        s3.get_object(Bucket=bucket, Key="k")
    s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 1})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_function_is_told(fast: LiveCloud) -> None:
    """S3 invokes it with LifecycleExpiration:Delete, in the name of the bucket."""
    s3, bucket = made(fast)
    iam, functions, logs = fast.client("iam"), fast.client("lambda"), fast.client("logs")
    name = unique_name("watcher")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="logs", PolicyDocument=allow("logs:*"))
    arn = functions.create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="main.handler",
        Code={"ZipFile": handler("import json\ndef handler(event, context):\n    print('told', json.dumps(event))\n")},
        Timeout=20,
    )["FunctionArn"]
    functions.add_permission(
        FunctionName=name,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
    )
    told = {"LambdaFunctionArn": arn, "Events": ["s3:LifecycleExpiration:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [told]}
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    put(s3, bucket, {"Expiration": {"Days": 1}})

    def line() -> str:
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="told")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return str(found[0]["message"]) if found else ""

    (record,) = json.loads(wait_until(line, "the function runs").removeprefix("told"))["Records"]
    assert record["eventName"] == "LifecycleExpiration:Delete"
    assert record["s3"]["object"]["key"] == "k"
    assert record["userIdentity"] == {"principalId": "s3.amazonaws.com"}


def test_a_cloud_that_is_killed_goes_on(tmp_path: Path) -> None:
    """kill -9 while objects go: another process on the same folder finishes, and new ones still expire."""
    with LiveCloud(tmp_path, "--lifecycle-day-seconds", str(DAY_S)) as cloud:
        s3, bucket = made(cloud)
        for number in range(600):
            s3.put_object(Bucket=bucket, Key=f"{number:03}", Body=b"x")
        put(s3, bucket, {"Expiration": {"Days": 1}})
        wait_until(lambda: len(keys(s3, bucket)) < 600, "the first are gone", every_s=0.001)
        cloud.kill()
        cloud.start()
        wait_until(lambda: not keys(s3, bucket), "all are gone")
        s3.put_object(Bucket=bucket, Key="later", Body=b"x")
        wait_until(lambda: not keys(s3, bucket), "and later ones go too")
        s3.delete_bucket(Bucket=bucket)
