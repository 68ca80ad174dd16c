"""What web pages may do with buckets: rules through boto3, preflights and answers as a browser sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from handmade import Answer, Signer, Wire
from live import LiveCloud, Unique
from refusals import refusal_of, refused

PAGE = "https://app.example.com"
RULE = {
    "ID": "app",
    "AllowedOrigins": ["https://*.example.com", "null"],
    "AllowedMethods": ["GET", "PUT"],
    "AllowedHeaders": ["Authorization", "x-amz-*"],
    "ExposeHeaders": ["ETag", "x-amz-request-id"],
    "MaxAgeSeconds": 60,
}
EVERYBODY = {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]}
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def wire(cloud: LiveCloud) -> Wire:
    return Wire(cloud.endpoint)


@pytest.fixture(scope="module")
def root(cloud: LiveCloud) -> Signer:
    return Signer(cloud.access_key, cloud.secret_key)


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"0123456789")
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def shared(s3: Any, bucket: str) -> str:
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE, EVERYBODY]})
    return bucket


def told(answer: Answer) -> dict[str, str]:
    """What an answer says to a browser."""
    return {
        name: value for name, value in answer.headers.items() if name.startswith("access-control-") or name == "vary"
    }


def ask(wire: Wire, target: str, method: str = "GET", headers: str = "", origin: str = PAGE, host: str = "") -> Answer:
    """A preflight."""
    sent = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    sent |= {"host": host} if host else {}
    return wire.send("OPTIONS", target, {name: value for name, value in sent.items() if value})


# -- the configuration ---------------------------------------------------------------------------------------------------


def test_rules_come_back_as_they_were(s3: Any, bucket: str) -> None:
    """Put, got, replaced, deleted; deleted twice is no error."""
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE, EVERYBODY]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [RULE, EVERYBODY]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [EVERYBODY]})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [EVERYBODY]
    for _ in range(2):
        s3.delete_bucket_cors(Bucket=bucket)
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)


def test_a_bucket_s_rules_go_with_it(s3: Any, unique: Unique) -> None:
    """A new bucket of the same name has none."""
    name = unique("bucket")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [EVERYBODY]})
    s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=name)
    s3.delete_bucket(Bucket=name)


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"AllowedMethods": ["PATCH"]}, "InvalidRequest", "Unsupported method is PATCH"),
        ({"AllowedMethods": ["get"]}, "InvalidRequest", "Unsupported method is get"),
        ({"AllowedMethods": []}, "MalformedXML", "not well-formed"),
        ({"AllowedOrigins": []}, "MalformedXML", "not well-formed"),
        ({"AllowedOrigins": ["http://*.*.org"]}, "InvalidRequest", 'AllowedOrigin "http://*.*.org" can not have more'),
        ({"AllowedHeaders": ["x-*-*"]}, "InvalidRequest", 'AllowedHeader "x-*-*" can not have more than one wildcard.'),
        ({"ExposeHeaders": ["x-*"]}, "InvalidRequest", 'ExposeHeader "x-*" contains wildcard.'),
        ({"ID": "i" * 256}, "InvalidRequest", "ID length should not exceed allowed limit of 255"),
        ({"MaxAgeSeconds": -1}, "MalformedXML", "not well-formed"),
        ({"AllowedOrigins": ["o" * 1024] * 65}, "MalformedXML", "not well-formed"),
    ],
)
def test_rules_that_cannot_be(s3: Any, bucket: str, change: dict[str, Any], code: str, text: str) -> None:
    """Each wrong value is refused in AWS's words, and nothing is stored."""
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], **change}
    said = refusal_of(code, s3.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [EVERYBODY, rule]})
    assert text in said
    with refused("NoSuchCORSConfiguration", 404):
        s3.get_bucket_cors(Bucket=bucket)


def test_how_many_rules_there_can_be(s3: Any, bucket: str) -> None:
    """From one to a hundred."""
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [EVERYBODY] * 100})
    for count, code in ((0, "MalformedXML"), (101, "InvalidRequest")):
        with refused(code, 400):
            s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [EVERYBODY] * count})
    assert len(s3.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 100


# -- preflights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["", "{bucket}.localhost", "{bucket}.s3.us-east-1.amazonaws.com"])
def test_what_a_browser_is_told(wire: Wire, shared: str, host: str) -> None:
    """All that the rule says, whichever way the bucket is named."""
    target = "/k" if host else f"/{shared}/k"
    answer = ask(wire, target, "PUT", "authorization, X-Amz-Date", host=host.format(bucket=shared))
    assert (answer.status, answer.body) == (200, b"")
    assert told(answer) == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET, PUT",
        "access-control-allow-headers": "authorization, x-amz-date",
        "access-control-expose-headers": "ETag, x-amz-request-id",
        "access-control-max-age": "60",
        "access-control-allow-credentials": "true",
        "vary": VARY,
    }
    assert answer.headers["x-amz-request-id"]


def test_a_rule_for_every_page(wire: Wire, shared: str) -> None:
    """It says so, and lets nobody send cookies."""
    answer = ask(wire, f"/{shared}", "HEAD", origin="http://anywhere")
    assert told(answer) == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "HEAD",
        "vary": VARY,
    }


@pytest.mark.parametrize(
    ("method", "headers", "origin"),
    [
        ("DELETE", "", PAGE),
        ("GET", "content-type", PAGE),
        ("GET", "x-amz-date,content-type", PAGE),
        ("GET", "", "http://app.example.com"),
        ("GET", "", "https://example.com"),
        ("GET", "", "https://APP.EXAMPLE.COM.org"),
    ],
)
def test_what_no_rule_allows(wire: Wire, shared: str, method: str, headers: str, origin: str) -> None:
    """Method, origin and every header must be in one rule."""
    answer = ask(wire, f"/{shared}/k", method, headers, origin)
    assert (answer.status, answer.code) == (403, "AccessForbidden")
    assert answer.message.startswith("CORSResponse: This CORS request is not allowed.")
    assert (answer.field("Method"), answer.field("ResourceType")) == (method, "OBJECT")
    assert told(answer) == {}


def test_buckets_that_share_nothing(wire: Wire, bucket: str, unique: Unique) -> None:
    """A bucket without rules says so, and so does one that is not there."""
    answer = ask(wire, f"/{bucket}")
    assert (answer.status, answer.code, answer.field("ResourceType")) == (403, "AccessForbidden", "BUCKET")
    assert answer.message == "CORSResponse: CORS is not enabled for this bucket."
    answer = ask(wire, f"/{unique('absent')}/k")
    assert (answer.status, answer.code, answer.message) == (403, "AccessForbidden", "CORSResponse: Bucket not found")


def test_preflights_that_do_not_say_enough(wire: Wire, shared: str) -> None:
    """Origin and method must be told."""
    answer = wire.send("OPTIONS", f"/{shared}/k", {"access-control-request-method": "GET"})
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.message == "Insufficient information. Origin request header needed."
    for method in ("", "PATCH"):
        answer = ask(wire, f"/{shared}/k", method)
        assert (answer.status, answer.code) == (400, "BadRequest")
        assert answer.message == f"Invalid Access-Control-Request-Method: {method or 'null'}"


@pytest.mark.parametrize("target", ["/%ff/k", "/%ff", "//k", "/..", "/2015-03-31/functions/%ff"])
def test_preflights_of_anything(wire: Wire, target: str) -> None:
    """Whatever the path is, a browser is answered."""
    assert ask(wire, target).status in {200, 403}


# -- answers -------------------------------------------------------------------------------------------------------------


def test_answers_for_pages(wire: Wire, root: Signer, shared: str) -> None:
    """Successes, errors and 304 are for the page that a rule names, with what the rule shows."""
    target = f"/{shared}/k"
    expected = {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "GET, PUT",
        "access-control-expose-headers": "ETag, x-amz-request-id",
        "access-control-max-age": "60",
        "access-control-allow-credentials": "true",
        "vary": VARY,
    }
    put = wire.signed(root, "PUT", target, {"origin": PAGE}, b"x")
    got = wire.signed(root, "GET", target, {"origin": PAGE, "range": "bytes=0-0"})
    absent = wire.signed(root, "GET", f"/{shared}/absent", {"origin": PAGE})
    unchanged = wire.signed(root, "GET", target, {"origin": PAGE, "if-none-match": put.headers["etag"]})
    refused_one = wire.signed(root.but(secret="wrong"), "GET", target, {"origin": PAGE})
    stranger = wire.send("GET", target, {"origin": PAGE})
    answers = (put, got, absent, unchanged, refused_one, stranger)
    assert [answer.status for answer in answers] == [200, 206, 404, 304, 403, 403]
    assert [told(answer) for answer in answers] == [expected] * len(answers)


def test_answers_that_no_rule_shares(wire: Wire, root: Signer, shared: str) -> None:
    """Another page, another method, or no page at all: the answer is as it is, and says nothing."""
    target = f"/{shared}/k"
    for method, headers in (("GET", {"origin": "http://elsewhere"}), ("DELETE", {"origin": PAGE}), ("GET", {})):
        answer = wire.signed(root, method, target, headers)
        assert answer.status in {200, 204, 404}
        assert told(answer) == {}


def test_answers_of_buckets_without_rules(wire: Wire, root: Signer, bucket: str) -> None:
    """They are for no page."""
    answer = wire.signed(root, "GET", f"/{bucket}/k", {"origin": PAGE})
    assert (answer.status, told(answer)) == (200, {})
    assert told(wire.signed(root, "GET", "/", {"origin": PAGE}))["access-control-allow-origin"] == PAGE


def test_listings_on_threads_of_their_own_are_shared_too(wire: Wire, root: Signer, shared: str) -> None:
    """However an answer comes about."""
    answer = wire.signed(root, "GET", f"/{shared}?list-type=2", {"origin": PAGE})
    assert (answer.status, told(answer)["access-control-allow-origin"]) == (200, PAGE)
