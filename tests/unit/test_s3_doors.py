"""Rules of S3's doors for browsers: origins, policies of forms, redirects of websites."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilvi import services
from pilvi.core.errors import AccessDenied
from pilvi.core.origins import Crossing
from pilvi.services.s3.cors import rules
from pilvi.services.s3.cors.records import SharingRule
from pilvi.services.s3.forms import policy as policies
from pilvi.services.s3.website import routing
from pilvi.services.s3.website.records import BucketWebsite, RoutingRule, Target
from s3kit import Buckets, digest

NOW_MS = 1_790_000_000_000
TEXT = st.text("ab.*", max_size=6)

# -- CORS ----------------------------------------------------------------------------------------------------------------


@given(TEXT, TEXT, TEXT)
def test_a_star_stands_for_anything(head: str, middle: str, tail: str) -> None:
    """In the middle, at an end, alone; the rest must be there as it is, and no letter counts twice."""
    head, tail = head.replace("*", ""), tail.replace("*", "")
    assert rules.fits(f"{head}*{tail}", head + middle + tail)
    assert rules.fits(head, head)
    if head and tail:
        assert not rules.fits(f"{head}c*{tail}", head + tail)
    assert not rules.fits(f"{head}aa*aa{tail}", f"{head}aaa{tail}") or "aaa" in head + tail


def test_all_of_a_request_must_be_in_one_rule() -> None:
    """Two rules that each allow half of it allow nothing."""
    get = SharingRule(("http://a",), ("GET",), ("x-one",))
    put = SharingRule(("http://b",), ("PUT",), ("X-*",))
    assert rules.matching((get, put), Crossing("http://a", "GET", ("x-one",))) == (get, "http://a")
    assert rules.matching((get, put), Crossing("http://b", "PUT", ("x-one", "x-two"))) == (put, "http://b")
    for asked in (
        Crossing("http://a", "PUT"),
        Crossing("http://b", "GET"),
        Crossing("http://a", "GET", ("x-one", "x-two")),
        Crossing("http://A", "GET"),
        Crossing("", ""),
    ):
        assert rules.matching((get, put), asked) is None


# -- forms ---------------------------------------------------------------------------------------------------------------


def policy(*conditions: Any, text: str = "") -> policies.FormPolicy:
    members = {"expiration": "2026-09-21T14:13:20.001Z", "conditions": list(conditions)}
    return policies.read(base64.b64encode((text or json.dumps(members)).encode()).decode())


def test_until_when() -> None:
    """A policy holds until its moment, not at it."""
    ends = policy({"bucket": "b"})
    assert ends.expires_ms == NOW_MS + 1
    policies.check(ends, {}, "b", NOW_MS)
    with pytest.raises(AccessDenied, match="Policy expired"):
        policies.check(ends, {}, "b", NOW_MS + 1)


def test_sizes_of_several_ranges() -> None:
    """All of them hold."""
    assert policy({"bucket": "b"}).sizes is None
    found = policy(["content-length-range", 1, 10], ["Content-Length-Range", "2", "20"])
    assert found.sizes == (2, 10)


def test_a_condition_for_each_field() -> None:
    """Every value is held against every condition for it."""
    both = policy({"bucket": "b"}, ["starts-with", "$key", "a"], ["starts-with", "$key", "ab"], {"x-amz-meta-a": ""})
    policies.check(both, {"key": "abc", "policy": "", "x-ignore-me": "1", "x-amz-checksum-sha1": "1"}, "b", NOW_MS)
    for fields in ({"key": "ac"}, {"key": "ab", "x-amz-meta-a": "1"}, {"key": "ab", "x-amz-date": ""}, {}):
        with pytest.raises(AccessDenied, match="Invalid according to Policy"):
            policies.check(both, fields, "b", NOW_MS)
    with pytest.raises(AccessDenied):
        policies.check(both, {"key": "ab", "bucket": "b"}, "c", NOW_MS)


def test_escapes_that_json_does_not_know() -> None:
    """A dollar and a vertical tab; backslashes themselves stay what they are."""
    text = '{"expiration": "2030-01-01T00:00:00Z", "conditions": [{"a": "\\\\\\$\\v\\\\v\\n"}]}'
    assert policy(text=text).conditions[0].value == "\\$\v\\v\n"


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(max_size=9), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["expiration", "conditions", "a"]), inner)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_a_policy_is_it_is_read_or_refused(document: bytes) -> None:
    """Nothing but InvalidPolicyDocument leaves the reader."""
    try:
        policies.read(base64.b64encode(document).decode())
    except policies.InvalidPolicyDocument:
        return


@pytest.mark.parametrize("text", ["[" * 20_000, "!", "\xe9", "A"])
def test_texts_that_are_no_policy(text: str) -> None:
    """Nor does anything for what is no base64, or nested without end."""
    for each in (text, base64.b64encode(text.encode()).decode()):
        with pytest.raises(policies.InvalidPolicyDocument):
            policies.read(each)


def test_a_form_s_upload_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants to know of uploads by forms is told of them, and not of a PUT."""
    told: list[str] = []

    def call(_: Any, service: str, operation: str, request: dict[str, Any], __: Any) -> None:
        assert (service, operation) == ("lambda", "Invoke")
        if request["InvocationType"] == "Event":
            told.append(json.loads(request["Payload"])["Records"][0]["eventName"])

    rule = {
        "LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "Events": ["s3:ObjectCreated:Post"],
    }
    form = {"policy": base64.b64encode(b'{"expiration": "2030-01-01T00:00:00Z", "conditions": []}').decode()}
    with Buckets(tmp_path / "data") as s3:
        monkeypatch.setattr(s3.cloud, "call", call)
        s3.s3("CreateBucket", Bucket="photos")
        configuration = {"LambdaFunctionConfigurations": [rule]}
        s3.s3("PutBucketNotificationConfiguration", Bucket="photos", NotificationConfiguration=configuration)
        s3.put("photos", "put", b"x")
        stage = s3.store.stage()
        stage.write(b"x")
        body = stage.finish({name: digest(name, b"x") for name in ("md5", "crc64nvme")}, {})
        request = {"Bucket": "photos", "Key": "a b", "Body": body, "Form": form}
        door = services.discover()["s3"].doors["PostObject"]
        answer = s3.store.write(lambda tx: door.run(s3.context(tx), request))
        assert s3.get("photos", "a b")[0] == b"x"
    assert told == ["ObjectCreated:Post"]
    assert (answer["Status"], answer["Location"]) == ("204", "http://localhost:4566/photos/a%20b")


# -- websites ------------------------------------------------------------------------------------------------------------

HERE = "http://site.s3-website.localhost:4566"


@pytest.mark.parametrize(
    ("rule", "key", "status", "location"),
    [
        (RoutingRule(Target(prefix="b/"), "a/"), "a/c", 301, f"{HERE}/b/c"),
        (RoutingRule(Target(prefix="b?k="), "a/"), "a/c", 301, f"{HERE}/b?k=c"),
        (RoutingRule(Target(prefix="b/")), "c d", 301, f"{HERE}/b/c%20d?q=1"),
        (RoutingRule(Target(key="x y")), "c", 301, f"{HERE}/x%20y?q=1"),
        (
            RoutingRule(Target(host="h", protocol="https", status=308)),
            "\xe9\n#?%",
            308,
            "https://h/%C3%A9%0A%23%3F%25?q=1",
        ),
    ],
)
def test_where_a_redirect_leads(rule: RoutingRule, key: str, status: int, location: str) -> None:
    """Keys are encoded; what a rule says may hold a query or a fragment of its own."""
    query = "q=1" if "q=1" in location else ""
    assert routing.redirect(rule, key, HERE, query) == (status, location)


def test_rules_for_errors_are_not_for_what_is_there() -> None:
    """And the other way round."""
    site = BucketWebsite(1, rules=(RoutingRule(Target(), "a", 404), RoutingRule(Target(), "b")))
    assert routing.rule_for(site, "ax") is None
    assert routing.rule_for(site, "ax", 404) is site.rules[0]
    assert routing.rule_for(site, "ax", 403) is None
    assert routing.rule_for(site, "bx") is site.rules[1]
    assert routing.rule_for(site, "bx", 404) is None
