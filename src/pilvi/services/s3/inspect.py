"""GetObjectAttributes: what is known of an object, without its bytes or its metadata."""

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3 import checksums
from pilvi.services.s3.access import (
    existing_object,
    existing_tags,
    find_bucket,
    named_version,
    object_check,
    of_version,
)
from pilvi.services.s3.conditions import when
from pilvi.services.s3.copies.source import pieces_of
from pilvi.services.s3.encryption.seals import customer, data_key
from pilvi.services.s3.errors import invalid_argument
from pilvi.services.s3.listing.objects import page_size
from pilvi.services.s3.multipart.parts import PARTS_PAGE_MAX, part_marker
from pilvi.services.s3.names import check_key
from pilvi.services.s3.objects import shown_version
from pilvi.services.s3.records import Piece, StoredObject
from pilvi.services.s3.types import (
    GetObjectAttributesOutput,
    GetObjectAttributesParts,
    GetObjectAttributesRequest,
    ObjectPart,
)

_KNOWN = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})
_TELLING = frozenset({"Checksum", "ObjectParts"})
"""What tells of the bytes: who asks for it must be able to read those."""


def _check(ctx: Context, req: GetObjectAttributesRequest) -> list[Check]:
    bucket, key = find_bucket(ctx, req), req["Key"]
    check_key(key)
    actions = ["s3:GetObject", "s3:GetObjectAttributes"]
    found = named_version(ctx, bucket, req)
    conditions = existing_tags(found) if found else {}
    if "VersionId" in req:
        actions = [of_version(action) for action in actions]
        conditions["s3:VersionId"] = req["VersionId"]
    return [object_check(ctx, bucket, key, action, conditions, found) for action in actions]


@operation("GetObjectAttributes", reads=True, check=_check, open=True)
def get_object_attributes(ctx: Context, req: GetObjectAttributesRequest) -> GetObjectAttributesOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html"""
    asked = req.get("ObjectAttributes", [])
    wanted = frozenset(asked)
    if not wanted or not wanted <= _KNOWN:
        raise invalid_argument("Invalid attribute name specified.", "x-amz-object-attributes", ",".join(asked))
    bucket = find_bucket(ctx, req)
    found = existing_object(ctx, bucket, req)
    if found.seal is not None and not wanted.isdisjoint(_TELLING):
        data_key(ctx, bucket, found.key, found.seal, req)
    customer(req, found.seal)
    result: GetObjectAttributesOutput = {"LastModified": when(found.modified_ms)}
    if bucket.versioning:
        result["VersionId"] = shown_version(found)
    if "ETag" in wanted:
        result["ETag"] = found.etag
    if "Checksum" in wanted and found.checksum:
        result["Checksum"] = checksums.shown(found.checksum_kind, found.checksum, composite=found.composite)  # type: ignore[typeddict-item]
    if "ObjectParts" in wanted and found.parts:
        result["ObjectParts"] = _parts(ctx, req, found)
    if "StorageClass" in wanted:
        result["StorageClass"] = found.storage_class or "STANDARD"
    if "ObjectSize" in wanted:
        result["ObjectSize"] = found.size
    return result


def _parts(ctx: Context, req: GetObjectAttributesRequest, found: StoredObject) -> GetObjectAttributesParts:
    most, marker = page_size(req.get("MaxParts", PARTS_PAGE_MAX), "max-parts"), part_marker(req)
    behind = [piece for piece in pieces_of(ctx, found) if piece.number > marker]
    page = behind[:most]
    return {
        "TotalPartsCount": found.parts,
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": most,
        "IsTruncated": len(behind) > most,
        "Parts": [_part(found, piece) for piece in page],
    }


def _part(found: StoredObject, piece: Piece) -> ObjectPart:
    """Parts show checksums of their own where the object's is made of them."""
    part: ObjectPart = {"PartNumber": piece.number, "Size": piece.size}
    if piece.checksum and found.composite:
        part[checksums.MEMBERS[found.checksum_kind]] = piece.checksum  # type: ignore[literal-required]
    return part
