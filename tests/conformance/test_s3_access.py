"""Who may do what in S3: users, roles' policies, bucket policies, strangers, presigned addresses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config

from live import LiveCloud, Unique
from refusals import refused
from s3kit import Raw, code_of


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    yield name
    s3.delete_bucket_policy(Bucket=name)
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def stranger(cloud: LiveCloud) -> Any:
    """A client without credentials."""
    return cloud.client("s3", config=Config(signature_version=UNSIGNED))


def allow(action: str | list[str], resource: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def user(cloud: LiveCloud, unique: Unique, *statements: dict[str, Any]) -> tuple[Any, str]:
    """An S3 client of a new user with this policy, and the user's ARN."""
    iam, name = cloud.client("iam"), unique("user")
    made = iam.create_user(UserName=name)["User"]
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    client = cloud.client("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    return client, made["Arn"]


def arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def test_users_without_a_policy_may_nothing(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """Every operation, including on keys that do not exist, is AccessDenied; HEAD says 403."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    nobody, name = user(cloud, unique)
    for call in (
        lambda: nobody.get_object(Bucket=bucket, Key="a"),
        lambda: nobody.get_object(Bucket=bucket, Key="absent"),
        lambda: nobody.put_object(Bucket=bucket, Key="a", Body=b"y"),
        lambda: nobody.delete_object(Bucket=bucket, Key="a"),
        lambda: nobody.list_objects_v2(Bucket=bucket),
        nobody.list_buckets,
        lambda: nobody.create_bucket(Bucket=unique("no")),
        lambda: nobody.delete_bucket(Bucket=bucket),
        lambda: nobody.get_bucket_policy(Bucket=bucket),
        lambda: nobody.create_multipart_upload(Bucket=bucket, Key="a"),
        lambda: nobody.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a"),
    ):
        with refused("AccessDenied", 403) as denial:
            call()
        assert name in denial.response["Error"]["Message"]
    for call in (lambda: nobody.head_object(Bucket=bucket, Key="a"), lambda: nobody.head_bucket(Bucket=bucket)):
        with refused("403", 403):
            call()
    answer = nobody.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}]})
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"]
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_a_refused_upload_is_not_read(cloud: LiveCloud, bucket: str, unique: Unique) -> None:
    """A body of many megabytes from somebody who may not is answered without a blob."""
    nobody, _ = user(cloud, unique)
    before = {path for path in cloud.data.rglob("*") if path.is_file() and path.stat().st_size >= 16 * 1024**2}
    with refused("AccessDenied", 403):
        nobody.put_object(Bucket=bucket, Key="a", Body=b"x" * 32 * 1024**2)
    after = {path for path in cloud.data.rglob("*") if path.is_file() and path.stat().st_size >= 16 * 1024**2}
    assert after == before


def test_user_policies(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """Actions, resources and conditions of the user's own policy."""
    for key in ("home/a", "other/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    client, _ = user(
        cloud,
        unique,
        allow("s3:GetObject", arn(bucket, "home/*")),
        allow("s3:ListBucket", arn(bucket), Condition={"StringLike": {"s3:prefix": "home/*"}}),
    )
    assert client.get_object(Bucket=bucket, Key="home/a")["Body"].read() == b"x"
    assert client.list_objects_v2(Bucket=bucket, Prefix="home/")["KeyCount"] == 1
    for call in (
        lambda: client.get_object(Bucket=bucket, Key="other/b"),
        lambda: client.list_objects_v2(Bucket=bucket),
        lambda: client.list_objects_v2(Bucket=bucket, Prefix="other/"),
        lambda: client.put_object(Bucket=bucket, Key="home/a", Body=b"y"),
        lambda: client.get_object_tagging(Bucket=bucket, Key="home/a"),
    ):
        with refused("AccessDenied", 403):
            call()


def test_missing_keys_are_a_secret(cloud: LiveCloud, bucket: str, unique: Unique) -> None:
    """404 for those who may list the bucket, 403 for those who may only read objects."""
    reader, _ = user(cloud, unique, allow("s3:GetObject", arn(bucket, "*")))
    with refused("AccessDenied", 403):
        reader.get_object(Bucket=bucket, Key="absent")
    with refused("403", 403):
        reader.head_object(Bucket=bucket, Key="absent")
    lister, _ = user(cloud, unique, allow(["s3:GetObject", "s3:ListBucket"], [arn(bucket), arn(bucket, "*")]))
    with refused("NoSuchKey", 404):
        lister.get_object(Bucket=bucket, Key="absent")


def test_tags_decide(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """Conditions on an object's tags, and on those of a request."""
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="class=open")
    s3.put_object(Bucket=bucket, Key="secret", Body=b"x", Tagging="class=secret")
    client, _ = user(
        cloud,
        unique,
        allow("s3:GetObject", arn(bucket, "*"), Condition={"StringEquals": {"s3:ExistingObjectTag/class": "open"}}),
        allow("s3:PutObject", arn(bucket, "*")),
        allow(
            "s3:PutObjectTagging", arn(bucket, "*"), Condition={"StringEquals": {"s3:RequestObjectTag/class": "open"}}
        ),
    )
    assert client.get_object(Bucket=bucket, Key="open")["Body"].read() == b"x"
    with refused("AccessDenied", 403):
        client.get_object(Bucket=bucket, Key="secret")
    client.put_object(Bucket=bucket, Key="new", Body=b"x", Tagging="class=open")
    with refused("AccessDenied", 403):
        client.put_object(Bucket=bucket, Key="new", Body=b"x", Tagging="class=secret")


def test_batches_are_judged_key_by_key(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """What may be deleted is, what may not is named."""
    for key in ("mine/a", "theirs/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    client, _ = user(cloud, unique, allow("s3:DeleteObject", arn(bucket, "mine/*")))
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "mine/a"}, {"Key": "theirs/b"}]})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["mine/a"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("theirs/b", "AccessDenied")]


def test_copies_need_both_sides(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """Reading the source and writing the target."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    for action in ("s3:GetObject", "s3:PutObject"):
        half, _ = user(cloud, unique, allow(action, arn(bucket, "*")))
        with refused("AccessDenied", 403):
            half.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    both, _ = user(cloud, unique, allow(["s3:GetObject", "s3:PutObject"], arn(bucket, "*")))
    both.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")


def test_bucket_policies(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """They let in who has no policy, and an explicit deny beats everything but the owner's way back."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    client, name = user(cloud, unique)
    s3.put_bucket_policy(
        Bucket=bucket, Policy=document(allow("s3:GetObject", arn(bucket, "*"), Principal={"AWS": name}))
    )
    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    everything = {"Effect": "Deny", "Action": "s3:*", "Resource": [arn(bucket), arn(bucket, "*")], "Principal": "*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=document(everything))
    for call in (lambda: s3.get_object(Bucket=bucket, Key="a"), lambda: s3.list_objects_v2(Bucket=bucket)):
        with refused("AccessDenied", 403):
            call()
    s3.delete_bucket_policy(Bucket=bucket)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"


def test_the_public(s3: Any, stranger: Any, bucket: str) -> None:
    """Strangers may nothing, until the block is lifted and a policy lets them; still only what it says."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    with refused("AccessDenied", 403):
        stranger.get_object(Bucket=bucket, Key="a")
    public = document(allow("s3:GetObject", arn(bucket, "*"), Principal="*"))
    with refused("AccessDenied", 403):
        s3.put_bucket_policy(Bucket=bucket, Policy=public)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert stranger.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    for call in (
        lambda: stranger.get_object(Bucket=bucket, Key="absent"),
        lambda: stranger.put_object(Bucket=bucket, Key="a", Body=b"y"),
        lambda: stranger.list_objects_v2(Bucket=bucket),
        stranger.list_buckets,
    ):
        with refused("AccessDenied", 403):
            call()
    with refused("InvalidRequest", 400):
        stranger.get_object(Bucket=bucket, Key="a", ResponseContentType="text/html")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    with refused("AccessDenied", 403):
        stranger.get_object(Bucket=bucket, Key="a")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_addresses(cloud: LiveCloud, bucket: str, version: str) -> None:
    """GET and PUT without SDK or key; changed, they are refused."""
    signer = cloud.client("s3", config=Config(signature_version=version))
    send = Raw(cloud.endpoint)

    def presigned(operation: str, **parameters: str) -> str:
        address = signer.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": "dir/a b", **parameters})
        assert address.startswith(cloud.endpoint)
        return str(address.removeprefix(cloud.endpoint))

    assert send("PUT", presigned("put_object"), b"presigned")[0] == 200
    get = presigned("get_object", ResponseContentType="text/x", ResponseCacheControl="no-store")
    status, headers, body = send("GET", get)
    assert (status, body) == (200, b"presigned")
    assert (headers["content-type"], headers["cache-control"]) == ("text/x", "no-store")
    status, _, body = send("GET", get.replace("a%20b", "a%20c"))
    assert (status, code_of(body)) == (403, "SignatureDoesNotMatch")
    assert send("DELETE", get)[0] == 403


def test_role_sessions(cloud: LiveCloud, s3: Any, bucket: str, unique: Unique) -> None:
    """A session acts with its role's policy, whose variables are the session's."""
    iam, role = cloud.client("iam"), unique("role")
    made = iam.create_user(UserName=unique("user"))["User"]
    key = iam.create_access_key(UserName=made["UserName"])["AccessKey"]
    trust = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": made["Arn"]}})
    target = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    own_folder = allow("s3:PutObject", arn(bucket, "${aws:userid}/*"))
    iam.put_role_policy(RoleName=role, PolicyName="own", PolicyDocument=document(own_folder))
    sts = cloud.client("sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    session = sts.assume_role(RoleArn=target, RoleSessionName="me")
    keys = session["Credentials"]
    client = cloud.client(
        "s3",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    own = session["AssumedRoleUser"]["AssumedRoleId"]
    client.put_object(Bucket=bucket, Key=f"{own}/a", Body=b"x")
    with refused("AccessDenied", 403):
        client.put_object(Bucket=bucket, Key="elsewhere/a", Body=b"x")
