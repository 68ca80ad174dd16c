"""Signature Version 4 against AWS's published examples and botocore's signer, and what is said when it is wrong."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pilvi.core.errors import CloudError
from pilvi.wire import sigv4
from pilvi.wire.http import Request
from pilvi.wire.sigv4 import AuthFailure
from signing import KEY, NOW, NOW_MS, SECRET, sign

S3_KEY = "AKIAIOSFODNN7EXAMPLE"
S3_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
S3_NOW_MS = int(datetime(2013, 5, 24, tzinfo=UTC).timestamp() * 1000)
S3_HOST = "examplebucket.s3.amazonaws.com"
S3_SCOPE = f"{S3_KEY}/20130524/us-east-1/s3/aws4_request"


def verify(
    request: Request, *, secret: str = SECRET, now_ms: int = NOW_MS, family: str = "s3", **more: object
) -> sigv4.Signed:
    claims = sigv4.read(request)
    assert claims is not None
    return sigv4.verify(claims, request, secret, now_ms, family, **more)  # type: ignore[arg-type]


def refused(request: Request, **more: object) -> CloudError:
    with pytest.raises(AuthFailure) as caught:
        verify(request, **more)  # type: ignore[arg-type]
    return caught.value


def s3_example(
    method: str, path: str, query: str, signed: str, signature: str, body: bytes = b"", **headers: str
) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method,
        path,
        query,
        {
            "host": S3_HOST,
            "x-amz-date": "20130524T000000Z",
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "authorization": f"AWS4-HMAC-SHA256 Credential={S3_SCOPE},SignedHeaders={signed},Signature={signature}",
            **named,
        },
        body,
    )


BASE = "host;x-amz-content-sha256;x-amz-date"
# https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
EXAMPLES = {
    "get an object": s3_example(
        "GET", "/test.txt", "", "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", range="bytes=0-9",
    ),
    "put an object": s3_example(
        "PUT", "/test$file.text", "", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", b"Welcome to Amazon S3.",
        date="Fri, 24 May 2013 00:00:00 GMT", x_amz_storage_class="REDUCED_REDUNDANCY",
    ),
    "get a bucket's lifecycle": s3_example(
        "GET", "/", "lifecycle", BASE, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    ),
    "list a bucket": s3_example(
        "GET", "/", "max-keys=2&prefix=J", BASE, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    ),
    "presigned": Request(
        "GET",
        "/test.txt",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
        "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
        "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        {"host": S3_HOST},
    ),
}  # fmt: skip


@pytest.mark.parametrize("request_", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_the_published_examples_of_s3(request_: Request) -> None:
    """Each verifies with the published secret and with no other."""
    verify(request_, secret=S3_SECRET, now_ms=S3_NOW_MS)
    assert refused(request_, secret=SECRET, now_ms=S3_NOW_MS).code == "SignatureDoesNotMatch"


def general_example(
    method: str, path: str, query: str, service: str, signature: str, host: str, **headers: str
) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    signed = ";".join(sorted({*named, "host", "x-amz-date"}))
    scope = f"AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request"
    return Request(
        method,
        path,
        query,
        {
            "host": host,
            "x-amz-date": "20150830T123600Z",
            "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={signature}",
            **named,
        },
    )


# https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html and AWS's signature test suite
GENERAL = {
    "list users": general_example(
        "GET", "/", "Action=ListUsers&Version=2010-05-08", "iam",
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", "iam.amazonaws.com",
        content_type="application/x-www-form-urlencoded; charset=utf-8",
    ),
    "get-vanilla": general_example(
        "GET", "/", "", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        "example.amazonaws.com",
    ),
    "get-slash-dot-slash": general_example(
        "GET", "/./", "", "service", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        "example.amazonaws.com",
    ),
    "get-relative-relative": general_example(
        "GET", "/example1/example2/../..", "", "service",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", "example.amazonaws.com",
    ),
}  # fmt: skip


@pytest.mark.parametrize("request_", GENERAL.values(), ids=GENERAL.keys())
def test_the_published_examples_of_other_services(request_: Request) -> None:
    """Paths are normalised, and each verifies with its secret alone."""
    now_ms = int(datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp() * 1000)
    verify(request_, now_ms=now_ms, family="query")
    assert refused(request_, secret="x", now_ms=now_ms, family="query").code == "SignatureDoesNotMatch"


# -- botocore's signer -------------------------------------------------------------------------------------------------

text = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
header_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=10)
queries = st.lists(
    st.tuples(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=8), text), max_size=4
)


def url_of(segments: list[str], query: list[tuple[str, str]]) -> str:
    path = "/".join(quote(segment, safe="~") for segment in segments)
    pairs = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    return f"http://localhost:4566/{path}" + (f"?{pairs}" if pairs else "")


@given(
    segments=st.lists(text, max_size=4),
    query=queries,
    body=st.binary(max_size=50),
    service=st.sampled_from(["s3", "lambda", "iam"]),
    meta=st.dictionaries(st.from_regex(r"x-amz-meta-[a-z0-9-]{1,8}", fullmatch=True), header_text, max_size=3),
    token=st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9+/=]{1,40}", fullmatch=True)),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    other=st.integers(0, 5),
)
def test_what_botocore_signs_verifies_and_nothing_else(
    segments: list[str],
    query: list[tuple[str, str]],
    body: bytes,
    service: str,
    meta: dict[str, str],
    token: str | None,
    method: str,
    other: int,
) -> None:
    """Any path, query, header and body; then one thing about the request is changed, and it fails."""
    request = sign(method, url_of(segments, query), service=service, body=body, headers=meta, token=token)
    family = "s3" if service == "s3" else "query"
    claims = sigv4.read(request)
    assert claims is not None
    assert (claims.access_key_id, claims.service, claims.region, claims.token) == (
        KEY,
        service,
        "eu-north-1",
        token or "",
    )
    signed = verify(request, family=family)
    assert signed.scope == f"20261120/eu-north-1/{service}/aws4_request"
    changes = [
        ("method", "PATCH"),
        ("path", request.path + "x"),
        ("query", request.query + "&zz=1" if request.query else "zz=1"),
        ("body", request.body + b"x"),
        ("host", "other"),
        ("secret", SECRET + "x"),
    ]
    what, value = changes[other]
    if what == "secret":
        error = refused(request, secret=str(value), family=family)
    else:
        if what == "host":
            request.headers["host"] = str(value)
        else:
            setattr(request, what, value)
        error = refused(request, family=family)
    assert error.code in {"SignatureDoesNotMatch", "XAmzContentSHA256Mismatch"}


@given(
    segments=st.lists(text, min_size=1, max_size=3),
    query=queries,
    token=st.one_of(st.none(), st.just("a+b/c==")),
    expires=st.integers(1, 604_800),
)
def test_what_botocore_presigns_verifies_until_it_expires(
    segments: list[str], query: list[tuple[str, str]], token: str | None, expires: int
) -> None:
    """To the second."""
    request = sign("GET", url_of(segments, query), token=token, expires=expires)
    claims = sigv4.read(request)
    assert claims is not None
    assert (claims.presigned, claims.expires_seconds, claims.token) == (True, expires, token or "")
    verify(request)
    verify(request, now_ms=NOW_MS + expires * 1000)
    error = refused(request, now_ms=NOW_MS + expires * 1000 + 1)
    assert (error.code, error.status, error.message) == ("AccessDenied", 403, "Request has expired")
    assert error.fields["X-Amz-Expires"] == str(expires)
    request.path += "x"
    assert refused(request).code == "SignatureDoesNotMatch"


@given(
    raw=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=200),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200),
    family=st.sampled_from(["s3", "query", "json", "rest-json"]),
)
def test_no_header_and_no_query_breaks_the_reader(raw: str, query: str, family: str) -> None:
    """Whatever stands there is nothing, or is refused."""
    for authorization in (
        raw,
        f"AWS4-HMAC-SHA256 {raw}",
        f"AWS4-HMAC-SHA256 Credential={raw}, SignedHeaders=host, Signature=0",
    ):
        request = Request("GET", "/", query, {"host": "h", "authorization": authorization})
        refused(request, family=family)
    request = Request("GET", "/", f"X-Amz-Algorithm=AWS4-HMAC-SHA256&{query}", {"host": "h"})
    refused(request, family=family)


PRESIGNED = sign("GET", "http://localhost/b/k", expires=60).query


@given(
    query=st.lists(
        st.sampled_from(
            [
                "AWSAccessKeyId=a",
                "xAWSAccessKeyId=a",
                "Signature=%ff",
                "xSignature=",
                "Expires=9",
                "Expires=99999999999",
                "Expires=x",
                "acl=%E9%9B%AA",
            ]
        )
    ),
    header=st.sampled_from(["", "AWS", "AWS a", "AWS a:b", "AWS :", "AWS \xff:\xff"]),
)
def test_no_form_of_version_2_breaks_the_verifier(query: list[str], header: str) -> None:
    """In the query or in the header: nothing, or refused."""
    request = Request("GET", "/b/k", "&".join(query), {"host": "h", "date": "Fri, 20 Nov 2026 12:00:00 GMT"})
    if header:
        request.headers["authorization"] = header
    if sigv4.read(request) is not None:
        refused(request)
        refused(request, family="query")


@given(
    parameter=st.sampled_from(
        ["X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Algorithm"]
    ),
    value=st.text(max_size=30),
)
def test_no_value_of_a_presigned_parameter_breaks_the_verifier(parameter: str, value: str) -> None:
    """Any text in any parameter is refused with an error of the protocol."""
    assume(f"{parameter}={quote(value)}" not in PRESIGNED)
    parts = [part for part in PRESIGNED.split("&") if not part.startswith(parameter + "=")]
    for family in ("s3", "json"):
        refused(
            Request("GET", "/b/k", "&".join([*parts, f"{parameter}={quote(value)}"]), {"host": "localhost"}),
            family=family,
        )


# -- what is wrong, in each family's words -----------------------------------------------------------------------------


def header(
    credential: str = f"{KEY}/20261120/eu-north-1/s3/aws4_request",
    signed: str = "host;x-amz-date",
    signature: str = "0" * 64,
    date: str = "20261120T120000Z",
    algorithm: str = "AWS4-HMAC-SHA256",
) -> Request:
    return Request(
        "GET", "/", "",
        {
            "host": "h",
            "x-amz-date": date,
            "authorization": f"{algorithm} Credential={credential}, SignedHeaders={signed}, Signature={signature}",
        },
    )  # fmt: skip


def without(request: Request, *names: str) -> Request:
    for name in names:
        del request.headers[name]
    return request


def scoped(
    service: str = "s3", *, date: str = "20261120", region: str = "eu-north-1", end: str = "aws4_request"
) -> str:
    return f"{KEY}/{date}/{region}/{service}/{end}"


LATER = (NOW + timedelta(minutes=16)).strftime("%Y%m%dT%H%M%SZ")
EARLIER = (NOW - timedelta(minutes=16)).strftime("%Y%m%dT%H%M%SZ")

# request -> code and status for s3, query, json, rest-json
WRONG: dict[str, tuple[Request, tuple[str, int], tuple[str, int], tuple[str, int], tuple[str, int]]] = {
    "no signature part": (
        Request("GET", "/", "", {"host": "h", "x-amz-date": "20261120T120000Z", "authorization": "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host"}),
        ("AuthorizationHeaderMalformed", 400), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "a part without an equal sign": (
        Request("GET", "/", "", {"host": "h", "authorization": "AWS4-HMAC-SHA256 Credential"}),
        ("AuthorizationHeaderMalformed", 400), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "credential of too few parts": (
        header("AKID/20261120/s3/aws4_request"),
        ("AuthorizationHeaderMalformed", 400), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "wrong terminator": (
        header(scoped(end="aws5_request")),
        ("AuthorizationHeaderMalformed", 400), ("SignatureDoesNotMatch", 403), ("InvalidSignatureException", 400), ("InvalidSignatureException", 403),
    ),
    "region that is none": (
        header(scoped(region="EU North")),
        ("AuthorizationHeaderMalformed", 400), ("SignatureDoesNotMatch", 403), ("InvalidSignatureException", 400), ("InvalidSignatureException", 403),
    ),
    "date of the scope differs": (
        header(scoped(date="20261119")),
        ("AuthorizationHeaderMalformed", 400), ("SignatureDoesNotMatch", 403), ("InvalidSignatureException", 400), ("InvalidSignatureException", 403),
    ),
    "no date": (
        without(header(), "x-amz-date"),
        ("AccessDenied", 403), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "malformed date": (
        header(date="yesterday"),
        ("AccessDenied", 403), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "a day that does not exist": (
        header(scoped(date="20261399"), date="20261399T120000Z"),
        ("AccessDenied", 403), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "signed too long ago": (
        header(date=EARLIER),
        ("RequestTimeTooSkewed", 403), ("SignatureDoesNotMatch", 403), ("InvalidSignatureException", 400), ("InvalidSignatureException", 403),
    ),
    "signed in the future": (
        header(date=LATER),
        ("RequestTimeTooSkewed", 403), ("SignatureDoesNotMatch", 403), ("InvalidSignatureException", 400), ("InvalidSignatureException", 403),
    ),
    "host is not signed": (
        header(signed="x-amz-date"),
        ("AccessDenied", 403), ("SignatureDoesNotMatch", 403), ("InvalidSignatureException", 400), ("InvalidSignatureException", 403),
    ),
    "another scheme": (
        Request("GET", "/", "", {"host": "h", "authorization": "Bearer abc"}),
        ("InvalidArgument", 400), ("MissingAuthenticationToken", 403), ("MissingAuthenticationTokenException", 400), ("MissingAuthenticationTokenException", 403),
    ),
    "signature version 2": (
        Request("GET", "/", "", {"host": "h", "authorization": "AWS AKID:c2ln"}),
        ("AccessDenied", 403), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "signature version 2 in the query": (
        Request("GET", "/", "AWSAccessKeyId=a&Expires=1&Signature=b", {"host": "h"}),
        ("AccessDenied", 403), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "signature version 4a": (
        header(algorithm="AWS4-ECDSA-P256-SHA256"),
        ("InvalidRequest", 400), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
    "header and query at once": (
        Request("GET", "/", PRESIGNED, header().headers),
        ("InvalidArgument", 400), ("IncompleteSignature", 400), ("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG.keys())
def test_each_mistake_has_the_code_of_its_protocol(
    case: tuple[Request, tuple[str, int], tuple[str, int], tuple[str, int], tuple[str, int]],
) -> None:
    """The same request, judged as S3, as a query service, as JSON and as REST with JSON."""
    request, *expected = case
    for family, (code, status) in zip(("s3", "query", "json", "rest-json"), expected, strict=True):
        error = refused(request, family=family)
        assert (error.code, error.status) == (code, status), family
        assert error.message


def test_the_scope_must_name_the_service_that_is_asked() -> None:
    """Also when everything else is right."""
    request = sign("GET", "http://localhost/", service="ec2")
    assert verify(request, family="query", service="ec2").scope.endswith("/ec2/aws4_request")
    error = refused(request, family="query", service="iam")
    assert (error.code, error.message) == (
        "SignatureDoesNotMatch",
        "Credential should be scoped to correct service: 'iam'. ",
    )
    assert refused(request, service="s3").code == "AuthorizationHeaderMalformed"


def test_s3_shows_what_it_computed() -> None:
    """String to sign and canonical request, so that a client's author finds the difference. No secret is among them."""
    error = refused(sign("GET", "http://localhost/photos/cat.jpg"), secret="wrong-secret")
    assert error.fields["AWSAccessKeyId"] == KEY
    assert str(error.fields["StringToSign"]).startswith("AWS4-HMAC-SHA256\n20261120T120000Z\n20261120/eu-north-1/s3/")
    assert str(error.fields["CanonicalRequest"]).startswith("GET\n/photos/cat.jpg\n\nhost:localhost\n")
    assert bytes.fromhex(str(error.fields["StringToSignBytes"])).decode() == error.fields["StringToSign"]
    assert "wrong-secret" not in str(error.fields)


def test_times_are_told_when_they_differ() -> None:
    """S3 in fields, the others in their sentence."""
    late = NOW_MS + 15 * 60 * 1000
    request = sign("GET", "http://localhost/")
    verify(request, now_ms=late)
    error = refused(request, now_ms=late + 1)
    assert error.fields == {
        "RequestTime": "20261120T120000Z",
        "ServerTime": "2026-11-20T12:15:00Z",
        "MaxAllowedSkewMilliseconds": "900000",
    }
    error = refused(sign("GET", "http://localhost/", service="sqs"), now_ms=late + 1000, family="json")
    assert (
        error.message
        == "Signature expired: 20261120T120000Z is now earlier than 20261120T120001Z (20261120T121501Z - 15 min.)"
    )


def test_s3_wants_the_payloads_hash() -> None:
    """Missing, malformed and wrong each have their error; a body that is received later is compared later."""
    request = sign("PUT", "http://localhost/b/k", body=b"hello")
    with pytest.raises(AuthFailure) as caught:
        verify(without(sign("PUT", "http://localhost/b/k"), "x-amz-content-sha256"))
    assert caught.value.message == "Missing required header for this request: x-amz-content-sha256"
    request.headers["x-amz-content-sha256"] = "abc"
    assert refused(request).code == "InvalidArgument"
    request = sign("PUT", "http://localhost/b/k", body=b"hello")
    request.body = b"other"
    error = refused(request)
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    assert error.fields["ClientComputedContentSHA256"] == hashlib.sha256(b"hello").hexdigest()
    request.body = b""
    verify(request, staged=True)


def test_s3_wants_every_amz_header_signed() -> None:
    """A header that somebody added on the way is not obeyed."""
    request = sign("PUT", "http://localhost/b/k")
    request.headers["x-amz-acl"] = "public-read"
    error = refused(request)
    assert (error.code, error.fields["HeadersNotSigned"]) == ("AccessDenied", "x-amz-acl")


def test_a_date_header_is_as_good_as_x_amz_date() -> None:
    """In the form of RFC 9110."""
    request = header(signed="date;host")
    del request.headers["x-amz-date"]
    request.headers["date"] = "Fri, 20 Nov 2026 12:00:00 GMT"
    claims = sigv4.read(request)
    assert claims is not None
    assert (claims.timestamp, claims.problem) == ("20261120T120000Z", None)


@pytest.mark.parametrize(
    ("expires", "message"),
    [
        ("abc", "X-Amz-Expires should be a number"),
        ("-1", "X-Amz-Expires must be non-negative"),
        ("604801", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"),
        ("", "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."),
    ],
)  # fmt: skip
def test_how_long_a_presigned_url_may_live(expires: str, message: str) -> None:
    """A week at most, and it must say how long."""
    query = PRESIGNED.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")
    error = refused(Request("GET", "/b/k", query, {"host": "localhost"}))
    assert (error.code, error.status, error.message) == ("AuthorizationQueryParametersError", 400, message)


def test_a_presigned_url_is_not_valid_before_it_is_signed() -> None:
    """Beyond the allowed difference of clocks."""
    request = sign("GET", "http://localhost/b/k", expires=60)
    verify(request, now_ms=NOW_MS - 15 * 60 * 1000)
    assert refused(request, now_ms=NOW_MS - 15 * 60 * 1000 - 1).message == "Request is not yet valid"


def test_a_request_without_a_signature_makes_no_claims() -> None:
    """Anonymous is not malformed."""
    assert sigv4.read(Request("GET", "/b/k", "prefix=X-Amz", {"host": "h"})) is None


def test_keys_and_tokens_have_their_errors() -> None:
    """What the directory finds out about a key is told in the family's words too."""
    problem = sigv4.AuthProblem
    codes = {
        family: [sigv4.as_error(which, family, "AKIA").code for which in (problem.MISSING, problem.UNKNOWN_KEY, problem.INACTIVE_KEY, problem.BAD_TOKEN, problem.EXPIRED_TOKEN)]
        for family in ("s3", "query", "json", "rest-json")
    }  # fmt: skip
    assert codes == {
        "s3": ["AccessDenied", "InvalidAccessKeyId", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken"],
        "query": ["MissingAuthenticationToken", "InvalidClientTokenId", "InvalidClientTokenId", "InvalidClientTokenId", "ExpiredToken"],
        "json": ["MissingAuthenticationTokenException", "UnrecognizedClientException", "UnrecognizedClientException", "UnrecognizedClientException", "ExpiredTokenException"],
        "rest-json": ["MissingAuthenticationTokenException", "UnrecognizedClientException", "UnrecognizedClientException", "UnrecognizedClientException", "ExpiredTokenException"],
    }  # fmt: skip


@pytest.mark.parametrize("problem", sigv4.AuthProblem)
@pytest.mark.parametrize("family", ["s3", "query", "json", "rest-json"])
def test_every_problem_has_words_in_every_family(problem: sigv4.AuthProblem, family: str) -> None:
    """Whatever details come with it, braces included."""
    error = sigv4.as_error(problem, family, "{0}", "{x}")
    assert error.code
    assert error.message
    assert 400 <= error.status < 500
    assert str(error.fields).isascii()
