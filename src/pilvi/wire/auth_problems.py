"""Why a request is not authenticated, and how each family of protocols says so: AWS's codes, statuses and words.

    s3         https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    query      https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html (also ec2 and other rest-xml)
    json       https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html (also cbor)
    rest-json  https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html

Words in braces are details that the finder of the problem supplies, in order.
"""

from collections.abc import Mapping
from enum import Enum, auto
from functools import cache
from typing import Final, Literal

import msgspec

from pilvi.core.errors import CloudError

Family = Literal["s3", "query", "json", "rest-json"]


class AuthProblem(Enum):
    """What can be wrong; comments name the details."""

    MISSING = auto()
    UNKNOWN_KEY = auto()  # access key id
    INACTIVE_KEY = auto()  # access key id
    BAD_TOKEN = auto()  # token
    EXPIRED_TOKEN = auto()  # token
    SIGNATURE = auto()  # access key id, string to sign, its bytes, signature, canonical request, its bytes
    SKEWED_PAST = auto()  # request time, server time, oldest time allowed
    SKEWED_FUTURE = auto()  # request time, server time, newest time allowed
    URL_EXPIRED = auto()  # X-Amz-Expires, expired at, server time
    URL_NOT_YET = auto()  # request time, server time
    PARTS = auto()  # sentences naming what is missing, hash of the header
    PAIR = auto()  # the part that is no pair, hash of the header
    CREDENTIAL = auto()  # credential
    SCOPE_DATE = auto()  # date of the scope, date of the request, its time
    SCOPE_REGION = auto()  # region, the one to use instead
    SCOPE_SERVICE = auto()  # service of the scope, service asked
    SCOPE_TERMINATOR = auto()  # terminator
    DATE_MISSING = auto()
    DATE_MALFORMED = auto()  # date
    HOST_UNSIGNED = auto()
    HEADERS_UNSIGNED = auto()  # header names
    QUERY_PARTS = auto()  # missing parameters
    QUERY_ALGORITHM = auto()  # algorithm
    QUERY_CREDENTIAL = auto()  # credential
    QUERY_DATE = auto()  # date
    EXPIRES_NO_NUMBER = auto()
    EXPIRES_NEGATIVE = auto()
    EXPIRES_TOO_LONG = auto()
    KIND = auto()  # authorization header's first word
    TWO_KINDS = auto()
    OLD_KIND = auto()  # signature version 2, which S3 alone takes
    OLD_EXPIRES = auto()
    ASYMMETRIC = auto()  # signature version 4a
    FORM_FIELD = auto()  # name of the field that a signed HTML form lacks, what it has instead
    HASH_MISSING = auto()
    HASH_MALFORMED = auto()  # header's value
    HASH_MISMATCH = auto()  # hash the client sent, hash computed


class AuthFailure(CloudError):
    """The request is not authenticated. Made by `as_error`, with the code of the protocol's family."""

    code = "AccessDenied"
    status = 403


class Words(msgspec.Struct, frozen=True):
    """One family's words for one problem; `fields` are members of the error: name -> position of its detail."""

    code: str
    status: int
    message: str
    fields: Mapping[str, int] = {}


def as_error(problem: AuthProblem, family: str, *details: str) -> AuthFailure:
    """The error that the client sees."""
    words = _TABLES[family].get(problem)
    if words is None:  # the family has no word of its own for it
        words = _TABLES[family][AuthProblem.SIGNATURE]
    padded = (*details, "", "", "", "", "", "")
    fields = {name: padded[at] for name, at in words.fields.items() if padded[at]}
    if problem is AuthProblem.SKEWED_PAST or problem is AuthProblem.SKEWED_FUTURE:
        fields |= {"MaxAllowedSkewMilliseconds": "900000"} if family == "s3" else {}
    return _error_class(words.code, words.status)(words.message.format(*padded), fields=fields)


@cache
def _error_class(code: str, status: int) -> type[AuthFailure]:
    return type(code, (AuthFailure,), {"code": code, "status": status, "__module__": __name__})


_P: Final = AuthProblem
_MALFORMED: Final = "The authorization header is malformed; "
_QUERY_ERROR: Final = "AuthorizationQueryParametersError"
_V4_ONLY: Final = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
_CREDENTIAL_FORM: Final = 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
_NO_KEY: Final = Words(
    "InvalidAccessKeyId",
    403,
    "The AWS Access Key Id you provided does not exist in our records.",
    {"AWSAccessKeyId": 0},
)
_SKEW: Final = Words(
    "RequestTimeTooSkewed",
    403,
    "The difference between the request time and the current time is too large.",
    {"RequestTime": 0, "ServerTime": 1},
)
_KIND_FIELDS: Final = {"ArgumentName": 1, "ArgumentValue": 0}

_S3: Final[dict[AuthProblem, Words]] = {
    _P.MISSING: Words("AccessDenied", 403, "Access Denied"),
    _P.UNKNOWN_KEY: _NO_KEY,
    _P.INACTIVE_KEY: _NO_KEY,
    _P.BAD_TOKEN: Words("InvalidToken", 400, "The provided token is malformed or otherwise invalid.", {"Token-0": 0}),
    _P.EXPIRED_TOKEN: Words("ExpiredToken", 400, "The provided token has expired.", {"Token-0": 0}),
    _P.SIGNATURE: Words(
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        {
            "AWSAccessKeyId": 0,
            "StringToSign": 1,
            "SignatureProvided": 3,
            "StringToSignBytes": 2,
            "CanonicalRequest": 4,
            "CanonicalRequestBytes": 5,
        },
    ),
    _P.SKEWED_PAST: _SKEW,
    _P.SKEWED_FUTURE: _SKEW,
    _P.URL_EXPIRED: Words(
        "AccessDenied", 403, "Request has expired", {"X-Amz-Expires": 0, "Expires": 1, "ServerTime": 2}
    ),
    _P.URL_NOT_YET: Words("AccessDenied", 403, "Request is not yet valid", {"RequestTime": 0, "ServerTime": 1}),
    _P.PARTS: Words(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + "The authorization header requires three components: Credential, SignedHeaders, and Signature.",
    ),
    _P.PAIR: Words("AuthorizationHeaderMalformed", 400, _MALFORMED + 'The authorization component "{0}" is malformed.'),
    _P.CREDENTIAL: Words("AuthorizationHeaderMalformed", 400, _MALFORMED + _CREDENTIAL_FORM),
    _P.SCOPE_DATE: Words(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + 'Invalid credential date "{0}". This date is not the same as X-Amz-Date: "{1}".',
    ),
    _P.SCOPE_REGION: Words(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + "the region '{0}' is wrong; expecting '{1}'",
        {"Region": 1},
    ),
    _P.SCOPE_SERVICE: Words(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + 'incorrect service "{0}". This endpoint belongs to "{1}".',
    ),
    _P.SCOPE_TERMINATOR: Words(
        "AuthorizationHeaderMalformed",
        400,
        _MALFORMED + 'incorrect terminal "{0}". This endpoint uses "aws4_request".',
    ),
    _P.DATE_MISSING: Words("AccessDenied", 403, "AWS authentication requires a valid Date or x-amz-date header"),
    _P.DATE_MALFORMED: Words("AccessDenied", 403, "AWS authentication requires a valid Date or x-amz-date header"),
    _P.HOST_UNSIGNED: Words(
        "AccessDenied",
        403,
        "There were headers present in the request which were not signed",
        {"HeadersNotSigned": 0},
    ),
    _P.HEADERS_UNSIGNED: Words(
        "AccessDenied",
        403,
        "There were headers present in the request which were not signed",
        {"HeadersNotSigned": 0},
    ),
    _P.QUERY_PARTS: Words(
        _QUERY_ERROR,
        400,
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
        "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    ),
    _P.QUERY_ALGORITHM: Words(_QUERY_ERROR, 400, 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"'),
    _P.QUERY_CREDENTIAL: Words(_QUERY_ERROR, 400, "Error parsing the X-Amz-Credential parameter; " + _CREDENTIAL_FORM),
    _P.QUERY_DATE: Words(_QUERY_ERROR, 400, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""),
    _P.EXPIRES_NO_NUMBER: Words(_QUERY_ERROR, 400, "X-Amz-Expires should be a number"),
    _P.EXPIRES_NEGATIVE: Words(_QUERY_ERROR, 400, "X-Amz-Expires must be non-negative"),
    _P.EXPIRES_TOO_LONG: Words(
        _QUERY_ERROR,
        400,
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
        "604800 seconds",
    ),
    _P.KIND: Words("InvalidArgument", 400, "Unsupported Authorization Type", _KIND_FIELDS),
    _P.TWO_KINDS: Words(
        "InvalidArgument",
        400,
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
        "or the Authorization header should be specified",
        _KIND_FIELDS,
    ),
    _P.OLD_KIND: Words("InvalidRequest", 400, _V4_ONLY),
    _P.OLD_EXPIRES: Words("AccessDenied", 403, "Invalid date (should be seconds since epoch)"),
    _P.ASYMMETRIC: Words("InvalidRequest", 400, _V4_ONLY),
    _P.FORM_FIELD: Words(
        "InvalidArgument",
        400,
        "Bucket POST must contain a field named '{0}'.  If it is specified, please check the order of the fields.",
        {"ArgumentName": 0, "ArgumentValue": 1},
    ),
    _P.HASH_MISSING: Words("InvalidRequest", 400, "Missing required header for this request: x-amz-content-sha256"),
    _P.HASH_MALFORMED: Words(
        "InvalidArgument",
        400,
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 "
        "value.",
        {"ArgumentName": 1, "ArgumentValue": 0},
    ),
    _P.HASH_MISMATCH: Words(
        "XAmzContentSHA256Mismatch",
        400,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        {"ClientComputedContentSHA256": 0, "S3ComputedContentSHA256": 1},
    ),
}


def _others(
    *, missing: Words, unknown: str, bad: str, expired: str, signature: str, incomplete: str, statuses: tuple[int, int]
) -> dict[AuthProblem, Words]:
    """The table of a family whose codes are these (`statuses`: wrong, incomplete); they all share the sentences."""
    wrong, partial = statuses
    invalid = Words(unknown, wrong, "The security token included in the request is invalid.")

    def mismatch(text: str) -> Words:
        return Words(signature, wrong, text)

    def lacking(text: str) -> Words:
        return Words(incomplete, partial, text)

    return {
        _P.MISSING: missing,
        _P.UNKNOWN_KEY: invalid,
        _P.INACTIVE_KEY: invalid,
        _P.BAD_TOKEN: Words(bad, wrong, "The security token included in the request is invalid."),
        _P.EXPIRED_TOKEN: Words(expired, wrong, "The security token included in the request is expired"),
        _P.SIGNATURE: mismatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details."
        ),
        _P.SKEWED_PAST: mismatch("Signature expired: {0} is now earlier than {2} ({1} - 15 min.)"),
        _P.SKEWED_FUTURE: mismatch("Signature not yet current: {0} is still later than {2} ({1} + 15 min.)"),
        _P.URL_EXPIRED: mismatch("Signature expired: {1} is now earlier than {2}"),
        _P.URL_NOT_YET: mismatch("Signature not yet current: {0} is still later than {1}"),
        _P.PARTS: lacking("{0} (Hashed with SHA-256 and encoded with Base64) Authorization={1}"),
        _P.PAIR: lacking(
            "'{0}' not a valid key=value pair (missing equal-sign) in Authorization header "
            "(hashed with SHA-256 and encoded with Base64): '{1}'."
        ),
        _P.CREDENTIAL: lacking(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{0}'"
        ),
        _P.SCOPE_DATE: mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            "'{0}' != '{1}', from '{2}'."
        ),
        _P.SCOPE_REGION: mismatch("Credential should be scoped to a valid region. "),
        _P.SCOPE_SERVICE: mismatch("Credential should be scoped to correct service: '{1}'. "),
        _P.SCOPE_TERMINATOR: mismatch(
            "Credential should be scoped with a valid terminator: 'aws4_request', not '{0}'."
        ),
        _P.DATE_MISSING: lacking(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        ),
        _P.DATE_MALFORMED: lacking(
            "Date must be in ISO-8601 'basic format'. Got '{0}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ),
        _P.HOST_UNSIGNED: mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."),
        _P.HEADERS_UNSIGNED: mismatch("'{0}' must be a 'SignedHeader' in the AWS Authorization."),
        _P.QUERY_PARTS: lacking(
            "AWS query-string parameters must include {0}. Re-examine the query-string parameters."
        ),
        _P.QUERY_ALGORITHM: lacking("Unsupported AWS 'algorithm': '{0}'."),
        _P.QUERY_CREDENTIAL: lacking(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{0}'"
        ),
        _P.QUERY_DATE: lacking(
            "Date must be in ISO-8601 'basic format'. Got '{0}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ),
        _P.EXPIRES_NO_NUMBER: lacking("X-Amz-Expires should be a number"),
        _P.EXPIRES_NEGATIVE: lacking("X-Amz-Expires must be non-negative"),
        _P.EXPIRES_TOO_LONG: lacking("X-Amz-Expires must be less than a week (in seconds)"),
        _P.KIND: missing,
        _P.TWO_KINDS: lacking("The request has both an Authorization header and query-string authentication."),
        _P.OLD_KIND: lacking("Unsupported AWS 'algorithm': 'AWS'. Use AWS4-HMAC-SHA256."),
        _P.ASYMMETRIC: lacking("Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'. Use AWS4-HMAC-SHA256."),
    }


_TABLES: Final[dict[str, dict[AuthProblem, Words]]] = {
    "s3": _S3,
    "query": _others(
        missing=Words("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        unknown="InvalidClientTokenId",
        bad="InvalidClientTokenId",
        expired="ExpiredToken",
        signature="SignatureDoesNotMatch",
        incomplete="IncompleteSignature",
        statuses=(403, 400),
    ),
    "json": _others(
        missing=Words("MissingAuthenticationTokenException", 400, "Missing Authentication Token"),
        unknown="UnrecognizedClientException",
        bad="UnrecognizedClientException",
        expired="ExpiredTokenException",
        signature="InvalidSignatureException",
        incomplete="IncompleteSignatureException",
        statuses=(400, 400),
    ),
    "rest-json": _others(
        missing=Words("MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
        unknown="UnrecognizedClientException",
        bad="UnrecognizedClientException",
        expired="ExpiredTokenException",
        signature="InvalidSignatureException",
        incomplete="IncompleteSignatureException",
        statuses=(403, 403),
    ),
}
