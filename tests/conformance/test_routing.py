"""Where requests arrive: by path, by host, by target, by form; from browsers; and what is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from handmade import PLACES, Answer, Signer, Wire
from live import LiveCloud, Unique
from pilvi import services
from pilvi.wire import model

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/x-amz-json-1.1"}
IDENTITY = b"Action=GetCallerIdentity&Version=2011-06-15"


@pytest.fixture(scope="module")
def wire(cloud: LiveCloud) -> Wire:
    return Wire(cloud.endpoint)


@pytest.fixture(scope="module")
def root(cloud: LiveCloud) -> Signer:
    return Signer(cloud.access_key, cloud.secret_key)


@pytest.fixture
def bucket(cloud: LiveCloud, unique: Unique) -> Iterator[str]:
    s3, name = cloud.client("s3"), unique("routed")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a/b", Body=b"content")
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


# -- buckets in hosts and paths --------------------------------------------------------------------------------------------

HOSTS = [
    "{bucket}.localhost",
    "{bucket}.localhost:{port}",
    "{bucket}.LOCALHOST:{port}",
    "{bucket}.localhost.localstack.cloud:{port}",
    "{bucket}.s3.localhost.localstack.cloud:{port}",
    "{bucket}.s3.us-east-1.localhost.localstack.cloud:{port}",
    "{bucket}.s3.amazonaws.com",
    "{bucket}.s3.us-east-1.amazonaws.com",
    "{bucket}.s3-eu-west-1.amazonaws.com",
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_bucket_in_the_host(wire: Wire, root: Signer, bucket: str, host: str) -> None:
    """The whole path is then the key; without one the request is for the bucket; presigned, signed, and listed."""
    host = host.format(bucket=bucket, port=wire.address[1])
    assert wire.signed(root, "GET", "/a/b", host=host).body == b"content"
    assert wire.send("GET", root.presigned("GET", "/a/b", host), {"host": host}).body == b"content"
    listed = wire.signed(root, "GET", "/?list-type=2", host=host)
    assert (listed.field("Name"), listed.field("Key")) == (bucket, "a/b")
    assert wire.signed(root, "PUT", f"/{bucket}/c", {}, b"x", host=host).status == 200
    assert wire.signed(root, "GET", f"/{bucket}/{bucket}/c").body == b"x"
    assert wire.signed(root, "HEAD", "/", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1:{port}",
        "s3.localhost",
        "s3.localhost.localstack.cloud:{port}",
        "s3.amazonaws.com",
        "pilvi",
        "[::1]:{port}",
    ],
)
def test_a_bucket_in_the_path(wire: Wire, root: Signer, bucket: str, host: str) -> None:
    """Where the host names no bucket, the path does."""
    host = host.format(port=wire.address[1])
    assert wire.signed(root, "GET", f"/{bucket}/a/b", host=host).body == b"content"
    assert "ListAllMyBucketsResult" in wire.signed(root, "GET", "/", host=host).body.decode()


@pytest.mark.parametrize(
    "host", ["{bucket}/a.localhost", "{bucket}%2Fa.localhost", "{bucket}@x.localhost", "{bucket}?.localhost"]
)
def test_no_path_in_the_host(wire: Wire, root: Signer, bucket: str, host: str) -> None:
    """What is no host name holds no bucket, nor a part of a key."""
    answer = wire.signed(root, "GET", "/b", host=host.format(bucket=bucket))
    assert (answer.code, answer.status) in {("InvalidBucketName", 400), ("NoSuchBucket", 404)}


@pytest.mark.parametrize("style", ["virtual", "path"])
@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_addressing_styles_of_boto3(cloud: LiveCloud, wire: Wire, bucket: str, style: str, version: str) -> None:
    """Whichever way boto3 writes the address, in requests and in presigned URLs, with either version of the signature."""
    endpoint = f"http://localhost:{wire.address[1]}"
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=cloud.region,
        aws_access_key_id=cloud.access_key,
        aws_secret_access_key=cloud.secret_key,
        config=Config(s3={"addressing_style": style}, signature_version=version, retries={"total_max_attempts": 1}),
    )
    s3.meta.events.register_first("before-send.s3", to_here(wire))
    s3.put_object(Bucket=bucket, Key="ü ber/+", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="ü ber/+")["Body"].read() == b"x"
    assert {found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]} == {"a/b", "ü ber/+"}
    url = urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "ü ber/+"}))
    assert url.netloc == (
        f"{bucket}.localhost:{wire.address[1]}" if style == "virtual" else f"localhost:{wire.address[1]}"
    )
    assert wire.send("GET", f"{url.path}?{url.query}", {"host": url.netloc}).body == b"x"
    s3.delete_object(Bucket=bucket, Key="ü ber/+")


def to_here(wire: Wire) -> Any:
    """Connects to the server whatever the host in the URL is (resolvers differ on names under localhost)."""

    def redirect(request: Any, **_: Any) -> None:
        parts = urlsplit(request.url)
        request.headers["Host"] = parts.netloc
        request.url = request.url.replace(parts.netloc, f"{wire.address[0]}:{wire.address[1]}", 1)

    return redirect


def test_a_key_that_looks_like_a_page_of_ours(wire: Wire, root: Signer, bucket: str) -> None:
    """With the bucket in the host, a key may begin with _pilvi; what is not signed is still for the page."""
    host = f"{bucket}.localhost:{wire.address[1]}"
    assert wire.signed(root, "PUT", "/_pilvi/health", {}, b"mine", host=host).status == 200
    assert wire.signed(root, "GET", "/_pilvi/health", host=host).body == b"mine"
    assert b"version" in wire.send("GET", "/_pilvi/health", {"host": host}).body
    assert wire.signed(root, "DELETE", "/_pilvi/health", host=host).status == 204


# -- services --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", sorted(PLACES))
@pytest.mark.parametrize(
    "host",
    [
        "{service}.us-east-1.localhost.localstack.cloud",
        "{service}.localhost.localstack.cloud",
        "{service}.us-east-1.amazonaws.com",
    ],
)
def test_hosts_of_services(wire: Wire, root: Signer, service: str, host: str) -> None:
    """Each service has hosts of its own; signed requests work there, and unsigned ones are known to be for it."""
    method, target, headers, body = PLACES[service]
    signer, name = root.but(service=service), host.format(service=service)
    assert wire.signed(signer, method, target, headers, body, host=name).status == 200
    answer = wire.send(method, target, headers | {"host": name}, body)
    assert "AccessDenied" in answer.code or "MissingAuthenticationToken" in answer.code


def test_an_action_in_the_query_or_the_form(cloud: LiveCloud, wire: Wire, root: Signer) -> None:
    """GET with Action and Version in the query, POST with them in the form, and with a part in each."""
    sts = root.but(service="sts")
    answers = [
        wire.signed(sts, "GET", f"/?{IDENTITY.decode()}"),
        wire.signed(sts, "POST", "/", FORM, IDENTITY),
        wire.signed(sts, "POST", "/", {"content-type": f"{FORM['content-type']}; charset=utf-8"}, IDENTITY),
        wire.signed(sts, "POST", "/?Action=GetCallerIdentity", FORM, b"Version=2011-06-15"),
        wire.signed(sts, "POST", "/", FORM, b"Action=GetCallerIdentity"),
    ]
    assert [(answer.status, answer.field("Account")) for answer in answers] == [(200, cloud.account)] * len(answers)


@pytest.mark.parametrize(
    "form",
    [
        b"Action=GetCallerIdentity&Action=GetSessionToken&Version=2011-06-15",
        b"Version=2011-06-15&Action=GetSessionToken&%41ction=GetCallerIdentity",
    ],
)
def test_an_action_twice(wire: Wire, root: Signer, form: bytes) -> None:
    """One of them is done, and it is the one that was routed and authorised."""
    answer = wire.signed(root.but(service="sts"), "POST", "/", FORM, form)
    last = form.decode().replace("%41", "A").rpartition("Action=")[2].partition("&")[0]
    assert answer.status == 200
    assert f"<{last}Result>" in answer.body.decode()


def test_a_target(wire: Wire, root: Signer) -> None:
    """AWS JSON names its operation in X-Amz-Target, whatever the path."""
    logs = root.but(service="logs")
    headers = JSON | {"x-amz-target": "Logs_20140328.DescribeLogGroups"}
    for target in ("/", "/anything"):
        assert "logGroups" in json.loads(wire.signed(logs, "POST", target, headers, b"{}").body)


# -- what is not there -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "method", "target", "headers", "body", "expected"),
    [
        ("iam", "POST", "/", FORM, b"Action=Nonsense&Version=2010-05-08", ("InvalidAction", 400)),
        ("iam", "POST", "/", FORM, b"Action=ListUsers&Version=1999-01-01", ("InvalidAction", 400)),
        ("iam", "POST", "/", FORM, b"NoAction=1", ("UnknownOperationException", 404)),
        (
            "logs",
            "POST",
            "/",
            JSON | {"x-amz-target": "Logs_20140328.Nonsense"},
            b"{}",
            ("UnknownOperationException", 400),
        ),
        ("logs", "POST", "/", JSON | {"x-amz-target": "Nonsense"}, b"{}", ("UnknownOperationException", 400)),
        ("logs", "POST", "/", JSON, b"{}", ("UnknownOperationException", 404)),
        ("lambda", "GET", "/2015-03-31/nonsense", {}, b"", ("UnknownOperationException", 404)),
        ("lambda", "PATCH", "/2015-03-31/functions/", {}, b"", ("UnknownOperationException", 404)),
        ("lambda", "GET", "/2015-03-31/functions/f/policy/..", {}, b"", ("UnknownOperationException", 404)),
        ("s3", "PATCH", "/bucket/key", {}, b"", ("MethodNotAllowed", 405)),
        ("s3", "POST", "/bucket/key", {}, b"", ("MethodNotAllowed", 405)),
    ],
)
def test_unknown_operations(
    wire: Wire,
    root: Signer,
    service: str,
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
    expected: tuple[str, int],
) -> None:
    """Each family of protocols has its word for what AWS does not have either."""
    answer = wire.signed(root.but(service=service), method, target, headers, body)
    assert (answer.code, answer.status) == expected


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "apigateway": ("get_rest_apis", {}),
    "cloudformation": ("list_stacks", {}),
    "cloudwatch": ("list_metrics", {}),
    "dynamodb": ("list_tables", {}),
    "ec2": ("describe_instances", {}),
    "ecs": ("list_clusters", {}),
    "elbv2": ("describe_load_balancers", {}),
    "events": ("list_rules", {}),
    "glacier": ("list_vaults", {"accountId": "-"}),
    "kinesis": ("list_streams", {}),
    "kms": ("list_keys", {}),
    "rds": ("describe_db_instances", {}),
    "route53": ("list_hosted_zones", {}),
    "s3control": ("get_public_access_block", {"AccountId": "000000000000"}),
    "secretsmanager": ("list_secrets", {}),
    "sns": ("list_topics", {}),
    "sqs": ("list_queues", {}),
    "ssm": ("describe_parameters", {}),
    "stepfunctions": ("list_state_machines", {}),
}


@pytest.mark.parametrize("service", sorted(CALLS.keys() - services.discover().keys()))
def test_services_that_are_not_built(cloud: LiveCloud, wire: Wire, service: str) -> None:
    """boto3 gets 501 NotImplemented with the name of the service, in every protocol."""
    operation, params = CALLS[service]
    client = cloud.client(service)
    client.meta.events.register_first(f"before-send.{client.meta.service_model.service_id.hyphenize()}", to_here(wire))
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**params)
    found = caught.value.response
    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == ("NotImplemented", 501)
    assert f"The service {service} is not built." in found["Error"]["Message"]


@pytest.mark.parametrize(
    ("service", "method", "target", "headers", "body", "operation"),
    [
        ("iam", "POST", "/", FORM, b"Action=CreateVirtualMFADevice&Version=2010-05-08", "CreateVirtualMFADevice"),
        ("sts", "POST", "/", FORM, b"Action=GetFederationToken&Version=2011-06-15&Name=abc", "GetFederationToken"),
        ("logs", "POST", "/", JSON | {"x-amz-target": "Logs_20140328.CreateExportTask"}, b"{}", "CreateExportTask"),
        ("lambda", "GET", "/2018-10-31/layers", {}, b"", "ListLayers"),
        ("s3", "PUT", "/bucket?accelerate", {}, b"<x/>", "PutBucketAccelerateConfiguration"),
    ],
)
def test_operations_that_are_not_built(
    wire: Wire,
    root: Signer,
    service: str,
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
    operation: str,
) -> None:
    """501 NotImplemented with the name of the operation, for whoever asks: it is never a pretended success."""
    assert operation in model.load(service).operations
    if operation in services.discover()[service].operations:
        pytest.fail(f"{operation} is built by now: name another")
    for signer in (root, root.but(secret="wrong")):
        answer = wire.signed(signer.but(service=service), method, target, headers, body)
        assert (answer.code, answer.status) == ("NotImplemented", 501)
        assert answer.message == f"{service}:{operation} is not built."


# -- browsers --------------------------------------------------------------------------------------------------------------

PAGE = "https://console.example.org"


def test_preflights(wire: Wire) -> None:
    """A browser asks first: for any method and headers it is told that it may (buckets have rules of their own)."""
    for target in ("/", "/2015-03-31/functions/f/invocations"):
        asked = {
            "origin": PAGE,
            "access-control-request-method": "PUT",
            "access-control-request-headers": "authorization,x-amz-date",
        }
        answer = wire.send("OPTIONS", target, asked)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "PUT" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "authorization,x-amz-date"
        assert int(answer.headers["access-control-max-age"]) > 0
        assert "access-control-allow-credentials" not in answer.headers
        assert answer.body == b""


def shown(answer: Answer) -> set[str]:
    return {name.lower() for name in answer.headers["access-control-expose-headers"].split(", ")}


@pytest.mark.parametrize("service", sorted(PLACES))
def test_answers_to_pages(wire: Wire, root: Signer, service: str) -> None:
    """A page of another origin can read answers and errors, with every header; who is no page sees nothing of it."""
    method, target, headers, body = PLACES[service]
    signer = root.but(service=service)
    for one in (signer, signer.but(secret="wrong")):
        answer = wire.signed(one, method, target, headers | {"origin": PAGE}, body)
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["vary"] == "Origin"
        assert shown(answer) >= set(answer.headers) - {
            "vary",
            "server",
            "access-control-allow-origin",
            "access-control-expose-headers",
        }
        assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in wire.ask(signer).headers


@pytest.mark.parametrize("origin", ["null", "x\xe9y", "a, b", "https://[::1]:8080"])
def test_origins_of_any_kind(wire: Wire, root: Signer, origin: str) -> None:
    """Whatever stands in Origin comes back as it was, on one line."""
    answer = wire.signed(root, "GET", "/", {"origin": origin})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, origin)
