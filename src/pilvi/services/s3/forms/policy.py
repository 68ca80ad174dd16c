"""The policy of a form: until when, and with which fields, it may be posted.

    {"expiration": "2026-12-01T12:00:00Z",
     "conditions": [{"bucket": "photos"}, ["starts-with", "$key", "user/"], ["content-length-range", 0, 1048576]]}

Every field of the form must be in a condition, but for the few that cannot widen anything.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from pilvi.core.errors import AccessDenied
from pilvi.services.s3.errors import S3Error

_UNCOVERED = frozenset({"awsaccesskeyid", "signature", "policy", "file", "x-amz-signature"})
_UNCOVERED_PREFIXES = ("x-ignore-", "x-amz-checksum-")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_OWN_ESCAPES = {"$": "$", "v": "\\u000b"}
_RANGE = "content-length-range"
_SIZE_DIGITS_MAX = 18


class InvalidPolicyDocument(S3Error):
    """The form's policy is none."""

    code = "InvalidPolicyDocument"


class Condition(msgspec.Struct, frozen=True):
    """One field and what its value must be, or begin with.

    Attributes:
        field: in lower case.
        text: the condition as the document has it, for saying that it failed.
    """

    field: str
    value: str
    begins: bool
    text: str


class FormPolicy(msgspec.Struct, frozen=True):
    """A policy document, read.

    Attributes:
        sizes: the least and the largest size of the file, in bytes.
    """

    expires_ms: int
    conditions: tuple[Condition, ...]
    sizes: tuple[int, int] | None


def read(policy: str) -> FormPolicy:
    """The policy of a form, from the base64 text in its field.

    Raises:
        InvalidPolicyDocument: it is not what the page above describes.
    """
    document = _document(policy)
    if "expiration" not in document:
        raise InvalidPolicyDocument("Invalid Policy: Policy missing expiration.")
    if "conditions" not in document:
        raise InvalidPolicyDocument("Invalid Policy: Policy missing conditions.")
    expires_ms = _moment(document["expiration"])
    given = document["conditions"]
    if not isinstance(given, list):
        raise InvalidPolicyDocument("Invalid Policy: Conditions must be a list.")
    conditions, least, largest = [], 0, -1
    for item in given:
        if isinstance(item, list) and item and _lower(item[0]) == _RANGE:
            low, high = _range(item)
            least, largest = max(least, low), high if largest < 0 else min(largest, high)
        else:
            conditions.append(_condition(item))
    return FormPolicy(expires_ms, tuple(conditions), None if largest < 0 else (least, largest))


def check(policy: FormPolicy, fields: Mapping[str, str], bucket: str, now_ms: int) -> None:
    """Whether a form may be posted to a bucket now.

    Raises:
        AccessDenied: no; the text says why.
    """
    if now_ms >= policy.expires_ms:
        raise _denied("Policy expired.")
    values = {**fields, "bucket": bucket}
    for condition in policy.conditions:
        if not _holds(condition, values.get(condition.field, "")):
            raise _denied(f"Policy Condition failed: {condition.text}")
    covered = {condition.field for condition in policy.conditions}
    extra = [name for name in values if name not in covered and not _is_free(name)]
    if extra:
        raise _denied(f"Extra input fields: {', '.join(sorted(extra))}")


def _denied(reason: str) -> AccessDenied:
    return AccessDenied(f"Invalid according to Policy: {reason}")


def _is_free(name: str) -> bool:
    return name in _UNCOVERED or name.startswith(_UNCOVERED_PREFIXES)


def _holds(condition: Condition, value: str) -> bool:
    if not condition.begins:
        return value == condition.value
    if condition.field == "content-type":  # may be a list: then of each
        return all(kind.strip().startswith(condition.value) for kind in value.split(","))
    return value.startswith(condition.value)


# -- reading -------------------------------------------------------------------------------------------------------------


def _document(policy: str) -> dict[str, Any]:
    try:
        text = b64decode(policy, validate=False).decode()
        found = msgspec.json.decode(_ESCAPE.sub(_plain_escape, text))
    except (Base64Error, ValueError, msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidPolicyDocument("Invalid Policy: Invalid JSON.")
    return found


def _plain_escape(found: re.Match[str]) -> str:
    """Policies may escape two characters more than JSON."""
    return _OWN_ESCAPES.get(found[1], found[0])


def _moment(value: Any) -> int:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return int(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError):
            pass
    raise InvalidPolicyDocument(f"Invalid Policy: Invalid 'expiration' value: '{value}'")


def _condition(item: Any) -> Condition:
    if isinstance(item, dict):
        return _simple(item)
    if not isinstance(item, list) or len(item) != 3 or not all(isinstance(part, str) for part in item):
        raise InvalidPolicyDocument("Invalid Policy: Invalid Condition: an operation, a field and a value are needed.")
    kind, field, value = item
    if kind.lower() not in ("eq", "starts-with"):
        raise InvalidPolicyDocument(f"Invalid Policy: Invalid Condition: unknown operation '{kind}'.")
    if not field.startswith("$"):
        raise InvalidPolicyDocument("Invalid Policy: Invalid Condition: the field's name must begin with '$'.")
    return Condition(field[1:].lower(), value, kind.lower() == "starts-with", _text(item))


def _simple(item: dict[str, Any]) -> Condition:
    if len(item) != 1:
        raise InvalidPolicyDocument(
            "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
        )
    ((field, value),) = item.items()
    if not isinstance(value, str):
        raise InvalidPolicyDocument("Invalid Policy: Invalid Simple-Condition: value must be a string.")
    return Condition(field.lower(), value, begins=False, text=_text(["eq", f"${field}", value]))


def _range(item: list[Any]) -> tuple[int, int]:
    sizes = [_size(part) for part in item[1:]]
    if len(sizes) != 2 or min(sizes) < 0:
        raise InvalidPolicyDocument("Invalid Policy: Invalid content-length-range: two sizes in bytes are needed.")
    return sizes[0], sizes[1]


def _size(value: Any) -> int:
    """-1 for what is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _SIZE_DIGITS_MAX:
        return int(value)
    return -1


def _lower(value: Any) -> str:
    return value.lower() if isinstance(value, str) else ""


def _text(item: list[str]) -> str:
    return f"[{', '.join(msgspec.json.encode(part).decode() for part in item)}]"
