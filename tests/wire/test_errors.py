"""Errors: named, shaped and numbered as each protocol and each service does it. botocore reads them back."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import botocore.awsrequest
import botocore.parsers
import pytest

from pilvi.core.errors import (
    AccessDenied,
    CloudError,
    InternalFailure,
    MalformedRequest,
    NotBuilt,
    ServiceUnavailable,
    ValidationError,
)
from pilvi.wire import cbor, faults, model, protocol
from pilvi.wire.http import Request, Response

ID = "11111111-2222-3333-4444-555555555555"


def named(code: str, status: int = 400) -> type[CloudError]:
    return faults.named(CloudError, code, status)


def answer(service: str, error: CloudError, operation: str | None = None, kind: str = "") -> Response:
    return protocol.codec(service, kind or model.load(service).protocols[0]).error(error, operation, ID)


def seen(response: Response, kind: str) -> dict[str, Any]:
    """The error as a client sees it."""
    fields = {
        "status_code": response.status,
        "headers": botocore.awsrequest.HeadersDict(dict(response.headers)),
        "body": response.body,
        "context": {},
    }
    parsed = botocore.parsers.PROTOCOL_PARSERS[kind]().parse(fields, None)
    assert parsed["ResponseMetadata"]["RequestId"] == ID
    return {name: parsed["Error"][name] for name in ("Code", "Message")}


@pytest.mark.parametrize(
    ("service", "error", "code", "status"),
    [
        ("s3", AccessDenied("no"), "AccessDenied", 403),
        ("iam", AccessDenied("no"), "AccessDenied", 403),
        ("ec2", AccessDenied("no"), "UnauthorizedOperation", 403),
        ("lambda", AccessDenied("no"), "AccessDeniedException", 403),
        ("dynamodb", AccessDenied("no"), "AccessDeniedException", 400),
        ("logs", AccessDenied("no"), "AccessDeniedException", 400),
        ("iam", ValidationError("no"), "ValidationError", 400),
        ("sts", ValidationError("no"), "ValidationError", 400),
        ("dynamodb", ValidationError("no"), "ValidationException", 400),
        ("lambda", ValidationError("no"), "ValidationException", 400),
        ("s3", InternalFailure("no"), "InternalError", 500),
        ("lambda", InternalFailure("no"), "ServiceException", 500),
        ("dynamodb", InternalFailure("no"), "InternalServerError", 500),
        ("iam", InternalFailure("no"), "InternalFailure", 500),
        ("s3", NotBuilt("no"), "NotImplemented", 501),
        ("lambda", NotBuilt("no"), "NotImplemented", 501),
        ("s3", ServiceUnavailable("no"), "ServiceUnavailable", 503),
        ("logs", ServiceUnavailable("no"), "ServiceUnavailableException", 503),
        ("cloudwatch", AccessDenied("no"), "AccessDeniedException", 403),
    ],
)
def test_codes(service: str, error: CloudError, code: str, status: int) -> None:
    """One fault has the code and status of the service that answers it; the message arrives as it is."""
    kind = model.load(service).protocols[0]
    response = answer(service, error)
    assert response.status == status
    assert seen(response, kind) == {"Code": code, "Message": "no"}


def test_s3() -> None:
    """S3's errors have no namespace and no wrapper; extra fields, request id and host id stand in the document."""
    error = named("NoSuchBucket", 404)("The specified bucket does not exist", fields={"BucketName": "a<b"})
    response = answer("s3", error)
    root = ET.fromstring(response.body)
    assert [(child.tag, child.text) for child in root] == [
        ("Code", "NoSuchBucket"),
        ("Message", "The specified bucket does not exist"),
        ("BucketName", "a<b"),
        ("RequestId", ID),
        ("HostId", f"pilvi/{ID}"),
    ]
    headers = dict(response.headers)
    assert (root.tag, response.status, headers["Content-Type"]) == ("Error", 404, "application/xml")
    assert (headers["x-amz-request-id"], headers["x-amz-id-2"]) == (ID, f"pilvi/{ID}")


def test_s3_without_body() -> None:
    """HEAD and 304 carry no document; an error's headers are there nevertheless."""
    missing = named("NoSuchKey", 404)("x", headers={"x-amz-delete-marker": "true"})
    response = answer("s3", missing, "HeadObject")
    assert (response.status, response.body) == (404, b"")
    assert ("x-amz-delete-marker", "true") in response.headers
    same = named("NotModified", 304)("", headers={"ETag": '"x"'})
    response = answer("s3", same, "GetObject")
    assert (response.status, response.body) == (304, b"")
    assert ("ETag", '"x"') in response.headers
    assert "Content-Type" not in dict(response.headers)


def test_lambda() -> None:
    """Lambda names the code in a header, the culprit in Type, and spells Message with a capital."""
    response = answer("lambda", named("ResourceNotFoundException", 404)("Function not found: f"))
    assert json.loads(response.body) == {"Type": "User", "Message": "Function not found: f"}
    assert ("x-amzn-ErrorType", "ResourceNotFoundException") in response.headers


def test_dynamodb() -> None:
    """DynamoDB writes full names: its own, the framework's, the validator's."""
    kinds = {}
    for error in (named("ResourceNotFoundException")("x"), MalformedRequest("x"), ValidationError("x")):
        body = json.loads(answer("dynamodb", error).body)
        kinds[error.code] = body["__type"]
        assert body["message"] == "x"
    assert kinds == {
        "ResourceNotFoundException": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
        "SerializationException": "com.amazon.coral.service#SerializationException",
        "ValidationError": "com.amazon.coral.validate#ValidationException",
    }


def test_query_names_travel_on() -> None:
    """A service that once spoke the query protocol tells the code of that time in a header."""
    error = named("AWS.SimpleQueueService.NonExistentQueue")("The specified queue does not exist.")
    response = answer("sqs", error)
    assert json.loads(response.body)["__type"] == "com.amazonaws.sqs#QueueDoesNotExist"
    assert ("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender") in response.headers


def test_three_protocols() -> None:
    """One service, three protocols: each client sees the same error in its own form."""
    error = named("ResourceNotFound", 404)("no such dashboard")
    for kind in ("smithy-rpc-v2-cbor", "json", "query"):
        response = answer("cloudwatch", error, kind=kind)
        assert (seen(response, kind)["Code"], response.status) == ("ResourceNotFound", 404)
    assert cbor.decode(answer("cloudwatch", error, kind="smithy-rpc-v2-cbor").body)["message"] == "no such dashboard"


def test_text_is_escaped() -> None:
    """What a client sent and an error quotes cannot become markup."""
    for service in ("s3", "iam", "ec2"):
        body = answer(service, named("Bad")("<script>&\x01")).body
        assert isinstance(body, bytes)
        assert b"<script>" not in body


@pytest.mark.parametrize(
    ("headers", "query", "kind"),
    [
        ({"x-amz-target": "X.Y", "content-type": "application/x-amz-json-1.0"}, "", "json"),
        ({"smithy-protocol": "rpc-v2-cbor"}, "", "smithy-rpc-v2-cbor"),
        ({"content-type": "application/x-www-form-urlencoded"}, "", "query"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=K/20260101/us-east-1/lambda/aws4_request, x"}, "", "rest-json"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=K/20260101/us-east-1/s3/aws4_request, x"}, "", "rest-xml"),
        ({}, "X-Amz-Credential=K%2F20260101%2Fus-east-1%2Flambda%2Faws4_request", "rest-json"),
        ({}, "", "rest-xml"),
    ],
)
def test_before_there_is_a_route(headers: dict[str, str], query: str, kind: str) -> None:
    """A request that could not be routed is answered in the protocol that its sender most likely speaks."""
    codec = protocol.fallback(Request("POST", "/", query, headers))
    assert codec.protocol == kind
    assert seen(codec.error(named("Nope", 400)("no"), None, ID), kind) == {"Code": "Nope", "Message": "no"}


UNSAYABLE = "a\x00b\x08\x0c\x1f\ufffe\uffff\r\n\t<&>"
SAID = "a\ufffdb\ufffd\ufffd\ufffd\ufffd\ufffd\r\n\t<&>"


@pytest.mark.parametrize("service", ["s3", "iam", "ec2", "route53"])
def test_what_xml_cannot_say_in_errors(service: str) -> None:
    """Characters that no XML document can hold are replaced, so that the error can be read."""
    codec = protocol.codec(service, model.load(service).protocols[0])
    kind = type("Quoted", (CloudError,), {"code": "Quoted", "status": 400})
    response = codec.error(kind(UNSAYABLE, fields={"What": UNSAYABLE}), None, "id")
    assert isinstance(response.body, bytes)
    root = ET.fromstring(response.body)
    texts = [element.text for element in root.iter() if element.tag.endswith(("Message", "What"))]
    assert texts == [SAID, SAID]


@pytest.mark.parametrize("count", [1, 3, 20])
def test_what_xml_cannot_say_in_answers(count: int) -> None:
    """The same holds for answers, alone and in long lists."""
    uploads = [{"Key": UNSAYABLE, "UploadId": f"{number}"} for number in range(count)]
    codec = protocol.codec("s3", "rest-xml")
    response = codec.serialise("ListMultipartUploads", {"Prefix": UNSAYABLE, "Uploads": uploads}, "id")
    assert isinstance(response.body, bytes)
    root = ET.fromstring(response.body)
    texts = [element.text for element in root.iter() if element.tag.endswith(("Prefix", "Key"))]
    assert texts == [SAID] * (count + 1)
