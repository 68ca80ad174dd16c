"""Settings of buckets and objects through boto3, and functions that are told of changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from functions import BASIC_EXECUTION, TRUST_LAMBDA, zip_of
from live import LiveCloud, Unique
from refusals import refused
from waiting import wait_until

TAGS = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b c", "Value": ""}]}


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def test_tags(s3: Any, bucket: str) -> None:
    """Of objects and buckets."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging=TAGS)
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == TAGS["TagSet"]
    s3.delete_object_tagging(Bucket=bucket, Key="a")
    assert s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"] == []
    with refused("NoSuchTagSet", 404):
        s3.get_bucket_tagging(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging=TAGS)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == TAGS["TagSet"]
    s3.delete_bucket_tagging(Bucket=bucket)
    with refused("InvalidTag", 400):
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "aws:x", "Value": ""}]})


def test_values_in_s3_s_own_words(s3: Any, bucket: str) -> None:
    """Each wrong value has its own error."""
    put = {"Bucket": bucket, "Key": "a", "Body": b"x"}
    for more, code in (
        ({"StorageClass": "SLOW"}, "InvalidStorageClass"),
        ({"ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"Tagging": "a=1&a=2"}, "InvalidArgument"),
    ):
        with refused(code, 400):
            s3.put_object(**put, **more)
    s3.put_object(**put)
    for more, code in (
        ({"MetadataDirective": "MAYBE"}, "InvalidArgument"),
        ({"MetadataDirective": "COPY", "CopySource": "nothing"}, "InvalidArgument"),
    ):
        with refused(code, 400):
            s3.copy_object(Bucket=bucket, Key="b", **{"CopySource": f"{bucket}/a", **more})
    for constraint in ("us-east-1", "mars-north-1"):
        with refused("InvalidLocationConstraint", 400):
            s3.create_bucket(Bucket="some-bucket", CreateBucketConfiguration={"LocationConstraint": constraint})
    with refused("InvalidArgument", 400):
        s3.get_object_attributes(Bucket=bucket, Key="a", ObjectAttributes=["Color"])
    rule = {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:x", "Events": ["s3:Eaten:*"]}
    with refused("InvalidArgument", 400):
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
        )


def test_what_a_new_bucket_says(s3: Any, bucket: str) -> None:
    """Today's defaults, and nothing that is not so."""
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
    }  # fmt: skip
    controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert controls == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert acl["Grants"] == [
        {"Grantee": {"ID": acl["Owner"]["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    ]
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert "LambdaFunctionConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
    for call, code in (
        (s3.get_bucket_encryption, "ServerSideEncryptionConfigurationNotFoundError"),
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
    ):
        with refused(code, 404):
            call(Bucket=bucket)


def test_versions_of_objects_without_versions(s3: Any, bucket: str) -> None:
    """Each has one, called null."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    (version,) = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert (version["Key"], version["VersionId"], version["IsLatest"]) == ("a", "null", True)
    assert s3.get_object(Bucket=bucket, Key="a", VersionId="null")["Body"].read() == b"x"


def test_policies_round_trip(s3: Any, cloud: LiveCloud, bucket: str) -> None:
    """The text comes back as it was."""
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{cloud.account}:root"},
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
            },
        },
        indent=1,
    )
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == policy
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    with refused("MalformedPolicy", 400):
        s3.put_bucket_policy(Bucket=bucket, Policy="no policy")
    s3.delete_bucket_policy(Bucket=bucket)


# -- functions that are told -------------------------------------------------------------------------------------------

CODE = """
import json
import boto3

def handler(event, context):
    record = event["Records"][0]
    where = record["s3"]["bucket"]["name"]
    name = f"told/{record['s3']['object']['sequencer']}"
    boto3.client("s3").put_object(Bucket=where, Key=name, Body=json.dumps(event).encode())
"""


def function(cloud: LiveCloud, bucket: str, unique: Unique) -> str:
    """A function that writes down what it is told, in the bucket that told it."""
    iam, name = cloud.client("iam"), unique("told")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=BASIC_EXECUTION)
    write = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/told/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": write})
    iam.put_role_policy(RoleName=name, PolicyName="write", PolicyDocument=policy)
    made = cloud.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="main.handler",
        Code={"ZipFile": zip_of({"main.py": CODE})},
        Timeout=20,
    )
    return str(made["FunctionArn"])


def test_a_function_is_told(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """Without permission the rule is refused; with it, each change under the prefix arrives as AWS's event, once."""
    target = function(cloud, bucket, unique)
    rule = {
        "Id": "rule",
        "LambdaFunctionArn": target,
        "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]}},
    }
    configuration = {"LambdaFunctionConfigurations": [rule]}
    with refused("InvalidArgument", 400) as failure:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    assert failure.response["Error"]["Message"] == "Unable to validate the following destination configurations"
    cloud.client("lambda").add_permission(
        FunctionName=target,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
        SourceAccount=cloud.account,
    )
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    shown = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
    assert [(entry["Id"], entry["LambdaFunctionArn"], entry["Filter"]) for entry in shown] == [
        (
            "rule",
            target,
            {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]}},
        )
    ]
    put = s3.put_object(Bucket=bucket, Key="in/a b.jpg", Body=b"photo")
    s3.put_object(Bucket=bucket, Key="in/a.txt", Body=b"text")
    s3.copy_object(Bucket=bucket, Key="in/copy.jpg", CopySource=f"{bucket}/in/a b.jpg")
    s3.delete_object(Bucket=bucket, Key="in/copy.jpg")

    def told() -> list[dict[str, Any]]:
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix="told/").get("Contents", [])]
        events = [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
        return [event["Records"][0] for event in events] if len(events) == 3 else []

    first, second, third = wait_until(told, "three events arrive")
    assert [event["eventName"] for event in (first, second, third)] == [
        "ObjectCreated:Put", "ObjectCreated:Copy", "ObjectRemoved:Delete",
    ]  # fmt: skip
    assert first["s3"]["object"]["key"] == "in/a+b.jpg"
    assert first["s3"]["object"]["eTag"] == put["ETag"].strip('"')
    assert first["responseElements"]["x-amz-request-id"] == put["ResponseMetadata"]["RequestId"]
    assert first["responseElements"]["x-amz-id-2"] == put["ResponseMetadata"]["HostId"]
    assert (first["eventSource"], first["awsRegion"]) == ("aws:s3", cloud.region)
    assert first["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{bucket}"
    cloud.client("lambda").delete_function(FunctionName=target)
    s3.put_object(Bucket=bucket, Key="in/late.jpg", Body=b"nobody listens, and the upload succeeds")
