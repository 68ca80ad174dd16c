"""Signatures against the real server: for a service of each family of protocols, every way in which one can be wrong.

What is expected is AWS's documentation of errors: S3's error responses, and the common errors of IAM, Lambda and
CloudWatch Logs. The requests are signed by hand, and by boto3 where it makes what is tested.
"""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from functions import allow
from handmade import PLACES, Answer, Chunked, Signer, Wire
from live import LiveCloud, Unique

SERVICES = sorted(PLACES)
Expected = dict[str, tuple[str, int]]

NOBODY: Expected = {
    "s3": ("AccessDenied", 403),
    "iam": ("MissingAuthenticationToken", 403),
    "lambda": ("MissingAuthenticationTokenException", 403),
    "logs": ("MissingAuthenticationTokenException", 400),
}
UNKNOWN: Expected = {
    "s3": ("InvalidAccessKeyId", 403),
    "iam": ("InvalidClientTokenId", 403),
    "lambda": ("UnrecognizedClientException", 403),
    "logs": ("UnrecognizedClientException", 400),
}
WRONG: Expected = {
    "s3": ("SignatureDoesNotMatch", 403),
    "iam": ("SignatureDoesNotMatch", 403),
    "lambda": ("InvalidSignatureException", 403),
    "logs": ("InvalidSignatureException", 400),
}
SKEWED: Expected = WRONG | {"s3": ("RequestTimeTooSkewed", 403)}
EXPIRED_URL: Expected = WRONG | {"s3": ("AccessDenied", 403)}
BAD_TOKEN: Expected = UNKNOWN | {"s3": ("InvalidToken", 400)}
EXPIRED_TOKEN: Expected = {
    "s3": ("ExpiredToken", 400),
    "iam": ("ExpiredToken", 403),
    "lambda": ("ExpiredTokenException", 403),
    "logs": ("ExpiredTokenException", 400),
}
INCOMPLETE: Expected = {
    "s3": ("AuthorizationHeaderMalformed", 400),
    "iam": ("IncompleteSignature", 400),
    "lambda": ("IncompleteSignatureException", 403),
    "logs": ("IncompleteSignatureException", 400),
}
BAD_QUERY: Expected = INCOMPLETE | {"s3": ("AuthorizationQueryParametersError", 400)}
SCOPE: Expected = WRONG | {"s3": ("AuthorizationHeaderMalformed", 400)}

every_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture(scope="module")
def wire(cloud: LiveCloud) -> Wire:
    return Wire(cloud.endpoint)


@pytest.fixture(scope="module")
def root(cloud: LiveCloud) -> Signer:
    return Signer(cloud.access_key, cloud.secret_key)


@pytest.fixture
def bucket(cloud: LiveCloud, unique: Unique) -> Iterator[str]:
    s3, name = cloud.client("s3"), unique("signed")
    s3.create_bucket(Bucket=name)
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


def told(answer: Answer) -> tuple[str, int]:
    return answer.code, answer.status


def host_of(service: str, wire: Wire) -> str:
    """A host that names the service, for requests whose signature does not."""
    return f"{service}.us-east-1.localhost.localstack.cloud:{wire.address[1]}"


# -- keys ----------------------------------------------------------------------------------------------------------------


@every_service
def test_signed_as_it_should_be(wire: Wire, root: Signer, service: str) -> None:
    """The request that all others here are made from is answered."""
    assert wire.ask(root.but(service=service)).status == 200


@every_service
def test_no_credentials(wire: Wire, service: str) -> None:
    """A request that is not signed is nobody's."""
    method, target, headers, body = PLACES[service]
    assert told(wire.send(method, target, headers | {"host": host_of(service, wire)}, body)) == NOBODY[service]


@every_service
def test_an_unknown_key(wire: Wire, root: Signer, service: str) -> None:
    """A key that was never made; S3 repeats its id."""
    answer = wire.ask(root.but(service=service, key="AKIANOBODYATALL00001"))
    assert told(answer) == UNKNOWN[service]
    if service == "s3":
        assert answer.field("AWSAccessKeyId") == "AKIANOBODYATALL00001"


@every_service
def test_an_inactive_key(cloud: LiveCloud, wire: Wire, unique: Unique, service: str) -> None:
    """A key that was made inactive is as unknown as one that never was; active again, it works."""
    iam, name = cloud.client("iam"), unique("user")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=allow("*"))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    signer = Signer(key["AccessKeyId"], key["SecretAccessKey"], service)
    assert wire.ask(signer).status == 200
    iam.update_access_key(UserName=name, AccessKeyId=signer.key, Status="Inactive")
    assert told(wire.ask(signer)) == UNKNOWN[service]
    iam.update_access_key(UserName=name, AccessKeyId=signer.key, Status="Active")
    assert wire.ask(signer).status == 200
    iam.delete_access_key(UserName=name, AccessKeyId=signer.key)
    assert told(wire.ask(signer)) == UNKNOWN[service]


@every_service
def test_a_wrong_secret(wire: Wire, root: Signer, service: str) -> None:
    """S3 shows what it computed the signature from, so that a client's author can compare; never the signature."""
    answer = wire.ask(root.but(service=service, secret=root.secret + "x"))
    assert told(answer) == WRONG[service]
    if service == "s3":
        assert answer.field("AWSAccessKeyId") == root.key
        assert answer.field("StringToSign").startswith("AWS4-HMAC-SHA256\n")
        assert answer.field("CanonicalRequest").startswith("GET\n/\n\nhost:")
        assert bytes.fromhex(answer.field("StringToSignBytes")).decode() == answer.field("StringToSign")
        assert len(answer.field("SignatureProvided")) == 64
        assert answer.field("SignatureProvided") not in answer.field("CanonicalRequest")


# -- the scope -------------------------------------------------------------------------------------------------------------


def test_the_region_of_the_scope_is_the_region_of_the_request(
    cloud: LiveCloud, wire: Wire, root: Signer, unique: Unique
) -> None:
    """One endpoint serves every region: what was made in one is not there in another."""
    name = unique("group")
    cloud.client("logs").create_log_group(logGroupName=name)
    body = json.dumps({"logGroupNamePrefix": name}).encode()
    _, _, headers, _ = PLACES["logs"]
    for region, count in (("us-east-1", 1), ("eu-north-1", 0)):
        answer = wire.signed(root.but(service="logs", region=region), "POST", "/", headers, body)
        assert len(json.loads(answer.body)["logGroups"]) == count
    cloud.client("logs").delete_log_group(logGroupName=name)


def test_the_wrong_region_for_a_bucket(wire: Wire, root: Signer, bucket: str) -> None:
    """S3 says where the bucket is."""
    answer = wire.signed(root.but(region="eu-north-1"), "GET", f"/{bucket}")
    assert told(answer) == ("PermanentRedirect", 301)
    assert answer.headers["x-amz-bucket-region"] == "us-east-1"


@pytest.mark.parametrize(
    ("scope", "place"),
    [("iam", "lambda"), ("iam", "logs"), ("lambda", "iam"), ("lambda", "logs"), ("logs", "iam"), ("logs", "lambda")],
)
def test_the_wrong_service(wire: Wire, root: Signer, scope: str, place: str) -> None:
    """A signature for one service reaches no operation of another, whatever form the request has."""
    method, target, headers, body = PLACES[place]
    answer = wire.signed(root.but(service=scope), method, target, headers, body)
    assert answer.status in (400, 404)
    assert answer.code in ("UnknownOperationException", "InvalidAction")


@pytest.mark.parametrize("place", ["iam", "lambda", "logs"])
def test_a_signature_for_s3_is_for_s3(wire: Wire, root: Signer, place: str) -> None:
    """Neither X-Amz-Target nor Action nor a path leads elsewhere."""
    method, target, headers, body = PLACES[place]
    answer = wire.signed(root, method, target, headers, body)
    assert told(answer) in (("MethodNotAllowed", 405), ("NoSuchBucket", 404))


def test_a_service_that_nobody_knows(wire: Wire, root: Signer) -> None:
    """AWS has no such service, and we say its name."""
    method, target, headers, body = PLACES["logs"]
    answer = wire.signed(root.but(service="no-such-service"), method, target, headers, body)
    assert told(answer) == ("NotImplemented", 501)
    assert "no-such-service" in answer.message


# -- the Authorization header ----------------------------------------------------------------------------------------------

CREDENTIAL = "{key}/{date}/us-east-1/{service}/aws4_request"
GOOD = {"Credential": CREDENTIAL, "SignedHeaders": "host;x-amz-date", "Signature": "0" * 64}


def authorization(root: Signer, service: str, **parts: str | None) -> str:
    """An Authorization header with parts replaced, or left out for None."""
    shown = {name: value for name, value in (GOOD | parts).items() if value is not None}
    text = ", ".join(f"{name}={value}" for name, value in shown.items())
    date = datetime.now(UTC).strftime("%Y%m%d")
    return "AWS4-HMAC-SHA256 " + text.format(key=root.key, date=date, service=service)


@every_service
@pytest.mark.parametrize("part", ["Credential", "SignedHeaders", "Signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_part_is_missing(wire: Wire, root: Signer, service: str, part: str, value: str | None) -> None:
    """All three parts must be there, and not be empty; other services than S3 name what is missing."""
    header = authorization(root, service, **{part: value})
    answer = wire.ask(root.but(service=service), authorization=header, host=host_of(service, wire))
    assert told(answer) == INCOMPLETE[service]
    if service != "s3":
        assert f"Authorization header requires '{part}' parameter." in answer.message
        assert base64.b64encode(hashlib.sha256(header.encode()).digest()).decode() in answer.message


@every_service
@pytest.mark.parametrize(
    ("credential", "expected"),
    [
        ("{key}", INCOMPLETE),
        ("{key}/{date}/us-east-1/{service}", INCOMPLETE),
        ("{key}/{date}/us-east-1/{service}/aws4_request/more", INCOMPLETE),
        ("/{date}/us-east-1/{service}/aws4_request", INCOMPLETE),
        ("{key}/today/us-east-1/{service}/aws4_request", INCOMPLETE),
        ("{key}/{date}/US_EAST/{service}/aws4_request", SCOPE),
        ("{key}/{date}/us-east-1/{service}/aws5_request", SCOPE),
        ("{key}/20200101/us-east-1/{service}/aws4_request", SCOPE),
    ],
)
def test_a_malformed_credential(wire: Wire, root: Signer, service: str, credential: str, expected: Expected) -> None:
    """Too few parts, too many, none, a date that is none, of another day; a region that is none; another terminator."""
    header = authorization(root, service, Credential=credential)
    answer = wire.ask(root.but(service=service), authorization=header, host=host_of(service, wire))
    assert told(answer) == expected[service]


@every_service
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("AWS4-HMAC-SHA256", INCOMPLETE),
        ("AWS4-HMAC-SHA256 nonsense", INCOMPLETE),
        ("", NOBODY | {"s3": ("InvalidArgument", 400)}),
        ("Bearer abc", NOBODY | {"s3": ("InvalidArgument", 400)}),
        ("Basic eDp5", NOBODY | {"s3": ("InvalidArgument", 400)}),
        ("Negotiate", NOBODY | {"s3": ("InvalidArgument", 400)}),
    ],
)
def test_other_kinds_of_authorization(wire: Wire, root: Signer, service: str, header: str, expected: Expected) -> None:
    """Of a header that is no signature nothing is taken; S3 repeats it."""
    answer = wire.ask(root.but(service=service), authorization=header, host=host_of(service, wire))
    assert told(answer) == expected[service]
    if expected[service][0] == "InvalidArgument":
        assert answer.message == "Unsupported Authorization Type"
        assert (answer.field("ArgumentName"), answer.field("ArgumentValue")) == ("Authorization", header)


@every_service
def test_signature_version_4a(wire: Wire, root: Signer, service: str) -> None:
    """Asymmetric signatures are refused, by name."""
    header = (
        f"AWS4-ECDSA-P256-SHA256 Credential={root.key}/20260101/{service}/aws4_request, "
        f"SignedHeaders=host;x-amz-date;x-amz-region-set, Signature={'30' * 32}"
    )
    answer = wire.ask(root.but(service=service), authorization=header)
    assert told(answer) == (INCOMPLETE | {"s3": ("InvalidRequest", 400)})[service]
    assert "AWS4-HMAC-SHA256" in answer.message


@pytest.mark.parametrize("service", ["iam", "lambda", "logs"])
def test_signature_version_2_is_s3s_alone(wire: Wire, root: Signer, service: str) -> None:
    """Other services say which version they want."""
    header = f"AWS {root.key}:AAAAAAAAAAAAAAAAAAAAAAAAAAA="
    answer = wire.ask(root.but(service=service), authorization=header, host=host_of(service, wire))
    assert told(answer) == INCOMPLETE[service]
    assert answer.message == "Unsupported AWS 'algorithm': 'AWS'. Use AWS4-HMAC-SHA256."


# -- time -------------------------------------------------------------------------------------------------------------------


@every_service
@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_skewed_clock(wire: Wire, root: Signer, service: str, minutes: int) -> None:
    """More than fifteen minutes, either way; S3 tells both times and how much is allowed."""
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    signer = root.but(service=service, at=at)
    answer = wire.ask(signer)
    assert told(answer) == SKEWED[service]
    if service == "s3":
        assert answer.field("RequestTime") == signer.stamp
        assert abs(datetime.fromisoformat(answer.field("ServerTime")) - datetime.now(UTC)) < timedelta(minutes=1)
        assert answer.field("MaxAllowedSkewMilliseconds") == "900000"
    else:
        words = "Signature expired: " if minutes < 0 else "Signature not yet current: "
        assert answer.message.startswith(words + signer.stamp)


@every_service
@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_slightly_skewed_clock(wire: Wire, root: Signer, service: str, minutes: int) -> None:
    """Less than fifteen minutes is fine."""
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    assert wire.ask(root.but(service=service, at=at)).status == 200


@every_service
def test_no_date(wire: Wire, root: Signer, service: str) -> None:
    """Neither X-Amz-Date nor Date."""
    method, target, headers, body = PLACES[service]
    made = root.but(service=service).headers(method, target, wire.host, headers, body)
    del made["x-amz-date"]
    expected = INCOMPLETE | {"s3": ("AccessDenied", 403)}
    assert told(wire.send(method, target, made, body)) == expected[service]
    assert told(wire.send(method, target, made | {"x-amz-date": "yesterday"}, body)) == expected[service]


# -- presigned URLs -----------------------------------------------------------------------------------------------------------

URLS = {"s3": "/", "iam": "/?Action=ListUsers&Version=2010-05-08", "lambda": "/2015-03-31/functions/"}
every_url = pytest.mark.parametrize("service", sorted(URLS))


@every_url
def test_a_presigned_url(wire: Wire, root: Signer, service: str) -> None:
    """It works as it is, and not at all with another path, query, scope, or signature."""
    url = root.but(service=service).presigned("GET", URLS[service], wire.host)
    assert wire.send("GET", url).status == 200
    for changed in (
        url + "&prefix=x",
        url.replace("/?", "/?y=1&", 1),
        url.replace("X-Amz-Expires=900", "X-Amz-Expires=901"),
        url.replace("us-east-1", "us-east-2"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
    ):
        assert told(wire.send("GET", changed)) == WRONG[service], changed


def test_a_presigned_url_is_for_one_method(cloud: LiveCloud, wire: Wire, root: Signer, bucket: str) -> None:
    """One to read neither deletes nor writes, nor does one to write read."""
    target = f"/{bucket}/k"
    cloud.client("s3").put_object(Bucket=bucket, Key="k", Body=b"x")
    for signed in ("GET", "PUT", "DELETE", "HEAD"):
        for sent in {"GET", "PUT", "DELETE", "HEAD"} - {signed}:
            answer = wire.send(sent, root.presigned(signed, target, wire.host), {}, b"y" if sent == "PUT" else b"")
            assert answer.status == 403
    assert wire.send("GET", root.presigned("GET", target, wire.host)).body == b"x"


@every_url
def test_an_expired_url(wire: Wire, root: Signer, service: str) -> None:
    """S3 tells when."""
    at = datetime.now(UTC) - timedelta(minutes=10)
    url = root.but(service=service, at=at).presigned("GET", URLS[service], wire.host, expires="60")
    answer = wire.send("GET", url)
    assert told(answer) == EXPIRED_URL[service]
    if service == "s3":
        assert answer.message == "Request has expired"
        assert answer.field("X-Amz-Expires") == "60"
        assert answer.field("Expires") == (at + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert answer.field("ServerTime")


@every_url
def test_a_url_that_is_not_valid_yet(wire: Wire, root: Signer, service: str) -> None:
    """Signed for the day after tomorrow."""
    at = datetime.now(UTC) + timedelta(days=2)
    url = root.but(service=service, at=at).presigned("GET", URLS[service], wire.host)
    assert told(wire.send("GET", url)) == EXPIRED_URL[service]


@every_url
@pytest.mark.parametrize(
    ("expires", "word"), [("604801", "less than a week"), ("-1", "non-negative"), ("1h", "number")]
)
def test_an_impossible_expiry(wire: Wire, root: Signer, service: str, expires: str, word: str) -> None:
    """Longer than a week, before it was signed, and no number."""
    answer = wire.send("GET", root.but(service=service).presigned("GET", URLS[service], wire.host, expires=expires))
    assert told(answer) == BAD_QUERY[service]
    assert word in answer.message


@every_url
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X_Amz_Credential", ""),
        ("X_Amz_Credential", "nobody"),
        ("X_Amz_Date", ""),
        ("X_Amz_Date", "yesterday"),
        ("X_Amz_SignedHeaders", ""),
        ("X_Amz_Algorithm", "AWS4-HMAC-SHA512"),
    ],
)
def test_parameters_of_a_url(wire: Wire, root: Signer, service: str, name: str, value: str) -> None:
    """Missing or malformed, each of them."""
    url = root.but(service=service).presigned("GET", URLS[service], wire.host, **{name: value})
    answer = wire.send("GET", url, {"host": host_of(service, wire)})
    assert told(answer) == BAD_QUERY[service]


def test_both_kinds_of_authorization(wire: Wire, root: Signer) -> None:
    """A signature in the header and one in the query: neither counts."""
    url = root.presigned("GET", "/", wire.host)
    answer = wire.signed(root, "GET", url)
    assert told(answer) == ("InvalidArgument", 400)
    assert answer.message.startswith("Only one auth mechanism allowed")
    assert answer.field("ArgumentName") == "Authorization"


def test_a_url_signed_with_version_2(cloud: LiveCloud, bucket: str) -> None:
    """What boto3 makes by default for us-east-1 works: to put, to get, for nothing else, and not afterwards."""
    s3 = cloud.client("s3")
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b/ü"})
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü"})
    assert "AWSAccessKeyId=" in put
    assert "X-Amz-Algorithm" not in put
    assert fetched(put, "PUT", b"photo") == (200, b"")
    assert fetched(get) == (200, b"photo")
    assert fetched(get + "&acl")[0] == 403
    assert fetched(get, "DELETE")[0] == 403
    assert fetched(get.replace("a%20b", "a%20c"))[0] == 403
    assert fetched(get.replace("Expires=", "Expires=9"))[0] == 403
    old = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü"}, ExpiresIn=-1)
    status, body = fetched(old)
    assert status == 403
    assert b"Request has expired" in body


def fetched(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"Content-Type": ""} if body is not None else {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


# -- sessions -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def role(cloud: LiveCloud) -> Iterator[tuple[str, Signer]]:
    """A role that may everything, and the keys of a user who may assume it."""
    iam, name = cloud.client("iam"), "signatures-role"
    user = iam.create_user(UserName="signatures-user")["User"]
    iam.put_user_policy(UserName=user["UserName"], PolicyName="all", PolicyDocument=allow("*"))
    key = iam.create_access_key(UserName=user["UserName"])["AccessKey"]
    make_role(cloud, name, user["Arn"])
    yield name, Signer(key["AccessKeyId"], key["SecretAccessKey"])
    iam.delete_access_key(UserName=user["UserName"], AccessKeyId=key["AccessKeyId"])


def make_role(cloud: LiveCloud, name: str, principal: str) -> str:
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=allow("*"))
    return str(made["Arn"])


def session(cloud: LiveCloud, signer: Signer, name: str) -> Signer:
    sts = cloud.client("sts", aws_access_key_id=signer.key, aws_secret_access_key=signer.secret)
    made = sts.assume_role(RoleArn=f"arn:aws:iam::{cloud.account}:role/{name}", RoleSessionName="session")[
        "Credentials"
    ]
    return Signer(made["AccessKeyId"], made["SecretAccessKey"], token=made["SessionToken"])


@every_service
def test_session_tokens(cloud: LiveCloud, wire: Wire, role: tuple[str, Signer], service: str) -> None:
    """With its token a temporary key works; without, with a damaged one or another session's, it does not."""
    name, user = role
    one, other = (session(cloud, user, name).but(service=service) for _ in range(2))
    assert wire.ask(one).status == 200
    assert told(wire.ask(one.but(token=""))) == UNKNOWN[service]
    for token in (one.token[:-4] + "AAAA", "B" + one.token[1:], one.token + "=", "nonsense", other.token):
        answer = wire.ask(one.but(token=token))
        assert told(answer) == BAD_TOKEN[service]
        if service == "s3":
            assert answer.field("Token-0") == token
    assert told(wire.ask(user.but(service=service, token=one.token))) == BAD_TOKEN[service]


@every_url
def test_session_tokens_in_urls(cloud: LiveCloud, wire: Wire, role: tuple[str, Signer], service: str) -> None:
    """A presigned URL carries the token, under its signature."""
    name, user = role
    signer = session(cloud, user, name).but(service=service)
    url = signer.presigned("GET", URLS[service], wire.host)
    assert "X-Amz-Security-Token=" in url
    assert wire.send("GET", url).status == 200
    assert (
        told(wire.send("GET", signer.but(token="x").presigned("GET", URLS[service], wire.host))) == BAD_TOKEN[service]
    )


def test_session_tokens_in_urls_of_version_2(cloud: LiveCloud, role: tuple[str, Signer], bucket: str) -> None:
    """What boto3 presigns by default with temporary credentials, as a function does with its role's, works too."""
    name, user = role
    made = session(cloud, user, name)
    s3 = cloud.client("s3", aws_access_key_id=made.key, aws_secret_access_key=made.secret, aws_session_token=made.token)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert "x-amz-security-token=" in url
    assert fetched(url) == (200, b"x")
    assert fetched(url.replace("x-amz-security-token=", "x-amz-security-token=A"))[0] == 400


def test_sessions_end_with_their_role(cloud: LiveCloud, wire: Wire, role: tuple[str, Signer], unique: Unique) -> None:
    """A deleted role's sessions end at once, and do not come back when a role of the same name is made."""
    _, user = role
    iam, name = cloud.client("iam"), unique("role")
    make_role(cloud, name, f"arn:aws:iam::{cloud.account}:user/signatures-user")
    signer = session(cloud, user, name)
    for service in SERVICES:
        assert wire.ask(signer.but(service=service)).status == 200
    iam.delete_role_policy(RoleName=name, PolicyName="all")
    iam.delete_role(RoleName=name)
    for service in SERVICES:
        assert told(wire.ask(signer.but(service=service))) == UNKNOWN[service]
    make_role(cloud, name, f"arn:aws:iam::{cloud.account}:user/signatures-user")
    for service in SERVICES:
        assert told(wire.ask(signer.but(service=service))) == UNKNOWN[service]
    iam.delete_role_policy(RoleName=name, PolicyName="all")
    iam.delete_role(RoleName=name)


# -- what is signed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "body"),
    [
        ("iam", b"Action=CreateUser&Version=2010-05-08&UserName=changed-1"),
        ("logs", b'{"logGroupName":"changed-1"}'),
    ],
)
def test_a_body_that_changed(cloud: LiveCloud, wire: Wire, root: Signer, service: str, body: bytes) -> None:
    """The signature covers the body: another one is refused, and nothing is made."""
    method, target, headers, _ = PLACES[service]
    headers = headers | ({"x-amz-target": "Logs_20140328.CreateLogGroup"} if service == "logs" else {})
    made = root.but(service=service).headers(method, target, wire.host, headers, body)
    answer = wire.send(method, target, made, body.replace(b"changed-1", b"changed-2"))
    assert told(answer) == WRONG[service]
    assert "changed" not in str(cloud.client("iam").list_users()["Users"])
    assert cloud.client("logs").describe_log_groups(logGroupNamePrefix="changed")["logGroups"] == []


def test_an_object_that_changed(cloud: LiveCloud, wire: Wire, root: Signer, bucket: str) -> None:
    """S3 says both hashes, and stores nothing: small, and large enough to be staged."""
    for size in (5, 400_000):
        signed, sent = b"a" * size, b"b" * size
        made = root.headers("PUT", f"/{bucket}/k", wire.host, {}, signed)
        answer = wire.send("PUT", f"/{bucket}/k", made, sent)
        assert told(answer) == ("XAmzContentSHA256Mismatch", 400)
        assert answer.field("ClientComputedContentSHA256") == hashlib.sha256(signed).hexdigest()
        assert answer.field("S3ComputedContentSHA256") == hashlib.sha256(sent).hexdigest()
    assert cloud.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_the_hash_of_the_payload(wire: Wire, root: Signer, bucket: str) -> None:
    """S3 wants x-amz-content-sha256, and one that can be."""
    target = f"/{bucket}/k"
    made = root.headers("PUT", target, wire.host, {}, b"x")
    del made["x-amz-content-sha256"]
    answer = wire.send("PUT", target, made, b"x")
    assert told(answer) == ("InvalidRequest", 400)
    assert answer.message == "Missing required header for this request: x-amz-content-sha256"
    answer = wire.signed(root.but(payload="nonsense"), "PUT", target, {}, b"x")
    assert told(answer) == ("InvalidArgument", 400)
    assert answer.field("ArgumentName") == "x-amz-content-sha256"
    assert answer.field("ArgumentValue") == "nonsense"
    assert wire.signed(root.but(payload="UNSIGNED-PAYLOAD"), "PUT", target, {}, b"x").status == 200
    assert wire.signed(root, "DELETE", target).status == 204


@every_service
def test_headers_that_are_not_signed(wire: Wire, root: Signer, service: str) -> None:
    """An x-amz- header that was added on the way is refused; any other is not our matter."""
    signer = root.but(service=service)
    method, target, headers, body = PLACES[service]
    made = signer.headers(method, target, wire.host, headers, body)
    assert wire.send(method, target, made | {"x-other": "1"}, body).status == 200
    answer = wire.send(method, target, made | {"x-amz-meta-added": "1"}, body)
    assert told(answer) == (WRONG | {"s3": ("AccessDenied", 403)})[service]
    if service == "s3":
        assert answer.message == "There were headers present in the request which were not signed"
        assert answer.field("HeadersNotSigned") == "x-amz-meta-added"


@every_service
def test_the_host_is_signed(wire: Wire, root: Signer, service: str) -> None:
    """A signature without the host would hold everywhere."""
    answer = wire.ask(root.but(service=service, leave_out=frozenset({"host"})))
    assert told(answer) == (WRONG | {"s3": ("AccessDenied", 403)})[service]


@every_service
def test_the_host_cannot_be_replaced(wire: Wire, root: Signer, service: str) -> None:
    """Signed for one host and sent to another."""
    method, target, headers, body = PLACES[service]
    made = root.but(service=service).headers(method, target, wire.host, headers, body)
    answer = wire.send(method, target, made | {"host": f"elsewhere:{wire.address[1]}"}, body)
    assert told(answer) == WRONG[service]


def test_a_target_that_was_added(cloud: LiveCloud, wire: Wire, root: Signer, unique: Unique) -> None:
    """A signed request becomes no other operation by an X-Amz-Target that nobody signed."""
    name = unique("kept")
    cloud.client("logs").create_log_group(logGroupName=name)
    body = json.dumps({"logGroupName": name}).encode()
    made = root.but(service="logs").headers(
        "POST", "/", wire.host, {"content-type": "application/x-amz-json-1.1"}, body
    )
    answer = wire.send("POST", "/", made | {"x-amz-target": "Logs_20140328.DeleteLogGroup"}, body)
    assert told(answer) == WRONG["logs"]
    assert cloud.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    cloud.client("logs").delete_log_group(logGroupName=name)


# -- chunked uploads --------------------------------------------------------------------------------------------------------------

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SMALL = (b"s" * 8192, b"t" * 100)
LARGE = (b"l" * 65_536,) * 6 + (b"m" * 1_000,)


def crc32(pieces: tuple[bytes, ...]) -> str:
    value = base64.b64encode(zlib.crc32(b"".join(pieces)).to_bytes(4, "big")).decode()
    return f"x-amz-checksum-crc32:{value}"


@pytest.mark.parametrize("pieces", [SMALL, LARGE, ()], ids=["small", "large", "empty"])
@pytest.mark.parametrize("form", [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER])
def test_chunked_uploads(
    cloud: LiveCloud, wire: Wire, root: Signer, bucket: str, form: str, pieces: tuple[bytes, ...]
) -> None:
    """In each form, what arrives is the content of the chunks, and the checksum of the trailer is kept."""
    trailer = crc32(pieces) if form.endswith("TRAILER") else ""
    made, body = Chunked(form, pieces, trailer).request(root, f"/{bucket}/k", wire.host)
    answer = wire.send("PUT", f"/{bucket}/k", made, body)
    assert answer.status == 200, answer
    found = cloud.client("s3").get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert found["Body"].read() == b"".join(pieces)
    assert found.get("ContentEncoding", "") in ("", "aws-chunked")
    if trailer:
        assert found["ChecksumCRC32"] == trailer.partition(":")[2]


def broken(pieces: tuple[bytes, ...]) -> list[tuple[Chunked, tuple[str, int]]]:
    size, crc = sum(map(len, pieces)), crc32(pieces)
    wrong_crc = "x-amz-checksum-crc32:AAAAAA=="
    return [
        (Chunked(SIGNED, pieces, bad_chunk=0), ("SignatureDoesNotMatch", 403)),
        (Chunked(SIGNED, pieces, bad_chunk=1), ("SignatureDoesNotMatch", 403)),
        (Chunked(SIGNED, pieces, bad_chunk=len(pieces)), ("SignatureDoesNotMatch", 403)),
        (Chunked(SIGNED, pieces, cut=70), ("IncompleteBody", 400)),
        (Chunked(SIGNED, pieces, length=size + 1), ("IncompleteBody", 400)),
        (Chunked(SIGNED, pieces, length=size - 1), ("IncompleteBody", 400)),
        (Chunked(SIGNED_TRAILER, pieces, crc, bad_chunk=0), ("SignatureDoesNotMatch", 403)),
        (Chunked(SIGNED_TRAILER, pieces, crc, bad_trailer=True), ("SignatureDoesNotMatch", 403)),
        (Chunked(SIGNED_TRAILER, pieces, wrong_crc), ("BadDigest", 400)),
        (Chunked(UNSIGNED_TRAILER, pieces, wrong_crc), ("BadDigest", 400)),
        (Chunked(UNSIGNED_TRAILER, pieces, "x-amz-checksum-crc32:nonsense"), ("InvalidRequest", 400)),
        (Chunked(UNSIGNED_TRAILER, pieces, crc, length=size + 1), ("IncompleteBody", 400)),
        (Chunked(UNSIGNED_TRAILER, pieces, crc, length=0), ("IncompleteBody", 400)),
        (Chunked(UNSIGNED_TRAILER, pieces, crc, cut=40), ("IncompleteBody", 400)),
        (Chunked("STREAMING-NONSENSE", pieces), ("InvalidArgument", 400)),
    ]


@pytest.mark.parametrize("pieces", [SMALL, LARGE], ids=["small", "large"])
def test_broken_chunks(cloud: LiveCloud, wire: Wire, root: Signer, bucket: str, pieces: tuple[bytes, ...]) -> None:
    """A wrong signature of any chunk or of the trailer, a wrong checksum, too little or too much: nothing is stored."""
    cloud.client("s3").put_object(Bucket=bucket, Key="k", Body=b"before")
    for case, expected in broken(pieces):
        made, body = case.request(root, f"/{bucket}/k", wire.host)
        assert told(wire.send("PUT", f"/{bucket}/k", made, body)) == expected, case
    assert cloud.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"
    assert [found["Key"] for found in cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


def test_a_chunked_body_that_ends_early(cloud: LiveCloud, wire: Wire, root: Signer, bucket: str) -> None:
    """The client leaves in the middle: nothing is stored, and the server goes on."""
    made, body = Chunked(SIGNED, LARGE).request(root, f"/{bucket}/k", wire.host)
    made["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in made.items())
    raw = f"PUT /{bucket}/k HTTP/1.1\r\n{lines}\r\n".encode() + body[:200_000]
    with pytest.raises((AssertionError, ConnectionError)):
        wire.send_bytes(raw, more=False)
    assert cloud.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_chunks_need_a_signature_that_can_sign_them(cloud: LiveCloud, wire: Wire, bucket: str) -> None:
    """Chunks signed by nobody, sent to a URL of version 2: its signature cannot be continued."""
    s3 = cloud.client("s3")
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}))
    nobody = Signer("AKIA", "")
    made, body = Chunked(SIGNED, SMALL).request(nobody, url.path, wire.host)
    del made["authorization"], made["x-amz-date"]
    assert wire.send("PUT", f"{url.path}?{url.query}", made, body).status == 403
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


# -- by boto3 ---------------------------------------------------------------------------------------------------------------------


def test_what_boto3_makes_of_it(cloud: LiveCloud) -> None:
    """Its errors carry the code, the status and the request's id."""
    for service, call in (
        ("s3", "list_buckets"),
        ("iam", "list_users"),
        ("lambda", "list_functions"),
        ("logs", "describe_log_groups"),
    ):
        client: Any = cloud.client(
            service, aws_secret_access_key="wrong", config=Config(retries={"total_max_attempts": 1})
        )
        with pytest.raises(ClientError) as caught:
            getattr(client, call)()
        error = caught.value.response
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == WRONG[service]
        assert error["ResponseMetadata"]["RequestId"]
