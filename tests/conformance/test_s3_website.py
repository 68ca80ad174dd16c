"""Buckets as websites: their configuration through boto3, their pages as a browser sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from handmade import Answer, Signer, Wire
from live import LiveCloud, Unique
from refusals import refusal_of, refused
from s3kit import MIB

INDEX = {"IndexDocument": {"Suffix": "index.html"}}
BIG = bytes(range(256)) * 4 * 1024 * 3
PAGES = {
    "index.html": b"<p>home</p>",
    "about/index.html": b"<p>about</p>",
    "about/me.html": b"<p>me</p>",
    "404.html": b"<p>not here</p>",
    "caf\xe9 1.html": b"<p>coffee</p>",
    "big.bin": BIG,
}


@pytest.fixture(scope="module")
def s3(cloud: LiveCloud) -> Any:
    return cloud.client("s3")


@pytest.fixture(scope="module")
def wire(cloud: LiveCloud) -> Wire:
    return Wire(cloud.endpoint)


@pytest.fixture
def bucket(s3: Any, unique: Unique) -> Iterator[str]:
    name = unique("site")
    s3.create_bucket(Bucket=name)
    yield name
    for entry in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=entry["Key"])
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def site(s3: Any, bucket: str) -> str:
    """A website that everybody may read, and may know what it has not."""
    for key, data in PAGES.items():
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType="text/html")
    s3.delete_public_access_block(Bucket=bucket)
    allow(s3, bucket, "s3:GetObject", "s3:ListBucket")
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=INDEX)
    return bucket


def allow(s3: Any, bucket: str, *actions: str) -> None:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": resources}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statement}))


def browse(
    wire: Wire, site: str, path: str, method: str = "GET", headers: dict[str, str] | None = None, host: str = ""
) -> Answer:
    named = (host or "{bucket}.s3-website.localhost:{port}").format(bucket=site, port=wire.address[1])
    return wire.send(method, path, {"host": named, **(headers or {})})


def title(answer: Answer) -> str:
    """The title of a page of ours; the headers and the page say the same."""
    text = answer.body.decode()
    found = text.partition("<title>")[2].partition("</title>")[0]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<h1>{found}</h1>" in text
    assert f"<li>Code: {answer.headers['x-amz-error-code']}</li>" in text
    assert f"<li>RequestId: {answer.headers['x-amz-request-id']}</li>" in text
    return found


# -- the configuration ---------------------------------------------------------------------------------------------------

WHOLE: dict[str, Any] = {
    **INDEX,
    "ErrorDocument": {"Key": "404.html"},
    "RoutingRules": [
        {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}},
        {
            "Condition": {"KeyPrefixEquals": "", "HttpErrorCodeReturnedEquals": "404"},
            "Redirect": {
                "HostName": "example.com",
                "HttpRedirectCode": "302",
                "Protocol": "https",
                "ReplaceKeyWith": "a",
            },
        },
        {"Redirect": {"ReplaceKeyPrefixWith": ""}},
    ],
}


def test_configurations_come_back_as_they_were(s3: Any, bucket: str) -> None:
    """Put, got, replaced, deleted; deleted twice is no error."""
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)
    for wanted in (WHOLE, {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}}, INDEX):
        s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=wanted)
        found = s3.get_bucket_website(Bucket=bucket)
        del found["ResponseMetadata"]
        assert found == wanted
    for _ in range(2):
        s3.delete_bucket_website(Bucket=bucket)
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)


def test_a_bucket_s_website_goes_with_it(s3: Any, unique: Unique) -> None:
    """A new bucket of the same name is none."""
    name = unique("site")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_website(Bucket=name, WebsiteConfiguration=INDEX)
    s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=name)
    s3.delete_bucket(Bucket=name)


def ruled(redirect: dict[str, str], **condition: str) -> dict[str, Any]:
    return {**INDEX, "RoutingRules": [{"Condition": condition, "Redirect": redirect}]}


@pytest.mark.parametrize(
    ("wanted", "code", "text"),
    [
        ({}, "InvalidArgument", "A value for IndexDocument Suffix must be provided"),
        ({"ErrorDocument": {"Key": "e"}}, "InvalidArgument", "A value for IndexDocument Suffix must be provided"),
        ({"IndexDocument": {"Suffix": ""}}, "InvalidArgument", "The IndexDocument Suffix is not well formed"),
        ({"IndexDocument": {"Suffix": "a/b"}}, "InvalidArgument", "The IndexDocument Suffix is not well formed"),
        (
            {**INDEX, "ErrorDocument": {"Key": "k" * 1025}},
            "InvalidArgument",
            "The ErrorDocument Key is not well formed",
        ),
        ({**INDEX, "RedirectAllRequestsTo": {"HostName": "a"}}, "InvalidArgument", "RedirectAllRequestsTo cannot be"),
        ({"RedirectAllRequestsTo": {"HostName": ""}}, "InvalidRequest", "must not be empty"),
        ({"RedirectAllRequestsTo": {"HostName": "a\r\nb: c"}}, "InvalidRequest", "host name is not valid"),
        ({"RedirectAllRequestsTo": {"HostName": "a", "Protocol": "ftp"}}, "InvalidRequest", "Invalid protocol"),
        (ruled({"HostName": "a"}), "InvalidRequest", "Condition cannot be empty."),
        (ruled({}, KeyPrefixEquals="a"), "MalformedXML", "not well-formed"),
        (ruled({"Protocol": "ftp"}, KeyPrefixEquals="a"), "InvalidRequest", "Invalid protocol"),
        (ruled({"HttpRedirectCode": "300"}, KeyPrefixEquals="a"), "InvalidRequest", "redirect code (300) is not valid"),
        (ruled({"HttpRedirectCode": "x"}, KeyPrefixEquals="a"), "InvalidRequest", "redirect code (x) is not valid"),
        (
            ruled({"HostName": "a"}, HttpErrorCodeReturnedEquals="200"),
            "InvalidRequest",
            "The provided HTTP error code (200) is not valid. Valid codes are 4XX or 5XX.",
        ),
        (
            ruled({"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}, KeyPrefixEquals="a"),
            "InvalidRequest",
            "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
        ),
        (
            {**INDEX, "RoutingRules": [{"Redirect": {"HostName": "a"}}] * 51},
            "InvalidRequest",
            "The number of routing rules 51 exceeds the limit of 50",
        ),
    ],
)
def test_configurations_that_cannot_be(s3: Any, bucket: str, wanted: dict[str, Any], code: str, text: str) -> None:
    """Each is refused in AWS's words, and nothing is stored."""
    assert text in refusal_of(code, s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=wanted)
    with refused("NoSuchWebsiteConfiguration", 404):
        s3.get_bucket_website(Bucket=bucket)


# -- pages ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "{bucket}.s3-website.localhost",
        "{bucket}.s3-website.localhost:{port}",
        "{bucket}.S3-Website.LocalHost:80",
        "{bucket}.s3-website-us-east-1.localhost:{port}",
        "{bucket}.s3-website.eu-central-1.localhost:{port}",
        "{bucket}.s3-website-us-gov-west-1.amazonaws.com",
        "{bucket}.s3-website.us-east-1.amazonaws.com",
        "{bucket}.s3-website.home.arpa:{port}",
    ],
)
def test_hosts_of_websites(wire: Wire, site: str, host: str) -> None:
    """A website has a host of its own, whatever the domain, region or port."""
    assert browse(wire, site, "/", host=host).body == PAGES["index.html"]
    assert browse(wire, site, "/about/me.html?Action=x", host=host).body == PAGES["about/me.html"]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/", "index.html"),
        ("/index.html", "index.html"),
        ("/about/", "about/index.html"),
        ("/about/me.html", "about/me.html"),
        ("/caf%C3%A9%201.html", "caf\xe9 1.html"),
    ],
)
def test_pages(wire: Wire, site: str, path: str, key: str) -> None:
    """GET and HEAD of a page, or of a folder's index."""
    answer = browse(wire, site, path)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, PAGES[key], "text/html")
    head = browse(wire, site, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(PAGES[key]))
    assert head.headers["etag"] == answer.headers["etag"]


def test_folders_without_their_slash(wire: Wire, site: str) -> None:
    """The browser is told the slash; links on the page would lead elsewhere otherwise."""
    answer = browse(wire, site, "/about")
    assert (answer.status, answer.headers["location"], answer.body) == (302, "/about/", b"")
    assert browse(wire, site, "/about/me").status == 404


def test_parts_of_pages_and_conditions(wire: Wire, site: str) -> None:
    """Ranges and conditions are those of GetObject; whatever else GetObject can be asked for means nothing here."""
    part = browse(wire, site, "/big.bin", headers={"range": f"bytes={MIB}-{MIB + 9}"})
    assert (part.status, part.body) == (206, BIG[MIB : MIB + 10])
    assert part.headers["content-range"] == f"bytes {MIB}-{MIB + 9}/{len(BIG)}"
    whole = browse(wire, site, "/big.bin?versionId=x&response-content-type=text/evil&partNumber=7")
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, BIG, "text/html")
    unchanged = browse(wire, site, "/big.bin", headers={"if-none-match": whole.headers["etag"]})
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert browse(wire, site, "/big.bin", headers={"if-match": '"x"'}).status == 412
    assert browse(wire, site, "/big.bin", headers={"range": "bytes=99999999-"}).status == 416


def test_who_signs_is_the_public_too(wire: Wire, cloud: LiveCloud, s3: Any, site: str) -> None:
    """Nobody has a key to a website: a signature opens nothing, and a wrong one closes nothing."""
    host = f"{site}.s3-website.localhost"
    signer = Signer(cloud.access_key, cloud.secret_key)
    for one in (signer, signer.but(secret="wrong")):
        assert wire.signed(one, "GET", "/index.html", host=host).body == PAGES["index.html"]
        assert wire.send("GET", one.presigned("GET", "/index.html", host), {"host": host}).status == 200
    s3.delete_bucket_policy(Bucket=site)
    assert wire.signed(signer, "GET", "/index.html", host=host).status == 403


def test_pages_of_other_methods(wire: Wire, site: str) -> None:
    """A website is read, nothing else."""
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        answer = browse(wire, site, "/index.html", method)
        assert (answer.status, title(answer)) == (405, "405 Method Not Allowed")
        assert answer.headers["allow"] == "GET, HEAD"
    assert browse(wire, site, "/index.html").status == 200


def test_paths_of_the_server_s_own(wire: Wire, s3: Any, site: str) -> None:
    """Below a website's host every path is the website's."""
    s3.put_object(Bucket=site, Key="_pilvi/health", Body=b"mine")
    assert browse(wire, site, "/_pilvi/health").body == b"mine"


def test_websites_for_pages_of_other_origins(wire: Wire, s3: Any, site: str) -> None:
    """The bucket's rules hold for its website."""
    page = "https://app.example.com"
    asked = {"origin": page, "access-control-request-method": "GET"}
    assert browse(wire, site, "/", "OPTIONS", asked).status == 403
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": [page]}
    s3.put_bucket_cors(Bucket=site, CORSConfiguration={"CORSRules": [rule]})
    for method, path in (("OPTIONS", "/"), ("GET", "/"), ("GET", "/absent")):
        answer = browse(wire, site, path, method, asked)
        assert answer.headers["access-control-allow-origin"] == page
    assert "access-control-allow-origin" not in browse(wire, site, "/").headers


# -- redirects -----------------------------------------------------------------------------------------------------------


def test_objects_that_are_elsewhere(wire: Wire, s3: Any, site: str) -> None:
    """An object can say where its page is now; the API still shows the object."""
    for target in ("/about/me.html", "https://example.com/x?a=1"):
        s3.put_object(Bucket=site, Key="moved.html", Body=b"x", WebsiteRedirectLocation=target)
        answer = browse(wire, site, "/moved.html")
        assert (answer.status, answer.headers["location"], answer.body) == (301, target, b"")
    assert s3.get_object(Bucket=site, Key="moved.html")["Body"].read() == b"x"


def test_websites_that_are_elsewhere(wire: Wire, s3: Any, site: str) -> None:
    """Every request is sent to the other host, with its path."""
    for target, start in (
        ({"HostName": "example.com"}, "http://example.com"),
        ({"HostName": "example.com:8443", "Protocol": "https"}, "https://example.com:8443"),
    ):
        s3.put_bucket_website(Bucket=site, WebsiteConfiguration={"RedirectAllRequestsTo": target})
        for path in ("/", "/about/me.html", "/caf%C3%A9%201.html?a=b", "/absent"):
            answer = browse(wire, site, path)
            assert (answer.status, answer.headers["location"]) == (301, start + path)


@pytest.mark.parametrize(
    ("rule", "path", "status", "location"),
    [
        ({"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "new/"}}, "/old/a%20b", 301, "{here}/new/a%20b"),
        ({"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": ""}}, "/old/a", 301, "{here}/a"),
        ({"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyWith": "index.html"}}, "/old/a?b=c", 301, "{here}/index.html?b=c"),
        (
            {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"HostName": "docs.example.com", "HttpRedirectCode": "307"}},
            "/docs/a", 307, "http://docs.example.com/docs/a",
        ),
        ({"Condition": {"KeyPrefixEquals": "s/"}, "Redirect": {"Protocol": "https"}}, "/s/a", 301, "https://{host}/s/a"),
        (
            {"Condition": {"HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"ReplaceKeyPrefixWith": "#!/"}},
            "/app/route", 301, "{here}/#!/app/route",
        ),
        (
            {"Condition": {"KeyPrefixEquals": "app/", "HttpErrorCodeReturnedEquals": "404"}, "Redirect": {"ReplaceKeyWith": "app.html"}},
            "/app/route", 301, "{here}/app.html",
        ),
    ],
)  # fmt: skip
def test_routing_rules(
    wire: Wire, s3: Any, site: str, rule: dict[str, Any], path: str, status: int, location: str
) -> None:
    """By the beginning of the key, by the error, or both; what the rule leaves open stays as it was asked."""
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration={**INDEX, "RoutingRules": [rule]})
    answer = browse(wire, site, path)
    host = f"{site}.s3-website.localhost:{wire.address[1]}"
    assert answer.status == status
    assert answer.headers["location"] == location.format(here=f"http://{host}", host=host)
    assert browse(wire, site, "/about/me.html").status == 200


def test_the_first_rule_that_fits_counts(wire: Wire, s3: Any, site: str) -> None:
    """Rules are looked at in their order; one without a condition is for everything."""
    rules = [
        {"Condition": {"KeyPrefixEquals": "a/"}, "Redirect": {"HostName": "first"}},
        {"Condition": {"KeyPrefixEquals": "a/b"}, "Redirect": {"HostName": "second"}},
        {"Redirect": {"HostName": "third", "ReplaceKeyWith": "x"}},
    ]
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration={**INDEX, "RoutingRules": rules})
    assert browse(wire, site, "/a/b").headers["location"] == "http://first/a/b"
    assert browse(wire, site, "/index.html").headers["location"] == "http://third/x"


# -- errors --------------------------------------------------------------------------------------------------------------


def test_pages_that_are_not_there(wire: Wire, s3: Any, site: str) -> None:
    """404 for who may know it, 403 for who may not; HEAD says the same without the page."""
    answer = browse(wire, site, "/<absent>&%3Cb%3E")
    assert (answer.status, title(answer)) == (404, "404 Not Found")
    assert "<li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>" in answer.body.decode()
    assert "<li>Key: &lt;absent&gt;&amp;&lt;b&gt;</li>" in answer.body.decode()
    head = browse(wire, site, "/absent", "HEAD")
    assert (head.status, head.body, head.headers["x-amz-error-code"]) == (404, b"", "NoSuchKey")
    allow(s3, site, "s3:GetObject")
    answer = browse(wire, site, "/absent")
    assert (answer.status, title(answer)) == (403, "403 Forbidden")
    s3.delete_bucket_policy(Bucket=site)
    assert browse(wire, site, "/about").status == 403


def test_a_page_for_errors(wire: Wire, s3: Any, site: str) -> None:
    """It is shown with the status of the error, whole, whatever part was asked for."""
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration={**INDEX, "ErrorDocument": {"Key": "404.html"}})
    for headers in ({}, {"range": "bytes=0-1"}, {"if-none-match": "*"}):
        answer = browse(wire, site, "/absent", headers=headers)
        assert (answer.status, answer.body) == (404, PAGES["404.html"])
        assert answer.headers["content-type"] == "text/html"
        assert answer.headers["x-amz-error-code"] == "NoSuchKey"
    head = browse(wire, site, "/absent", "HEAD")
    assert (head.status, head.headers["content-length"]) == (404, str(len(PAGES["404.html"])))
    allow(s3, site, "s3:GetObject")
    answer = browse(wire, site, "/absent")
    assert (answer.status, answer.body) == (403, PAGES["404.html"])


def test_a_page_for_errors_that_is_not_there(wire: Wire, s3: Any, site: str) -> None:
    """The page says both what went wrong, and what went wrong with saying it."""
    s3.put_bucket_website(Bucket=site, WebsiteConfiguration={**INDEX, "ErrorDocument": {"Key": "none.html"}})
    answer = browse(wire, site, "/absent")
    text = answer.body.decode()
    assert (answer.status, title(answer)) == (404, "404 Not Found")
    assert "An Error Occurred While Attempting to Retrieve a Custom Error Document" in text
    assert "<li>Key: absent</li>" in text
    assert "<li>Key: none.html</li>" in text


def test_hosts_that_are_no_websites(wire: Wire, bucket: str, unique: Unique) -> None:
    """A bucket without a website, and none at all."""
    answer = browse(wire, bucket, "/")
    assert (answer.status, title(answer)) == (404, "404 Not Found")
    assert "<li>Code: NoSuchWebsiteConfiguration</li>" in answer.body.decode()
    assert f"<li>BucketName: {bucket}</li>" in answer.body.decode()
    answer = browse(wire, unique("absent"), "/")
    assert (answer.status, answer.headers["x-amz-error-code"]) == (404, "NoSuchBucket")


@pytest.mark.parametrize("path", ["/%ff", "/" + "a" * 1025, "//", "/..", "/%00"])
def test_paths_of_any_kind(wire: Wire, site: str, path: str) -> None:
    """What cannot be a key is an error's page."""
    answer = browse(wire, site, path)
    assert answer.status in {400, 404}
    assert title(answer)
