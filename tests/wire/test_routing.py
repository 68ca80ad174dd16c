"""Where requests go: by target, form, path, query and headers, signed or not."""

from __future__ import annotations

import contextlib
import gzip
import time

import pytest

from pilvi.core.errors import CloudError, MalformedRequest, NotBuilt
from pilvi.wire import model, route
from pilvi.wire.http import Request

FORM = {"content-type": "application/x-www-form-urlencoded"}


def routed(line: str, signed: str | None = "s3", body: bytes = b"", **headers: str) -> tuple[str, str, dict[str, str]]:
    method, url = line.split(" ")
    path, _, query = url.partition("?")
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    request = Request(method, path, query, {"host": "localhost:4566"} | named, body)
    match = route.route(request, signing_name=signed)
    return match.service, match.operation, dict(match.params)


@pytest.mark.parametrize(
    ("line", "operation"),
    [
        ("GET /", "ListBuckets"),
        ("PUT /b", "CreateBucket"),
        ("PUT /b/", "CreateBucket"),
        ("HEAD /b", "HeadBucket"),
        ("GET /b", "ListObjects"),
        ("GET /b?list-type=2", "ListObjectsV2"),
        ("GET /b?list-type=2&prefix=x", "ListObjectsV2"),
        ("GET /b?versions", "ListObjectVersions"),
        ("GET /b?acl", "GetBucketAcl"),
        ("GET /b?uploads", "ListMultipartUploads"),
        ("GET /b?analytics", "ListBucketAnalyticsConfigurations"),
        ("GET /b?analytics&id=1", "GetBucketAnalyticsConfiguration"),
        ("GET /b?lifecycle", "GetBucketLifecycleConfiguration"),
        ("PUT /b?notification", "PutBucketNotificationConfiguration"),
        ("PUT /b?analytics", "PutBucketAnalyticsConfiguration"),
        ("POST /b?delete", "DeleteObjects"),
        ("POST /b", "PostObject"),
        ("POST /b?x", "PostObject"),
        ("GET /b/k", "GetObject"),
        ("GET /b/k?x-id=GetObject", "GetObject"),
        ("GET /b/k?response-content-type=text/plain", "GetObject"),
        ("GET /b/k?uploadId=1", "ListParts"),
        ("GET /b/k?tagging&versionId=2", "GetObjectTagging"),
        ("PUT /b/k", "PutObject"),
        ("PUT /b/k?partNumber=1&uploadId=2", "UploadPart"),
        ("PUT /b/k?acl", "PutObjectAcl"),
        ("POST /b/k?uploads", "CreateMultipartUpload"),
        ("POST /b/k?uploadId=2", "CompleteMultipartUpload"),
        ("POST /b/k?select&select-type=2", "SelectObjectContent"),
        ("DELETE /b/k", "DeleteObject"),
        ("DELETE /b/k?uploadId=1", "AbortMultipartUpload"),
    ],
)
def test_s3_operations(line: str, operation: str) -> None:
    """An S3 operation is found by method, path and the names in the query."""
    assert routed(line)[:2] == ("s3", operation)


@pytest.mark.parametrize("signed", [None, "s3"])
@pytest.mark.parametrize("line", ["GET /", "POST /?Action=x&delete", "PUT /service/x/operation/y", "GET /%ff"])
def test_websites(line: str, signed: str | None) -> None:
    """Under the host of a website everything is for the website."""
    found = routed(line, signed, host="a.b.s3-website.eu-west-1.localhost:80", smithy_protocol="rpc-v2-cbor")
    assert found == ("s3", "GetWebsite", {"Bucket": "a.b"})


def test_s3_copies() -> None:
    """A copy differs from an upload by one header."""
    assert routed("PUT /b/k", x_amz_copy_source="a/b")[1] == "CopyObject"
    assert routed("PUT /b/k?partNumber=1&uploadId=2", x_amz_copy_source="a/b")[1] == "UploadPartCopy"


@pytest.mark.parametrize("line", ["POST /b/k", "PATCH /b/k", "DELETE /", "PUT /"])
def test_s3_without_operation(line: str) -> None:
    """What S3 does not offer is MethodNotAllowed, 405."""
    with pytest.raises(CloudError) as caught:
        routed(line)
    assert (caught.value.code, caught.value.status) == ("MethodNotAllowed", 405)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a/b/c", "a/b/c"),
        ("/b//a", "/a"),
        ("/b/a//", "a//"),
        ("/b/a%2Fb%20c+d", "a/b c+d"),
        ("/b/..%2F..%2Fetc", "../../etc"),
        ("/b/../c", "../c"),
        ("/b/%00%0A", "\x00\n"),
        ("/b/%C3%A4", "ä"),
    ],
)
def test_s3_keys(path: str, key: str) -> None:
    """A key is everything after the bucket's slash, decoded once, otherwise untouched."""
    assert routed(f"GET {path}") == ("s3", "GetObject", {"Bucket": "b", "Key": key})


def test_a_path_that_is_not_utf8() -> None:
    """A key whose percent-encoding hides something that is not UTF-8 is InvalidURI."""
    with pytest.raises(MalformedRequest) as caught:
        routed("GET /b/%FF")
    assert (caught.value.code, caught.value.status) == ("InvalidURI", 400)


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("photos.localhost", "photos"),
        ("photos.localhost:4566", "photos"),
        ("photos.s3.localhost:4566", "photos"),
        ("photos.s3.localhost.localstack.cloud:4566", "photos"),
        ("photos.localhost.localstack.cloud", "photos"),
        ("photos.s3.us-east-1.amazonaws.com", "photos"),
        ("photos.s3-eu-west-1.amazonaws.com", "photos"),
        ("my.photos.s3.localhost", "my.photos"),
        ("lambda.localhost", "lambda"),
        ("s3-photos.localhost", "s3-photos"),
        ("my.s3-photos.localhost", "my.s3-photos"),
        ("localhost:4566", ""),
        ("127.0.0.1:4566", ""),
        ("[::1]:4566", ""),
        ("s3.localhost", ""),
        ("s3.localhost.localstack.cloud:4566", ""),
        ("s3.us-east-1.amazonaws.com", ""),
        ("", ""),
    ],
)
def test_virtual_hosts(host: str, bucket: str) -> None:
    """The bucket may stand in the host name; then the whole path is the key."""
    assert route.virtual_bucket(host) == bucket
    if bucket:
        assert routed("GET /a/b", host=host) == ("s3", "GetObject", {"Bucket": bucket, "Key": "a/b"})
        assert routed("PUT /", host=host) == ("s3", "CreateBucket", {"Bucket": bucket})


def test_a_virtual_host_is_noted() -> None:
    """The request remembers that its bucket stood in the host; its path stays what was signed."""
    request = Request("GET", "/k", "", {"host": "photos.localhost"})
    route.route(request, signing_name="s3")
    assert (request.label, request.path) == ("photos", "/k")


def test_targets() -> None:
    """AWS JSON names its operation in a header."""
    assert routed("POST /", "dynamodb", x_amz_target="DynamoDB_20120810.PutItem")[:2] == ("dynamodb", "PutItem")
    assert routed("POST /", "dynamodb", x_amz_target="DynamoDBStreams_20120810.ListStreams")[:2] == (
        "dynamodbstreams",
        "ListStreams",
    )
    assert routed("POST /", "logs", x_amz_target="Logs_20140328.PutLogEvents")[:2] == ("logs", "PutLogEvents")
    assert routed("POST /", "monitoring", x_amz_target="GraniteServiceVersion20100801.ListMetrics")[0] == "cloudwatch"
    assert routed("POST /", None, x_amz_target="AWSCognitoIdentityProviderService.SignUp")[0] == "cognito-idp"


def test_forms() -> None:
    """The query protocol names its operation in the form, or in the query string; the version tells services apart."""
    assert routed("POST /", "iam", b"Action=ListUsers&Version=2010-05-08", **FORM)[:2] == ("iam", "ListUsers")
    assert routed("GET /?Action=ListUsers&Version=2010-05-08", "iam")[:2] == ("iam", "ListUsers")
    assert routed("POST /", "ec2", b"Action=DescribeInstances&Version=2016-11-15", **FORM)[0] == "ec2"
    balancers = b"Action=DescribeLoadBalancers&Version="
    assert routed("POST /", "elasticloadbalancing", balancers + b"2012-06-01", **FORM)[0] == "elb"
    assert routed("POST /", "elasticloadbalancing", balancers + b"2015-12-01", **FORM)[0] == "elbv2"
    unsigned = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15"
    assert routed("POST /", None, unsigned, **FORM)[:2] == ("sts", "AssumeRoleWithWebIdentity")


def test_cbor() -> None:
    """RPC v2 names service and operation in the path."""
    line = "POST /service/GraniteServiceVersion20100801/operation/ListMetrics"
    assert routed(line, "monitoring", smithy_protocol="rpc-v2-cbor")[:2] == ("cloudwatch", "ListMetrics")


def test_rest() -> None:
    """REST services name their operation by method and path; a slash at the end makes no difference."""
    assert routed("GET /2015-03-31/functions/", "lambda")[:2] == ("lambda", "ListFunctions")
    assert routed("GET /2015-03-31/functions", "lambda")[:2] == ("lambda", "ListFunctions")
    assert routed("POST /2015-03-31/functions/f/invocations", "lambda") == ("lambda", "Invoke", {"FunctionName": "f"})
    arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af"
    assert routed(f"GET /2015-03-31/functions/{arn}", "lambda")[2] == {
        "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f"
    }
    assert routed("DELETE /2017-03-31/tags/x", "lambda")[:2] == ("lambda", "UntagResource")
    assert routed("GET /v2/apis", "apigateway")[0] == "apigatewayv2"
    assert routed("GET /restapis", "apigateway")[0] == "apigateway"
    assert routed("GET /v20180820/jobs", "s3")[0] == "s3control"


def test_hosts_of_services() -> None:
    """Without a signature, a host name can tell the service."""
    assert routed("GET /2015-03-31/functions", None, host="lambda.localhost.localstack.cloud:4566")[0] == "lambda"
    assert routed("GET /2015-03-31/functions", None, host="lambda.us-east-1.amazonaws.com")[0] == "lambda"


def test_the_rest_is_for_s3() -> None:
    """An unsigned request that nothing else claims is for S3: public objects, presigned links in old forms."""
    assert routed("GET /b/k", None)[:2] == ("s3", "GetObject")


@pytest.mark.parametrize(
    ("line", "signed", "headers", "body", "expected"),
    [
        ("POST /", "dynamodb", {"x_amz_target": "DynamoDB_20120810.Nope"}, b"", ("UnknownOperationException", 400)),
        ("POST /", "dynamodb", {"x_amz_target": "garbage"}, b"", ("UnknownOperationException", 400)),
        ("POST /", "iam", FORM, b"Action=Nope&Version=2010-05-08", ("InvalidAction", 400)),
        ("POST /", "iam", FORM, b"Action=ListUsers&Version=1999-01-01", ("InvalidAction", 400)),
        ("GET /nowhere", "lambda", {}, b"", ("UnknownOperationException", 404)),
        ("POST /service/X/operation/Y", "monitoring", {"smithy_protocol": "rpc-v2-cbor"}, b"", ("UnknownOperationException", 404)),
    ],
)  # fmt: skip
def test_unknown_operations(
    line: str, signed: str, headers: dict[str, str], body: bytes, expected: tuple[str, int]
) -> None:
    """Every protocol has its own name for an operation that is not there."""
    with pytest.raises(route.UnknownOperation) as caught:
        routed(line, signed, body, **headers)
    assert (caught.value.code, caught.value.status) == expected


@pytest.mark.parametrize("signed", ["nosuchservice", "../etc", "", "x" * 500])
def test_unknown_services(signed: str) -> None:
    """A signature for a service that AWS does not have is answered with 501."""
    with pytest.raises(NotBuilt):
        routed("GET /x", signed)
    with pytest.raises(NotBuilt):
        routed("POST /", signed, x_amz_target="A.B")


def test_known_names_read_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that its service understands is routed without looking at the models of all others."""
    monkeypatch.setattr(model, "services", lambda: pytest.fail("looked at all services"))
    route._index.cache_clear()
    assert routed("GET /b/k")[0] == "s3"
    assert routed("POST /", "iam", b"Action=ListUsers&Version=2010-05-08", **FORM)[0] == "iam"
    assert routed("GET /2015-03-31/functions", "lambda")[0] == "lambda"
    assert routed("POST /", "logs", x_amz_target="Logs_20140328.PutLogEvents")[0] == "logs"


def test_heads_are_the_models() -> None:
    """Metadata read from the first bytes of a model is the model's."""
    for service in ("s3", "lambda", "ec2", "cloudwatch", "sdb", "connect"):
        assert model.head(service) == model.load(service).metadata


BUILT = {"s3", "iam", "sts", "lambda", "logs"}


@pytest.mark.parametrize(
    ("line", "signed", "body", "headers", "service"),
    [
        ("POST /", "dynamodb", b"{}", {"x_amz_target": "DynamoDB_20120810.ListTables"}, "dynamodb"),
        ("POST /", None, b"{}", {"x_amz_target": "DynamoDB_20120810.ListTables"}, "dynamodb"),
        ("GET /", "dynamodb", b"", {}, "dynamodb"),
        ("POST /", "ec2", b"Action=DescribeInstances&Version=2016-11-15", FORM, "ec2"),
        ("POST /", None, b"Action=DescribeInstances&Version=2016-11-15", FORM, "ec2"),
        ("POST /", "ec2", b"Action=DescribeInstances", FORM, "ec2"),
        ("GET /restapis", "apigateway", b"", {}, "apigateway"),
        ("GET /2013-04-01/hostedzone", "route53", b"", {}, "route53"),
        ("POST /service/GraniteServiceVersion20100801/operation/ListMetrics", "monitoring", b"", {}, "cloudwatch"),
        ("GET /v20180820/bucket", "s3", b"", {}, "s3control"),
    ],
)
def test_services_that_are_not_built(
    line: str, signed: str | None, body: bytes, headers: dict[str, str], service: str
) -> None:
    """A service that is not here is named, and no more of its model is read than the metadata."""
    before = model.load.cache_info().misses
    method, url = line.split(" ")
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    request = Request(method, url, "", {"host": "localhost:4566"} | named, body)
    with pytest.raises(NotBuilt) as caught:
        route.route(request, signing_name=signed, built=BUILT)
    assert caught.value.message == f"The service {service} is not built."
    assert model.load.cache_info().misses == before


@pytest.mark.parametrize("name", sorted(model.services() - BUILT))
def test_no_stranger_makes_us_read_models(name: str) -> None:
    """Whatever service a request claims to be for, and in whatever form, only what is built is loaded."""
    metadata = model.head(name)
    for one in BUILT:
        model.load(one)
    before = model.load.cache_info().misses
    action = f"Action=Nothing&Version={metadata.api_version}".encode()
    for method, path, headers, body in (
        ("POST", "/", {"x-amz-target": f"{metadata.target_prefix}.Nothing"}, b""),
        ("POST", "/", FORM, action),
        ("GET", "/nothing", {}, b""),
        ("POST", f"/service/{metadata.service_id.replace(' ', '')}/operation/Nothing", {}, b""),
    ):
        for claimed in (metadata.signing_name or metadata.endpoint_prefix, None):
            request = Request(method, path, "", {"host": "localhost"} | headers, body)
            with contextlib.suppress(CloudError):
                route.route(request, signing_name=claimed, built=BUILT)
    assert model.load.cache_info().misses == before


@pytest.mark.parametrize(
    "path",
    [
        "/2015-03-31/functions/f/policy/..",
        "/2015-03-31/functions/f/aliases/../../../functions/g",
        "/2015-03-31/./functions/",
        "/2015-03-31/functions/..",
    ],
)
def test_dot_segments_lead_nowhere(path: str) -> None:
    """A signature covers the path without its dots; what the dots would make of it is no operation."""
    with pytest.raises(route.UnknownOperation):
        routed(f"DELETE {path}", "lambda")
    with pytest.raises(route.UnknownOperation):
        routed(f"GET {path}", "lambda")


@pytest.mark.parametrize(
    ("host", "bucket"),
    [
        ("Photos.LocalHost:4566", "photos"),
        ("photos.S3.Localhost.LocalStack.cloud", "photos"),
        ("a/b.localhost", ""),
        ("a%2Fb.localhost", ""),
        ("a@b.localhost", ""),
        ("x" * 300 + ".localhost", ""),
        (".localhost", ""),
    ],
)
def test_hosts_of_buckets_are_hosts(host: str, bucket: str) -> None:
    """Case makes no difference, and what is no host name holds no bucket: nothing in it can pass for a path."""
    assert route.virtual_bucket(host) == bucket


def test_a_form_that_unfolds_is_not_unfolded_for_routing() -> None:
    """64 MB of a compressed form cost a stranger 64 KB: only its start is looked at before we know who asks."""
    form = b"Action=ListUsers&Version=2010-05-08&X=" + b"x" * (64 * 1024 * 1024)
    headers = {"host": "localhost", "content-encoding": "gzip"} | FORM
    request = Request("POST", "/", "", headers, gzip.compress(form, 1))
    begun = time.perf_counter()
    assert route.route(request, signing_name="iam").operation == "ListUsers"
    assert time.perf_counter() - begun < 0.05
