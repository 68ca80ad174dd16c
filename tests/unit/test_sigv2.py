"""Signature version 2, held against botocore's signer and the examples of AWS's documentation."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
import pytest
from botocore.client import Config

from pilvi.core.errors import CloudError
from pilvi.wire import sigv2, sigv4
from pilvi.wire.http import Request

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def presigned(operation: str, params: dict[str, str], style: str = "path", token: str | None = None) -> Request:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://localhost:4566",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key=SECRET,
        aws_session_token=token,
        config=Config(signature_version="s3", s3={"addressing_style": style}),
    )
    url = urlsplit(client.generate_presigned_url(operation, Params=params, ExpiresIn=60))
    method = {"get_object": "GET", "put_object": "PUT", "list_parts": "GET"}[operation]
    request = Request(method, url.path, url.query, {"host": url.netloc})
    if style == "virtual":
        request.label = url.netloc.partition(".")[0]
    return request


def verify(request: Request, secret: str = SECRET, later_ms: int = 0) -> None:
    claims = sigv4.read(request)
    assert claims is not None
    expires_ms = int(claims.timestamp) * 1000
    sigv4.verify(claims, request, secret, expires_ms + later_ms, "s3")


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("get_object", {"Bucket": "photos", "Key": "a b/ü+&?.jpg"}),
        ("get_object", {"Bucket": "photos", "Key": "a", "ResponseContentType": "text/plain; charset=x"}),
        ("put_object", {"Bucket": "photos", "Key": "x"}),
        ("list_parts", {"Bucket": "photos", "Key": "x", "UploadId": "u-1"}),
    ],
)
def test_presigned_urls_of_boto3_are_verified(operation: str, params: dict[str, str], style: str) -> None:
    """What boto3 presigns with its default for us-east-1 is accepted, whichever way the bucket is named."""
    verify(presigned(operation, params, style))


def test_a_wrong_secret_does_not_match() -> None:
    """Another secret makes another signature."""
    with pytest.raises(CloudError) as caught:
        verify(presigned("get_object", {"Bucket": "b", "Key": "k"}), secret="another-secret")
    assert caught.value.code == "SignatureDoesNotMatch"


def test_a_changed_path_does_not_match() -> None:
    """A signature holds for one key only."""
    request = presigned("get_object", {"Bucket": "b", "Key": "k"})
    request.path = "/b/other"
    with pytest.raises(CloudError) as caught:
        verify(request)
    assert caught.value.code == "SignatureDoesNotMatch"


def test_it_expires() -> None:
    """One millisecond after its time a URL is refused."""
    with pytest.raises(CloudError) as caught:
        verify(presigned("get_object", {"Bucket": "b", "Key": "k"}), later_ms=1)
    assert (caught.value.code, caught.value.message) == ("AccessDenied", "Request has expired")


def test_the_token_is_read() -> None:
    """Temporary credentials presign too; their token stands in the query."""
    claims = sigv4.read(presigned("get_object", {"Bucket": "b", "Key": "k"}, token="tok/en+1"))
    assert claims is not None
    assert claims.token == "tok/en+1"


def test_the_documented_header_example() -> None:
    """AWS's own example of an object GET (REST authentication, "Object GET")."""
    request = Request(
        "GET",
        "/photos/puppy.jpg",
        "",
        {
            "host": "awsexamplebucket1.us-west-1.s3.amazonaws.com",
            "date": "Tue, 27 Mar 2007 19:36:42 +0000",
            "authorization": "AWS AKIAIOSFODNN7EXAMPLE:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
        },
        label="awsexamplebucket1",
    )
    claims = sigv4.read(request)
    assert claims is not None
    sigv4.verify(claims, request, SECRET, 1_175_024_202_000, "s3")


def test_other_services_do_not_take_it() -> None:
    """Version 2 is S3's alone."""
    request = Request("GET", "/", "", {"date": "Tue, 27 Mar 2007 19:36:42 +0000", "authorization": "AWS A:b"})
    claims = sigv4.read(request)
    assert claims is not None
    with pytest.raises(CloudError) as caught:
        sigv4.verify(claims, request, SECRET, 1_175_024_202_000, "rest-json")
    assert caught.value.code == "IncompleteSignatureException"


def test_comparison_is_of_the_whole() -> None:
    """A prefix of the right signature is not enough."""
    assert not sigv2.matches("s", "text", "")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-date": ""}, "AccessDenied"),
        ({"x-amz-date": "", "date": "Tue, 27 Mar 2007 19:36:42 +0000"}, "AccessDenied"),
        ({}, "AccessDenied"),
        ({"x-amz-date": "yesterday"}, "AccessDenied"),
        ({"x-amz-date": "Tue, 07 Jul 1950 21:53:04 GMT"}, "AccessDenied"),
        ({"date": "Wed, 31 Dec 1969 23:59:59 GMT"}, "AccessDenied"),
        ({"x-amz-date": "Thu, 01 Jan 1970 00:00:00 GMT"}, "RequestTimeTooSkewed"),
        ({"x-amz-date": "Tue, 07 Jul 9999 21:53:04 GMT"}, "RequestTimeTooSkewed"),
    ],
)
def test_dates_that_are_none(headers: dict[str, str], code: str) -> None:
    """Missing, empty, unreadable or before 1970, the date is refused as none; any other is only too far away."""
    request = Request("GET", "/b/k", "", {"authorization": "AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl", **headers})
    claims = sigv4.read(request)
    assert claims is not None
    with pytest.raises(CloudError) as caught:
        sigv4.verify(claims, request, SECRET, 1_175_024_202_000, "s3")
    assert caught.value.code == code
