"""What a request says about an access control list: a canned name, x-amz-grant-* headers, or a document.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pilvi.core.accounts import ANONYMOUS_ID, account_of
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.services.s3.acls.canned import IMAGE_READERS_ID
from pilvi.services.s3.acls.rules import AUTHENTICATED, DELIVERY, EVERYBODY
from pilvi.services.s3.errors import InvalidRequest, S3Error, invalid_argument
from pilvi.services.s3.names import owner_id
from pilvi.services.s3.records import Grant

Params = Mapping[str, Any]
T = TypeVar("T")

GRANTS_MAX = 100
GROUPS = {
    "http://acs.amazonaws.com/groups/global/AllUsers": EVERYBODY,
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": AUTHENTICATED,
    "http://acs.amazonaws.com/groups/s3/LogDelivery": DELIVERY,
}
PERMISSIONS = {
    "FULL_CONTROL": "full",
    "READ": "read",
    "WRITE": "write",
    "READ_ACP": "read_acl",
    "WRITE_ACP": "write_acl",
}
# A request's member: the header it is, and the permission.
HEADERS = {
    "GrantFullControl": ("x-amz-grant-full-control", "full"),
    "GrantRead": ("x-amz-grant-read", "read"),
    "GrantReadACP": ("x-amz-grant-read-acp", "read_acl"),
    "GrantWrite": ("x-amz-grant-write", "write"),
    "GrantWriteACP": ("x-amz-grant-write-acp", "write_acl"),
}
MEMBERS = frozenset({"ACL", *HEADERS})
_GRANTEE = re.compile(r'\s*(id|uri|emailaddress)\s*=\s*(?:"([^"]*)"|([^\s",]+))\s*', re.IGNORECASE)


class MalformedACLError(S3Error):
    code = "MalformedACLError"
    text = "The XML you provided was not well-formed or did not validate against our published schema"


class MissingSecurityHeader(S3Error):
    code = "MissingSecurityHeader"
    text = "Your request was missing a required header"


class UnexpectedContent(S3Error):
    code = "UnexpectedContent"
    text = "This request does not support content"


class UnresolvableGrantByEmailAddress(S3Error):
    code = "UnresolvableGrantByEmailAddress"
    text = "The e-mail address you provided does not match any account on record."


def given(ctx: Context, req: Params, canned: Callable[[str], tuple[Grant, ...]]) -> tuple[Grant, ...] | None:
    """The grants that a request's headers make; None when it says nothing.

    Raises:
        InvalidRequest: a canned list and grants at once.
        InvalidArgument, UnresolvableGrantByEmailAddress: what they name does not exist.
    """
    headers = [member for member in HEADERS if member in req]
    if "ACL" in req:
        if headers:
            raise InvalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
        return canned(req["ACL"])
    if not headers:
        return None
    return tuple(_limited([grant for member in headers for grant in _of_header(ctx, member, req[member])]))


def replaced(ctx: Context, req: Params, owner: str, canned: Callable[[str], tuple[Grant, ...]]) -> tuple[Grant, ...]:
    """The grants of a request that replaces the list of something that the account `owner` owns.

    Raises:
        UnexpectedContent: headers and a document at once.
        MissingSecurityHeader: neither.
        MalformedACLError, AccessDenied, and what `given` raises.
    """
    from_headers = given(ctx, req, canned)
    document = req.get("AccessControlPolicy")
    if from_headers is not None:
        if document is not None:
            raise UnexpectedContent
        return from_headers
    if document is None:
        raise MissingSecurityHeader(fields={"MissingHeaderName": "x-amz-acl"})
    if "ID" not in document.get("Owner", {}) or "Grants" not in document:
        raise MalformedACLError
    if document["Owner"]["ID"] != owner_id(owner):
        raise AccessDenied("Access Denied")
    return tuple(_of_document(ctx, grant) for grant in _limited(document["Grants"]))


def _limited(grants: list[T]) -> list[T]:
    if len(grants) > GRANTS_MAX:
        raise MalformedACLError
    return grants


def _of_header(ctx: Context, member: str, text: str) -> list[Grant]:
    header, permission = HEADERS[member]
    found: list[Grant] = []
    position = 0
    while True:
        match = _GRANTEE.match(text, position)
        if match is None or (match.end() < len(text) and text[match.end()] != ","):
            raise invalid_argument("Argument format not recognized", header, text)
        value = match[2] if match[2] is not None else match[3]
        found.append(_grant(ctx, match[1].lower(), value, permission))
        position = match.end() + 1
        if position > len(text):
            return found


def _of_document(ctx: Context, grant: Params) -> Grant:
    grantee: Params = grant.get("Grantee", {})
    kind, member = {
        "CanonicalUser": ("id", "ID"),
        "Group": ("uri", "URI"),
        "AmazonCustomerByEmail": ("emailaddress", "EmailAddress"),
    }.get(grantee.get("Type", ""), ("", ""))
    permission = PERMISSIONS.get(grant.get("Permission", ""))
    if not kind or member not in grantee or permission is None:
        raise MalformedACLError
    return _grant(ctx, kind, grantee[member], permission)


def _grant(ctx: Context, kind: str, value: str, permission: str) -> Grant:
    if kind == "emailaddress":
        raise UnresolvableGrantByEmailAddress
    if kind == "uri":
        if value not in GROUPS:
            raise invalid_argument("Invalid group uri", "Group/URI", value)
        return Grant("group", GROUPS[value], permission)
    if not _is_known(ctx, value):
        raise invalid_argument("Invalid id", "CanonicalUser/ID", value)
    return Grant("user", value, permission)


def _is_known(ctx: Context, canonical: str) -> bool:
    if canonical in (ANONYMOUS_ID, IMAGE_READERS_ID):
        return True
    account = account_of(canonical)
    return bool(account) and (account == ctx.account or ctx.cloud.has_account(ctx, account))
