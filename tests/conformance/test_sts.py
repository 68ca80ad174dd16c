"""STS through boto3: sessions that work on every service, end, and can do no more than they should."""

import json
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from refusals import refused


@pytest.fixture
def user(cloud, unique):
    """A new user's ARN and access key."""
    iam, name = cloud.client("iam"), unique("user")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    return arn, iam.create_access_key(UserName=name)["AccessKey"]


@pytest.fixture
def role(cloud, unique, user):
    """The ARN of a role that the user may assume and that may list buckets."""
    iam, name = cloud.client("iam"), unique("role")
    trust = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": user[0]}},
    }
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    return arn


def test_who_am_i(cloud, user):
    """The root, and a user without any permission."""
    shown = cloud.client("sts").get_caller_identity()
    assert (shown["Account"], shown["Arn"]) == (cloud.account, f"arn:aws:iam::{cloud.account}:root")
    assert cloud.client_of("sts", user[1]).get_caller_identity()["Arn"] == user[0]


def test_an_assumed_role_works(cloud, user, role, unique):
    """Its credentials sign for every service, with the role's permissions."""
    made = cloud.client_of("sts", user[1]).assume_role(RoleArn=role, RoleSessionName="work")
    name = role.rpartition("/")[2]
    assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{cloud.account}:assumed-role/{name}/work"
    left = (made["Credentials"]["Expiration"] - datetime.now(UTC)).total_seconds()
    assert 3500 < left <= 3600
    session = made["Credentials"]
    assert cloud.client_of("sts", session).get_caller_identity()["Arn"] == made["AssumedRoleUser"]["Arn"]
    assert "Buckets" in cloud.client_of("s3", session).list_buckets()
    with refused("AccessDenied", 403):
        cloud.client_of("s3", session).create_bucket(Bucket=unique("bucket"))


def test_who_is_not_trusted(cloud, role):
    """The root, by rule; another user, for want of trust."""
    with refused("AccessDenied", 403) as failed:
        cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="s1")
    assert "Roles may not be assumed by root accounts" in failed.message


def test_a_token_cannot_be_changed(cloud, user, role):
    """Neither left out, nor damaged, nor exchanged; a temporary secret signs only for its own key."""
    session = cloud.client_of("sts", user[1]).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    other = cloud.client_of("sts", user[1]).assume_role(RoleArn=role, RoleSessionName="s2")["Credentials"]
    for forged in (
        {**session, "SessionToken": None},
        {**session, "SessionToken": session["SessionToken"][:-4] + "AAAA"},
        {**session, "SessionToken": other["SessionToken"]},
    ):
        with refused("InvalidClientTokenId", 403):
            cloud.client_of("sts", forged).get_caller_identity()
    with refused("SignatureDoesNotMatch", 403):
        cloud.client_of("sts", {**session, "SecretAccessKey": other["SecretAccessKey"]}).get_caller_identity()


def test_a_session_ends_with_its_role(cloud, user, role):
    """Deleting the role cuts off whoever had assumed it."""
    session = cloud.client_of("sts", user[1]).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    iam, name = cloud.client("iam"), role.rpartition("/")[2]
    cloud.client_of("s3", session).list_buckets()
    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    with refused("AccessDenied", 403):
        cloud.client_of("s3", session).list_buckets()
    iam.delete_role(RoleName=name)
    with refused("InvalidClientTokenId", 403):
        cloud.client_of("sts", session).get_caller_identity()


def test_session_policies_and_tags(cloud, user, role):
    """A policy narrows; tags need permission."""
    sts = cloud.client_of("sts", user[1])
    nothing = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
    )
    made = sts.assume_role(RoleArn=role, RoleSessionName="s1", Policy=nothing)
    assert made["PackedPolicySize"] > 0
    with refused("AccessDenied", 403):
        cloud.client_of("s3", made["Credentials"]).list_buckets()
    with pytest.raises(ClientError, match="sts:TagSession"):
        sts.assume_role(RoleArn=role, RoleSessionName="s1", Tags=[{"Key": "a", "Value": "b"}])


def test_limits_of_the_model_and_of_the_role(cloud, user, role):
    """Durations below fifteen minutes, above the role's maximum; names that are none."""
    sts = cloud.client_of("sts", user[1])
    for more in ({"DurationSeconds": 899}, {"DurationSeconds": 3601}, {"RoleSessionName": "a b"}):
        with refused("ValidationError", 400):
            sts.assume_role(**{"RoleArn": role, "RoleSessionName": "s1", **more})


def test_own_session_token(cloud, user):
    """GetSessionToken is the user again."""
    session = cloud.client_of("sts", user[1]).get_session_token(DurationSeconds=900)["Credentials"]
    assert cloud.client_of("sts", session).get_caller_identity()["Arn"] == user[0]


def test_what_is_not_built_says_so(cloud):
    """501, naming the operation."""
    with refused("NotImplemented", 501):
        cloud.client("sts").get_federation_token(Name="somebody")
