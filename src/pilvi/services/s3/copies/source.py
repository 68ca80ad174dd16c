"""What a copy is made from: the x-amz-copy-source header, found and checked."""

from collections.abc import Iterable
from urllib.parse import unquote_plus

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, NotBuilt
from pilvi.services.s3.access import (
    Params,
    existing_object,
    existing_tags,
    named_bucket,
    named_version,
    object_check,
    of_version,
)
from pilvi.services.s3.accesslogs.watch import SOURCE, watch
from pilvi.services.s3.archive.state import check_active_source
from pilvi.services.s3.conditions import check_source
from pilvi.services.s3.errors import InvalidRequest, MethodNotAllowed, invalid_argument
from pilvi.services.s3.names import check_key
from pilvi.services.s3.records import Bucket, Layout, Piece, Run, StoredObject

_MARKER = "The source of a copy request may not specifically refer to a delete marker by version id."


def named_source(req: Params) -> tuple[str, str, str]:
    """(bucket, key, version or "") of a copy's source.

    Raises:
        InvalidArgument: the header does not name an object.
    """
    header: str = req["CopySource"]
    path, _, query = header.partition("?")
    try:
        # A plus is a space, as in a form: s5cmd writes so, and a key with a plus comes as %2B (as SDKs write it).
        bucket, _, key = unquote_plus(path, errors="strict").removeprefix("/").partition("/")
    except UnicodeDecodeError:
        bucket = key = ""
    if bucket.startswith("arn:"):
        raise NotBuilt("Copying from access points is not built.")
    if not bucket or not key:
        raise invalid_argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", header
        )
    return bucket, key, query.removeprefix("versionId=") if query.startswith("versionId=") else ""


def source_check(ctx: Context, req: Params) -> Check:
    """May the caller read what is copied?"""
    name, key, version = named_source(req)
    bucket = source_bucket(ctx, req, name)
    check_key(key)
    found = source_object(ctx, bucket, key, version)
    conditions = existing_tags(found) if found else {}
    if not version:
        return object_check(ctx, bucket, key, "s3:GetObject", conditions, found)
    return object_check(ctx, bucket, key, of_version("s3:GetObject"), {**conditions, "s3:VersionId": version}, found)


def find_source(ctx: Context, req: Params) -> StoredObject:
    """The object that is copied.

    Raises:
        NoSuchBucket, NoSuchKey, NoSuchVersion, AccessDenied: there is none (that the caller may know of).
        InvalidRequest: it is a delete marker.
        PreconditionFailed: it is not as the request wants it to be.
    """
    name, key, version = named_source(req)
    bucket = source_bucket(ctx, req, name)
    try:
        found = existing_object(ctx, bucket, _as_request(key, version))
    except MethodNotAllowed:
        raise InvalidRequest(_MARKER) from None
    check_source(req, found)
    check_active_source(found, ctx.now_ms)
    return found


def source_object(ctx: Context, bucket: Bucket, key: str, version: str) -> StoredObject | None:
    """What a copy's source names, if it is there; `version` as the client wrote it, "" for the latest."""
    return named_version(ctx, bucket, _as_request(key, version))


def _as_request(key: str, version: str) -> Params:
    return {"Key": key, "VersionId": version} if version else {"Key": key}


def source_bucket(ctx: Context, req: Params, name: str) -> Bucket:
    bucket = named_bucket(ctx, name)
    if bucket.logs:
        watch(ctx, bucket, SOURCE)
    if "ExpectedSourceBucketOwner" in req and req["ExpectedSourceBucketOwner"] != bucket.account:
        raise AccessDenied("Access Denied")
    return bucket


def pieces_of(ctx: Context, found: StoredObject) -> tuple[Piece, ...]:
    """The bytes of an object as pieces, in order."""
    if not found.layout:
        return (Piece(1, found.size, found.etag, found.checksum, ((found.blob, 0, found.size),)),)
    layout = ctx.tx[Layout].get(found.layout)
    assert layout is not None, "an object's layout lives as long as the object"
    return layout.pieces


def share(ctx: Context, runs: Iterable[Run]) -> None:
    """One reference more for each run."""
    for blob, _, _ in runs:
        ctx.tx.blobs.share(blob)
