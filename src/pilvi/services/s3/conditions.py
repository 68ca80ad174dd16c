"""Conditional requests: RFC 9110, section 13, as S3 answers them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pilvi.services.s3.errors import NoSuchKey, NotModified, failed_condition
from pilvi.services.s3.records import StoredObject

Params = Mapping[str, Any]
TIMES_REMEMBERED_MAX = 1_024
_READ = frozenset({"IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince"})


def when(modified_ms: int) -> datetime:
    """The time as S3 shows it: in whole seconds."""
    return _moment(modified_ms // 1000)


def whens(modified_ms: Iterable[int]) -> list[datetime]:
    """The same of many: what was uploaded together has few times."""
    seconds = [each // 1000 for each in modified_ms]
    moments = {each: datetime.fromtimestamp(each, UTC) for each in set(seconds)}
    return [moments[each] for each in seconds]


@lru_cache(TIMES_REMEMBERED_MAX)
def _moment(seconds: int) -> datetime:
    """What is asked for often has few times."""
    return datetime.fromtimestamp(seconds, UTC)


def check_read(req: Params, found: StoredObject) -> None:
    """Raises PreconditionFailed or NotModified when a GET or HEAD is not to be answered with the object."""
    if _READ.isdisjoint(req):
        return
    if "IfMatch" in req:
        if not names_etag(req["IfMatch"], found.etag):
            raise failed_condition("If-Match")
    elif "IfUnmodifiedSince" in req and when(found.modified_ms) > req["IfUnmodifiedSince"]:
        raise failed_condition("If-Unmodified-Since")
    if "IfNoneMatch" in req:
        unchanged = names_etag(req["IfNoneMatch"], found.etag)
    else:
        unchanged = "IfModifiedSince" in req and when(found.modified_ms) <= req["IfModifiedSince"]
    if unchanged:
        raise NotModified(headers={"ETag": f'"{found.etag}"', "Last-Modified": http_date(when(found.modified_ms))})


def check_source(req: Params, found: StoredObject) -> None:
    """Raises PreconditionFailed when a copy's conditions on its source do not hold."""
    if "CopySourceIfMatch" in req:
        if not names_etag(req["CopySourceIfMatch"], found.etag):
            raise failed_condition("x-amz-copy-source-If-Match")
    elif "CopySourceIfUnmodifiedSince" in req and when(found.modified_ms) > req["CopySourceIfUnmodifiedSince"]:
        raise failed_condition("x-amz-copy-source-If-Unmodified-Since")
    if "CopySourceIfNoneMatch" in req:
        if names_etag(req["CopySourceIfNoneMatch"], found.etag):
            raise failed_condition("x-amz-copy-source-If-None-Match")
    elif "CopySourceIfModifiedSince" in req and when(found.modified_ms) <= req["CopySourceIfModifiedSince"]:
        raise failed_condition("x-amz-copy-source-If-Modified-Since")


def check_write(req: Params, present: StoredObject | None, key: str) -> None:
    """Raises when a conditional write may not replace what is `present` (None: the key is free).

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    if "IfNoneMatch" in req and present is not None and names_etag(req["IfNoneMatch"], present.etag):
        raise failed_condition("If-None-Match")
    if "IfMatch" in req:
        if present is None:
            raise NoSuchKey(fields={"Key": key})
        if not names_etag(req["IfMatch"], present.etag):
            raise failed_condition("If-Match")


def names_etag(header: str, etag: str) -> bool:
    """Whether an If-Match or If-None-Match list names this entity tag (quotes are optional, as in S3)."""
    for item in header.split(","):
        candidate = item.strip()
        if candidate == "*" or candidate.removeprefix("W/").strip('"') == etag:
            return True
    return False


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(at: datetime) -> str:
    """IMF-fixdate (RFC 9110, section 5.6.7), whatever the locale."""
    return f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at:%Y %H:%M:%S} GMT"
