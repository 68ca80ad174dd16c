"""A signature is for one request: no other reading of the same signed text exists, and reading never breaks."""

from __future__ import annotations

from urllib.parse import urlsplit

import boto3
import pytest
from botocore.client import Config
from hypothesis import given
from hypothesis import strategies as st

from pilvi.core.errors import CloudError
from pilvi.wire import model, sigv2, sigv4
from pilvi.wire.http import Request
from signing import KEY, NOW_MS, SECRET, sign

HEADER = (
    f"AWS4-HMAC-SHA256 Credential={KEY}/20261120/eu-north-1/s3/aws4_request, SignedHeaders=host, Signature={'0' * 64}"
)


def presigned_v2(operation: str, params: dict[str, object], token: str | None = None) -> Request:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://localhost:4566",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        aws_session_token=token,
        config=Config(signature_version="s3", s3={"addressing_style": "path"}),
    )
    method = client.meta.service_model.operation_model(
        "".join(part.capitalize() for part in operation.split("_"))
    ).http["method"]
    url = urlsplit(client.generate_presigned_url(operation, Params=params, ExpiresIn=60))
    return Request(method, url.path, url.query, {"host": url.netloc})


def verify_v2(request: Request) -> None:
    claims = sigv4.read(request)
    assert claims is not None
    sigv4.verify(claims, request, SECRET, int(claims.timestamp) * 1000, "s3")


def refusal(request: Request, family: str) -> tuple[str, str]:
    claims = sigv4.read(request)
    assert claims is not None
    with pytest.raises(CloudError) as caught:
        sigv4.verify(claims, request, SECRET, NOW_MS, family)
    return caught.value.code, caught.value.message


def test_version_2_covers_all_that_chooses_an_operation() -> None:
    """No literal in the query of any of S3's operations is outside of what version 2 signs.

    list-type=2 alone is: it chooses between two forms of the same listing.
    """
    literals = {
        part.partition("=")[0]
        for operation in model.load("s3").operations.values()
        for part in operation.http.request_uri.partition("?")[2].split("&")
    }
    assert literals - {"", "list-type"} <= sigv2.SUBRESOURCES


@pytest.mark.parametrize("added", ["attributes", "renameObject", "session", "annotation&annotationName=x"])
def test_a_version_2_url_becomes_no_other_operation(added: str) -> None:
    """A URL for an object is not one for its attributes, nor for renaming it."""
    request = presigned_v2("get_object", {"Bucket": "b", "Key": "k"})
    request.query = f"{added}&{request.query}"
    with pytest.raises(CloudError) as caught:
        verify_v2(request)
    assert caught.value.code == "SignatureDoesNotMatch"


def test_a_version_2_url_for_a_part_is_not_one_for_the_object() -> None:
    """partNumber=1%26uploadId%3Du decodes to the same signed text as partNumber=1&uploadId=u, and is refused."""
    request = presigned_v2("upload_part", {"Bucket": "b", "Key": "k", "PartNumber": 1, "UploadId": "u"})
    verify_v2(request)
    assert "partNumber=1" in request.query
    rest = "&".join(part for part in request.query.split("&") if not part.startswith(("partNumber", "uploadId")))
    request.query = f"partNumber=1%26uploadId%3Du&{rest}"
    with pytest.raises(CloudError) as caught:
        verify_v2(request)
    assert caught.value.code == "SignatureDoesNotMatch"


def test_a_version_2_url_of_temporary_credentials_is_verified() -> None:
    """Its token stands in the query, and is signed as the header would be."""
    verify_v2(presigned_v2("get_object", {"Bucket": "b", "Key": "k"}, token="tok/en+1="))


def test_values_with_ampersands_are_verified_by_version_2() -> None:
    """What is signed is the decoded value, whatever it holds."""
    name = 'attachment; filename="a&b=c.txt"'
    verify_v2(presigned_v2("get_object", {"Bucket": "b", "Key": "k", "ResponseContentDisposition": name}))


@pytest.mark.parametrize(
    ("service", "family", "code"),
    [
        ("logs", "json", "InvalidSignatureException"),
        ("lambda", "rest-json", "InvalidSignatureException"),
        ("iam", "query", "SignatureDoesNotMatch"),
        ("s3", "s3", "AccessDenied"),
    ],
)
def test_x_amz_headers_are_signed(service: str, family: str, code: str) -> None:
    """An x-amz- header that somebody added on the way, x-amz-target above all, is refused by every family."""
    request = sign("POST", "http://h/", service=service)
    claims = sigv4.read(request)
    assert claims is not None
    sigv4.verify(claims, request, SECRET, NOW_MS, family)
    request.headers["x-amz-target"] = "Logs_20140328.DeleteLogGroup"
    found, message = refusal(request, family)
    assert found == code
    if family != "s3":
        assert message == "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization."


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 1 Jan 99999999999999 00:00:00 GMT",
        "Mon, 1 Jan 2020 00:00:00 +99999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 -0100",
        "Mon, 1 Jan 2020 99999999999999999999999:00:00 GMT",
        "yesterday",
    ],
)
def test_dates_that_are_none(date: str) -> None:
    """A Date that no calendar has is the client's mistake, not ours."""
    request = Request("GET", "/", "", {"host": "h", "authorization": HEADER, "date": date})
    assert refusal(request, "s3") == (
        "AccessDenied",
        "AWS authentication requires a valid Date or x-amz-date header",
    )


LATIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60)


@given(
    authorization=st.one_of(st.none(), LATIN, LATIN.map(lambda text: HEADER[: len(text)] + text)),
    query=LATIN,
    date=LATIN,
)
def test_reading_never_breaks(authorization: str | None, query: str, date: str) -> None:
    """Whatever stands in the header and the query, the claims are read, and what is wrong is said as a client's error."""
    headers = {"host": "h", "date": date, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    if authorization is not None:
        headers["authorization"] = authorization
    for prefix in (
        "",
        "X-Amz-Algorithm=",
        "X-Amz-Credential=a/20261120/r/s3/aws4_request&",
        "AWSAccessKeyId=a&Signature=",
    ):
        request = Request("GET", "/", prefix + query, headers)
        claims = sigv4.read(request)
        if claims is not None:
            with pytest.raises(CloudError) as caught:
                sigv4.verify(claims, request, "other", NOW_MS, "s3")
            assert 400 <= caught.value.status < 500
