"""Replication between buckets, through boto3."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from live import LiveCloud, Unique
from refusals import refused
from waiting import wait_until

TRUST_S3 = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
ALL = [
    "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl",
    "s3:GetObjectVersionTagging", "s3:GetObjectRetention", "s3:GetObjectLegalHold", "s3:ReplicateObject",
    "s3:ReplicateDelete", "s3:ReplicateTags", "s3:ObjectOwnerOverrideToBucketOwner",
]  # fmt: skip
FAR = "eu-north-1"
OTHER = "333333333333"
OTHER_KEY = {"AccessKeyId": "PILVITESTOTHERKEY001", "SecretAccessKey": "their-secret-0123456789"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    """With somebody else in it."""
    theirs = f"{OTHER}:theirs:{OTHER_KEY['AccessKeyId']}:{OTHER_KEY['SecretAccessKey']}"
    with LiveCloud(tmp_path_factory.mktemp("replication"), "--user-key", theirs) as running:
        yield running


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def far(cloud: LiveCloud) -> Any:
    return cloud.client("s3", region_name=FAR)


@pytest.fixture
def role(cloud: LiveCloud, unique: Unique) -> str:
    return make_role(cloud, unique("replication"), ALL)


def make_role(cloud: LiveCloud, name: str, actions: list[str]) -> str:
    iam = cloud.client("iam")
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST_S3)["Role"]["Arn"]
    allow(cloud, made, actions)
    return str(made)


def allow(cloud: LiveCloud, role: str, actions: list[str]) -> None:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("iam").put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="p", PolicyDocument=document)


def make(client: Any, name: str, **more: Any) -> str:
    client.create_bucket(Bucket=name, **more)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def source(s3: Any, unique: Unique) -> str:
    return make(s3, unique("source"))


@pytest.fixture
def copy(far: Any, unique: Unique) -> str:
    return make(far, unique("copy"), CreateBucketConfiguration={"LocationConstraint": FAR})


def rule(destination: str, **more: Any) -> dict[str, Any]:
    where = {"Bucket": f"arn:aws:s3:::{destination}"} | more.pop("Destination", {})
    return {
        "ID": destination[-20:],
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": where,
    } | more


def replicate(s3: Any, source: str, role: str, *rules: dict[str, Any]) -> None:
    s3.put_bucket_replication(Bucket=source, ReplicationConfiguration={"Role": role, "Rules": list(rules)})


def status(s3: Any, bucket: str, key: str, **more: Any) -> str:
    return str(s3.head_object(Bucket=bucket, Key=key, **more).get("ReplicationStatus", ""))


def completed(s3: Any, bucket: str, key: str, **more: Any) -> None:
    wait_until(lambda: status(s3, bucket, key, **more) == "COMPLETED", f"{key} is replicated")


def history(s3: Any, bucket: str) -> list[tuple[str, str, str, bool]]:
    """All versions and delete markers: key, id, ETag, whether it is the latest."""
    found = s3.list_object_versions(Bucket=bucket)
    entries = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
    return sorted((one["Key"], one["VersionId"], one.get("ETag", ""), one["IsLatest"]) for one in entries)


def test_versions_go_to_another_region(s3: Any, far: Any, source: str, copy: str, role: str) -> None:
    """With the same ids, metadata, tags and order; bytes, small ones, large ones and those in parts."""
    replicate(s3, source, role, rule(copy))
    for body in (b"one", b"two" * 200_000, b""):
        s3.put_object(Bucket=source, Key="a", Body=body, Metadata={"x": "y"}, Tagging="t=1", ContentType="text/x")
    upload = s3.create_multipart_upload(Bucket=source, Key="b")["UploadId"]
    parts = []
    for number, body in ((1, b"p" * 5 * 2**20), (2, b"q")):
        made = s3.upload_part(Bucket=source, Key="b", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": made["ETag"]})
    s3.complete_multipart_upload(Bucket=source, Key="b", UploadId=upload, MultipartUpload={"Parts": parts})
    s3.delete_object(Bucket=source, Key="a")
    wait_until(lambda: history(s3, source) == history(far, copy), "both have the same versions")
    assert len(history(far, copy)) == 5
    replica = far.get_object(Bucket=copy, Key="b")
    assert replica["Body"].read() == b"p" * 5 * 2**20 + b"q"
    assert replica["ReplicationStatus"] == "REPLICA"
    assert far.head_object(Bucket=copy, Key="b", PartNumber=2)["PartsCount"] == 2
    for one in s3.list_object_versions(Bucket=source)["Versions"]:
        named = {"Key": one["Key"], "VersionId": one["VersionId"]}
        there, here = far.get_object(Bucket=copy, **named), s3.get_object(Bucket=source, **named)
        assert there["Body"].read() == here["Body"].read()
        assert there["LastModified"] == here["LastModified"]
        if one["Key"] == "a":
            assert (there["Metadata"], there["ContentType"], there["TagCount"]) == ({"x": "y"}, "text/x", 1)


def test_what_is_said_later_goes_too(s3: Any, far: Any, source: str, copy: str, role: str) -> None:
    """Tags; and a version that was deleted for good stays at the destination."""
    replicate(s3, source, role, rule(copy))
    version = s3.put_object(Bucket=source, Key="a", Body=b"1")["VersionId"]
    completed(s3, source, "a")
    tags = [{"Key": "k", "Value": "v"}]
    s3.put_object_tagging(Bucket=source, Key="a", Tagging={"TagSet": tags})
    wait_until(lambda: far.get_object_tagging(Bucket=copy, Key="a")["TagSet"] == tags, "the tags are there")
    completed(s3, source, "a")
    s3.delete_object(Bucket=source, Key="a", VersionId=version)
    assert [entry[1] for entry in history(far, copy)] == [version]


def test_rules_choose(s3: Any, unique: Unique, source: str, role: str) -> None:
    """Prefixes, tags, priorities, markers, switched off ones; each destination gets what its rule says."""
    first, second = make(s3, unique("first")), make(s3, unique("second"))
    off = {"DeleteMarkerReplication": {"Status": "Disabled"}}
    tagged = {"And": {"Prefix": "a/", "Tags": [{"Key": "go", "Value": "yes"}]}}
    replicate(
        s3,
        source,
        role,
        rule(first, ID="1", Filter={"Prefix": "a/"}, Destination={"StorageClass": "STANDARD_IA"}),
        rule(first, ID="2", Priority=2, Filter=tagged, **off),
        rule(second, ID="3", Priority=3, Filter={"Tag": {"Key": "go", "Value": "yes"}}, **off),
        rule(second, ID="4", Priority=4, Status="Disabled"),
    )
    s3.put_object(Bucket=source, Key="a/1", Body=b"1")
    s3.put_object(Bucket=source, Key="a/2", Body=b"2", Tagging="go=yes")
    s3.put_object(Bucket=source, Key="b/3", Body=b"3", Tagging="go=yes")
    s3.put_object(Bucket=source, Key="b/4", Body=b"4", Tagging="go=no")
    for key in ("a/1", "a/2", "b/3"):
        completed(s3, source, key)
    assert status(s3, source, "b/4") == ""
    assert [entry[0] for entry in history(s3, first)] == ["a/1", "a/2"]
    assert [entry[0] for entry in history(s3, second)] == ["a/2", "b/3"]
    assert s3.head_object(Bucket=first, Key="a/1")["StorageClass"] == "STANDARD_IA"
    assert "StorageClass" not in s3.head_object(Bucket=first, Key="a/2")
    s3.delete_object(Bucket=source, Key="a/1")
    s3.delete_object(Bucket=source, Key="b/3")
    wait_until(lambda: len(history(s3, first)) == 3, "the marker is replicated")
    assert len(history(s3, second)) == 2


def test_no_loops(s3: Any, far: Any, source: str, copy: str, role: str) -> None:
    """Two buckets that replicate each other: what is written to either is in both, once; changes of replicas go back."""
    back = {"SourceSelectionCriteria": {"ReplicaModifications": {"Status": "Enabled"}}}
    replicate(s3, source, role, rule(copy, **back))
    replicate(far, copy, role, rule(source, **back))
    s3.put_object(Bucket=source, Key="a", Body=b"1")
    far.put_object(Bucket=copy, Key="b", Body=b"2")
    completed(s3, source, "a")
    completed(far, copy, "b")
    assert status(s3, source, "b") == "REPLICA"
    assert history(s3, source) == history(far, copy)
    assert len(history(far, copy)) == 2
    tags = [{"Key": "k", "Value": "v"}]
    far.put_object_tagging(Bucket=copy, Key="a", Tagging={"TagSet": tags})
    wait_until(lambda: s3.get_object_tagging(Bucket=source, Key="a")["TagSet"] == tags, "the change comes back")


def test_the_role_decides(cloud: LiveCloud, s3: Any, unique: Unique, source: str) -> None:
    """Without leave nothing is replicated; when it is given, it is; tags need leave of their own."""
    copy = make(s3, unique("copy"))
    role = make_role(cloud, unique("weak"), ["s3:GetObjectVersionForReplication"])
    replicate(s3, source, role, rule(copy))
    s3.put_object(Bucket=source, Key="a", Body=b"1", Tagging="k=v")
    wait_until(lambda: "is due again" in cloud.output(), "the first try failed")
    assert status(s3, source, "a") == "PENDING"
    assert history(s3, copy) == []
    allow(cloud, role, ["s3:GetObjectVersionForReplication", "s3:ReplicateObject"])
    completed(s3, source, "a")
    assert s3.get_object_tagging(Bucket=copy, Key="a")["TagSet"] == []


def test_another_account(s3: Any, cloud: LiveCloud, unique: Unique, source: str, role: str) -> None:
    """The destination's policy lets the role in; the replica is the destination's."""
    other = cloud.client_of("s3", OTHER_KEY)
    copy = make(other, unique("theirs"))
    replicate(
        s3,
        source,
        role,
        rule(copy, Destination={"Account": OTHER, "AccessControlTranslation": {"Owner": "Destination"}}),
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": role},
        "Action": ["s3:ReplicateObject", "s3:ObjectOwnerOverrideToBucketOwner"],
        "Resource": f"arn:aws:s3:::{copy}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    other.put_bucket_policy(Bucket=copy, Policy=policy)
    s3.put_object(Bucket=source, Key="a", Body=b"1")
    completed(s3, source, "a")
    assert other.get_object(Bucket=copy, Key="a")["Body"].read() == b"1"


def test_encryption_at_the_destination(s3: Any, unique: Unique, source: str, role: str) -> None:
    """What is stored in plain is encrypted where the destination wants that; what is encrypted goes as it is."""
    copy = make(s3, unique("copy"))
    s3.put_bucket_encryption(
        Bucket=copy,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    replicate(s3, source, role, rule(copy))
    plain, sealed = b"a" * 1_000_000, b"b" * 1_000_000
    s3.put_object(Bucket=source, Key="plain", Body=plain)
    s3.put_object(Bucket=source, Key="empty", Body=b"")
    s3.put_object(Bucket=source, Key="sealed", Body=sealed, ServerSideEncryption="AES256")
    secret = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    s3.put_object(Bucket=source, Key="own", Body=b"own", **secret)
    upload = s3.create_multipart_upload(Bucket=source, Key="parts")["UploadId"]
    parts = []
    for number, body in ((1, b"p" * 5 * 2**20), (2, b"q")):
        made = s3.upload_part(Bucket=source, Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": made["ETag"]})
    s3.complete_multipart_upload(Bucket=source, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    for key, body in (("plain", plain), ("empty", b""), ("sealed", sealed), ("parts", b"p" * 5 * 2**20 + b"q")):
        completed(s3, source, key)
        found = s3.get_object(Bucket=copy, Key=key)
        assert found["ServerSideEncryption"] == "AES256"
        assert found["Body"].read() == body
    assert s3.get_object(Bucket=copy, Key="parts", PartNumber=2)["Body"].read() == b"q"
    completed(s3, source, "own", **secret)
    assert s3.get_object(Bucket=copy, Key="own", **secret)["Body"].read() == b"own"


def test_keys_of_kms(cloud: LiveCloud, s3: Any, far: Any, source: str, copy: str, role: str) -> None:
    """Only where the rule says so, under the rule's key, and only if the role may use both keys; bytes stay sealed."""
    ours = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    theirs = cloud.client("kms", region_name=FAR).create_key()["KeyMetadata"]["Arn"]
    kms = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": ours,
        "SSEKMSEncryptionContext": b64encode(b'{"a":"b"}').decode(),
    }
    replicate(s3, source, role, rule(copy))
    s3.put_object(Bucket=source, Key="left", Body=b"0", **kms)
    assert status(s3, source, "left") == ""
    enabled = {"SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}}}
    replicate(
        s3, source, role, rule(copy, Destination={"EncryptionConfiguration": {"ReplicaKmsKeyID": theirs}}, **enabled)
    )
    for key, body in (("a", b"1"), ("large", b"2" * 1_000_000)):
        s3.put_object(Bucket=source, Key=key, Body=body, **kms)
    failures = cloud.output().count("is due again")
    wait_until(lambda: cloud.output().count("is due again") > failures, "the role may not use the keys")
    assert history(far, copy) == []
    allow(cloud, role, [*ALL, "kms:Decrypt", "kms:Encrypt"])
    for key, body in (("a", b"1"), ("large", b"2" * 1_000_000)):
        completed(s3, source, key)
        found = far.get_object(Bucket=copy, Key=key)
        assert found["SSEKMSKeyId"] == theirs
        assert found["Body"].read() == body
    cloud.client("kms").disable_key(KeyId=ours)
    assert far.get_object(Bucket=copy, Key="a")["Body"].read() == b"1"


def test_configuration(s3: Any, far: Any, source: str, copy: str, role: str) -> None:
    """Shown as it was set; removed; versioning cannot be suspended meanwhile."""
    with refused("ReplicationConfigurationNotFoundError", 404):
        s3.get_bucket_replication(Bucket=source)
    full = rule(
        copy,
        Filter={"And": {"Prefix": "a", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": ""}]}},
        DeleteMarkerReplication={"Status": "Disabled"},
        ExistingObjectReplication={"Status": "Disabled"},
        SourceSelectionCriteria={
            "SseKmsEncryptedObjects": {"Status": "Enabled"},
            "ReplicaModifications": {"Status": "Disabled"},
        },
        Destination={
            "Account": "000000000000",
            "StorageClass": "GLACIER_IR",
            "AccessControlTranslation": {"Owner": "Destination"},
            "EncryptionConfiguration": {"ReplicaKmsKeyID": f"arn:aws:kms:{FAR}:000000000000:key/x"},
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
        },
    )
    old = {"ID": "old", "Status": "Enabled", "Prefix": "x", "Destination": {"Bucket": f"arn:aws:s3:::{copy}"}}
    for one in (
        full,
        old,
        rule(copy, Filter={"Tag": {"Key": "a", "Value": "b"}}, DeleteMarkerReplication={"Status": "Disabled"}),
    ):
        replicate(s3, source, role, one)
        found = s3.get_bucket_replication(Bucket=source)["ReplicationConfiguration"]
        assert found == {"Role": role, "Rules": [one]}
    with refused("InvalidBucketState", 409):
        s3.put_bucket_versioning(Bucket=source, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_replication(Bucket=source)
    with refused("ReplicationConfigurationNotFoundError", 404):
        s3.get_bucket_replication(Bucket=source)
