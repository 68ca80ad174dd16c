"""What lifecycle rules did, for the log of the bucket.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-and-other-bucket-config.html#lifecycle-general-considerations-logging
"""

from collections.abc import Iterable

from pilvi.core.context import Context
from pilvi.services.s3.accesslogs.lines import internal
from pilvi.services.s3.accesslogs.records import LogLines
from pilvi.services.s3.lifecycle.round import Work
from pilvi.services.s3.records import Bucket, OlderVersion, Upload

_MOVED = {
    "STANDARD_IA": "S3.TRANSITION_SIA.OBJECT",
    "ONEZONE_IA": "S3.TRANSITION_ZIA.OBJECT",
    "INTELLIGENT_TIERING": "S3.TRANSITION_INT.OBJECT",
    "GLACIER_IR": "S3.TRANSITION_GIR.OBJECT",
    "DEEP_ARCHIVE": "S3.TRANSITION_GDA.OBJECT",
}


def log_works(ctx: Context, bucket: Bucket, works: Iterable[Work]) -> None:
    """Lines for what was done, kept with it: they are delivered with those of requests."""
    lines = tuple(_line(ctx, bucket, work) for work in works)
    ctx.tx[LogLines].put(LogLines(bucket.id, ctx.tx.next_id("s3_access_log_lines"), bucket.name, ctx.now_ms, lines))


def _line(ctx: Context, bucket: Bucket, work: Work) -> str:
    version = work.what.version if isinstance(work.what, OlderVersion) else ""
    return internal(bucket, ctx.now_ms, ctx.request.request_id, _word(bucket, work), work.what.key, version)


def _word(bucket: Bucket, work: Work) -> str:
    if isinstance(work.what, Upload):
        return "S3.DELETE.UPLOAD"
    if work.due.to:
        return _MOVED.get(work.due.to, "S3.TRANSITION.OBJECT")
    if bucket.versioning and not isinstance(work.what, OlderVersion):
        return "S3.CREATE.DELETEMARKER"
    return "S3.EXPIRE.OBJECT"
