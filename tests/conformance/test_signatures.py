"""Who may come in: requests signed, wrongly signed and not signed, to services of each protocol."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from live import LiveCloud, Unique
from pilvi.wire.http import Request
from pilvi.wire.sigv4 import EMPTY_SHA256, signing_key
from signing import sign

REGION = "us-east-1"


class Answer:
    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status = status
        self.body = body
        kind = headers.get("x-amzn-errortype", "")
        found = re.search(rb"<Code>(\w+)</Code>", body)
        if found:
            self.code = found[1].decode()
        elif kind:
            self.code = kind.split(":")[0]
        else:
            self.code = str(json.loads(body).get("__type", "")).rpartition("#")[2] if body.startswith(b"{") else ""


def send(cloud: LiveCloud, request: Request) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(cloud.endpoint).netloc, timeout=30)
    target = request.path + (f"?{request.query}" if request.query else "")
    connection.request(request.method, target, request.body, request.headers)
    response = connection.getresponse()
    answer = Answer(response.status, response.headers, response.read())
    connection.close()
    return answer


LOGS = {"x-amz-target": "Logs_20140328.DescribeLogGroups", "content-type": "application/x-amz-json-1.1"}
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
KINDS = {
    "s3": ("GET", "/", {}, b""),
    "iam": ("POST", "/", FORM, b"Action=ListUsers&Version=2010-05-08"),
    "logs": ("POST", "/", LOGS, b"{}"),
    "lambda": ("GET", "/2015-03-31/functions/", {}, b""),
}


def signed(cloud: LiveCloud, service: str, **changes: object) -> Request:
    method, path, headers, body = KINDS[service]
    options = {
        "secret": cloud.secret_key,
        "now": datetime.now(UTC),
        "region": REGION,
        "key": cloud.access_key,
        **changes,
    }
    return sign(method, cloud.endpoint + path, service=service, headers=headers, body=body, **options)  # type: ignore[arg-type]


Break = Callable[[LiveCloud, str], Request]


def unsigned(cloud: LiveCloud, service: str) -> Request:
    request = signed(cloud, service)
    del request.headers["authorization"]
    return request


def half_a_header(cloud: LiveCloud, service: str) -> Request:
    request = signed(cloud, service)
    request.headers["authorization"] = request.headers["authorization"].partition(", Signature=")[0]
    return request


WRONG: dict[str, tuple[Break, dict[str, tuple[int, str]]]] = {
    "no signature": (unsigned, {
        "s3": (403, "AccessDenied"), "iam": (403, "MissingAuthenticationToken"),
        "logs": (400, "MissingAuthenticationTokenException"),
    }),
    "unknown key": (lambda cloud, service: signed(cloud, service, key="AKIANOBODYKNOWSTHIS0"), {
        "s3": (403, "InvalidAccessKeyId"), "iam": (403, "InvalidClientTokenId"),
        "logs": (400, "UnrecognizedClientException"), "lambda": (403, "UnrecognizedClientException"),
    }),
    "wrong secret": (lambda cloud, service: signed(cloud, service, secret="guessed"), {
        "s3": (403, "SignatureDoesNotMatch"), "iam": (403, "SignatureDoesNotMatch"),
        "logs": (400, "InvalidSignatureException"), "lambda": (403, "InvalidSignatureException"),
    }),
    "signed an hour ago": (lambda cloud, service: signed(cloud, service, now=datetime.now(UTC) - timedelta(hours=1)), {
        "s3": (403, "RequestTimeTooSkewed"), "iam": (403, "SignatureDoesNotMatch"),
        "logs": (400, "InvalidSignatureException"), "lambda": (403, "InvalidSignatureException"),
    }),
    "made-up token": (lambda cloud, service: signed(cloud, service, token="bm90IGEgdG9rZW4="), {
        "s3": (400, "InvalidToken"), "iam": (403, "InvalidClientTokenId"),
        "logs": (400, "UnrecognizedClientException"), "lambda": (403, "UnrecognizedClientException"),
    }),
    "half a header": (half_a_header, {
        "s3": (400, "AuthorizationHeaderMalformed"), "iam": (400, "IncompleteSignature"),
        "logs": (400, "IncompleteSignatureException"), "lambda": (403, "IncompleteSignatureException"),
    }),
}  # fmt: skip


@pytest.mark.parametrize("service", KINDS)
def test_a_signed_request_is_answered(cloud: LiveCloud, service: str) -> None:
    """The requests of this file are right, but for what each test makes wrong."""
    assert send(cloud, signed(cloud, service)).status == 200


@pytest.mark.parametrize(("kind", "service"), [(kind, service) for kind in WRONG for service in WRONG[kind][1]])
def test_what_is_wrong_is_said_in_the_protocols_words(cloud: LiveCloud, kind: str, service: str) -> None:
    """Status and code, for S3, a query service, JSON, and REST with JSON."""
    make, expected = WRONG[kind]
    answer = send(cloud, make(cloud, service))
    assert (answer.status, answer.code) == expected[service], answer.body


def test_a_scope_for_another_service_opens_nothing(cloud: LiveCloud) -> None:
    """A request of one service, signed for another, is not carried out."""
    method, path, headers, body = KINDS["logs"]
    request = sign(method, cloud.endpoint + path, service="s3", headers=headers, body=body, secret=cloud.secret_key,
                   key=cloud.access_key, now=datetime.now(UTC), region=REGION)  # fmt: skip
    answer = send(cloud, request)
    assert answer.status >= 400
    assert b"logGroups" not in answer.body


# -- presigned ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def thing(cloud: LiveCloud, unique: Unique) -> Iterator[str]:
    """The path of an object that holds "hello"."""
    bucket = unique("signed")
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a b/ä+c", Body=b"hello")
    yield f"/{bucket}/a%20b/%C3%A4%2Bc"
    s3.delete_object(Bucket=bucket, Key="a b/ä+c")
    s3.delete_bucket(Bucket=bucket)


def presigned(
    cloud: LiveCloud, path: str, *, method: str = "GET", ago: timedelta = timedelta(), expires: int = 60
) -> Request:
    return sign(method, cloud.endpoint + path, secret=cloud.secret_key, key=cloud.access_key, region=REGION,
                now=datetime.now(UTC) - ago, expires=expires)  # fmt: skip


def test_a_presigned_url_is_as_good_as_a_key_until_it_expires(cloud: LiveCloud, thing: str) -> None:
    """For its method and its object, and no longer than it says."""
    answer = send(cloud, presigned(cloud, thing))
    assert (answer.status, answer.body) == (200, b"hello")
    answer = send(cloud, presigned(cloud, thing, ago=timedelta(seconds=61)))
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert b"Request has expired" in answer.body
    other = presigned(cloud, thing)
    other.method = "DELETE"
    assert send(cloud, other).code == "SignatureDoesNotMatch"
    other = presigned(cloud, thing)
    other.path += "x"
    assert send(cloud, other).code == "SignatureDoesNotMatch"
    assert send(cloud, presigned(cloud, thing, expires=604_801)).code == "AuthorizationQueryParametersError"


# -- chunks ------------------------------------------------------------------------------------------------------------


def in_chunks(cloud: LiveCloud, path: str, pieces: list[bytes]) -> Request:
    """An upload whose chunks are each signed, as old SDKs send it."""
    length = sum(map(len, pieces))
    request = sign(
        "PUT", cloud.endpoint + path, secret=cloud.secret_key, key=cloud.access_key, region=REGION, now=datetime.now(UTC),
        headers={"x-amz-decoded-content-length": str(length), "content-encoding": "aws-chunked"},
        payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    )  # fmt: skip
    time = request.headers["x-amz-date"]
    scope = f"{time[:8]}/{REGION}/s3/aws4_request"
    key = signing_key(cloud.secret_key, time[:8], REGION, "s3")
    previous = request.headers["authorization"].rpartition("=")[2]
    body = b""
    for piece in [*pieces, b""]:
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{previous}\n{EMPTY_SHA256}\n{hashlib.sha256(piece).hexdigest()}"
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        body += b"%x;chunk-signature=%b\r\n%b\r\n" % (len(piece), previous.encode(), piece)
    request.body = body
    request.headers["content-length"] = str(len(body))
    return request


@pytest.mark.parametrize("pieces", [[], [b"a" * 10], [b"a" * 8192, b"b"], [b"a" * 65536] * 20 + [b"c" * 3]])
def test_signed_chunks_make_an_object(cloud: LiveCloud, thing: str, pieces: list[bytes]) -> None:
    """What is kept is the content, without the chunks."""
    answer = send(cloud, in_chunks(cloud, thing, pieces))
    assert answer.status == 200, answer.body
    assert send(cloud, presigned(cloud, thing)).body == b"".join(pieces)


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_a_chunk_that_was_changed_leaves_everything_as_it_was(cloud: LiveCloud, thing: str, size: int) -> None:
    """The upload is refused, the object that was there is still there."""
    request = in_chunks(cloud, thing, [b"a" * size])
    request.body = request.body.replace(b"a" * 50, b"a" * 49 + b"b", 1)
    answer = send(cloud, request)
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert send(cloud, presigned(cloud, thing)).body == b"hello"


def test_a_body_other_than_the_one_signed_leaves_everything_as_it_was(cloud: LiveCloud, thing: str) -> None:
    """For bodies of any size: the hash in the signature is held against what came."""
    for size in (100, 1_000_000):
        request = sign("PUT", cloud.endpoint + thing, secret=cloud.secret_key, key=cloud.access_key, region=REGION,
                       now=datetime.now(UTC), body=b"a" * size)  # fmt: skip
        request.body = b"b" * size
        answer = send(cloud, request)
        assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert send(cloud, presigned(cloud, thing)).body == b"hello"


def test_a_session_needs_its_token(cloud: LiveCloud) -> None:
    """Temporary keys count with their own token only."""
    sts = cloud.client("sts")
    given, other = sts.get_session_token()["Credentials"], sts.get_session_token()["Credentials"]
    session = {"key": given["AccessKeyId"], "secret": given["SecretAccessKey"]}
    assert send(cloud, signed(cloud, "s3", **session, token=given["SessionToken"])).status == 200
    assert send(cloud, signed(cloud, "s3", **session)).code == "InvalidAccessKeyId"
    assert send(cloud, signed(cloud, "s3", **session, token=other["SessionToken"])).code == "InvalidToken"
    tampered = given["SessionToken"][:-8] + "AAAAAAAA"
    assert send(cloud, signed(cloud, "s3", **session, token=tampered)).code == "InvalidToken"
    wrong = {**session, "secret": other["SecretAccessKey"]}
    assert send(cloud, signed(cloud, "s3", **wrong, token=given["SessionToken"])).code == "SignatureDoesNotMatch"


def test_boto3_sees_the_code(cloud: LiveCloud) -> None:
    """As AWS's own error, in its exception."""
    client = cloud.client("iam", aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as caught:
        client.list_users()
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
