"""One line of an access log.

    owner bucket [time] peer requester request-id operation key "uri" status error sent size total turn-around "referer"
    "agent" version host-id signature cipher authentication host tls access-point acl

https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus

from pilvi.core.caller import Caller
from pilvi.core.watched import Answered
from pilvi.services.s3.accesslogs.watch import BATCH, SOURCE, TARGET, Deleted
from pilvi.services.s3.accesslogs.words import brings_size, copied_word, seen_word, shows_size
from pilvi.services.s3.names import owner_id
from pilvi.services.s3.records import Bucket

NOTHING = "-"
BATCH_WORD = "BATCH.DELETE.OBJECT"
TEXT_CHARACTERS_MAX = 8_192  # of what a client sent
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECRET = re.compile(r"((?:^|&)(?:X-Amz-Signature|X-Amz-Security-Token|x-amz-security-token|Signature)=)[^&]*")
_HIDDEN = r"\1HIDDEN"


def lines(seen: Answered, watched: Mapping[Any, Any]) -> Iterator[tuple[Bucket, str]]:
    """The lines that a request is worth, and whose log each belongs to."""
    bucket: Bucket | None = watched.get(TARGET)
    if bucket is not None:
        yield bucket, _request(seen, bucket, seen_word(seen.operation, seen.method), seen.shape.get("Key", ""))
        for deleted in watched.get(BATCH, ()):
            yield bucket, _deleted(seen, bucket, deleted)
    source: Bucket | None = watched.get(SOURCE)
    if source is not None:
        yield source, _request(seen, source, copied_word(seen.operation), _copied_key(seen.shape), copied=True)


def _request(seen: Answered, bucket: Bucket, word: str, key: str, *, copied: bool = False) -> str:
    return _line(
        seen,
        bucket,
        word,
        key,
        status=str(seen.status),
        error=seen.error,
        sent=0 if copied or seen.method == "HEAD" else seen.size,
        size=NOTHING if copied else _object_size(seen, word),
        version="" if copied else seen.shape.get("VersionId", ""),
    )


def _deleted(seen: Answered, bucket: Bucket, deleted: Deleted) -> str:
    return _line(
        seen,
        bucket,
        BATCH_WORD,
        deleted.key,
        status=str(deleted.status),
        error=deleted.code,
        sent=0,
        size=NOTHING,
        version=deleted.version,
    )


def _line(
    seen: Answered,
    bucket: Bucket,
    word: str,
    key: str,
    *,
    status: str,
    error: str,
    sent: int,
    size: str,
    version: str,
) -> str:
    headers = seen.headers
    fields = (
        owner_id(bucket.account),
        bucket.name,
        moment(seen.at_ms),
        _plain(seen.peer),
        requester(seen.caller),
        seen.request_id,
        word,
        shown_key(key),
        _quoted(f"{seen.method} {_uri(seen)} HTTP/1.1"),
        status,
        error or NOTHING,
        str(sent) if sent else NOTHING,
        size,
        str(seen.us // 1000),
        str(seen.own_us // 1000),
        _quoted(headers.get("referer", "")),
        _quoted(headers.get("user-agent", "")),
        _plain(version),
        f"pilvi/{seen.request_id}",
        seen.signature or NOTHING,
        NOTHING,
        ("QueryString" if seen.presigned else "AuthHeader") if seen.signature else NOTHING,
        _plain(headers.get("host", "")),
        NOTHING,
        NOTHING,
        NOTHING,
    )
    return " ".join(fields)


def internal(bucket: Bucket, at_ms: int, request_id: str, word: str, key: str, version: str = "") -> str:
    """A line about what the cloud did by itself: S3.EXPIRE.OBJECT, S3.CREATE.DELETEMARKER, ..."""
    fields = [owner_id(bucket.account), bucket.name, moment(at_ms), NOTHING, "AmazonS3", request_id, word]
    fields += [shown_key(key), '"-"', *[NOTHING] * 6, '"-"', '"-"', _plain(version), *[NOTHING] * 8]
    return " ".join(fields)


# -- fields ------------------------------------------------------------------------------------------------------------


def moment(at_ms: int) -> str:
    """[06/Feb/2019:00:00:38 +0000], whatever the locale."""
    return _moment(at_ms // 1000)


@lru_cache(16)
def _moment(seconds: int) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"[{at.day:02}/{_MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S} +0000]"


def requester(caller: Caller) -> str:
    """The canonical id of an account's root, the ARN of users and sessions; "-" for who did not sign."""
    if caller.kind == "anonymous":
        return NOTHING
    return owner_id(caller.account) if caller.kind == "root" else caller.arn


def shown_key(key: str) -> str:
    """Encoded twice, as AWS does: what reads a log decodes once and has what a URL would show."""
    return quote(quote(key, safe="/", errors="replace"), safe="/") if key else NOTHING


def _uri(seen: Answered) -> str:
    """As it came, without what makes a presigned URL as good as a key."""
    return f"{seen.path}?{_SECRET.sub(_HIDDEN, seen.query)}" if seen.query else seen.path


def _quoted(text: str) -> str:
    """In quotes, and nothing in it can end them or the line."""
    return f'"{_encoded(text[:TEXT_CHARACTERS_MAX], " ")}"' if text else '"-"'


def _plain(text: str) -> str:
    return _encoded(text[:TEXT_CHARACTERS_MAX], "") or NOTHING


_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != '"')


def _encoded(text: str, more: str) -> str:
    return quote(text, safe=_PRINTABLE + more, errors="replace")


def _object_size(seen: Answered, word: str) -> str:
    if brings_size(word):
        body = seen.shape.get("Body")
        size = getattr(body, "size", None)
        return NOTHING if size is None else str(size)
    if not shows_size(word) or seen.status not in (200, 206):
        return NOTHING
    for name, value in seen.shown:
        if name.lower() == "content-range":
            return value.rpartition("/")[2]
    return str(seen.length)


def _copied_key(shape: Mapping[str, Any]) -> str:
    path = str(shape.get("CopySource", "")).partition("?")[0]
    return unquote_plus(path).removeprefix("/").partition("/")[2]
