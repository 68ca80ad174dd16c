"""Bytes made to harm: every one ends in the client's error of that protocol, quickly, never in one of ours."""

from __future__ import annotations

import gzip
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilvi.core.errors import CloudError
from pilvi.wire import cbor, protocol, route
from pilvi.wire.http import Request
from pilvi.wire.scalars import Malformed

FORM = {"content-type": "application/x-www-form-urlencoded"}
SECONDS_MAX = 5.0

REQUESTS = {
    "s3": ("s3", "rest-xml", "DeleteObjects", "/b", "delete"),
    "lambda": ("lambda", "rest-json", "CreateFunction", "/2015-03-31/functions", ""),
    "dynamodb": ("dynamodb", "json", "PutItem", "/", ""),
    "iam": ("iam", "query", "CreateUser", "/", ""),
    "ec2": ("ec2", "ec2", "RunInstances", "/", ""),
    "cloudwatch": ("cloudwatch", "smithy-rpc-v2-cbor", "PutMetricData", "/", ""),
}
CODES = {
    "s3": "MalformedXML",
    "lambda": "InvalidRequestContentException",
    "dynamodb": "SerializationException",
    "iam": "MalformedInput",
    "ec2": "InvalidParameterValue",
    "cloudwatch": "SerializationException",
}


def refused(name: str, body: bytes, headers: dict[str, str] | None = None) -> CloudError | None:
    """Parses; the client's error, if there is one. Anything else that is raised fails the test."""
    service, kind, operation, path, query = REQUESTS[name]
    request = Request("POST", path, query, {"host": "localhost", **(headers or {})}, body)
    match = route.Match(service, operation, kind, {"Bucket": "b"}, ((query, ""),) if query else ())
    codec = protocol.codec(service, kind)
    begun = time.perf_counter()
    try:
        codec.validate(operation, codec.parse(match, request))
    except CloudError as error:
        return error
    finally:
        assert time.perf_counter() - begun < SECONDS_MAX
    return None


XML = [
    b"<Delete>",
    b"",
    b"\xff\xfe\x00",
    b"<Delete/>junk",
    b"<Other xmlns='x'/>",
    b'<!DOCTYPE x [<!ENTITY a "b">]><Delete>&a;</Delete>',
    b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Delete/>',
    b"<Delete>&undefined;</Delete>",
    b"<Delete><Object>text</Object></Delete>",
    b"<a>" * 100_000,
    b"<a>" * 100_000 + b"</a>" * 100_000,
    b"<a/>" * 500_000,
    '<?xml version="1.0" encoding="utf-16"?><Delete/>'.encode("utf-16"),
    b"<Delete><Object><Key>a<b/></Key></Object></Delete>",
    b"<Delete><Object><Key>a</Key><Size>x</Size></Object></Delete>",
    b"<Delete><Quiet>maybe</Quiet></Delete>",
    b"<Delete" + b" a='b'" * 10 + b">",
]


@pytest.mark.parametrize("body", XML, ids=range(len(XML)))
def test_xml(body: bytes) -> None:
    """No entity is expanded, no depth and no number of elements exhausts us: MalformedXML."""
    error = refused("s3", body)
    assert error is not None
    assert (error.code, error.status) == ("MalformedXML", 400)


JSON = [
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"\xff",
    b'{"TableName": "\\ud800"}',
    b"[" * 100_000,
    b'{"Item":' * 100_000,
    b'{"TableName": 1}',
    b'{"TableName": ["x"]}',
    b'{"TableName": {"a": 1}}',
    b'{"Item": []}',
    b'{"Item": "x"}',
    b'{"Item": {"a": {"B": "not base64!"}}}',
    b'{"Item": {"a": {"BOOL": "true"}}}',
    b'{"Item": ' + b'{"a": {"M": ' * 5_000 + b"{}" + b"}}" * 5_000 + b"}",
    b'{"TableName": 1e999}',
]


@pytest.mark.parametrize("body", JSON, ids=range(len(JSON)))
def test_json(body: bytes) -> None:
    """JSON that is malformed, too deep or of the wrong types is a SerializationException."""
    error = refused("dynamodb", body)
    assert error is not None
    assert (error.code, error.status) == ("SerializationException", 400)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"TableName": 1}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"TableName": true}', "TRUE_VALUE can not be converted to a String"),
        (b'{"TableName": {}}', "Start of structure or map found where not expected"),
        (b'{"TableName": []}', "Start of list found where not expected"),
        (b'{"ReturnItem": 1, "Item": "x"}', "Unexpected value type in payload"),
    ],
)
def test_json_words(body: bytes, words: str) -> None:
    """The message is the one that AWS's JSON services give."""
    error = refused("dynamodb", body)
    assert error is not None
    assert error.message == words


FORMS = [
    b"UserName=%FF",
    b"\xff=1",
    b"Tags.member.x.Key=a",
    b"Tags.member=a",
    b"Tags=a",
    b"Tags.member.1=a",
    b"UserName.a.b=c",
    b"&".join(b"a%d=b" % number for number in range(30_000)),
    b"Tags." + b"a." * 100 + b"b=1",
    b"Tags.member.99999999999999999999999.Key=a",
    b"Tags.member.\xc2\xb2.Key=a",
]


@pytest.mark.parametrize("body", FORMS, ids=range(len(FORMS)))
def test_forms(body: bytes) -> None:
    """A form of the wrong shape, too many names or too deep ones are MalformedInput."""
    error = refused("iam", body, FORM)
    assert error is not None
    assert (error.code, error.status) == ("MalformedInput", 400)


CBOR = [
    b"\xff",
    b"\x1f",
    b"\x5f\x01\xff",
    b"\x9b" + b"\xff" * 8,
    b"\xbb" + b"\xff" * 8,
    b"\x5b" + b"\xff" * 8,
    b"\x81" * 100_000,
    b"\x9f" * 100_000,
    b"\xa1\x01\x02",
    b"\xa1\x61a",
    b"\xc0\x61a",
    b"\xc1\x61a",
    b"\xc1\xfb\x7f\xef\xff\xff\xff\xff\xff\xff",
    b"\xa0\xa0",
    b"\x80",
    b"\x61\xff",
    b"\xf8\x20",
    cbor.encode({"MetricData": "x"}),
    cbor.encode({"MetricData": [{"MetricName": 1}]}),
]


@pytest.mark.parametrize("body", CBOR, ids=range(len(CBOR)))
def test_cbor(body: bytes) -> None:
    """CBOR that is cut off, lies about its length, is too deep or of the wrong types is a SerializationException."""
    error = refused("cloudwatch", body)
    assert error is not None
    assert (error.code, error.status) == ("SerializationException", 400)


def test_a_bomb() -> None:
    """A compressed body is unfolded only so far; one that unfolds within limits is read."""
    bomb = gzip.compress(bytes(200 * 1024 * 1024), compresslevel=1)
    error = refused("cloudwatch", bomb, {"content-encoding": "gzip"})
    assert error is not None
    assert error.code == "SerializationException"
    small = gzip.compress(cbor.encode({"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.0}]}))
    assert refused("cloudwatch", small, {"content-encoding": "gzip"}) is None
    assert refused("cloudwatch", small[:-9], {"content-encoding": "gzip"}) is not None


@pytest.mark.parametrize("name", REQUESTS)
def test_any_bytes(name: str) -> None:
    """Whatever comes is a value, or the client's error of that protocol."""

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode), seeds(name)))
    def check(body: bytes) -> None:
        error = refused(name, body)
        assert error is None or error.status == 400

    check()


SEEDS = {
    "s3": b"<Delete><Object><Key>k</Key></Object><Quiet>true</Quiet></Delete>",
    "lambda": b'{"FunctionName":"f","Code":{"ZipFile":"eHg="},"Timeout":3,"Environment":{"Variables":{"A":"b"}}}',
    "dynamodb": b'{"TableName":"t","Item":{"a":{"S":"x"},"b":{"L":[{"N":"1"}]},"c":{"B":"eHg="}}}',
    "iam": b"UserName=bob&Tags.member.1.Key=a&Tags.member.1.Value=b&Path=%2F",
    "ec2": b"MinCount=1&MaxCount=2&ImageId=i&TagSpecification.1.Tag.1.Key=a&Monitoring.Enabled=true",
    "cloudwatch": cbor.encode({"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5}]}),
}


def seeds(name: str) -> st.SearchStrategy[bytes]:
    """A good body with a few bytes replaced, removed or repeated."""
    good = SEEDS[name]
    place = st.integers(0, len(good))

    def spoil(changes: list[tuple[int, int, bytes]]) -> bytes:
        body = good
        for begin, end, new in changes:
            body = body[: min(begin, end)] + new + body[max(begin, end) :]
        return body[:5_000]

    return st.lists(st.tuples(place, place, st.binary(max_size=6)), min_size=1, max_size=3).map(spoil)


def test_cbor_round_trip() -> None:
    """What we encode we decode as the same value."""
    scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary()
    values = st.recursive(
        scalars | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=20,
    )

    @settings(max_examples=150, deadline=None, database=None)
    @given(values)
    def check(value: object) -> None:
        assert cbor.decode(cbor.encode(value)) == value

    check()
    with pytest.raises(Malformed):
        cbor.decode(b"")
