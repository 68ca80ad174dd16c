"""What answers tell of the rules: when an object will expire, when an upload will be aborted."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from pilvi.core.context import Context
from pilvi.services.s3.conditions import http_date
from pilvi.services.s3.lifecycle.records import Lifecycle
from pilvi.services.s3.lifecycle.rules import abortion, expiry
from pilvi.services.s3.lifecycle.values import DAY_MS, date
from pilvi.services.s3.records import Bucket, StoredObject, Upload

LAST_MS = 253_402_214_400_000
"""The last midnight of the year 9999: rules may count more days than that."""

_SHOWN_AS_IT_IS = " !#$&'()*+,/:;<=>?@[]^`{|}~"  # in a quoted string of a header


def day_ms(ctx: Context) -> int:
    """How long a day is for rules: a day, unless the cloud's owner shortened it."""
    seconds = ctx.cloud.setting("lifecycle_day_seconds")
    return int(seconds) * 1000 if seconds else DAY_MS


def expiration(ctx: Context, bucket: Bucket, found: StoredObject) -> dict[str, str]:
    """The member of an answer that says when an object expires: {"Expiration": ...}, {} for never.

    To be asked only of buckets with rules (`bucket.ages`), about the current version of a key.
    """
    row = ctx.tx[Lifecycle].get(bucket.id)
    end = expiry(row.rules, found, day_ms(ctx)) if row else None
    if end is None:
        return {}
    when = http_date(_shown(end[0]))
    return {"Expiration": f'expiry-date="{when}", rule-id="{_header_text(end[1])}"'}


def abort_date(ctx: Context, bucket: Bucket, upload: Upload) -> dict[str, Any]:
    """The members of an answer that say when an upload is aborted: {"AbortDate": ..., "AbortRuleId": ...}, or {}."""
    row = ctx.tx[Lifecycle].get(bucket.id)
    end = abortion(row.rules, upload, day_ms(ctx)) if row else None
    return {"AbortDate": _shown(end[0]), "AbortRuleId": _header_text(end[1])} if end else {}


def _shown(moment_ms: int) -> datetime:
    """The moment, or the last one that has a name."""
    return date(min(moment_ms, LAST_MS))


def _header_text(name: str) -> str:
    return quote(name, safe=_SHOWN_AS_IT_IS)
