"""Functions that really run: invocations of every kind, their errors, their logs, and what calls them."""

from __future__ import annotations

import base64
import json
import re
import time

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from functions import BASIC_EXECUTION, TRUST_LAMBDA, allow, handler, zip_of
from live import LiveCloud
from refusals import refusal_of
from waiting import wait_until

CODE = """
import json, os, sys, time

def echo(event, context):
    return event

def raises(event, context):
    raise ValueError("it is " + event["what"])

def about(event, context):
    return {
        "request_id": context.aws_request_id,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "log_group": context.log_group_name,
        "log_stream": context.log_stream_name,
        "remaining": context.get_remaining_time_in_millis(),
        "custom": (context.client_context.custom if context.client_context else None),
        "environment": {k: v for k, v in os.environ.items()},
    }

def prints(event, context):
    print("hello", event["who"])
    sys.stderr.write("to stderr\\n")
    return len(event["who"])

def sleeps(event, context):
    print("before sleeping")
    time.sleep(event["seconds"])

def whoami(event, context):
    import boto3
    return boto3.client("sts").get_caller_identity()["Arn"]

def reads(event, context):
    import boto3
    record = event["Records"][0]["s3"]
    body = boto3.client("s3").get_object(Bucket=record["bucket"]["name"], Key=record["object"]["key"])["Body"].read()
    print("object", record["object"]["key"], body.decode())

def fails_twice(event, context):
    import boto3
    s3 = boto3.client("s3")
    tried = s3.list_objects_v2(Bucket=event["bucket"]).get("KeyCount", 0)
    s3.put_object(Bucket=event["bucket"], Key=f"try-{tried}-{context.aws_request_id}", Body=b"")
    if tried < event["failures"]:
        raise RuntimeError("not yet")

def leaves(event, context):
    sys.exit(3)

def unserialisable(event, context):
    return {1, 2}
"""


@pytest.fixture
def functions(cloud):
    return cloud.client("lambda")


@pytest.fixture(scope="module")
def role(cloud, unique):
    iam = cloud.client("iam")
    name = unique("role")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=BASIC_EXECUTION)
    iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=allow("s3:*"))
    return arn


@pytest.fixture(scope="module")
def make(cloud, role, unique):
    """make("echo") is the name of a function whose handler is main.echo, made once for the same settings."""
    made = {}

    def function(entry, **settings):
        key = repr((entry, sorted(settings.items(), key=str)))
        if key not in made:
            made[key] = unique(entry.replace("_", "-"))
            cloud.client("lambda").create_function(
                **{
                    "FunctionName": made[key],
                    "Runtime": "python3.11",
                    "Role": role,
                    "Handler": f"main.{entry}",
                    "Code": {"ZipFile": handler(CODE)},
                    "Timeout": 20,
                    "MemorySize": 256,
                    **settings,
                }
            )
        return made[key]

    return function


def invoke(functions, name, event=None, **request):
    """The answer with its payload decoded."""
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **request)
    answer["Payload"] = json.loads(answer["Payload"].read() or b"null")
    return answer


def log_lines(cloud, name, **request):
    logs = cloud.client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}", **request)
        return [event["message"] for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


# -- the answer -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [None, {}, [], "text", 1.5, {"deep": [{"ä": "€"}]}, True])
def test_an_event_comes_back(functions, make, event):
    """Whatever JSON goes in, the handler sees it, and its answer comes out."""
    answer = invoke(functions, make("echo"), event)
    assert (answer["StatusCode"], answer["Payload"]) == (200, event)
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert "LogResult" not in answer


def test_no_payload_is_an_empty_object(functions, make):
    """As on AWS."""
    assert json.loads(functions.invoke(FunctionName=make("echo"))["Payload"].read()) == {}


def test_what_the_handler_is_told(cloud, functions, make):
    """Context and environment as AWS documents them."""
    name = make("about", Environment={"Variables": {"NAME": "value"}})
    custom = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    answer = invoke(functions, name, ClientContext=custom)
    told = answer["Payload"]
    arn = f"arn:aws:lambda:{cloud.region}:{cloud.account}:function:{name}"
    assert (told["name"], told["version"], told["arn"]) == (name, "$LATEST", arn)
    assert told["request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert int(told["memory"]) == 256
    assert told["log_group"] == f"/aws/lambda/{name}"
    assert 0 < told["remaining"] <= 20_000
    assert told["custom"] == {"a": "b"}
    environment = told["environment"]
    assert environment["NAME"] == "value"
    assert environment["AWS_REGION"] == environment["AWS_DEFAULT_REGION"] == cloud.region
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["_HANDLER"] == "main.about"
    assert cloud.secret_key not in json.dumps(environment)


def test_functions_run_as_their_role(cloud, functions, make, role):
    """boto3 inside a function needs no configuration and is a session of the role."""
    name = make("whoami")
    answer = invoke(functions, name, {})
    assert answer["Payload"] == f"arn:aws:sts::{cloud.account}:assumed-role/{role.rpartition('/')[2]}/{name}"


# -- errors ---------------------------------------------------------------------------------------------------------------


def test_an_exception_is_an_answer(functions, make):
    """200 with X-Amz-Function-Error, and errorMessage, errorType, stackTrace and requestId as AWS forms them."""
    answer = invoke(functions, make("raises"), {"what": "wrong"})
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    error = answer["Payload"]
    assert (error["errorMessage"], error["errorType"]) == ("it is wrong", "ValueError")
    assert error["requestId"] == answer["ResponseMetadata"]["RequestId"]
    (frame,) = error["stackTrace"]
    assert re.fullmatch(
        r'  File "/var/task/main\.py", line \d+, in raises\n    raise ValueError\("it is " \+ event\["what"\]\)\n',
        frame,
    )


def test_a_handler_that_takes_too_long(functions, make):
    """Killed after the timeout, with AWS's message."""
    answer = invoke(functions, make("sleeps", Timeout=1), {"seconds": 30})
    assert answer["FunctionError"] == "Unhandled"
    assert re.fullmatch(r".* Task timed out after 1\.00 seconds", answer["Payload"]["errorMessage"])


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("missing", "Runtime.HandlerNotFound"),
        ("unserialisable", "Runtime.MarshalError"),
        ("leaves", "Runtime.ExitError"),
    ],
)
def test_what_goes_wrong_around_a_handler(functions, make, entry, kind):
    """No such handler, an answer that is no JSON, a process that ends: AWS's error types."""
    answer = invoke(functions, make(entry), {})
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == kind


def test_a_module_that_does_not_import(functions, make):
    """A syntax error or a missing module is the function's error, not the server's."""
    answer = invoke(functions, make("handler", Code={"ZipFile": zip_of({"other.py": ""})}), {})
    assert answer["Payload"]["errorType"] == "Runtime.ImportModuleError"
    assert "Unable to import module 'main'" in answer["Payload"]["errorMessage"]


def test_requests_that_are_refused(functions, make):
    """Payloads that are no JSON or too large, functions and versions that are not there."""
    name = make("echo")
    text = refusal_of("InvalidRequestContentException", functions.invoke, 400, FunctionName=name, Payload=b"{broken")
    assert text.startswith("Could not parse request body into json")
    large = b'"' + b"x" * (6 * 1024 * 1024) + b'"'
    refusal_of("RequestEntityTooLargeException", functions.invoke, 413, FunctionName=name, Payload=large)
    refusal_of(
        "RequestEntityTooLargeException",
        functions.invoke,
        413,
        FunctionName=name,
        InvocationType="Event",
        Payload=large[: 1024 * 1024] + b'"',
    )
    refusal_of("ResourceNotFoundException", functions.invoke, 404, FunctionName=name, Qualifier="7")
    refusal_of("ResourceNotFoundException", functions.invoke, 404, FunctionName=name, Qualifier="live")


def test_a_large_payload_goes_both_ways(functions, make):
    """5 MB in, 5 MB out."""
    event = "x" * (5 * 1024 * 1024)
    assert invoke(functions, make("echo"), event)["Payload"] == event


def test_a_dry_run_runs_nothing(cloud, functions, make):
    """204 says that one may and that the function is there."""
    name = make("prints", Description="dry")
    answer = functions.invoke(FunctionName=name, InvocationType="DryRun", Payload=b'{"who": "nobody"}')
    assert answer["StatusCode"] == 204
    invoke(functions, name, {"who": "somebody"})
    wait_until(lambda: any("somebody" in line for line in log_lines(cloud, name)), "the real one's lines")
    assert not any("nobody" in line for line in log_lines(cloud, name))


# -- changes --------------------------------------------------------------------------------------------------------------


def test_new_code_and_configuration_run_at_once(functions, make):
    """The first invocation after an update's answer sees the update; published versions keep theirs."""
    name = make("handler", Code={"ZipFile": handler("import os\ndef handler(e, c): return ['one', os.getenv('MODE')]")})
    assert invoke(functions, name)["Payload"] == ["one", None]
    functions.publish_version(FunctionName=name)
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    functions.update_function_code(
        FunctionName=name, ZipFile=handler("import os\ndef handler(e, c): return ['two', os.getenv('MODE')]")
    )
    assert invoke(functions, name)["Payload"] == ["two", None]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"MODE": "set"}})
    assert invoke(functions, name)["Payload"] == ["two", "set"]
    old = invoke(functions, name, Qualifier="live")
    assert (old["Payload"], old["ExecutedVersion"]) == (["one", None], "1")
    assert invoke(functions, f"{name}:1")["Payload"] == ["one", None]


# -- logs -----------------------------------------------------------------------------------------------------------------


def test_the_tail_of_the_log(functions, make):
    """LogType=Tail: START, what was printed, END, REPORT, in the answer."""
    answer = invoke(functions, make("prints"), {"who": "world"}, LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    request = answer["ResponseMetadata"]["RequestId"]
    assert answer["Payload"] == 5
    assert f"START RequestId: {request} Version: $LATEST\n" in tail
    assert "hello world\n" in tail
    assert "to stderr\n" in tail
    assert f"END RequestId: {request}\n" in tail
    assert re.search(
        rf"REPORT RequestId: {request}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\t"
        r"Max Memory Used: \d+ MB",
        tail,
    )


def test_what_functions_print_is_in_cloudwatch_logs(cloud, functions, make):
    """The same lines, in order, in the group and stream that the context names."""
    name = make("prints", Description="logs")
    request = invoke(functions, name, {"who": "logs"})["ResponseMetadata"]["RequestId"]
    wait_until(lambda: any(f"END RequestId: {request}" in line for line in log_lines(cloud, name)), "the lines")
    wait_until(lambda: any(line.startswith("REPORT") for line in log_lines(cloud, name)), "the report")
    lines = [line.rstrip("\n") for line in log_lines(cloud, name)]
    start = lines.index(f"START RequestId: {request} Version: $LATEST")
    assert lines.index("hello logs") > start
    assert lines.index(f"END RequestId: {request}") > lines.index("hello logs")
    (stream,) = cloud.client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream["logStreamName"])


def test_a_role_without_permission_leaves_no_logs(cloud, functions, make, unique):
    """The function runs; its lines are dropped."""
    iam = cloud.client("iam")
    silent = iam.create_role(RoleName=unique("silent"), AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
    name = make("prints", Role=silent)
    loud = make("prints", Description="loud")
    assert invoke(functions, name, {"who": "me"})["Payload"] == 2
    invoke(functions, loud, {"who": "me"})
    wait_until(lambda: log_lines(cloud, loud), "the later one's lines")
    assert log_lines(cloud, name) == []


# -- asynchronous -----------------------------------------------------------------------------------------------------------


def test_an_asynchronous_invocation(cloud, functions, make):
    """202 with an empty body; then it runs, once."""
    name = make("prints", Description="async")
    answer = functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"who": "later"}')
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    wait_until(lambda: any("hello later" in line for line in log_lines(cloud, name)), "it ran")
    request = answer["ResponseMetadata"]["RequestId"]
    wait_until(lambda: any(f"END RequestId: {request}" in line for line in log_lines(cloud, name)), "it ended")


def test_many_asynchronous_invocations(cloud, functions, make, unique):
    """A hundred events, each run at least once."""
    bucket = unique("many")
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    name = make("fails_twice", Description="many")
    for _ in range(100):
        functions.invoke(
            FunctionName=name,
            InvocationType="Event",
            Payload=json.dumps({"bucket": bucket, "failures": 0}).encode(),
        )
    wait_until(
        lambda: s3.list_objects_v2(Bucket=bucket).get("KeyCount", 0) >= 100, "all have run", deadline_s=60, every_s=0.2
    )


def test_an_upload_runs_a_function(cloud, functions, make, unique):
    """S3 -> Lambda: the notification needs the function's permission, the event is AWS's, filters hold."""
    s3 = cloud.client("s3")
    bucket = unique("photos")
    s3.create_bucket(Bucket=bucket)
    name = make("reads", Description=bucket)
    arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    notification = {
        "LambdaFunctionConfigurations": [
            {
                "LambdaFunctionArn": arn,
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".txt"}]}},
            }
        ]
    }
    with pytest.raises(ClientError, match="Unable to validate the following destination configurations"):
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notification)
    functions.add_permission(
        FunctionName=name,
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn=f"arn:aws:s3:::{bucket}",
        SourceAccount=cloud.account,
    )
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notification)
    s3.put_object(Bucket=bucket, Key="no.jpg", Body=b"not me")
    s3.put_object(Bucket=bucket, Key="yes.txt", Body=b"it is me")
    wait_until(lambda: any("object yes.txt it is me" in line for line in log_lines(cloud, name)), "it ran")
    assert not any("no.jpg" in line for line in log_lines(cloud, name))


def test_what_was_accepted_survives_the_server(tmp_path):
    """Events are acknowledged, the server is killed at once; another one on the same folder runs them."""
    with LiveCloud(tmp_path) as cloud:
        iam, functions = cloud.client("iam"), cloud.client("lambda")
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)["Role"]["Arn"]
        iam.attach_role_policy(RoleName="r", PolicyArn=BASIC_EXECUTION)
        functions.create_function(
            FunctionName="f",
            Runtime="python3.11",
            Role=role,
            Handler="main.prints",
            Code={"ZipFile": handler(CODE)},
            Timeout=20,
        )
        for number in range(20):
            payload = json.dumps({"who": f"number-{number}-"}).encode()
            functions.invoke(FunctionName="f", InvocationType="Event", Payload=payload)
        cloud.kill()
        cloud.start()
        expected = {f"hello number-{number}-" for number in range(20)}
        wait_until(
            lambda: expected <= {line.strip() for line in log_lines(cloud, "f")},
            "all twenty have run",
            deadline_s=60,
            every_s=0.1,
        )


# -- speed ------------------------------------------------------------------------------------------------------------------


def test_functions_run_beside_each_other(cloud, make):
    """Ten sleeps of half a second take far less than five seconds."""
    from concurrent.futures import ThreadPoolExecutor

    name = make("sleeps", Description="beside")
    client = cloud.client("lambda", config=Config(max_pool_connections=10))
    started = time.monotonic()
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: invoke(client, name, {"seconds": 0.5}), range(10)))
    assert all("FunctionError" not in answer for answer in answers)
    assert time.monotonic() - started < 4
