"""IAM through boto3: what people do with it, and that it holds on every request."""

import json
import os
import subprocess
import sys

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from live import LiveCloud

READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:Get*", "Resource": "*"}]}
LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}],
}
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def iam(cloud):
    return cloud.client("iam")


def code(failed):
    error = failed.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]


def client_of(cloud, service, key):
    """A client with other credentials than the root's, that sends what it is told."""
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


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
    with pytest.raises(ClientError) as failed:
        iam.create_user(UserName=name)
    assert code(failed) == ("EntityAlreadyExists", 409)
    assert failed.value.response["Error"]["Type"] == "Sender"
    iam.update_user(UserName=name, NewUserName=name + "2")
    with pytest.raises(iam.exceptions.NoSuchEntityException) as failed:
        iam.get_user(UserName=name)
    assert code(failed) == ("NoSuchEntity", 404)
    assert failed.value.response["Error"]["Message"] == f"The user with name {name} cannot be found."
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
    with pytest.raises(ClientError) as failed:
        iam.create_user(UserName="no/slash")
    assert code(failed) == ("ValidationError", 400)
    assert "failed to satisfy constraint" in failed.value.response["Error"]["Message"]
    with pytest.raises(ClientError) as failed:
        iam.put_user_policy(UserName="x", PolicyName="p", PolicyDocument="ሴ")
    assert code(failed) == ("ValidationError", 400)


def test_a_new_user_may_nothing(cloud, iam, user):
    """Until a policy allows it; then exactly that."""
    name, key = user
    own = client_of(cloud, "iam", key)
    with pytest.raises(ClientError) as failed:
        own.get_user(UserName=name)
    assert code(failed) == ("AccessDenied", 403)
    arn = f"arn:aws:iam::{cloud.account}:user/{name}"
    expected = f"User: {arn} is not authorized to perform: iam:GetUser on resource: {arn} because no identity-based policy allows the iam:GetUser action"
    assert failed.value.response["Error"]["Message"] == expected
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
    with pytest.raises(ClientError) as failed:
        client_of(cloud, "iam", {**key, "SecretAccessKey": "x" * 40}).get_user()
    assert code(failed) == ("SignatureDoesNotMatch", 403)
    own = client_of(cloud, "iam", key)
    own.get_user()
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError) as failed:
        own.get_user()
    assert code(failed) == ("InvalidClientTokenId", 403)
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Active")
    own.get_user()
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    with pytest.raises(ClientError) as failed:
        own.get_user()
    assert code(failed) == ("InvalidClientTokenId", 403)


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
    s3 = client_of(cloud, "s3", key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    with pytest.raises(ClientError) as failed:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert code(failed) == ("AccessDenied", 403)
    assert (
        f'is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::{bucket}/k"'
        in failed.value.response["Error"]["Message"]
    )


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
    with pytest.raises(ClientError) as failed:
        iam.create_login_profile(UserName=user[0], Password="secret-enough")
    assert code(failed) == ("NotImplemented", 501)
    assert "CreateLoginProfile" in failed.value.response["Error"]["Message"]


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
        client_of(cloud, "sts", key).get_caller_identity()
        cloud.stop()
        cloud.start()
        last = cloud.client("iam").get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
        assert (last["UserName"], last["AccessKeyLastUsed"]["ServiceName"]) == ("bob", "sts")
