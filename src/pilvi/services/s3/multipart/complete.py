"""CompleteMultipartUpload: parts become an object. Their bytes stay where they are."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from urllib.parse import quote

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.digests import combined
from pilvi.core.operation import operation
from pilvi.services.s3 import checksums
from pilvi.services.s3.access import Conditions, find_bucket, object_check
from pilvi.services.s3.conditions import check_write
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.encryption.wishes import CUSTOMER
from pilvi.services.s3.errors import (
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    MalformedXML,
    NoSuchUpload,
)
from pilvi.services.s3.lifecycle.dates import expiration
from pilvi.services.s3.multipart.parts import PARTS_MAX
from pilvi.services.s3.multipart.uploads import end_upload, find_upload
from pilvi.services.s3.names import check_key
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.objects import replace
from pilvi.services.s3.records import Bucket, Layout, Piece, StoredObject, Upload, UploadedPart
from pilvi.services.s3.types import CompletedPart, CompleteMultipartUploadOutput, CompleteMultipartUploadRequest

PART_BYTES_MIN = 5 * 1024**2


def _check(ctx: Context, req: CompleteMultipartUploadRequest) -> Check:
    check_key(req["Key"])
    conditions: Conditions = {}
    if "IfMatch" in req:
        conditions["s3:if-match"] = req["IfMatch"]
    if "IfNoneMatch" in req:
        conditions["s3:if-none-match"] = req["IfNoneMatch"]
    return object_check(ctx, find_bucket(ctx, req), req["Key"], "s3:PutObject", conditions)


@operation("CompleteMultipartUpload", check=_check, open=True, bodiless=True)
def complete_multipart_upload(ctx: Context, req: CompleteMultipartUploadRequest) -> CompleteMultipartUploadOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html"""
    bucket = find_bucket(ctx, req)
    named = _named_parts(req.get("MultipartUpload", {}).get("Parts", []))
    present = ctx.tx[StoredObject].get(bucket.id, req["Key"])
    try:
        upload = find_upload(ctx, bucket, req)
    except NoSuchUpload:
        if present is not None and _made_by(ctx, present, req["UploadId"]):
            return _answer(ctx, bucket, present)  # the answer was lost on its way; it is given again
        raise
    if not CUSTOMER.isdisjoint(req):
        seals.customer(req, upload.seal)
    check_write(req, present, req["Key"])
    uploaded = {part.number: part for part in ctx.tx[UploadedPart].scan(upload.id)}
    parts = _chosen_parts(upload, uploaded, named)
    made = _object(ctx, upload, parts)
    _check_promises(req, upload, made)
    made = replace(ctx, bucket, present, made)
    kept = {part.number for part in parts}
    end_upload(ctx, upload, [part for part in uploaded.values() if part.number not in kept])
    if bucket.notifies:
        notify(ctx, bucket, "ObjectCreated:CompleteMultipartUpload", made)
    return _answer(ctx, bucket, made)


def _named_parts(named: Sequence[CompletedPart]) -> Sequence[CompletedPart]:
    """The parts that a list names, each once: of a part that was sent again, and named again, the last entry counts.

    Raises:
        MalformedXML, InvalidPartOrder: it cannot name the parts of an object.
    """
    if not 1 <= len(named) <= PARTS_MAX or any("PartNumber" not in part or "ETag" not in part for part in named):
        raise MalformedXML
    numbers = [part["PartNumber"] for part in named]
    if any(later < earlier for earlier, later in pairwise(numbers)):
        raise InvalidPartOrder
    return list({part["PartNumber"]: part for part in named}.values())


def _made_by(ctx: Context, present: StoredObject, upload_id: str) -> bool:
    layout = ctx.tx[Layout].get(present.layout) if present.layout else None
    return layout is not None and layout.upload == upload_id


def _chosen_parts(
    upload: Upload, uploaded: Mapping[int, UploadedPart], named: Sequence[CompletedPart]
) -> list[UploadedPart]:
    """The uploaded parts that the client names, each as it says, all but the last large enough."""
    chosen = [_one_part(upload, uploaded.get(item["PartNumber"]), item) for item in named]
    for part in chosen[:-1]:
        if part.size < PART_BYTES_MIN:
            raise EntityTooSmall(
                fields={
                    "ProposedSize": part.size,
                    "MinSizeAllowed": PART_BYTES_MIN,
                    "PartNumber": part.number,
                    "ETag": part.etag,
                }
            )
    return chosen


def _one_part(upload: Upload, part: UploadedPart | None, named: CompletedPart) -> UploadedPart:
    number, etag = named["PartNumber"], named["ETag"].strip('"')
    if part is None or part.etag != etag:
        raise InvalidPart(fields={"UploadId": upload.id, "PartNumber": number, "ETag": etag})
    kind, value = checksums.one_checksum(named)
    if kind == upload.checksum_kind and value != part.checksum:
        raise InvalidPart(fields={"UploadId": upload.id, "PartNumber": number, "ETag": etag})
    if kind and kind != upload.checksum_kind and upload.chosen:
        raise InvalidPart(fields={"UploadId": upload.id, "PartNumber": number, "ETag": etag})
    if not kind and upload.chosen and upload.composite:
        raise InvalidRequest(
            f"The upload was created using a {upload.checksum_kind} checksum. The complete request must include the "
            f"checksum for each part. It was missing for part {number} in the request."
        )
    return part


def _object(ctx: Context, upload: Upload, parts: list[UploadedPart]) -> StoredObject:
    layout = Layout(
        ctx.tx.next_id("s3_layout"),
        upload.id,
        tuple(Piece(part.number, part.size, part.etag, part.checksum, part.runs) for part in parts),
    )
    ctx.tx[Layout].put(layout)
    return StoredObject(
        bucket=upload.bucket,
        key=upload.key,
        size=sum(part.size for part in parts),
        modified_ms=ctx.now_ms,
        etag=_etag(parts),
        layout=layout.id,
        parts=len(parts),
        checksum=_checksum(upload, parts),
        checksum_kind=upload.checksum_kind,
        composite=upload.composite,
        headers=upload.headers,
        metadata=upload.metadata,
        tags=upload.tags,
        storage_class=upload.storage_class,
        lock=upload.lock,
        locked_until_ms=upload.locked_until_ms,
        held=upload.held,
        hold_lifted=upload.hold_lifted,
        owner=upload.owner,
        acl=upload.acl,
        seal=upload.seal,
    )


def _etag(parts: list[UploadedPart]) -> str:
    """The MD5 of the parts' MD5s, with their number."""
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _checksum(upload: Upload, parts: list[UploadedPart]) -> str:
    kind = upload.checksum_kind
    raws = [checksums.decode(kind, part.checksum) for part in parts]
    if upload.composite:
        return checksums.composed(kind, raws)
    sizes = [part.size for part in parts]
    return checksums.encode(combined(kind, zip(raws, sizes, strict=True)))


def _check_promises(req: CompleteMultipartUploadRequest, upload: Upload, made: StoredObject) -> None:
    """What the request says of the whole object."""
    wanted_type = req.get("ChecksumType", "").upper()
    actual_type = checksums.type_name(composite=upload.composite)
    if wanted_type and wanted_type != actual_type:
        raise InvalidRequest(
            f"The upload was created using the {actual_type} checksum mode. The complete request must use the same "
            "checksum mode."
        )
    size = req.get("MpuObjectSize")
    if size is not None and int(size) != made.size:
        raise InvalidRequest(
            f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: {made.size}"
        )
    value = req.get(checksums.MEMBERS[upload.checksum_kind])
    if value is not None and str(value).partition("-")[0] != made.checksum.partition("-")[0]:
        raise checksums.mismatch(upload.checksum_kind)


def _answer(ctx: Context, bucket: Bucket, made: StoredObject) -> CompleteMultipartUploadOutput:
    result: CompleteMultipartUploadOutput = {
        "Location": f"{ctx.request.endpoint}/{bucket.name}/{quote(made.key)}",
        "Bucket": bucket.name,
        "Key": made.key,
        "ETag": f'"{made.etag}"',
        **checksums.shown(made.checksum_kind, made.checksum, composite=made.composite),  # type: ignore[typeddict-item]
    }
    if made.version:
        result["VersionId"] = made.version
    if bucket.ages:
        result |= expiration(ctx, bucket, made)  # type: ignore[typeddict-item]
    if made.seal is not None and made.seal.kind != "customer":  # whose answers to uploads of parts have said it
        result |= seals.shown(made.seal)  # type: ignore[typeddict-item]
    return result
