"""What a request says about who signed it, taken apart but not yet believed.

The signature stands in the Authorization header, or in the query of a presigned URL. Reading never fails: what is wrong
is kept in the claims, since only the route, which needs them, knows in whose words to say so.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import msgspec

from pilvi.wire import sigv2
from pilvi.wire.auth_problems import AuthProblem
from pilvi.wire.http import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW_MS: Final = 15 * 60 * 1000
EXPIRES_SECONDS_MAX: Final = 604_800
REGION_INSTEAD: Final = "us-east-1"  # for those who sign for what is no region: S3's clients ask again with it
REMEMBERED_LENGTH_MAX: Final = 256  # of a value whose decoding is remembered: strangers send them

_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]{1,128})/([0-9]{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,64})/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;!#$&'*+.^_`|~-]+), ?Signature=([0-9a-f]{64})\Z"
)
_CREDENTIAL: Final = re.compile(r"([^/]+)/([0-9]{8})/([a-z0-9-]{1,32})/([a-z0-9-]{1,64})/aws4_request\Z")
_TIMESTAMP: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z\Z")
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}\Z")
_SERVICE: Final = re.compile(r"[a-z0-9-]{1,64}\Z")
_NAMES: Final = re.compile(r"[a-z0-9;!#$&'*+.^_`|~-]+\Z")


class Claims(msgspec.Struct, frozen=True):
    """What a request says about who signed it.

    Attributes:
        signed_headers: names as they came, joined with ";".
        timestamp: "20130524T000000Z".
        expires_seconds: of a presigned URL, else -1.
        payload: value of x-amz-content-sha256, "" without one.
        problem: what makes it impossible to verify; `details` say more. `sigv4.verify` raises it.
        old: signed with version 2, which S3 alone understands. The timestamp of a presigned URL is then the second, since
            the Unix epoch, at which it expires.
        policy: the document (base64) that an HTML form carries: of such a request nothing else is signed.
    """

    access_key_id: str = ""
    date: str = ""
    region: str = ""
    service: str = ""
    signed_headers: str = ""
    signature: str = ""
    timestamp: str = ""
    token: str = ""
    presigned: bool = False
    expires_seconds: int = -1
    payload: str = ""
    problem: AuthProblem | None = None
    details: tuple[str, ...] = ()
    old: bool = False
    policy: str = ""

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read(request: Request) -> Claims | None:
    """The claims of a request; None when it makes none (anonymous)."""
    header = request.headers.get("authorization")
    query = request.query
    if header is None:
        if not query:
            return None
        if "X-Amz-Algorithm=" in query or "X-Amz-Signature=" in query or "X-Amz-Credential=" in query:
            return _read_query(request)
        if "AWSAccessKeyId=" in query and "Signature=" in query:
            return _read_old_query(query)
        return None
    if "X-Amz-Algorithm=" in query:
        return Claims(problem=AuthProblem.TWO_KINDS, details=(header, "Authorization"))
    found = _HEADER.match(header)
    if found is None:
        return _diagnose(header, request.headers)
    key, date, region, service, signed, signature = found.groups()
    headers = request.headers
    timestamp = headers.get("x-amz-date", "")
    problem: AuthProblem | None = None
    details: tuple[str, ...] = ()
    if not _TIMESTAMP.match(timestamp):
        timestamp, problem, details = _other_date(timestamp, headers.get("date", ""))
    return Claims(
        key,
        date,
        region,
        service,
        signed,
        signature,
        timestamp,
        headers.get("x-amz-security-token", ""),
        False,
        -1,
        headers.get("x-amz-content-sha256", ""),
        problem,
        details,
    )


def _other_date(amz: str, date: str) -> tuple[str, AuthProblem | None, tuple[str, ...]]:
    """The request's time when X-Amz-Date does not simply tell it."""
    given = amz or date
    if not given:
        return "", AuthProblem.DATE_MISSING, ()
    if _TIMESTAMP.match(given):
        return given, None, ()
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few clients say it like this

    try:
        moment = parsedate_to_datetime(given)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return "", AuthProblem.DATE_MALFORMED, (given,)
    return moment.strftime("%Y%m%dT%H%M%SZ"), None, ()


def _diagnose(header: str, headers: Mapping[str, str]) -> Claims:
    """What is wrong with an Authorization header, in the order in which AWS looks at it."""
    kind, _, rest = header.partition(" ")
    if kind == "AWS":
        return _read_old_header(rest, headers)
    if kind.startswith("AWS4-ECDSA-P256-SHA256"):
        return Claims(problem=AuthProblem.ASYMMETRIC, service=_service_in(rest))
    if kind != ALGORITHM:
        return Claims(problem=AuthProblem.KIND, details=(header, "Authorization"))
    hashed = b64encode(hashlib.sha256(header.encode("latin-1")).digest()).decode()
    service = _service_in(rest)
    parts: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in rest.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            return Claims(problem=AuthProblem.PAIR, details=(part, hashed), service=service)
        parts[name] = value
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if missing:
        sentences = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        return Claims(problem=AuthProblem.PARTS, details=(sentences, hashed), service=service)
    problem, details = _credential_problem(parts["Credential"]) or (AuthProblem.SIGNATURE, ())
    return Claims(
        access_key_id=parts["Credential"].split("/")[0],
        service=service,
        signature=parts["Signature"],
        problem=problem,
        details=details,
    )


def _read_old_query(query: str) -> Claims:
    """The claims of a URL presigned with version 2, whose expiry is a moment."""
    values = sigv2.query_values(query)
    expires = values.get("Expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        return Claims(problem=AuthProblem.OLD_EXPIRES, service="s3", old=True)
    return Claims(
        values.get("AWSAccessKeyId", ""),
        service="s3",
        signature=values.get("Signature", ""),
        timestamp=expires,
        token=values.get("x-amz-security-token", ""),
        presigned=True,
        old=True,
    )


_EPOCH: Final = "19700101T000000Z"
"""Version 2 knows no time before it."""


def _read_old_header(credentials: str, headers: Mapping[str, str]) -> Claims:
    """The claims of a header signed with version 2: `AWS id:signature`."""
    key, _, signature = credentials.partition(":")
    amz = headers.get("x-amz-date")
    timestamp = ""
    problem: AuthProblem | None = AuthProblem.DATE_MISSING
    details: tuple[str, ...] = ()
    if amz != "":  # an empty one replaces Date as a full one would
        timestamp, problem, details = _other_date(amz or "", headers.get("date", ""))
    if problem is None and timestamp < _EPOCH:
        problem = AuthProblem.DATE_MALFORMED
    return Claims(
        key,
        service="s3",
        signature=signature,
        timestamp=timestamp,
        token=headers.get("x-amz-security-token", ""),
        problem=problem,
        details=details,
        old=True,
    )


def _service_in(text: str) -> str:
    """The service that a scope in a damaged header names, if one can be made out: it says in whose words to answer."""
    found = re.search(r"/([a-z0-9-]{1,64})/aws4_request", text)
    return found[1] if found else ""


def _credential_problem(credential: str) -> tuple[AuthProblem, tuple[str, ...]] | None:
    scope = credential.split("/")
    if len(scope) != 5 or not scope[0]:
        return AuthProblem.CREDENTIAL, (credential,)
    if scope[4] != "aws4_request":
        return AuthProblem.SCOPE_TERMINATOR, (scope[4],)
    if not (len(scope[1]) == 8 and scope[1].isascii() and scope[1].isdigit()):
        return AuthProblem.CREDENTIAL, (credential,)
    if not _REGION.match(scope[2]):
        return AuthProblem.SCOPE_REGION, (scope[2], REGION_INSTEAD)
    if not _SERVICE.match(scope[3]):
        return AuthProblem.CREDENTIAL, (credential,)
    return None


_PARAMETERS: Final = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
_PARAMETERS_S3: Final = (*_PARAMETERS, "X-Amz-Expires")


def _read_query(request: Request) -> Claims:
    """The claims of a presigned URL.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    """
    values: dict[str, str] = {}
    for part in request.query.split("&"):
        if part.startswith("X-Amz-"):
            name, _, value = part.partition("=")
            if "%" in part:
                name, value = unquote(name), _decoded(value)
            values[name] = value
    credential = values.get("X-Amz-Credential", "")
    scope = _CREDENTIAL.match(credential)
    key, date, region, service = (
        scope.groups() if scope else (credential.split("/")[0], "", "", _service_of(credential))
    )
    problem, details = _query_problem(values, service, found=scope is not None)
    if problem is not None:
        return Claims(key, service=service, presigned=True, problem=problem, details=details)
    return Claims(
        key,
        date,
        region,
        service,
        values["X-Amz-SignedHeaders"],
        values["X-Amz-Signature"],
        values["X-Amz-Date"],
        values.get("X-Amz-Security-Token", ""),
        True,
        int(values.get("X-Amz-Expires", SKEW_MS // 1000)),
        values.get("X-Amz-Content-Sha256", request.headers.get("x-amz-content-sha256", "")),
    )


def _service_of(credential: str) -> str:
    """The service that a credential names, though something else in it is wrong."""
    scope = credential.split("/")
    return scope[3] if len(scope) == 5 and _SERVICE.match(scope[3]) else ""


def _query_problem(values: dict[str, str], service: str, *, found: bool) -> tuple[AuthProblem | None, tuple[str, ...]]:
    """What is wrong with the parameters, in the order in which S3 looks at them. `found`: not the credential."""
    if values.get("X-Amz-Algorithm", ALGORITHM) != ALGORITHM:
        return AuthProblem.QUERY_ALGORITHM, (values["X-Amz-Algorithm"],)
    needed = _PARAMETERS_S3 if service in ("s3", "") else _PARAMETERS
    if not all(map(values.get, needed)):
        missing = [name for name in needed if not values.get(name)]
        return AuthProblem.QUERY_PARTS, (", ".join(f"'{name}'" for name in missing),)
    problem = None if found else _credential_problem(values["X-Amz-Credential"])
    if problem is not None:
        return (AuthProblem.QUERY_CREDENTIAL, problem[1]) if problem[0] is AuthProblem.CREDENTIAL else problem
    if not _NAMES.match(values["X-Amz-SignedHeaders"]):
        return AuthProblem.QUERY_PARTS, ("'X-Amz-SignedHeaders'",)
    if not _TIMESTAMP.match(values["X-Amz-Date"]):
        return AuthProblem.QUERY_DATE, (values["X-Amz-Date"],)
    return _expires_problem(values.get("X-Amz-Expires", "0")), ()


def _expires_problem(expires: str) -> AuthProblem | None:
    if len(expires) <= 5 and expires.isascii() and expires.isdigit():
        return None
    digits = expires.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return AuthProblem.EXPIRES_NO_NUMBER
    if expires.startswith("-"):
        return AuthProblem.EXPIRES_NEGATIVE
    return AuthProblem.EXPIRES_TOO_LONG if int(expires) > EXPIRES_SECONDS_MAX else None


def _decoded(text: str) -> str:
    return _remembered(text) if len(text) <= REMEMBERED_LENGTH_MAX else unquote(text)


@lru_cache(maxsize=1024)
def _remembered(text: str) -> str:  # credentials and scopes are the same ones again and again
    return unquote(text)


def read_form(fields: Mapping[str, str]) -> Claims | None:
    """The claims of an HTML form; None when it makes none.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
    """
    if fields.keys().isdisjoint(_FORM_FIELDS):
        return None
    old = fields.keys().isdisjoint(_FORM_FIELDS_NEW)
    for name in _FORM_OLD if old else _FORM_NEW:
        if not fields.get(name.lower()):
            return Claims(service="s3", problem=AuthProblem.FORM_FIELD, details=(name,), old=old)
    policy, token = fields["policy"].encode().decode("latin-1"), fields.get("x-amz-security-token", "")
    if old:
        key, signature = fields["awsaccesskeyid"], fields["signature"]
        return Claims(key, service="s3", signature=signature, token=token, old=True, policy=policy)
    return _form_claims(fields, policy, token)


def _form_claims(fields: Mapping[str, str], policy: str, token: str) -> Claims:
    """What version 4 signs: the policy's text, with the key of one day, region and service."""
    credential, timestamp = fields["x-amz-credential"], fields["x-amz-date"]
    scope = _CREDENTIAL.match(credential)
    if fields["x-amz-algorithm"] != ALGORITHM:
        return Claims(service="s3", problem=AuthProblem.QUERY_ALGORITHM, details=(fields["x-amz-algorithm"],))
    if scope is None:
        return Claims(service="s3", problem=AuthProblem.QUERY_CREDENTIAL, details=(credential,))
    if not _TIMESTAMP.match(timestamp):
        return Claims(service="s3", problem=AuthProblem.QUERY_DATE, details=(timestamp,))
    key, date, region, service = scope.groups()
    signature = fields["x-amz-signature"]
    return Claims(key, date, region, service, signature=signature, timestamp=timestamp, token=token, policy=policy)


_FORM_OLD: Final = ("AWSAccessKeyId", "policy", "signature")
_FORM_NEW: Final = ("policy", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature")
_FORM_FIELDS_NEW: Final = frozenset(name.lower() for name in _FORM_NEW if name.startswith("X-"))
_FORM_FIELDS: Final = _FORM_FIELDS_NEW | {name.lower() for name in _FORM_OLD}
