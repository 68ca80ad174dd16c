"""The parts of an upload: UploadPart, UploadPartCopy, ListParts."""

import re

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.effects import Restage, Staged, StagePlan
from pilvi.core.operation import operation
from pilvi.services.s3 import checksums
from pilvi.services.s3.access import Params, find_bucket, object_check, on_object, refuse
from pilvi.services.s3.acls.checks import owner_of
from pilvi.services.s3.attributes import UNBUILT
from pilvi.services.s3.conditions import when
from pilvi.services.s3.copies.reread import reread
from pilvi.services.s3.copies.source import find_source, named_source, pieces_of, share, source_bucket, source_check
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.errors import InvalidRange, InvalidRequest, invalid_argument
from pilvi.services.s3.lifecycle.dates import abort_date
from pilvi.services.s3.listing.objects import page_size
from pilvi.services.s3.multipart.uploads import find_upload, initiator, on_upload
from pilvi.services.s3.names import check_key
from pilvi.services.s3.objects import release_runs
from pilvi.services.s3.owners import shown_owner
from pilvi.services.s3.put import check_size
from pilvi.services.s3.ranges import Span, cut
from pilvi.services.s3.records import Piece, Run, StoredObject, Upload, UploadedPart
from pilvi.services.s3.types import (
    CopyPartResult,
    ListPartsOutput,
    ListPartsRequest,
    Part,
    UploadPartCopyOutput,
    UploadPartCopyRequest,
    UploadPartOutput,
    UploadPartRequest,
)

PART_BYTES_MAX = 5 * 1024**3
PARTS_MAX = 10_000
PARTS_PAGE_MAX = 1000
_SOURCE_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")


def _stages(ctx: Context, req: UploadPartRequest) -> StagePlan:
    """Refuses before the first byte what would be refused after the last."""
    refuse(req, UNBUILT)
    check_size(req, PART_BYTES_MAX)
    _check_number(req)
    bucket = find_bucket(ctx, req)
    upload = find_upload(ctx, bucket, req)
    wanted = checksums.digests(_promise(req, upload)) | {upload.checksum_kind}
    return StagePlan(wanted, PART_BYTES_MAX, seal=seals.part_key(ctx, bucket, upload.key, upload.seal, req))


@operation("UploadPart", check=on_object("s3:PutObject"), stages=_stages, open=True)
def upload_part(ctx: Context, req: UploadPartRequest) -> UploadPartOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html"""
    upload = find_upload(ctx, find_bucket(ctx, req), req)
    body = req["Body"]
    promise = _promise(req, upload)
    kind, shown = checksums.verified(body, promise)
    checksum = checksums.encode(body.digests[upload.checksum_kind])
    _check_kind(upload, kind)
    part = UploadedPart(
        upload=upload.id,
        number=req["PartNumber"],
        size=body.size,
        etag=seals.etag(ctx, upload.seal, body.digests["md5"]),
        checksum=checksum,
        runs=((ctx.tx.blobs.publish(body), 0, body.size),),
        modified_ms=ctx.now_ms,
    )
    _put(ctx, part)
    return {"ETag": f'"{part.etag}"', checksums.MEMBERS[kind]: shown, **seals.shown(upload.seal)}  # type: ignore[misc]


def _check_number(req: Params) -> None:
    if not 1 <= req["PartNumber"] <= PARTS_MAX:
        raise invalid_argument(
            "Part number must be an integer between 1 and 10000, inclusive", "partNumber", req["PartNumber"]
        )


def _promise(req: Params, upload: Upload) -> checksums.Declared:
    """What the part's headers say, in the light of what its upload said."""
    promise = checksums.declared(req, upload.checksum_kind)
    _check_kind(upload, promise.kind)
    return promise


def _check_kind(upload: Upload, kind: str) -> None:
    """A client that chose a checksum for the upload keeps to it."""
    if upload.chosen and kind != upload.checksum_kind:
        raise InvalidRequest(
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_kind}, actual checksum Type: "
            f"{kind}"
        )


def _put(ctx: Context, part: UploadedPart) -> None:
    """A part that comes again replaces the one before."""
    parts = ctx.tx[UploadedPart]
    before = parts.get(part.upload, part.number)
    if before is not None:
        release_runs(ctx, before.runs)
    parts.put(part)


# -- a part that is copied out of an object ----------------------------------------------------------------------------


def _copy_check(ctx: Context, req: UploadPartCopyRequest) -> list[Check]:
    bucket = find_bucket(ctx, req)
    check_key(req["Key"])
    conditions: dict[str, str | list[str]] = {"s3:x-amz-copy-source": req["CopySource"]}
    return [source_check(ctx, req), object_check(ctx, bucket, req["Key"], "s3:PutObject", conditions)]


@operation("UploadPartCopy", check=_copy_check, open=True)
def upload_part_copy(ctx: Context, req: UploadPartCopyRequest) -> UploadPartCopyOutput | Restage:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html"""
    _check_number(req)
    upload = find_upload(ctx, find_bucket(ctx, req), req)
    source = find_source(ctx, req)
    span = _source_span(req, source)
    if span[1] - span[0] > PART_BYTES_MAX:
        raise InvalidRequest(f"The specified copy source is larger than the maximum allowable size: {PART_BYTES_MAX}")
    pieces = pieces_of(ctx, source)
    runs = cut(pieces, span)
    known = _known_digests(source, upload.checksum_kind, pieces, span)
    if known and source.seal is None and upload.seal is None:
        etag, checksum = known
        share(ctx, runs)
    else:
        staged = _reread(ctx, req, upload, source, runs)
        if isinstance(staged, Restage):
            return staged
        etag = seals.etag(ctx, upload.seal, staged.digests["md5"])
        checksum = checksums.encode(staged.digests[upload.checksum_kind])
        runs = ((ctx.tx.blobs.publish(staged), 0, staged.size),)
    part = UploadedPart(upload.id, req["PartNumber"], span[1] - span[0], etag, checksum, runs, ctx.now_ms)
    _put(ctx, part)
    result: CopyPartResult = {"ETag": f'"{etag}"', "LastModified": when(ctx.now_ms)}
    if upload.chosen:
        result[checksums.MEMBERS[upload.checksum_kind]] = checksum  # type: ignore[literal-required]
    answer: UploadPartCopyOutput = {"CopyPartResult": result, **seals.shown(upload.seal)}  # type: ignore[typeddict-item]
    if source.version:
        answer["CopySourceVersionId"] = source.version
    return answer


def _source_span(req: UploadPartCopyRequest, source: StoredObject) -> Span:
    header = req.get("CopySourceRange")
    if header is None:
        return 0, source.size
    match = _SOURCE_RANGE.fullmatch(header)
    if match is None or int(match.group(1)) > int(match.group(2)):
        raise invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            header,
        )
    start, end = int(match.group(1)), int(match.group(2)) + 1
    if end > source.size:
        raise InvalidRange(
            f"Range specified is not valid for source object of size: {source.size}",
            fields={"RangeRequested": header, "ActualObjectSize": source.size},
        )
    return start, end


def _known_digests(source: StoredObject, kind: str, pieces: tuple[Piece, ...], span: Span) -> tuple[str, str] | None:
    """MD5 (hex) and checksum of a span where it is a whole object or part of it."""
    start = 0
    for piece in pieces:
        if (
            (start, start + piece.size) == span
            and source.checksum_kind == kind
            and piece.checksum
            and "-" not in piece.etag
        ):
            return piece.etag, piece.checksum
        start += piece.size
    return None


def _reread(
    ctx: Context, req: UploadPartCopyRequest, upload: Upload, source: StoredObject, runs: tuple[Run, ...]
) -> Staged | Restage:
    source_of = source_bucket(ctx, req, named_source(req)[0])
    opened_by = seals.data_key(ctx, source_of, source.key, source.seal, req, prefix="CopySource")
    key = seals.part_key(ctx, find_bucket(ctx, req), upload.key, upload.seal, req)
    sealing = seals.Sealing(key, upload.seal) if upload.seal else None
    return reread(ctx, runs, opened_by, frozenset({"md5", upload.checksum_kind}), lambda: sealing)


# -- what is there already ---------------------------------------------------------------------------------------------


@operation("ListParts", reads=True, check=on_upload("s3:ListMultipartUploadParts"), open=True)
def list_parts(ctx: Context, req: ListPartsRequest) -> ListPartsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html"""
    bucket = find_bucket(ctx, req)
    upload = find_upload(ctx, bucket, req)
    most = page_size(req.get("MaxParts", PARTS_PAGE_MAX), "max-parts")
    marker = part_marker(req)
    rows = list(ctx.tx[UploadedPart].scan(upload.id, after=marker, limit=most + 1))
    result: ListPartsOutput = {
        "Bucket": bucket.name,
        "Key": upload.key,
        "UploadId": upload.id,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": rows[:most][-1].number if rows[:most] else 0,
        "MaxParts": most,
        "IsTruncated": len(rows) > most,
        "Parts": [_shown(upload, part) for part in rows[:most]],
        "Initiator": initiator(upload),
        "Owner": shown_owner(ctx, owner_of(bucket, upload)),
        "StorageClass": upload.storage_class or "STANDARD",
    }
    if bucket.ages:
        result |= abort_date(ctx, bucket, upload)  # type: ignore[typeddict-item]
    if upload.chosen:
        result["ChecksumAlgorithm"] = checksums.NAMES[upload.checksum_kind]
        result["ChecksumType"] = checksums.type_name(composite=upload.composite)
    return result


def part_marker(req: Params) -> int:
    """The part behind which a listing of parts goes on."""
    marker = req.get("PartNumberMarker", 0)
    try:
        number = int(marker)
    except ValueError:
        number = -1
    if not 0 <= number < 2**31:
        raise invalid_argument(
            "Provided part-number-marker not an integer or within integer range", "part-number-marker", marker
        )
    return number


def _shown(upload: Upload, part: UploadedPart) -> Part:
    shown: Part = {
        "PartNumber": part.number,
        "LastModified": when(part.modified_ms),
        "ETag": f'"{part.etag}"',
        "Size": part.size,
    }
    if upload.chosen:
        shown[checksums.MEMBERS[upload.checksum_kind]] = part.checksum  # type: ignore[literal-required]
    return shown
