"""AWS Signature Version 4: whose key signed a request, and whether that key signed exactly this one.

    string to sign   "AWS4-HMAC-SHA256" | time | date/region/service/aws4_request | SHA-256(canonical request)
    canonical        method | path | query, sorted | signed headers and their values | names of them | payload's hash
    signature        HMAC(signing key, string to sign), the key derived from secret, date, region and service

`read` (in claims) takes apart what the request says, so that it can be routed; `verify` raises what is wrong with it, in
the words of the protocol that the route has found. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

from pilvi.wire import sigv2
from pilvi.wire.auth_problems import AuthFailure, AuthProblem, Family, as_error
from pilvi.wire.claims import ALGORITHM, SKEW_MS, Claims, read, read_form
from pilvi.wire.http import Request

__all__ = [
    "AuthFailure",
    "AuthProblem",
    "Claims",
    "Family",
    "Signed",
    "as_error",
    "condition_keys",
    "family",
    "read",
    "read_form",
    "signing_key",
    "verify",
]

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
STREAMING: Final = frozenset(
    {
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    }
)

_HEX64: Final = re.compile(r"[0-9a-f]{64}\Z")
_AS_SENT: Final = re.compile(r"[A-Za-z0-9_.~/-]*\Z")  # has one encoding only, which it is in
_UNRESERVED: Final = "-_.~"


class Signed(msgspec.Struct, frozen=True):
    """A verified signature: what the signatures of the body's chunks are computed from.

    Attributes:
        key: that signs chunks too; empty where the request's kind of signature cannot (version 2).
    """

    key: bytes
    timestamp: str
    scope: str
    signature: str


def family(service: str, protocol: str) -> Family:
    """The family of protocols that a service's authentication errors follow."""
    if service in ("s3", "s3control"):
        return "s3"
    if protocol == "rest-json":
        return "rest-json"
    return "query" if protocol in ("query", "ec2", "rest-xml") else "json"


def verify(
    claims: Claims,
    request: Request,
    secret: str,
    now_ms: int,
    family: str,
    *,
    service: str = "",
    staged: bool = False,
) -> Signed:
    """That whoever has `secret` signed this request, and not long ago.

    Args:
        claims: what `read` made of the request.
        secret: of the access key that the claims name.
        request: as it came; its body too, unless `staged`.
        now_ms: server's time.
        family: from `family()`, decides on errors and on S3's departures from the general rules.
        service: signing name of the service that is asked, "" when the route was chosen by the scope.
        staged: the body is received later: its hash is taken as claimed, and to be compared when it is there.

    Raises:
        AuthFailure: in the family's words.
    """
    if claims.policy:
        return _verify_form(claims, secret, family)
    if claims.old:
        return _verify_old(claims, request, secret, now_ms, family)
    check(claims, request, now_ms, family, service)
    payload = _payload(claims, request, family, staged=staged)
    key = signing_key(secret, claims.date, claims.region, claims.service)
    s3 = family == "s3"
    path = request.path if s3 else _normal_path(request.path)
    text = _string_to_sign(claims, _canonical(claims, request, path, _sorted_query(request.query), payload))
    if not _matches(key, text, claims.signature):  # most signers encode as they send; what counts is one encoding
        path = _recoded(path) if s3 else path
        canonical = _canonical(claims, request, path, _recoded_query(request.query), payload)
        text = _string_to_sign(claims, canonical)
        if not _matches(key, text, claims.signature):
            raise as_error(AuthProblem.SIGNATURE, family, *_mismatch_details(claims, text, canonical))
    return Signed(key, claims.timestamp, claims.scope, claims.signature)


def _verify_old(claims: Claims, request: Request, secret: str, now_ms: int, family: str) -> Signed:
    """Version 2. It does not cover the body, and cannot sign its chunks."""
    if family != "s3":
        raise as_error(AuthProblem.OLD_KIND, family)
    if claims.problem is not None:
        raise as_error(claims.problem, family, *claims.details)
    if claims.presigned:
        ends_ms = int(claims.timestamp) * 1000
        if now_ms > ends_ms:
            raise as_error(AuthProblem.URL_EXPIRED, family, "", _iso(ends_ms), _iso(now_ms))
        moment = claims.timestamp
    else:
        _check_time(claims, now_ms, family)
        moment = "" if "x-amz-date" in request.headers else request.headers.get("date", "")
    text = sigv2.string_to_sign(request, request.label, moment, claims.token if claims.presigned else "")
    if not sigv2.matches(secret, text, claims.signature):
        details = (claims.access_key_id, text, text.encode("latin-1").hex(" "), claims.signature)
        raise as_error(AuthProblem.SIGNATURE, family, *details)
    return Signed(b"", claims.timestamp, "", "")


def _verify_form(claims: Claims, secret: str, family: str) -> Signed:
    """An HTML form, of whichever version: its policy is signed, which says itself when it expires."""
    if claims.problem is not None:
        raise as_error(claims.problem, family, *claims.details)
    if claims.old:
        key, matches = b"", sigv2.matches(secret, claims.policy, claims.signature)
    else:
        if claims.service != "s3":
            raise as_error(AuthProblem.SCOPE_SERVICE, family, claims.service, "s3")
        if claims.date != claims.timestamp[:8]:
            raise as_error(AuthProblem.SCOPE_DATE, family, claims.date, claims.timestamp[:8], claims.timestamp)
        key = signing_key(secret, claims.date, claims.region, claims.service)
        matches = _matches(key, claims.policy, claims.signature)
    if not matches:
        text = claims.policy
        details = (claims.access_key_id, text, text.encode().hex(" "), claims.signature)
        raise as_error(AuthProblem.SIGNATURE, family, *details)
    return Signed(key, claims.timestamp, claims.scope, claims.signature)


def condition_keys(claims: Claims, now_ms: int) -> dict[str, str]:
    """What S3's policies can know of a verified signature.

    https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html
    """
    keys = {
        "s3:authType": "POST" if claims.policy else "REST-QUERY-STRING" if claims.presigned else "REST-HEADER",
        "s3:signatureversion": "AWS" if claims.old else ALGORITHM,
    }
    if claims.payload:
        keys["s3:x-amz-content-sha256"] = claims.payload
    if claims.presigned and not claims.old:
        keys["s3:signatureAge"] = str(max(now_ms - _epoch_ms(claims.timestamp), 0))
    return keys


def check(claims: Claims, request: Request, now_ms: int, family: str, service: str = "") -> None:
    """Everything that can be judged without the secret. `verify` includes it.

    Raises:
        AuthFailure: in the family's words.
    """
    if claims.problem is not None:
        raise as_error(claims.problem, family, *claims.details)
    if service and claims.service != service:
        raise as_error(AuthProblem.SCOPE_SERVICE, family, claims.service, service)
    if claims.date != claims.timestamp[:8]:
        raise as_error(AuthProblem.SCOPE_DATE, family, claims.date, claims.timestamp[:8], claims.timestamp)
    _check_headers(claims, request, family)
    _check_time(claims, now_ms, family)


def _check_headers(claims: Claims, request: Request, family: str) -> None:
    names = claims.signed_headers.split(";")
    if "host" not in names:
        raise as_error(AuthProblem.HOST_UNSIGNED, family, "host")
    unsigned = [
        name
        for name in request.headers
        if name.startswith("x-amz-") and name not in names and not (claims.presigned and name == "x-amz-content-sha256")
    ]
    if unsigned:
        raise as_error(AuthProblem.HEADERS_UNSIGNED, family, ", ".join(unsigned))


def _check_time(claims: Claims, now_ms: int, family: str) -> None:
    try:
        signed_ms = _epoch_ms(claims.timestamp)
    except ValueError:
        raise as_error(AuthProblem.DATE_MALFORMED, family, claims.timestamp) from None
    if claims.presigned:
        if now_ms < signed_ms - SKEW_MS:
            raise as_error(AuthProblem.URL_NOT_YET, family, _iso(signed_ms), _iso(now_ms))
        ends_ms = signed_ms + claims.expires_seconds * 1000
        if now_ms > ends_ms:
            raise as_error(AuthProblem.URL_EXPIRED, family, str(claims.expires_seconds), _iso(ends_ms), _iso(now_ms))
    elif abs(now_ms - signed_ms) > SKEW_MS:
        past = signed_ms < now_ms
        problem = AuthProblem.SKEWED_PAST if past else AuthProblem.SKEWED_FUTURE
        edge_ms = now_ms - SKEW_MS if past else now_ms + SKEW_MS
        if family == "s3":
            raise as_error(problem, family, claims.timestamp, _iso(now_ms))
        raise as_error(problem, family, claims.timestamp, _basic(now_ms), _basic(edge_ms))


def _payload(claims: Claims, request: Request, family: str, *, staged: bool) -> str:
    """The hash of the payload as it was signed; that of a body in hand is compared."""
    claimed = claims.payload
    if family != "s3":
        return claimed if staged and claimed else hashlib.sha256(request.body).hexdigest()
    if claims.presigned and not claimed:
        return UNSIGNED
    if not claimed:
        raise as_error(AuthProblem.HASH_MISSING, family)
    if claimed == UNSIGNED or claimed in STREAMING:
        return claimed
    if not _HEX64.match(claimed):
        raise as_error(AuthProblem.HASH_MALFORMED, family, claimed, "x-amz-content-sha256")
    if not staged:
        actual = hashlib.sha256(request.body).hexdigest() if request.body else EMPTY_SHA256
        if not hmac.compare_digest(actual, claimed):
            raise as_error(AuthProblem.HASH_MISMATCH, family, claimed, actual)
    return claimed


def _matches(key: bytes, text: str, signature: str) -> bool:
    expected = hmac.digest(key, text.encode("latin-1"), "sha256").hex()
    return hmac.compare_digest(expected.encode(), signature.encode())


def _string_to_sign(claims: Claims, canonical: str) -> str:
    hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    return f"{ALGORITHM}\n{claims.timestamp}\n{claims.date}/{claims.region}/{claims.service}/aws4_request\n{hashed}"


def _canonical(claims: Claims, request: Request, path: str, query: str, payload: str) -> str:
    headers = request.headers
    lines = [f"{name}:{_squeezed(headers.get(name, ''))}\n" for name in claims.signed_headers.split(";")]
    return f"{request.method}\n{path}\n{query}\n{''.join(lines)}\n{claims.signed_headers}\n{payload}"


def _squeezed(value: str) -> str:
    """Runs of white space count as one space."""
    return " ".join(value.split()) if "  " in value or "\t" in value else value


def _sorted_query(query: str) -> str:
    """As it was sent, but for the order, and without the signature itself.

    Names are compared with their values, which is wrong where one begins with another: `_recoded_query` knows better.
    """
    if not query:
        return ""
    parts = [part for part in query.split("&") if part and not part.startswith("X-Amz-Signature=")]
    parts.sort()
    return "&".join([part if "=" in part else f"{part}=" for part in parts])


def _recoded_query(query: str) -> str:
    """Each name and value percent-encoded in the one way that counts, then sorted."""
    pairs = sorted(
        (_encoded(name), _encoded(value))
        for name, _, value in (part.partition("=") for part in query.split("&") if part)
    )
    return "&".join([f"{name}={value}" for name, value in pairs if name != "X-Amz-Signature"])


def _encoded(text: str) -> str:
    """Percent-encoded in the one way that counts for signatures, whichever way it came."""
    return quote(unquote_to_bytes(text.replace("+", " ").encode("latin-1")), safe=_UNRESERVED)


def _recoded(path: str) -> str:
    return quote(unquote_to_bytes(path.encode("latin-1")), safe="/" + _UNRESERVED)


def _normal_path(path: str) -> str:
    """Dot segments and empty ones removed, then encoded once more (all services but S3). RFC 3986, section 5.2.4."""
    if path == "/":
        return path
    if "//" in path or "/." in path:
        kept: list[str] = []
        for part in path.split("/"):
            if part == "..":
                del kept[-1:]
            elif part not in ("", "."):
                kept.append(part)
        trailing = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
        path = "/" + "/".join(kept) + trailing
    return path if _AS_SENT.match(path) else quote(path.encode("latin-1"), safe="/" + _UNRESERVED)


@lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key that signs everything of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=4096)
def _epoch_ms(timestamp: str) -> int:
    moment = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _iso(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _basic(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y%m%dT%H%M%SZ")


def _mismatch_details(claims: Claims, text: str, canonical: str) -> tuple[str, ...]:
    """What S3 shows so that a client's author can find the difference. Nothing in it is secret."""
    return (
        claims.access_key_id,
        text,
        text.encode("latin-1").hex(" "),
        claims.signature,
        canonical,
        canonical.encode("latin-1").hex(" "),
    )
