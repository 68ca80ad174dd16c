"""Uploads in parts: begun, listed, aborted."""

from collections.abc import Iterable, Iterator

from pilvi.core.caller import Caller, Check
from pilvi.core.context import Context
from pilvi.core.operation import Checks, operation
from pilvi.services.s3 import checksums
from pilvi.services.s3.access import Params, bucket_check, find_bucket, on_object, refuse
from pilvi.services.s3.acls.checks import owner_of, upload_check
from pilvi.services.s3.acls.writing import ownership_of
from pilvi.services.s3.attributes import attributes
from pilvi.services.s3.conditions import when
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.encryption.wishes import wished
from pilvi.services.s3.errors import InvalidRequest, NoSuchUpload
from pilvi.services.s3.lifecycle.dates import abort_date
from pilvi.services.s3.listing.objects import check_texts, common_prefixes, encoded, page_size
from pilvi.services.s3.listing.walk import after, walk
from pilvi.services.s3.locks import uploads as locks
from pilvi.services.s3.names import check_key, owner_id
from pilvi.services.s3.objects import release_runs
from pilvi.services.s3.owners import shown_owner
from pilvi.services.s3.put import write_checks
from pilvi.services.s3.records import Bucket, Upload, UploadedPart
from pilvi.services.s3.types import (
    AbortMultipartUploadOutput,
    AbortMultipartUploadRequest,
    CreateMultipartUploadOutput,
    CreateMultipartUploadRequest,
    Initiator,
    ListMultipartUploadsOutput,
    ListMultipartUploadsRequest,
    MultipartUpload,
)

UPLOADS_PAGE_MAX = 1000
_UNBUILT = frozenset({"IfMatchInitiatedTime"})  # on AWS of directory buckets
_ENCODED = ("Delimiter", "KeyMarker", "NextKeyMarker", "Prefix")
_WHOLE_ONLY = frozenset({"crc64nvme"})  # checksums that a whole can have, and ...
_COMPOSITE_ONLY = checksums.SIZES.keys() - {"crc32", "crc32c", "crc64nvme"}  # ... those that cannot be put together


def _create_check(ctx: Context, req: CreateMultipartUploadRequest) -> list[Check]:
    return write_checks(ctx, find_bucket(ctx, req), req)


@operation("CreateMultipartUpload", check=_create_check, open=True)
def create_multipart_upload(ctx: Context, req: CreateMultipartUploadRequest) -> CreateMultipartUploadOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html"""
    bucket, key = find_bucket(ctx, req), req["Key"]
    kind, composite = _chosen_checksum(req)
    given = attributes(req)
    owner, acl = ownership_of(ctx, bucket, req)
    sealing = seals.begin(ctx, bucket, key, wished(req, bucket))
    upload = Upload(
        bucket=bucket.id,
        key=key,
        id=f"{ctx.now_ms:012x}{ctx.ids.hex(84)}",
        initiated_ms=ctx.now_ms,
        initiator=_initiator_id(ctx.caller),
        checksum_kind=kind or checksums.DEFAULT,
        composite=composite,
        chosen=bool(kind),
        headers=given.headers,
        metadata=given.metadata,
        tags=given.tags,
        storage_class=given.storage_class,
        owner=owner,
        acl=acl,
        seal=sealing.seal if sealing else None,
    )
    if given.locking:
        upload = locks.with_lock(ctx, bucket, req, upload)
    ctx.tx[Upload].put(upload)
    result: CreateMultipartUploadOutput = {"Bucket": bucket.name, "Key": key, "UploadId": upload.id}
    if bucket.ages:
        result |= abort_date(ctx, bucket, upload)  # type: ignore[typeddict-item]
    result |= seals.answered(upload.seal)  # type: ignore[typeddict-item]
    if kind:
        result["ChecksumAlgorithm"] = checksums.NAMES[kind]
        result["ChecksumType"] = checksums.type_name(composite=composite)
    return result


def _chosen_checksum(req: CreateMultipartUploadRequest) -> tuple[str, bool]:
    """The algorithm ("" for none) and whether the object's checksum will be one of its parts' checksums."""
    if "ChecksumAlgorithm" not in req:
        if "ChecksumType" in req:
            raise InvalidRequest(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return "", False
    kind = checksums.algorithm(req["ChecksumAlgorithm"], "x-amz-checksum-algorithm")
    wanted = req.get("ChecksumType", "FULL_OBJECT" if kind in _WHOLE_ONLY else "COMPOSITE").upper()
    if wanted not in ("COMPOSITE", "FULL_OBJECT"):
        raise InvalidRequest("Value for x-amz-checksum-type header is invalid.")
    composite = wanted == "COMPOSITE"
    if kind in (_WHOLE_ONLY if composite else _COMPOSITE_ONLY):
        raise InvalidRequest(
            f"The {wanted} checksum type cannot be used with the {checksums.NAMES[kind].lower()} checksum algorithm."
        )
    return kind, composite


def find_upload(ctx: Context, bucket: Bucket, req: Params) -> Upload:
    """Raises NoSuchUpload."""
    upload_id: str = req["UploadId"]
    found = ctx.tx[Upload].get(bucket.id, req["Key"], upload_id) if upload_id.isascii() else None
    if found is None:
        raise NoSuchUpload(fields={"UploadId": upload_id})
    return found


def on_upload(action: str) -> Checks:
    """One question about an upload. Where lists count, whoever began it may without being granted it."""
    ordinary = on_object(action)

    def check(ctx: Context, req: Params) -> Check | list[Check]:
        bucket = find_bucket(ctx, req)
        if not bucket.ownership:
            return ordinary(ctx, req)
        check_key(req["Key"])
        found = ctx.tx[Upload].get(bucket.id, req["Key"], req["UploadId"]) if req["UploadId"].isascii() else None
        own = found is not None and ctx.caller.kind != "anonymous" and found.initiator == _initiator_id(ctx.caller)
        return upload_check(ctx, bucket, req["Key"], action, own=own)

    return check


@operation("AbortMultipartUpload", check=on_upload("s3:AbortMultipartUpload"), open=True)
def abort_multipart_upload(ctx: Context, req: AbortMultipartUploadRequest) -> AbortMultipartUploadOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html"""
    refuse(req, _UNBUILT)
    bucket = find_bucket(ctx, req)
    upload = find_upload(ctx, bucket, req)
    forget_upload(ctx, upload)
    return {}


def forget_upload(ctx: Context, upload: Upload) -> None:
    """Removes an upload and its parts, and lets go of their bytes."""
    end_upload(ctx, upload, list(ctx.tx[UploadedPart].scan(upload.id)))


def end_upload(ctx: Context, upload: Upload, dropped: Iterable[UploadedPart]) -> None:
    """Removes an upload and the rows of all its parts, and lets go of the bytes of those that are `dropped`."""
    for part in dropped:
        release_runs(ctx, part.runs)
    ctx.tx[UploadedPart].clear(upload.id)
    ctx.tx[Upload].delete(upload.bucket, upload.key, upload.id)


def _list_check(ctx: Context, req: ListMultipartUploadsRequest) -> Check:
    return bucket_check(ctx, find_bucket(ctx, req), "s3:ListBucketMultipartUploads")


@operation("ListMultipartUploads", reads=True, check=_list_check, open=True)
def list_multipart_uploads(ctx: Context, req: ListMultipartUploadsRequest) -> ListMultipartUploadsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html"""
    bucket = find_bucket(ctx, req)
    prefix, delimiter, marker = req.get("Prefix", ""), req.get("Delimiter", ""), req.get("KeyMarker", "")
    upload_marker = req.get("UploadIdMarker", "") if marker else ""
    check_texts(prefix, delimiter, marker, upload_marker)
    most = page_size(req.get("MaxUploads", UPLOADS_PAGE_MAX), "max-uploads")
    uploads = ctx.tx[Upload]

    def scan(start: str, end: str, limit: int | None) -> Iterator[Upload]:
        if upload_marker and start == marker:  # goes on behind one of several uploads of the same key
            return uploads.scan(bucket.id, after=(marker, upload_marker), end=end or None, limit=limit)
        return uploads.scan(bucket.id, start=start or None, end=end or None, limit=limit)

    begin = marker if upload_marker else after(marker, prefix, delimiter) if marker else ""
    page = walk(scan, prefix=prefix, delimiter=delimiter, start=begin, most=most)
    result: ListMultipartUploadsOutput = {
        "Bucket": bucket.name,
        "Prefix": prefix,
        "KeyMarker": marker,
        "UploadIdMarker": upload_marker,
        "MaxUploads": most,
        "IsTruncated": page.truncated,
        "Uploads": [_shown(ctx, bucket, upload) for upload in page.entries],
    }
    if delimiter:
        result["Delimiter"] = delimiter
        result["CommonPrefixes"] = common_prefixes(page.prefixes)
    if page.truncated:
        result["NextKeyMarker"] = page.last
        result["NextUploadIdMarker"] = page.entries[-1].id if _ends_with_entry(page.entries, page.last) else ""
    return encoded(req, result, _ENCODED)  # type: ignore[arg-type, return-value]


def _ends_with_entry(entries: list[Upload], last: str) -> bool:
    return bool(entries) and entries[-1].key == last


def _shown(ctx: Context, bucket: Bucket, upload: Upload) -> MultipartUpload:
    shown: MultipartUpload = {
        "UploadId": upload.id,
        "Key": upload.key,
        "Initiated": when(upload.initiated_ms),
        "StorageClass": upload.storage_class or "STANDARD",
        "Owner": shown_owner(ctx, owner_of(bucket, upload)),
        "Initiator": initiator(upload),
    }
    if upload.chosen:
        shown["ChecksumAlgorithm"] = checksums.NAMES[upload.checksum_kind]
        shown["ChecksumType"] = checksums.type_name(composite=upload.composite)
    return shown


def initiator(upload: Upload) -> Initiator:
    return {"ID": upload.initiator}


def _initiator_id(caller: Caller) -> str:
    """An account's canonical id for its root, an ARN for everybody else."""
    return owner_id(caller.account) if caller.kind in ("root", "anonymous") else caller.arn
