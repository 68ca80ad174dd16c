"""Making objects of lines, as S3's log delivery does: only where it may.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby

from pilvi.core import sealing
from pilvi.core.caller import service
from pilvi.core.context import Context
from pilvi.core.errors import CloudError
from pilvi.services.s3 import checksums, objects
from pilvi.services.s3.access import object_check
from pilvi.services.s3.accesslogs.gather import Batch, cut
from pilvi.services.s3.accesslogs.records import BucketLogging, LogLines
from pilvi.services.s3.acls.rules import full_control
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.encryption.wishes import Wish
from pilvi.services.s3.names import bucket_arn, check_key
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.records import Bucket, Seal, StoredObject

PRINCIPAL = "logging.s3.amazonaws.com"
ROWS_MAX = 1_000  # of lines about what nobody asked for, in one delivery
TYPE = "text/plain"
CHECKSUM = "crc64nvme"

Line = tuple[int, str]


def deliver(ctx: Context, batches: Iterable[Batch]) -> list[str]:
    """Writes what was gathered, and what waits as rows; why lines were dropped, if some were."""
    return [problem for batch in [*batches, *_rows(ctx)] if (problem := _deliver(ctx, batch))]


def waiting(ctx: Context) -> bool:
    """Whether there are lines that no request told of."""
    return next(ctx.tx[LogLines].scan(limit=1), None) is not None


def _rows(ctx: Context) -> list[Batch]:
    rows = list(ctx.tx[LogLines].scan(limit=ROWS_MAX))
    for row in rows:
        ctx.tx[LogLines].delete(row.bucket, row.id)
    batches = []
    for (number, name), group in groupby(rows, lambda row: (row.bucket, row.name)):
        found = [(row.at_ms, line) for row in group for line in row.lines]
        batches += [Batch(name, number, part) for part in cut(found)]
    return batches


def _deliver(ctx: Context, batch: Batch) -> str:
    bucket = ctx.tx[Bucket].get(batch.name)
    settings = ctx.tx[BucketLogging].get(batch.bucket) if bucket is not None and bucket.id == batch.bucket else None
    if bucket is None or settings is None:
        return f"{batch.name} is not logged any more"
    target = ctx.tx[Bucket].get(settings.target)
    if target is None or (target.account, target.region) != (bucket.account, bucket.region):
        return f"the log of {bucket.name} has no bucket to go to"
    for key, lines in _named(ctx, bucket, settings, batch.lines):
        if not may_write(ctx, bucket, target, key):
            return f"the log of {bucket.name} may not be written to {target.name}"
        try:
            with ctx.tx.savepoint():
                _write(ctx, target, key, lines, settings)
        except CloudError as error:
            return f"the log of {bucket.name} could not be written to {target.name}: {error.message}"
    return ""


# -- names -------------------------------------------------------------------------------------------------------------


def _named(
    ctx: Context, bucket: Bucket, settings: BucketLogging, found: Iterable[Line]
) -> Iterable[tuple[str, list[Line]]]:
    """The lines by the name of their object: one object, or one for each day when names tell the event's."""
    if settings.partition != "event":
        yield log_key(ctx, bucket, settings, ctx.now_ms), list(found)
        return
    for _, group in groupby(found, lambda line: line[0] // 86_400_000):
        lines = list(group)
        yield log_key(ctx, bucket, settings, lines[0][0]), lines


def log_key(ctx: Context, bucket: Bucket, settings: BucketLogging, at_ms: int) -> str:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html#server-log-keyname-format"""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    clock = "00-00-00" if settings.partition == "event" else f"{at:%H-%M-%S}"
    name = f"{at:%Y-%m-%d}-{clock}-{ctx.ids.hex(16).upper()}"
    if not settings.partition:
        return settings.prefix + name
    return f"{settings.prefix}{bucket.account}/{bucket.region}/{bucket.name}/{at:%Y/%m/%d}/{name}"


# -- writing -----------------------------------------------------------------------------------------------------------


def may_write(ctx: Context, bucket: Bucket, target: Bucket, key: str) -> bool:
    """Whether log delivery may put this bucket's log there: by policy, or by a grant to its group."""
    caller = service(PRINCIPAL, bucket.account, source=bucket_arn(bucket.name))
    inner = ctx.acting_as(caller, region=bucket.region)
    return inner.may(object_check(inner, target, key, "s3:PutObject"))


def _write(ctx: Context, target: Bucket, key: str, lines: list[Line], settings: BucketLogging) -> None:
    check_key(key)
    data = "".join(f"{line}\n" for _, line in lines).encode()
    blob, seal = _stored(ctx, target, key, data)
    made = StoredObject(
        bucket=target.id,
        key=key,
        size=len(data),
        modified_ms=ctx.now_ms,
        etag=seals.etag(ctx, seal, hashlib.md5(data, usedforsecurity=False).digest()),
        blob=blob,
        checksum=checksums.compute(CHECKSUM, data),
        checksum_kind=CHECKSUM,
        headers={"content_type": TYPE},
        acl=(full_control(target.account), *settings.grants) if target.ownership and settings.grants else (),
        seal=seal,
    )
    made = objects.replace(ctx, target, objects.current(ctx, target, key), made)
    if target.notifies:
        notify(ctx, target, "ObjectCreated:Put", made)


def _stored(ctx: Context, target: Bucket, key: str, data: bytes) -> tuple[int, Seal | None]:
    """The bytes, encrypted where the bucket wants that."""
    default = target.encryption
    if default is None or not default.kind:
        return ctx.tx.blobs.add(data), None
    wish = Wish(default.kind, default.key, {}, default.bucket_key)
    begun = seals.begin(ctx.acting_as(ctx.caller, region=target.region), target, key, wish)
    assert begun is not None, "an encryption was wished"
    return ctx.tx.blobs.add(sealing.seal(begun.key, ctx.ids.bytes(sealing.SALT_BYTES), data)), begun.seal
