"""Marks a request as one that a bucket's log speaks of."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.watched import WATCHED
from pilvi.services.s3.records import Bucket
from pilvi.services.s3.types import DeletedObject, Error
from pilvi.state.store import Tx

TARGET = "target"  # the request is about this bucket
SOURCE = "source"  # it copies out of this bucket
BATCH = "batch"
_STATUS = {"AccessDenied": 403, "InternalError": 500, "NotImplemented": 501, "PreconditionFailed": 412, "SlowDown": 503}


class Deleted(msgspec.Struct, frozen=True):
    """What became of one key of a batch; `code` is "" when it was deleted."""

    key: str
    version: str = ""
    status: int = 204
    code: str = ""


def watch(ctx: Context, bucket: Bucket, part: str = TARGET) -> None:
    """The answer to this request will be logged."""
    ctx.memo.setdefault(WATCHED, {})[part] = bucket


class Watching(msgspec.Struct, frozen=True):
    """Requests that are refused before any operation sees them are logged too."""

    def refused(self, tx: Tx, names: Mapping[str, str]) -> Mapping[Any, Any]:
        name = names.get("Bucket", "")
        bucket = tx[Bucket].get(name) if name and name.isascii() else None
        return {TARGET: bucket} if bucket is not None and bucket.logs else {}


def watch_batch(ctx: Context, deleted: Iterable[DeletedObject], errors: Iterable[Error]) -> None:
    """And so will each key of its batch of deletions."""
    gone = [Deleted(item["Key"], item.get("VersionId", "")) for item in deleted]
    kept = [
        Deleted(item["Key"], item.get("VersionId", ""), _STATUS.get(item["Code"], 400), item["Code"]) for item in errors
    ]
    ctx.memo.setdefault(WATCHED, {})[BATCH] = (*gone, *kept)
