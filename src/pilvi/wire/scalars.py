"""Scalar values as text and back: numbers, booleans, blobs, timestamps, and text inside XML.

Every `read_*` takes what a client sent and raises Malformed when it is not a value of that type.
Timestamps are aware datetimes in UTC. Formats: https://smithy.io/2.0/spec/protocol-traits.html#timestampformat-trait
"""

import base64
import binascii
import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

TIMES_REMEMBERED_MAX = 1_024  # whose text is remembered
INT_DIGITS_MAX = 19  # of a signed 64-bit number

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_OF = {name: f"{number:02}" for number, name in enumerate(MONTHS, 1)}
MONTH_IN_ISO = {number: name for name, number in MONTH_OF.items()}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

WHOLE_SECONDS_QUOTED = len('"2014-04-29T18:30:38Z"')
POINT = ord(".")

encode_json = msgspec.json.Encoder().encode


class Malformed(Exception):
    """What came does not have the form that the protocol describes. The text says where, in the client's words."""


# --- text to values ---------------------------------------------------------------------------------------------------


def read_text(text: str) -> str:
    return text


def read_boolean(text: str) -> bool:
    lower = text.strip().lower()
    if lower == "true":
        return True
    if lower == "false":
        return False
    raise Malformed(f"{text!r} is not a boolean")


def read_integer(text: str) -> int:
    digits = text.strip()
    bare = digits[1:] if digits[:1] in {"-", "+"} else digits
    if not (bare.isascii() and bare.isdigit()) or len(bare) > INT_DIGITS_MAX:
        raise Malformed(f"{text!r} is not an integer")
    return int(digits)


def read_float(text: str) -> float:
    special = SPECIAL_FLOATS.get(text.strip())
    if special is not None:
        return special
    try:
        value = float(text)
    except ValueError:
        raise Malformed(f"{text!r} is not a number") from None
    if "_" in text or not math.isfinite(value):
        raise Malformed(f"{text!r} is not a number")
    return value


def read_blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    try:  # line breaks, and nothing else foreign, are fine in base64 that people paste
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("a blob is not valid base64") from None


def read_document(text: str) -> Any:
    """JSON inside text (the jsonvalue trait)."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise Malformed("a value is not valid JSON") from None


def read_document_base64(text: str) -> Any:
    """JSON in base64: how the jsonvalue trait travels in a header."""
    return read_document(read_blob(text).decode("utf-8", "replace"))


def read_iso8601(text: str) -> datetime:
    """RFC 3339, and the shorter forms that AWS takes: without seconds, without a time, without a zone (UTC)."""
    return _try_iso(text.strip()) or _read_other(text)


def read_unixtimestamp(text: str) -> datetime:
    """Seconds since 1970, with a fraction if need be."""
    try:
        seconds = float(text)
    except ValueError:
        return _read_other(text)
    return from_epoch(seconds)


HTTP_DATE = re.compile(
    r"\w{3,9}, (?P<day>\d{1,2})[ -](?P<month>[A-Z][a-z]{2})[ -](?P<year>\d{4}) "
    r"(?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,6})? (?:GMT|UTC|[+-]0000)",
    re.ASCII,
)


def read_rfc822(text: str) -> datetime:
    """An HTTP date (RFC 9110 5.6.7), e.g. Tue, 29 Apr 2014 18:30:38 GMT."""
    found = HTTP_DATE.fullmatch(text.strip())
    month = MONTH_OF.get(found["month"]) if found else None
    if found is None or month is None:
        return _read_other(text)
    try:
        return datetime.fromisoformat(
            f"{found['year']}-{month}-{int(found['day']):02}T{found['time']}{(found['fraction'] or '')}+00:00"
        )
    except ValueError:
        raise Malformed(f"{text!r} is not a timestamp") from None


def _read_other(text: str) -> datetime:
    """A timestamp in another format than its own: clients mix them, and AWS understands."""
    stripped = text.strip()
    for read in (_try_iso, _try_epoch, _try_http):
        value = read(stripped)
        if value is not None:
            return value
    raise Malformed(f"{text!r} is not a timestamp")


def _try_iso(text: str) -> datetime | None:
    try:
        value = datetime.fromisoformat(text)
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # that moment is before the year 1 in UTC, or after 9999
        return None


def _try_epoch(text: str) -> datetime | None:
    try:
        return from_epoch(float(text))
    except (ValueError, Malformed):
        return None


def _try_http(text: str) -> datetime | None:
    return read_rfc822(text) if HTTP_DATE.fullmatch(text) else None


def from_epoch(seconds: float) -> datetime:
    """Any representable second, also before 1970. Rounded to microseconds."""
    try:
        return EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise Malformed(f"{seconds} is not a timestamp") from None


# --- values to text ---------------------------------------------------------------------------------------------------


def write_boolean(value: bool) -> str:
    return "true" if value else "false"


def write_float(value: float) -> str:
    if value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "NaN"
    if value in {math.inf, -math.inf}:
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def write_blob(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def write_document(value: Any) -> str:
    return encode_json(value).decode()


def write_document_base64(value: Any) -> str:
    return write_blob(encode_json(value))


def write_iso8601(value: datetime) -> str:
    """2014-04-29T18:30:38Z, with milliseconds (or microseconds) only where there are some."""
    text = _iso_text(value)
    if text[19] != ".":
        return text
    return f"{text[:23]}Z" if text[23:26] == "000" else text


def write_iso8601_millis(value: datetime) -> str:
    """2014-04-29T18:30:38.000Z: S3 and EC2 always write three digits."""
    text = encode_json(value)
    if len(text) == WHOLE_SECONDS_QUOTED:
        return f"{text[1:20].decode()}.000Z"
    text = _iso_text(value).encode()
    return f"{text[:19].decode()}.000Z" if text[19] != POINT else f"{text[:23].decode()}Z"


def write_unixtimestamp(value: datetime) -> str:
    seconds = to_epoch(value)
    return str(int(seconds)) if isinstance(seconds, int) else repr(seconds)


@lru_cache(TIMES_REMEMBERED_MAX)
def write_rfc822(value: datetime) -> str:
    """An HTTP date; it has no fractions."""
    text = _iso_text(value)
    return f"{WEEKDAYS[value.weekday()]}, {text[8:10]} {MONTH_IN_ISO[text[5:7]]} {text[:4]} {text[11:19]} GMT"


def to_epoch(value: datetime) -> int | float:
    """Seconds since 1970: whole ones as int, else with microseconds."""
    seconds = value.timestamp()
    return int(seconds) if seconds.is_integer() else seconds


def _iso_text(value: datetime) -> str:
    """RFC 3339 in UTC. msgspec writes it ten times faster than isoformat."""
    text = encode_json(value)[1:-1].decode("ascii")
    if text[-1] == "Z":
        return text
    aware = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return encode_json(aware)[1:-1].decode("ascii")


# --- text in XML ------------------------------------------------------------------------------------------------------

# Characters that no XML document can hold.
UNSAYABLE = dict.fromkeys({*range(0x20), 0xFFFE, 0xFFFF} - {0x9, 0xA, 0xD}, "\ufffd")
# A carriage return would be read back as a line feed.
REFERENCES = UNSAYABLE | str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def escape(text: str) -> str:
    """Character data. What XML cannot say becomes the replacement character."""
    if text.isprintable() and "&" not in text and "<" not in text and ">" not in text:
        return text
    return text.translate(REFERENCES)


def escape_attribute(text: str) -> str:
    return escape(text).replace('"', "&quot;").replace("\n", "&#xa;").replace("\t", "&#x9;")
