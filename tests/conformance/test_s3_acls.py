"""Access control lists and object ownership, over HTTP: two accounts, the anonymous, and what policies add."""

from __future__ import annotations

import json
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from live import LiveCloud, Unique
from refusals import refused
from s3kit import Raw, code_of, digest

OTHER_KEY, OTHER_SECRET = "PILVITESTOTHERKEY001", "a-secret-that-only-the-other-account-knows"
EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
UNTYPED = (
    b"<AccessControlPolicy><Owner><ID>a</ID></Owner><AccessControlList><Grant><Grantee/></Grant></AccessControlList>"
    b"</AccessControlPolicy>"
)
AUTHENTICATED = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    """A cloud that knows a second account."""
    key = f"111111111111:other:{OTHER_KEY}:{OTHER_SECRET}"
    with LiveCloud(tmp_path_factory.mktemp("acls"), "--user-key", key) as running:
        yield running


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def other(cloud: LiveCloud) -> Any:
    """A client of the other account."""
    return cloud.client("s3", aws_access_key_id=OTHER_KEY, aws_secret_access_key=OTHER_SECRET)


@pytest.fixture(scope="module")
def anonymous(cloud: LiveCloud) -> Any:
    return cloud.client("s3", config=Config(signature_version=UNSIGNED))


@pytest.fixture(scope="module")
def other_id(other: Any) -> str:
    found: str = other.list_buckets()["Owner"]["ID"]
    return found


@pytest.fixture(scope="module")
def own_id(s3: Any) -> str:
    found: str = s3.list_buckets()["Owner"]["ID"]
    return found


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> str:
    """A bucket in which lists count, with nothing against the public."""
    name = unique("lists")
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket=name)
    return name


def group(uri: str, permission: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission}


def user(canonical: str, permission: str) -> dict[str, Any]:
    return {"Grantee": {"Type": "CanonicalUser", "ID": canonical}, "Permission": permission}


def test_lists_are_set_and_shown_in_every_way(s3: Any, bucket: str, own_id: str, other_id: str) -> None:
    """A canned name, headers, and a document; what is shown can be given back as it is."""
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == [user(own_id, "FULL_CONTROL")]
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    everybody = [group(EVERYBODY, "READ"), group(EVERYBODY, "WRITE"), user(own_id, "FULL_CONTROL")]
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"] == everybody
    s3.put_bucket_acl(Bucket=bucket, GrantRead=f'uri="{AUTHENTICATED}"', GrantWriteACP=f'id="{other_id}"')
    shown = s3.get_bucket_acl(Bucket=bucket)
    assert shown["Grants"] == [group(AUTHENTICATED, "READ"), user(other_id, "WRITE_ACP")]
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    document = {"Owner": shown["Owner"], "Grants": [*shown["Grants"], user(own_id, "FULL_CONTROL")]}
    s3.put_object_acl(Bucket=bucket, Key="k", AccessControlPolicy=document)
    found = s3.get_object_acl(Bucket=bucket, Key="k")
    assert {name: found[name] for name in ("Owner", "Grants")} == document


def test_public_objects_are_read_by_anyone(cloud: LiveCloud, s3: Any, anonymous: Any, other: Any, bucket: str) -> None:
    """By address, without a signature, and by other accounts; private ones beside them are not."""
    s3.put_object(Bucket=bucket, Key="open", Body=b"open", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="closed", Body=b"closed")
    with urllib.request.urlopen(f"{cloud.endpoint}/{bucket}/open", timeout=10) as answer:
        assert answer.read() == b"open"
    for client in (anonymous, other):
        assert client.get_object(Bucket=bucket, Key="open")["Body"].read() == b"open"
        assert client.head_object(Bucket=bucket, Key="open")["ContentLength"] == 4
        with refused("AccessDenied", 403):
            client.get_object(Bucket=bucket, Key="closed")
        with refused("AccessDenied", 403):
            client.get_object(Bucket=bucket, Key="absent")
        with refused("AccessDenied", 403):
            client.list_objects_v2(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    assert [entry["Key"] for entry in anonymous.list_objects_v2(Bucket=bucket)["Contents"]] == ["closed", "open"]
    with refused("NoSuchKey", 404):
        anonymous.get_object(Bucket=bucket, Key="absent")


def test_what_others_write_is_theirs(s3: Any, other: Any, bucket: str, own_id: str, other_id: str) -> None:
    """The bucket's owner cannot read it until granted, can delete it; listings name its owner."""
    with refused("AccessDenied", 403):
        other.put_object(Bucket=bucket, Key="theirs", Body=b"theirs")
    s3.put_bucket_acl(Bucket=bucket, GrantFullControl=f"id={own_id}", GrantWrite=f"id={other_id}")
    other.put_object(Bucket=bucket, Key="theirs", Body=b"theirs")
    owners = {entry["Key"]: entry["Owner"]["ID"] for entry in s3.list_objects(Bucket=bucket)["Contents"]}
    assert owners == {"theirs": other_id}
    with refused("AccessDenied", 403):
        s3.get_object(Bucket=bucket, Key="theirs")
    with refused("AccessDenied", 403):
        s3.copy_object(Bucket=bucket, Key="mine", CopySource=f"{bucket}/theirs")
    other.put_object_acl(Bucket=bucket, Key="theirs", ACL="bucket-owner-full-control")
    assert s3.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"theirs"
    assert s3.get_object_acl(Bucket=bucket, Key="theirs")["Owner"]["ID"] == other_id
    s3.delete_object(Bucket=bucket, Key="theirs")


def test_preferred_ownership_takes_what_is_given(s3: Any, other: Any, bucket: str, own_id: str, other_id: str) -> None:
    """bucket-owner-full-control gives an object to the bucket's owner; a policy can demand it."""
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == rules
    given = {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}
    statement = {
        "Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": given,
    }  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    with refused("AccessDenied", 403):
        other.put_object(Bucket=bucket, Key="k", Body=b"x")
    other.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"] == [user(own_id, "FULL_CONTROL")]
    with refused("AccessDenied", 403):
        other.get_object(Bucket=bucket, Key="k")


def test_where_the_bucket_owns_everything(s3: Any, unique: Unique) -> None:
    """Today's buckets refuse lists but the one that changes nothing, and say so with their own codes."""
    name = unique("enforced")
    for acl in ("public-read", "authenticated-read"):
        with refused("InvalidBucketAclWithObjectOwnership", 400):
            s3.create_bucket(Bucket=name, ACL=acl)
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    for call, more in (
        (s3.put_object, {"Key": "k", "ACL": "private"}),
        (s3.create_multipart_upload, {"Key": "k", "ACL": "public-read"}),
        (s3.copy_object, {"Key": "k2", "CopySource": f"{name}/k", "ACL": "public-read"}),
        (s3.put_object_acl, {"Key": "k", "ACL": "private"}),
        (s3.put_bucket_acl, {"ACL": "private"}),
    ):
        with refused("AccessControlListNotSupported", 400):
            call(Bucket=name, **more)
    s3.delete_bucket_ownership_controls(Bucket=name)
    with refused("OwnershipControlsNotFoundError", 404):
        s3.get_bucket_ownership_controls(Bucket=name)
    s3.put_bucket_acl(Bucket=name, ACL="private")


def test_the_public_is_kept_out(s3: Any, anonymous: Any, bucket: str) -> None:
    """BlockPublicAcls refuses new public lists, IgnorePublicAcls forgets old ones."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    configuration = {"BlockPublicAcls": True, "IgnorePublicAcls": False}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=configuration)
    with refused("AccessDenied", 403):
        s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read")
    with refused("AccessDenied", 403):
        s3.put_bucket_acl(Bucket=bucket, ACL="authenticated-read")
    assert anonymous.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    configuration["IgnorePublicAcls"] = True
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=configuration)
    with refused("AccessDenied", 403):
        anonymous.get_object(Bucket=bucket, Key="k")


def test_lists_that_cannot_be(s3: Any, bucket: str, own_id: str) -> None:
    """Each in S3's own words."""
    with refused("InvalidArgument", 400) as denial:
        s3.put_bucket_acl(Bucket=bucket, GrantRead='id="nobody"')
    assert denial.message == "Invalid id"
    assert denial.response["Error"]["ArgumentValue"] == "nobody"
    with refused("UnresolvableGrantByEmailAddress", 400):
        s3.put_bucket_acl(Bucket=bucket, GrantRead="emailAddress=nobody@example.com")
    with refused("InvalidRequest", 400):
        s3.put_bucket_acl(Bucket=bucket, ACL="private", GrantRead=f"id={own_id}")
    with refused("AccessDenied", 403):
        s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": {"ID": "f" * 64}, "Grants": []})
    with refused("NoSuchKey", 404):
        s3.put_object_acl(Bucket=bucket, Key="absent", ACL="private")


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"", {}, "MissingSecurityHeader"),
        (b"<nonsense", {}, "MalformedACLError"),
        (b"<Nonsense/>", {}, "MalformedACLError"),
        (b"<AccessControlPolicy/>", {}, "MalformedACLError"),
        (
            UNTYPED,
            {},
            "MalformedACLError",
        ),
        (b"", {"x-amz-acl": "nonsense"}, "InvalidArgument"),
    ],
)
def test_raw_requests(cloud: LiveCloud, bucket: str, body: bytes, headers: dict[str, str], code: str) -> None:
    """What SDKs would not send: documents that are none, and requests that say nothing."""
    if body:
        headers = {**headers, "Content-MD5": b64encode(digest("md5", body)).decode()}
    status, _, answer = Raw(cloud.endpoint, cloud.access_key, cloud.secret_key)("PUT", f"/{bucket}?acl", body, headers)
    assert (status, code_of(answer)) == (400, code)


def test_the_block_of_a_whole_account_is_not_built(cloud: LiveCloud) -> None:
    """S3 Control says so, and pretends nothing."""
    raw, account = Raw(cloud.endpoint, cloud.access_key, cloud.secret_key), {"x-amz-account-id": cloud.account}
    for method in ("GET", "PUT", "DELETE"):
        status, _, answer = raw(method, "/v20180820/configuration/publicAccessBlock", b"", account)
        assert status == 501
        assert b"<Code>NotImplemented</Code>" in answer
