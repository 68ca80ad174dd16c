"""Lambda's functions, versions, permissions and tags over the wire. Nothing here runs user code."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from functions import NOTHING, TRUST_LAMBDA, allow, handler, zip_of
from live import LiveCloud
from refusals import refusal_of


@pytest.fixture
def functions(cloud):
    return cloud.client("lambda", config=Config(parameter_validation=False))


@pytest.fixture(scope="module")
def role(cloud, unique):
    name = unique("role")
    return cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]


@pytest.fixture
def create(functions, role, unique):
    """create(**request) makes a function; all are deleted afterwards."""
    made = []

    def make(**request):
        usual = {
            "FunctionName": unique("fn"),
            "Runtime": "python3.11",
            "Role": role,
            "Handler": "main.handler",
            "Code": {"ZipFile": NOTHING},
        }
        answer = functions.create_function(**{**usual, **request})
        made.append(answer["FunctionName"])
        return answer

    yield make
    for name in made:
        try:
            functions.delete_function(FunctionName=name)
        except functions.exceptions.ResourceNotFoundException:
            continue


# -- create, get, list, delete --------------------------------------------------------------------------------------------


def test_a_function_as_it_is_created(cloud, create, functions, role):
    """Every default is AWS's; what GetFunction says later is the same."""
    made = create()
    name = made["FunctionName"]
    arn = f"arn:aws:lambda:{cloud.region}:{cloud.account}:function:{name}"
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    expected = {
        "FunctionArn": arn,
        "Runtime": "python3.11",
        "Role": role,
        "Handler": "main.handler",
        "CodeSize": len(NOTHING),
        "CodeSha256": base64.b64encode(hashlib.sha256(NOTHING).digest()).decode(),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": "$LATEST",
        "State": "Active",
        "PackageType": "Zip",
        "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    assert {key: made[key] for key in expected} == expected
    assert "Environment" not in made
    assert made["LastModified"].endswith("+0000")
    got = functions.get_function(FunctionName=name)
    assert {key: got["Configuration"][key] for key in expected} == expected
    assert got["Configuration"]["RevisionId"] == made["RevisionId"]
    assert got["Code"]["RepositoryType"] == "S3"
    assert "Tags" not in got
    again = functions.get_function_configuration(FunctionName=name)
    assert {key: again[key] for key in expected} == expected
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)


def test_every_setting_is_kept(create, functions):
    """What is set at creation is what is answered."""
    settings = {
        "Description": "thumbnails",
        "Timeout": 30,
        "MemorySize": 512,
        "Environment": {"Variables": {"BUCKET": "photos", "Mode": "ä"}},
        "EphemeralStorage": {"Size": 1024},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/my/group"},
    }
    made = create(**settings, Tags={"team": "x"})
    assert {key: made[key] for key in settings} == settings
    assert functions.get_function(FunctionName=made["FunctionName"])["Tags"] == {"team": "x"}


def test_inert_members_may_be_there(create):
    """What CDK and Terraform always send, empty, changes nothing and is accepted."""
    create(
        VpcConfig={"SubnetIds": [], "SecurityGroupIds": []},
        Layers=[],
        TracingConfig={"Mode": "PassThrough"},
        DeadLetterConfig={},
        PackageType="Zip",
        KMSKeyArn="",
        SnapStart={"ApplyOn": "None"},
    )


@pytest.mark.parametrize(
    ("member", "request_"),
    [
        ("VpcConfig", {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}),
        ("Layers", {"Layers": ["arn:aws:lambda:us-east-1:000000000000:layer:x:1"]}),
        ("KMSKeyArn", {"KMSKeyArn": "arn:aws:kms:us-east-1:000000000000:key/1"}),
        ("DeadLetterConfig", {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}}),
        ("TracingConfig", {"TracingConfig": {"Mode": "Active"}}),
        ("SnapStart", {"SnapStart": {"ApplyOn": "PublishedVersions"}}),
        ("LogFormat", {"LoggingConfig": {"LogFormat": "JSON"}}),
        (
            "FileSystemConfigs",
            {
                "FileSystemConfigs": [
                    {
                        "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-12345678901234567",
                        "LocalMountPath": "/mnt/a",
                    }
                ]
            },
        ),
        ("PackageType", {"PackageType": "Image", "Code": {"ImageUri": "1.dkr.ecr.us-east-1.amazonaws.com/x:1"}}),
        ("ImageUri", {"Code": {"ImageUri": "1.dkr.ecr.us-east-1.amazonaws.com/x:1"}}),
        ("nodejs22.x", {"Runtime": "nodejs22.x"}),
    ],
)
def test_what_is_not_built_is_never_passed_over(create, member, request_):
    """501, naming the member: nothing that is asked for is silently ignored."""
    with pytest.raises(ClientError) as caught:
        create(**request_)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert member in caught.value.response["Error"]["Message"]


def test_a_name_is_taken_once(create, functions, role):
    """The second creation is a conflict, in AWS's words."""
    name = create()["FunctionName"]
    text = refusal_of(
        "ResourceConflictException",
        functions.create_function,
        409,
        FunctionName=name,
        Runtime="python3.11",
        Role=role,
        Handler="a.b",
        Code={"ZipFile": NOTHING},
    )
    assert text == f"Function already exist: {name}"


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        ({"Runtime": "python9.9"}, "InvalidParameterValueException|ValidationException", "enum value set"),
        ({"Runtime": "python2.7"}, "InvalidParameterValueException", "no longer supported"),
        ({"Code": {}}, "InvalidParameterValueException", "Please provide a source for function code."),
        ({"Code": {"ZipFile": b"not a zip"}}, "InvalidParameterValueException", "Could not unzip uploaded file."),
        ({"Code": {"ZipFile": zip_of({})}}, "InvalidParameterValueException", "non-empty zip"),
        ({"Code": {"ZipFile": NOTHING, "S3Bucket": "bucket", "S3Key": "k"}}, "InvalidParameterValueException", "ZipFile"),
        ({"Code": {"S3Bucket": "no-such-bucket-of-ours", "S3Key": "k"}}, "InvalidParameterValueException", "NoSuchBucket"),
        ({"Timeout": 0}, "ValidationException", "greater than or equal to 1"),
        ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
        ({"MemorySize": 127}, "ValidationException", "greater than or equal to 128"),
        ({"MemorySize": 10241}, "ValidationException", "less than or equal to 10240"),
        ({"EphemeralStorage": {"Size": 511}}, "ValidationException", "greater than or equal to 512"),
        ({"EphemeralStorage": {"Size": 10241}}, "ValidationException", "less than or equal to 10240"),
        ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException", "AWS_REGION"),
        ({"Environment": {"Variables": {"A_": "x" * 4096}}}, "InvalidParameterValueException", "exceeded the 4KB limit"),
        ({"Tags": {f"k{n}": "" for n in range(51)}}, "InvalidParameterValueException", "tag limit"),
        ({"Tags": {"aws:x": ""}}, "InvalidParameterValueException", "System tags"),
        ({"FunctionName": "no spaces"}, "ValidationException", "functionName"),
        ({"FunctionName": "x" * 65}, "ValidationException", "functionName"),
        ({"Role": "arn:aws:iam::000000000000:role/none"}, "InvalidParameterValueException", "cannot be assumed"),
    ],
)  # fmt: skip
def test_what_a_function_may_not_be(create, request_, code, text):
    """Each limit, with AWS's code and words; nothing is created."""
    with pytest.raises(ClientError) as caught:
        create(**request_)
    assert caught.value.response["Error"]["Code"] in code.split("|"), caught.value
    assert text in caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_role_must_trust_lambda(cloud, create, unique):
    """A role for another service cannot be assumed by Lambda."""
    trust = TRUST_LAMBDA.replace("lambda.amazonaws.com", "ec2.amazonaws.com")
    role = cloud.client("iam").create_role(RoleName=unique("ec2"), AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    with pytest.raises(ClientError, match="The role defined for the function cannot be assumed by Lambda"):
        create(Role=role)


def test_code_from_s3(cloud, create, functions, unique):
    """A package in a bucket, read as the caller; without permission to read it there is no function."""
    s3 = cloud.client("s3")
    bucket = unique("code")
    s3.create_bucket(Bucket=bucket)
    code = handler("def handler(event, context):\n    return 1\n")
    s3.put_object(Bucket=bucket, Key="code.zip", Body=code)
    made = create(Code={"S3Bucket": bucket, "S3Key": "code.zip"})
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(code).digest()).decode()
    s3.put_object(Bucket=bucket, Key="code.zip", Body=NOTHING)
    updated = functions.update_function_code(FunctionName=made["FunctionName"], S3Bucket=bucket, S3Key="code.zip")
    assert updated["CodeSize"] == len(NOTHING)
    text = refusal_of(
        "InvalidParameterValueException",
        functions.update_function_code,
        FunctionName=made["FunctionName"],
        S3Bucket=bucket,
        S3Key="none.zip",
    )
    assert "S3 Error Code: NoSuchKey" in text


def test_the_code_can_be_downloaded(cloud, create, functions):
    """Code.Location is a link that needs no key; one that is changed opens nothing, and it signs no request."""
    name = create()["FunctionName"]
    link = functions.get_function(FunctionName=name)["Code"]["Location"]
    with urllib.request.urlopen(link, timeout=10) as answer:
        assert answer.read() == NOTHING
    parts = urllib.parse.urlsplit(link)
    query = dict(urllib.parse.parse_qsl(parts.query))
    for member, other in (("proof", "0" * 64), ("token", query["token"][:-4] + "AAAA"), ("key", "ASIAOTHER")):
        changed = parts._replace(query=urllib.parse.urlencode({**query, member: other})).geturl()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(changed, timeout=10)
    thief = cloud.client(
        "lambda",
        aws_access_key_id=query["key"],
        aws_secret_access_key=query["proof"],
        aws_session_token=query["token"],
    )
    with pytest.raises(ClientError, match="signature"):
        thief.list_functions()
    functions.update_function_code(FunctionName=name, ZipFile=handler("handler = len"))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(link, timeout=10)


def test_functions_are_listed_in_pages(create, functions):
    """All functions, by name, without their state; the paginator meets each once."""
    made = sorted(create()["FunctionName"] for _ in range(3))
    pages = functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
    listed = [one for page in pages for one in page["Functions"]]
    names = [one["FunctionName"] for one in listed]
    assert [name for name in names if name in made] == made
    assert names == sorted(names)
    assert all("State" not in one for one in listed)
    everything = functions.list_functions(FunctionVersion="ALL")["Functions"]
    assert any(one["FunctionArn"].endswith(f":{made[0]}:$LATEST") for one in everything)
    refusal_of("InvalidParameterValueException", functions.list_functions, Marker="\x00!")


def test_a_deleted_function_is_gone(create, functions):
    """Deleting answers 204; afterwards everything says that it is not found."""
    name = create()["FunctionName"]
    answer = functions.delete_function(FunctionName=name)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    text = refusal_of("ResourceNotFoundException", functions.get_function, 404, FunctionName=name)
    assert text.startswith("Function not found: arn:aws:lambda:")
    for call in (functions.delete_function, functions.invoke, functions.get_function_configuration):
        refusal_of("ResourceNotFoundException", call, 404, FunctionName=name)


def test_the_forms_of_a_name(cloud, create, functions):
    """Name, partial ARN and full ARN, with and without qualifier, all mean the function."""
    name = create()["FunctionName"]
    arn = f"arn:aws:lambda:{cloud.region}:{cloud.account}:function:{name}"
    for form in (name, f"{cloud.account}:function:{name}", arn):
        assert functions.get_function_configuration(FunctionName=form)["FunctionArn"] == arn
        qualified = functions.get_function_configuration(FunctionName=f"{form}:$LATEST")
        assert qualified["FunctionArn"] == f"{arn}:$LATEST"
    refusal_of(
        "InvalidParameterValueException",
        functions.get_function,
        FunctionName=f"{name}:1",
        Qualifier="2",
    )
    elsewhere = arn.replace(cloud.region, "eu-west-1")
    text = refusal_of("ResourceNotFoundException", functions.get_function, 404, FunctionName=elsewhere)
    assert "eu-west-1" in text


def test_functions_of_other_regions_are_other_functions(cloud, create, functions):
    """The same name in another region is nothing here."""
    name = create()["FunctionName"]
    there = cloud.client("lambda", region_name="eu-west-1")
    refusal_of("ResourceNotFoundException", there.get_function, 404, FunctionName=name)


# -- updates --------------------------------------------------------------------------------------------------------------


def test_updates_of_code(create, functions):
    """New bytes, another hash and revision; a dry run changes nothing; an old revision is refused."""
    made = create()
    name = made["FunctionName"]
    code = handler("handler = len")
    dry = functions.update_function_code(FunctionName=name, ZipFile=code, DryRun=True)
    assert dry["CodeSha256"] != made["CodeSha256"]
    assert functions.get_function_configuration(FunctionName=name)["CodeSha256"] == made["CodeSha256"]
    updated = functions.update_function_code(FunctionName=name, ZipFile=code, RevisionId=made["RevisionId"])
    assert updated["CodeSha256"] == dry["CodeSha256"]
    assert updated["RevisionId"] != made["RevisionId"]
    assert updated["LastUpdateStatus"] == "Successful"
    text = refusal_of(
        "PreconditionFailedException",
        functions.update_function_code,
        412,
        FunctionName=name,
        ZipFile=code,
        RevisionId=made["RevisionId"],
    )
    assert "does not match the latest Revision Id" in text


def test_updates_of_configuration(create, functions):
    """Only what is named changes; an environment is replaced as a whole."""
    made = create(Environment={"Variables": {"OLD": "1"}}, Description="d")
    name = made["FunctionName"]
    updated = functions.update_function_configuration(
        FunctionName=name, Timeout=9, Environment={"Variables": {"NEW": "2"}}
    )
    assert (updated["Timeout"], updated["MemorySize"], updated["Description"]) == (9, 128, "d")
    assert updated["Environment"]["Variables"] == {"NEW": "2"}
    assert "Environment" not in functions.update_function_configuration(FunctionName=name, Environment={})
    refusal_of(
        "InvalidParameterValueException",
        functions.update_function_configuration,
        FunctionName=name,
        Role="arn:aws:iam::000000000000:role/none",
    )


# -- versions and aliases --------------------------------------------------------------------------------------------------


def test_versions_are_frozen(create, functions):
    """A version keeps its code; publishing without a change answers the last one; $LATEST goes on."""
    name = create()["FunctionName"]
    first = functions.publish_version(FunctionName=name, Description="one")
    assert (first["Version"], first["Description"]) == ("1", "one")
    assert first["FunctionArn"].endswith(f":{name}:1")
    assert functions.publish_version(FunctionName=name)["Version"] == "1"
    functions.update_function_code(FunctionName=name, ZipFile=handler("handler = len"), Publish=True)
    listed = functions.list_versions_by_function(FunctionName=name)["Versions"]
    assert [one["Version"] for one in listed] == ["$LATEST", "1", "2"]
    assert listed[1]["CodeSha256"] == first["CodeSha256"] != listed[2]["CodeSha256"]
    pages = functions.get_paginator("list_versions_by_function").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    assert [one["Version"] for page in pages for one in page["Versions"]] == ["$LATEST", "1", "2"]
    functions.delete_function(FunctionName=name, Qualifier="1")
    refusal_of("ResourceNotFoundException", functions.get_function, 404, FunctionName=name, Qualifier="1")
    functions.update_function_configuration(FunctionName=name, Timeout=7)
    assert functions.publish_version(FunctionName=name)["Version"] == "3"


def test_aliases_name_versions(create, functions):
    """An alias addresses its version, can be moved, and guards it from deletion."""
    name = create(Publish=True)["FunctionName"]
    made = functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="d")
    assert made["AliasArn"].endswith(f":{name}:live")
    assert functions.get_function(FunctionName=name, Qualifier="live")["Configuration"]["Version"] == "1"
    refusal_of(
        "ResourceConflictException", functions.create_alias, 409, FunctionName=name, Name="live", FunctionVersion="1"
    )
    refusal_of(
        "ResourceNotFoundException", functions.create_alias, 404, FunctionName=name, Name="x", FunctionVersion="9"
    )
    refusal_of("ResourceConflictException", functions.delete_function, 409, FunctionName=name, Qualifier="1")
    moved = functions.update_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    assert (moved["FunctionVersion"], moved["Description"]) == ("$LATEST", "d")
    refusal_of(
        "PreconditionFailedException",
        functions.update_alias,
        412,
        FunctionName=name,
        Name="live",
        RevisionId=made["RevisionId"],
    )
    assert [one["Name"] for one in functions.list_aliases(FunctionName=name)["Aliases"]] == ["live"]
    functions.delete_alias(FunctionName=name, Name="live")
    text = refusal_of("ResourceNotFoundException", functions.get_alias, 404, FunctionName=name, Name="live")
    assert text.startswith("Cannot find alias arn: arn:aws:lambda:")


# -- permissions -----------------------------------------------------------------------------------------------------------


def test_a_permission_is_a_statement(cloud, create, functions):
    """AddPermission answers the statement that AWS forms; GetPolicy the document; removal ends it."""
    made = create()
    name = made["FunctionName"]
    added = functions.add_permission(
        FunctionName=name,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::photos",
        SourceAccount=cloud.account,
    )
    statement = json.loads(added["Statement"])
    assert statement == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": made["FunctionArn"],
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": cloud.account},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::photos"},
        },
    }
    functions.add_permission(FunctionName=name, StatementId="a", Action="lambda:*", Principal="111111111111")
    got = functions.get_policy(FunctionName=name)
    document = json.loads(got["Policy"])
    assert (document["Version"], document["Id"]) == ("2012-10-17", "default")
    assert document["Statement"][0] == statement
    assert document["Statement"][1]["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert got["RevisionId"] == functions.get_function_configuration(FunctionName=name)["RevisionId"]
    refusal_of(
        "ResourceConflictException",
        functions.add_permission,
        409,
        FunctionName=name,
        StatementId="a",
        Action="lambda:*",
        Principal="*",
    )
    refusal_of("ResourceNotFoundException", functions.remove_permission, 404, FunctionName=name, StatementId="none")
    functions.remove_permission(FunctionName=name, StatementId="s3")
    functions.remove_permission(FunctionName=name, StatementId="a")
    text = refusal_of("ResourceNotFoundException", functions.get_policy, 404, FunctionName=name)
    assert text == "The resource you requested does not exist."


def test_passing_a_role_needs_permission(cloud, role, unique):
    """Whoever may create functions may not hand out any role: iam:PassRole is asked for."""
    iam = cloud.client("iam")
    name = unique("user")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("lambda:*"))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    theirs = cloud.client("lambda", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    request = {
        "FunctionName": unique("fn"),
        "Runtime": "python3.11",
        "Role": role,
        "Handler": "a.b",
        "Code": {"ZipFile": NOTHING},
    }
    text = refusal_of("AccessDeniedException", theirs.create_function, 403, **request)
    assert "iam:PassRole" in text
    iam.put_user_policy(UserName=name, PolicyName="pass", PolicyDocument=allow("iam:PassRole", resource=role))
    theirs.create_function(**request)
    theirs.delete_function(FunctionName=request["FunctionName"])


@pytest.fixture(scope="module")
def two_accounts(tmp_path_factory):
    """A cloud of its own in which another account has a user with full access."""
    other = "222222222222:theirs:PILVITESTOTHERKEY001:their-secret-0123456789"
    with LiveCloud(tmp_path_factory.mktemp("accounts"), "--user-key", other) as running:
        yield running


def test_another_account_needs_the_functions_policy(two_accounts):
    """Across accounts both sides must allow; by ARN, and with the resource policy, the function is reachable."""
    iam, ours = two_accounts.client("iam"), two_accounts.client("lambda")
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
    made = ours.create_function(
        FunctionName="fn", Runtime="python3.11", Role=role, Handler="a.b", Code={"ZipFile": NOTHING}
    )
    theirs = two_accounts.client(
        "lambda", aws_access_key_id="PILVITESTOTHERKEY001", aws_secret_access_key="their-secret-0123456789"
    )
    arn = made["FunctionArn"]
    dry = {"FunctionName": arn, "InvocationType": "DryRun"}
    refusal_of("AccessDeniedException", theirs.invoke, 403, **dry)
    ours.add_permission(FunctionName="fn", StatementId="x", Action="lambda:InvokeFunction", Principal="222222222222")
    assert theirs.invoke(**dry)["StatusCode"] == 204
    refusal_of("AccessDeniedException", theirs.get_function, 403, FunctionName=arn)
    refusal_of("ResourceNotFoundException", theirs.invoke, 404, FunctionName="fn", InvocationType="DryRun")
    ours.remove_permission(FunctionName="fn", StatementId="x")
    refusal_of("AccessDeniedException", theirs.invoke, 403, **dry)


# -- tags, events, account --------------------------------------------------------------------------------------------------


def test_tags(create, functions):
    """Tags are merged, removed and listed by the function's ARN."""
    arn = create(Tags={"a": "1"})["FunctionArn"]
    functions.tag_resource(Resource=arn, Tags={"b": "2", "a": "3"})
    assert functions.list_tags(Resource=arn)["Tags"] == {"a": "3", "b": "2"}
    functions.untag_resource(Resource=arn, TagKeys=["a", "none"])
    assert functions.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    refusal_of("ResourceNotFoundException", functions.list_tags, 404, Resource=arn + "-none")
    refusal_of("InvalidParameterValueException", functions.tag_resource, Resource=f"{arn}:1", Tags={"a": "b"})


def test_event_configurations(create, functions):
    """Put replaces, update merges; destinations are functions, others are not built."""
    made = create()
    name, arn = made["FunctionName"], made["FunctionArn"]
    refusal_of("ResourceNotFoundException", functions.get_function_event_invoke_config, 404, FunctionName=name)
    put = functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    assert (put["FunctionArn"], put["MaximumRetryAttempts"]) == (f"{arn}:$LATEST", 1)
    assert "MaximumEventAgeInSeconds" not in put
    updated = functions.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60)
    assert (updated["MaximumRetryAttempts"], updated["MaximumEventAgeInSeconds"]) == (1, 60)
    destination = {"OnFailure": {"Destination": arn}}
    functions.update_function_event_invoke_config(FunctionName=name, DestinationConfig=destination)
    got = functions.get_function_event_invoke_config(FunctionName=name)
    assert got["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {"Destination": arn}}
    listed = functions.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert [one["FunctionArn"] for one in listed] == [f"{arn}:$LATEST"]
    queue = {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:000000000000:q"}}
    with pytest.raises(ClientError, match="sqs"):
        functions.put_function_event_invoke_config(FunctionName=name, DestinationConfig=queue)
    functions.delete_function_event_invoke_config(FunctionName=name)
    refusal_of("ResourceNotFoundException", functions.get_function_event_invoke_config, 404, FunctionName=name)


def test_account_settings(create, functions):
    """AWS's quotas, and what is used of them."""
    before = functions.get_account_settings()["AccountUsage"]
    create(Publish=True)
    after = functions.get_account_settings()
    assert after["AccountUsage"]["TotalCodeSize"] >= before["TotalCodeSize"] + 2 * len(NOTHING)
    assert after["AccountUsage"]["FunctionCount"] >= 1
    assert after["AccountLimit"]["ConcurrentExecutions"] == 1000
    assert after["AccountLimit"]["CodeSizeZipped"] == 52_428_800
