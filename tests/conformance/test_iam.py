"""IAM through boto3: what people do with it, and that it holds on every request."""

import json
import os
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError

from live import LiveCloud
from refusals import refused

READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:Get*", "Resource": "*"}]}
LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}],
}
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def iam(cloud):
    return cloud.client("iam")


@pytest.fixture
def user(iam, unique):
    """A new user's name and access key."""
    name = unique("user")
    iam.create_user(UserName=name)
    return name, iam.create_access_key(UserName=name)["AccessKey"]


def test_a_users_life(iam, unique):
    """Made, found, renamed, deleted; errors carry AWS's code, status and words."""
    name = unique("user")
    made = iam.create_user(UserName=name, Path="/team/", Tags=[{"Key": "a", "Value": "b"}])["User"]
    assert made["Arn"].endswith(f":user/team/{name}")
    shown = iam.get_user(UserName=name)["User"]
    assert (shown["CreateDate"], shown["Tags"]) == (made["CreateDate"], [{"Key": "a", "Value": "b"}])
    with refused("EntityAlreadyExists", 409) as failed:
        iam.create_user(UserName=name)
    assert failed.response["Error"]["Type"] == "Sender"
    iam.update_user(UserName=name, NewUserName=name + "2")
    with refused("NoSuchEntity", 404) as failed:
        iam.get_user(UserName=name)
    assert failed.message == f"The user with name {name} cannot be found."
    assert iam.delete_user(UserName=name + "2")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_documents_come_back_as_objects(iam, unique):
    """boto3 decodes them: inline and managed policies, trust policies."""
    name = unique("x")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(LAMBDA))["Role"]
    assert role["AssumeRolePolicyDocument"] == LAMBDA
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(READ))
    assert iam.get_role_policy(RoleName=name, PolicyName="p")["PolicyDocument"] == READ
    arn = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(READ))["Policy"]["Arn"]
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"] == READ
    details = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    assert [one["AssumeRolePolicyDocument"] for one in details if one["RoleName"] == name] == [LAMBDA]


def test_paginators_see_everything_once(iam, unique):
    """Marker and IsTruncated drive boto3's paginators."""
    prefix = f"/{unique('path')}/"
    names = sorted(unique("user") for _ in range(5))
    for name in names:
        iam.create_user(UserName=name, Path=prefix)
    pages = iam.get_paginator("list_users").paginate(PathPrefix=prefix, PaginationConfig={"PageSize": 2})
    assert [one["UserName"] for page in pages for one in page["Users"]] == names


def test_the_model_is_enforced(iam):
    """Names outside the model's pattern are refused before anything is looked at."""
    with refused("ValidationError", 400) as failed:
        iam.create_user(UserName="no/slash")
    assert "failed to satisfy constraint" in failed.message
    with refused("ValidationError", 400):
        iam.put_user_policy(UserName="x", PolicyName="p", PolicyDocument="ሴ")


def test_a_new_user_may_nothing(cloud, iam, user):
    """Until a policy allows it; then exactly that."""
    name, key = user
    own = cloud.client_of("iam", key)
    with refused("AccessDenied", 403) as failed:
        own.get_user(UserName=name)
    arn = f"arn:aws:iam::{cloud.account}:user/{name}"
    expected = f"User: {arn} is not authorized to perform: iam:GetUser on resource: {arn} because no identity-based policy allows the iam:GetUser action"
    assert failed.message == expected
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(READ))
    assert own.get_user()["User"]["UserName"] == name
    with pytest.raises(ClientError):
        own.list_users()
    iam.attach_user_policy(UserName=name, PolicyArn=ADMIN)
    assert own.list_users()["Users"]


def test_keys_are_checked(cloud, iam, user):
    """A wrong secret, an inactive key, a deleted key: refused with AWS's codes."""
    name, key = user
    iam.attach_user_policy(UserName=name, PolicyArn=ADMIN)
    with refused("SignatureDoesNotMatch", 403):
        cloud.client_of("iam", {**key, "SecretAccessKey": "x" * 40}).get_user()
    own = cloud.client_of("iam", key)
    own.get_user()
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with refused("InvalidClientTokenId", 403):
        own.get_user()
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    own.get_user()
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    with refused("InvalidClientTokenId", 403):
        own.get_user()


def test_other_services_ask_too(cloud, iam, user, unique):
    """A bucket that a user may list is no bucket that it may write to."""
    name, key = user
    bucket = unique("bucket")
    cloud.client("s3").create_bucket(Bucket=bucket)
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}],
    }
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    s3 = cloud.client_of("s3", key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with refused("AccessDenied", 403) as failed:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert f'is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::{bucket}/k"' in failed.message


def test_malformed_policies_are_refused(iam, unique):
    """With IAM's words."""
    name = unique("role")
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException, match=r"Syntax errors in policy\."):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{")
    narrowed = {**LAMBDA, "Statement": [{**LAMBDA["Statement"][0], "Resource": "*"}]}
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException, match="Has prohibited field Resource"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(narrowed))


def test_what_is_not_built_says_so(iam, user):
    """501, naming the operation."""
    with refused("NotImplemented", 501) as failed:
        iam.create_login_profile(UserName=user[0], Password="secret-enough")
    assert "CreateLoginProfile" in failed.message


def test_the_simulator(iam, user):
    """As `aws iam simulate-principal-policy` shows it."""
    name, _ = user
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(READ))
    arn = iam.get_user(UserName=name)["User"]["Arn"]
    results = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["iam:GetUser", "iam:CreateUser"])[
        "EvaluationResults"
    ]
    assert [(one["EvalActionName"], one["EvalDecision"]) for one in results] == [
        ("iam:GetUser", "allowed"),
        ("iam:CreateUser", "implicitDeny"),
    ]


def test_the_command_line_of_aws(cloud, unique):
    """`aws iam create-user`, unchanged."""
    name = unique("user")
    environment = {
        **os.environ, "AWS_ENDPOINT_URL": cloud.endpoint, "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key, "AWS_DEFAULT_REGION": cloud.region, "AWS_PAGER": "",
    }  # fmt: skip
    command = [
        sys.executable,
        "-m",
        "awscli",
        "iam",
        "create-user",
        "--user-name",
        name,
        "--query",
        "User.Arn",
        "--output",
        "text",
    ]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.strip() == f"arn:aws:iam::{cloud.account}:user/{name}"


def test_last_use_survives_a_restart(tmp_path):
    """What was used before the cloud stopped is known after it started again."""
    with LiveCloud(tmp_path) as cloud:
        iam = cloud.client("iam")
        iam.create_user(UserName="bob")
        key = iam.create_access_key(UserName="bob")["AccessKey"]
        cloud.client_of("sts", key).get_caller_identity()
        cloud.stop()
        cloud.start()
        last = cloud.client("iam").get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
        assert (last["UserName"], last["AccessKeyLastUsed"]["ServiceName"]) == ("bob", "sts")
