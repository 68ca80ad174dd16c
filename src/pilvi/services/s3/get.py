"""GetObject and HeadObject."""

from typing import Any

from pilvi.core.context import Context
from pilvi.core.effects import Body, Segment
from pilvi.core.operation import operation
from pilvi.services.s3 import attributes, checksums
from pilvi.services.s3.access import Params, existing_object, find_bucket, on_object
from pilvi.services.s3.archive import state as archive
from pilvi.services.s3.conditions import check_read, when
from pilvi.services.s3.copies.source import pieces_of
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.encryption.seals import customer, data_key
from pilvi.services.s3.encryption.wishes import CUSTOMER
from pilvi.services.s3.errors import InvalidRequest
from pilvi.services.s3.lifecycle.dates import expiration
from pilvi.services.s3.locks import uploads as locks
from pilvi.services.s3.objects import shown_version
from pilvi.services.s3.ranges import Span, content_range, cut, no_part, parse_range, part_span
from pilvi.services.s3.records import StoredObject
from pilvi.services.s3.types import GetObjectOutput, GetObjectRequest, HeadObjectOutput, HeadObjectRequest


@operation("GetObject", reads=True, check=on_object("s3:GetObject"), open=True)
def get_object(ctx: Context, req: GetObjectRequest) -> GetObjectOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""
    return read_object(ctx, req)


def read_object(ctx: Context, req: Params) -> GetObjectOutput:
    """The object that a request names, or the part of it, and what is shown with it."""
    found, span, result = _describe(ctx, req)
    start, end = span
    if found.storage_class:
        archive.check_active(found, ctx.now_ms)
    key = b"" if found.seal is None else data_key(ctx, find_bucket(ctx, req), found.key, found.seal, req)
    if found.layout:
        result["Body"] = Body(tuple(Segment(*run, key) for run in cut(pieces_of(ctx, found), span)))
    elif end > start:
        result["Body"] = Body((Segment(found.blob, start, end - start, key),))
    else:
        result["Body"] = b""
    return result  # type: ignore[return-value]


@operation("HeadObject", reads=True, check=on_object("s3:GetObject"), open=True)
def head_object(ctx: Context, req: HeadObjectRequest) -> HeadObjectOutput:
    """Checksums tell of the bytes: who asks for them must be able to read those.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    found, _, result = _describe(ctx, req)
    if found.seal is not None and req.get("ChecksumMode") == "ENABLED":
        data_key(ctx, find_bucket(ctx, req), found.key, found.seal, req)
    return result  # type: ignore[return-value]


def _describe(ctx: Context, req: Params) -> tuple[StoredObject, Span, dict[str, Any]]:
    """The object, the bytes of it that are asked for, and the answer without them."""
    bucket = find_bucket(ctx, req)
    found = existing_object(ctx, bucket, req)
    if ctx.caller.kind == "anonymous" and not attributes.OVERRIDES.isdisjoint(req):
        raise InvalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
    check_read(req, found)
    result = attributes.shown(found, req)
    if found.seal is not None or not CUSTOMER.isdisjoint(req):
        customer(req, found.seal)
        result |= seals.shown(found.seal)
    if found.restored_until_ms:
        result |= archive.shown(found, ctx.now_ms)
    if bucket.versioning:
        result["VersionId"] = shown_version(found)
    if bucket.locks:
        result |= locks.shown(ctx, bucket, found)
    if bucket.ages and "VersionId" not in req:
        result |= expiration(ctx, bucket, found)
    result["AcceptRanges"] = "bytes"
    result["LastModified"] = when(found.modified_ms)
    result["ETag"] = f'"{found.etag}"'
    span: Span = (0, found.size)
    if "Range" in req or "PartNumber" in req:
        span = _narrow(ctx, req, found, result)
    elif req.get("ChecksumMode") == "ENABLED":
        result |= checksums.shown(found.checksum_kind, found.checksum, composite=found.composite)
    result["ContentLength"] = span[1] - span[0]
    return found, span, result


def _narrow(ctx: Context, req: Params, found: StoredObject, result: dict[str, Any]) -> Span:
    """The bytes that a Range or a partNumber asks for; adds to the answer what goes with them."""
    if "PartNumber" in req:
        if "Range" in req:
            raise InvalidRequest("Cannot specify both Range header and partNumber query parameter")
        span, checksum = _part(ctx, found, req["PartNumber"])
        if found.parts:
            result["PartsCount"] = found.parts
        if req.get("ChecksumMode") == "ENABLED":
            result |= checksums.shown(found.checksum_kind, checksum, composite=found.composite)
    else:
        wanted = parse_range(req["Range"], found.size)
        if wanted is None:
            return 0, found.size
        span = wanted
    if span[1] > span[0]:
        result["ContentRange"] = content_range(span, found.size)
    return span


def _part(ctx: Context, found: StoredObject, number: int) -> tuple[Span, str]:
    if found.parts:
        span, piece = part_span(pieces_of(ctx, found), number)
        return span, piece.checksum
    if number != 1:
        raise no_part(number, 1)
    return (0, found.size), found.checksum
