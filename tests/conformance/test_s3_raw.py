"""S3 by requests that SDKs refuse to send: hostile names, broken bodies, answers byte for byte."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest

from live import LiveCloud, Unique
from s3kit import Raw, code_of

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@pytest.fixture(scope="module")
def raw(cloud: LiveCloud) -> Raw:
    return Raw(cloud.endpoint, cloud.access_key, cloud.secret_key, cloud.region)


@pytest.fixture
def bucket(raw: Raw, unique: Unique) -> Iterator[str]:
    name = unique("raw")
    assert raw("PUT", f"/{name}")[0] == 200
    yield name
    _, _, listed = raw("GET", f"/{name}?list-type=2&encoding-type=url")
    for key in ET.fromstring(listed).iter(f"{NAMESPACE}Key"):
        assert key.text is not None
        raw("DELETE", f"/{name}/{key.text}")
    assert raw("DELETE", f"/{name}")[0] == 204


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/..", ".."),
        ("/../..", "../.."),
        ("/../../../../etc/passwd", "../../../../etc/passwd"),
        ("/%2e%2e/x", "../x"),
        ("/a/./b/../c", "a/./b/../c"),
        ("//", "/"),
        ("///a//b", "//a//b"),
        ("/%00", "\x00"),
        ("/a%00/../b", "a\x00/../b"),
        ("/a%0Ab", "a\nb"),
        ("/a%0D%0ASet-Cookie:%20x", "a\r\nSet-Cookie: x"),
        ("/%2F%2e%2E%2f", "/../"),
        ("/a+b", "a+b"),
        ("/a%20b", "a b"),
        ("/a%2Bb", "a+b"),
        ("/~!$&'()*,;=:@", "~!$&'()*,;=:@"),
        ("/%F0%9F%98%80", "😀"),
        ("/" + "%C3%A9" * 512, "é" * 512),
    ],
)
def test_paths_are_keys(cloud: LiveCloud, raw: Raw, bucket: str, target: str, key: str) -> None:
    """What stands behind the bucket is the key, decoded once and otherwise untouched; no file comes to be."""
    before = {path for path in cloud.data.parent.parent.rglob("*") if path.name in ("passwd", "x", "b", "c")}
    assert raw("PUT", f"/{bucket}{target}", b"data")[0] == 200
    assert raw("GET", f"/{bucket}{target}")[2] == b"data"
    _, _, listed = raw("GET", f"/{bucket}?list-type=2&encoding-type=url")
    found = ET.fromstring(listed).findtext(f"{NAMESPACE}Contents/{NAMESPACE}Key")
    assert found is not None
    assert found == quote(key, safe="/*")
    assert {path for path in cloud.data.parent.parent.rglob("*") if path.name in ("passwd", "x", "b", "c")} == before
    assert raw("DELETE", f"/{bucket}{target}")[0] == 204


@pytest.mark.parametrize("target", ["/%ff", "/%C3%28", "/a%ED%A0%80b"])
def test_paths_that_are_no_text(raw: Raw, bucket: str, target: str) -> None:
    """A key is UTF-8: anything else is a 400, on every method."""
    for method in ("PUT", "GET", "DELETE"):
        status, _, body = raw(method, f"/{bucket}{target}", b"x" if method == "PUT" else b"")
        assert (status, code_of(body)) == (400, "InvalidURI")


def test_control_characters_in_listings(raw: Raw, bucket: str) -> None:
    """With encoding-type=url any key fits; without it the document is still there for those that do."""
    raw("PUT", f"/{bucket}/a%01%0B%1F", b"x")
    _, _, body = raw("GET", f"/{bucket}?encoding-type=url")
    assert ET.fromstring(body).findtext(f"{NAMESPACE}Contents/{NAMESPACE}Key") == "a%01%0B%1F"
    status, _, body = raw("GET", f"/{bucket}?list-type=2")
    assert status == 200
    assert b"<Key>a" in body


def test_heads_have_no_body(raw: Raw, bucket: str) -> None:
    """Whatever the answer is."""
    raw("PUT", f"/{bucket}/a", b"data")
    for target, status in ((f"/{bucket}/a", 200), (f"/{bucket}/absent", 404), ("/absent-bucket/a", 404)):
        answer = raw("HEAD", target)
        assert (answer[0], answer[2]) == (status, b"")
    assert raw("HEAD", f"/{bucket}/a")[1]["content-length"] == "4"


def test_not_modified_has_no_body(raw: Raw, bucket: str) -> None:
    """304 with the entity tag."""
    _, headers, _ = raw("PUT", f"/{bucket}/a", b"data")
    status, answered, body = raw("GET", f"/{bucket}/a", headers={"If-None-Match": headers["etag"]})
    assert (status, body, answered["etag"]) == (304, b"", headers["etag"])


def test_dates_that_are_none_are_ignored(raw: Raw, bucket: str) -> None:
    """RFC 9110: a condition that cannot be read is not there."""
    raw("PUT", f"/{bucket}/a", b"data")
    assert raw("GET", f"/{bucket}/a", headers={"If-Modified-Since": "yesterday"})[0] == 200


def test_several_ranges_are_the_whole(raw: Raw, bucket: str) -> None:
    """S3 answers one range; a list of them is ignored."""
    raw("PUT", f"/{bucket}/a", b"0123456789")
    status, headers, body = raw("GET", f"/{bucket}/a", headers={"Range": "bytes=0-1,4-5"})
    assert (status, body) == (200, b"0123456789")
    assert "content-range" not in headers


def test_error_documents(raw: Raw, bucket: str) -> None:
    """Code, message, details, request and host id, as the headers say them."""
    status, headers, body = raw("GET", f"/{bucket}/absent")
    root = ET.fromstring(body)
    assert (status, headers["content-type"]) == (404, "application/xml")
    assert [child.tag for child in root] == ["Code", "Message", "Key", "RequestId", "HostId"]
    assert root.findtext("RequestId") == headers["x-amz-request-id"]
    assert root.findtext("HostId") == headers["x-amz-id-2"]


def test_wrong_payload_hashes(raw: Raw, cloud: LiveCloud, bucket: str) -> None:
    """The body must be the one that was signed."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("PUT", f"{cloud.endpoint}/{bucket}/a", headers={"Host": raw.host}, data=b"signed")
    S3SigV4Auth(Credentials(cloud.access_key, cloud.secret_key), "s3", cloud.region).add_auth(request)
    unsigned = Raw(cloud.endpoint)
    status, _, body = unsigned("PUT", f"/{bucket}/a", b"forged", dict(request.headers.items()))
    assert (status, code_of(body)) == (400, "XAmzContentSHA256Mismatch")
    assert raw("HEAD", f"/{bucket}/a")[0] == 404


DELETION = b"<Delete><Object><Key>a</Key></Object></Delete>"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "InvalidRequest"),
        ({"Content-MD5": "x"}, "InvalidDigest"),
        ({"Content-MD5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}, "BadDigest"),
        ({"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"other").digest()).decode()}, "BadDigest"),
        ({"x-amz-checksum-crc32": "AAA="}, "InvalidRequest"),
        ({"x-amz-checksum-xxhash3": "AAAAAAAAAAA="}, "BadDigest"),
        ({"x-amz-checksum-xxhash32": "AAAAAA=="}, "InvalidRequest"),
    ],
)
def test_documents_need_a_digest(raw: Raw, bucket: str, headers: dict[str, str], code: str) -> None:
    """A batch of deletions without a digest, or with a wrong one, deletes nothing."""
    raw("PUT", f"/{bucket}/a", b"data")
    _, _, body = raw("POST", f"/{bucket}?delete", DELETION, headers)
    assert code_of(body) == code
    assert raw("HEAD", f"/{bucket}/a")[0] == 200


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_documents_with_a_digest(raw: Raw, bucket: str, algorithm: str) -> None:
    """Content-MD5 or any built checksum will do."""
    raw("PUT", f"/{bucket}/a", b"data")
    value = base64.b64encode(hashlib.new(algorithm, DELETION).digest()).decode()
    name = "Content-MD5" if algorithm == "md5" else f"x-amz-checksum-{algorithm}"
    status, _, body = raw("POST", f"/{bucket}?delete", DELETION, {name: value})
    assert status == 200
    assert b"<Deleted><Key>a</Key></Deleted>" in body
    assert raw("HEAD", f"/{bucket}/a")[0] == 404


@pytest.mark.parametrize(
    "document",
    [
        b"<Delete><Object><Key>a</Key></Object>",
        b"<Other><Object><Key>a</Key></Object></Other>",
        b"<Delete></Delete>",
        b'<!DOCTYPE d [<!ENTITY e "a">]><Delete><Object><Key>&e;</Key></Object></Delete>',
        b"\xff\xfe",
        b"",
    ],
)
def test_broken_documents(raw: Raw, bucket: str, document: bytes) -> None:
    """MalformedXML, and never more than that."""
    raw("PUT", f"/{bucket}/a", b"data")
    md5 = base64.b64encode(hashlib.md5(document).digest()).decode()
    status, _, body = raw("POST", f"/{bucket}?delete", document, {"Content-MD5": md5})
    assert (status, code_of(body)) == (400, "MalformedXML")
    assert raw("HEAD", f"/{bucket}/a")[0] == 200


@pytest.mark.parametrize(
    ("query", "name"),
    [("max-keys=abc", "max-keys"), ("max-keys=99999999999", "maxKeys"), ("encoding-type=base64", "encoding-type")],
)
def test_broken_parameters(raw: Raw, bucket: str, query: str, name: str) -> None:
    """InvalidArgument."""
    status, _, body = raw("GET", f"/{bucket}?{query}")
    assert (status, code_of(body)) == (400, "InvalidArgument")


def test_locations(raw: Raw, bucket: str) -> None:
    """Bare text, empty for us-east-1."""
    _, _, body = raw("GET", f"/{bucket}?location")
    root = ET.fromstring(body)
    assert (root.tag, root.text) == (f"{NAMESPACE}LocationConstraint", None)


def test_redirects(cloud: LiveCloud, raw: Raw, unique: Unique) -> None:
    """301 that says where the bucket is, also to HEAD."""
    name = unique("euro")
    euro: Any = cloud.client("s3", region_name="eu-west-1")
    euro.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    status, headers, body = raw("GET", f"/{name}/a")
    assert (status, code_of(body), headers["x-amz-bucket-region"]) == (301, "PermanentRedirect", "eu-west-1")
    status, headers, body = raw("HEAD", f"/{name}")
    assert (status, body, headers["x-amz-bucket-region"]) == (301, b"", "eu-west-1")
    euro.delete_bucket(Bucket=name)


def test_names_of_buckets_in_paths(raw: Raw) -> None:
    """What cannot be a bucket's name is said to be none, whatever it tries."""
    for name in ("..%2f..%2fetc", "%00", "a%0Ab%0A", "%C3%A9%C3%A9%C3%A9", "a" * 300):
        status, _, body = raw("PUT", f"/{name}")
        assert (status, code_of(body)) == (400, "InvalidBucketName")
        status, _, body = raw("GET", f"/{name}/key")
        assert (status, code_of(body)) == (400, "InvalidBucketName")
