"""CopyObject. The copy shares its source's bytes: however large, it costs a row."""

import hashlib

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3 import checksums
from pilvi.services.s3.access import find_bucket, object_check, refuse
from pilvi.services.s3.attributes import Attributes, attributes
from pilvi.services.s3.conditions import check_write, when
from pilvi.services.s3.errors import InvalidRequest, invalid_argument
from pilvi.services.s3.notify import notify
from pilvi.services.s3.objects import replace
from pilvi.services.s3.put import write_checks
from pilvi.services.s3.records import Layout, Piece, StoredObject
from pilvi.services.s3.source import find_source, named_source, pieces_of, read, share, source_bucket, source_check
from pilvi.services.s3.types import CopyObjectOutput, CopyObjectRequest, CopyObjectResult

COPY_BYTES_MAX = 5 * 1024**3
REHASH_BYTES_MAX = 32 * 1024**2
"""Up to this size a copy's bytes are read once more when its digests are not known; that happens on the writer."""

UNBUILT_SOURCES = frozenset(
    {
        "AnnotationDirective",
        "CopySourceSSECustomerAlgorithm",
        "CopySourceSSECustomerKey",
        "CopySourceSSECustomerKeyMD5",
    }
)
_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
    "metadata, storage class, website redirect location or encryption attributes."
)


def _check(ctx: Context, req: CopyObjectRequest) -> list[Check]:
    """Read there, write here; and when tags come along, the same of tags."""
    checks = [source_check(ctx, req), *write_checks(ctx, find_bucket(ctx, req), req)]
    if _replaces(req, "TaggingDirective"):
        return checks
    name, key, _ = named_source(req)
    bucket = source_bucket(ctx, req, name)
    found = ctx.tx[StoredObject].get(bucket.id, key)
    if found is not None and found.tags:
        checks.append(object_check(ctx, bucket, key, "s3:GetObjectTagging"))
        checks.append(object_check(ctx, find_bucket(ctx, req), req["Key"], "s3:PutObjectTagging"))
    return checks


@operation("CopyObject", check=_check, open=True)
def copy_object(ctx: Context, req: CopyObjectRequest) -> CopyObjectOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    refuse(req, UNBUILT_SOURCES)
    bucket, key = find_bucket(ctx, req), req["Key"]
    source = find_source(ctx, req)
    given = _attributes(req, source)
    if (source.bucket, source.key) == (bucket.id, key) and not _changes(req):
        raise InvalidRequest(_ITSELF)
    if source.size > COPY_BYTES_MAX:
        raise InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}"
        )
    present = ctx.tx[StoredObject].get(bucket.id, key)
    check_write(req, present, key)
    digested = _digested(ctx, req, source)
    made = msgspec.structs.replace(
        digested,
        bucket=bucket.id,
        key=key,
        modified_ms=ctx.now_ms,
        layout=_shared(ctx, source, digested.checksum_kind),
        headers=given.headers,
        metadata=given.metadata,
        tags=given.tags,
        storage_class=given.storage_class,
    )
    replace(ctx, present, made)
    if bucket.notifies:
        notify(ctx, bucket, "ObjectCreated:Copy", made)
    return {"CopyObjectResult": _result(made)}


def _attributes(req: CopyObjectRequest, source: StoredObject) -> Attributes:
    """What the copy takes from the request, and what from its source."""
    given = attributes(req)
    if _replaces(req, "MetadataDirective"):
        headers, metadata = given.headers, given.metadata
    else:
        headers = {word: value for word, value in source.headers.items() if word != "redirect"}
        if "redirect" in given.headers:
            headers["redirect"] = given.headers["redirect"]
        metadata = source.metadata
    tags = given.tags if _replaces(req, "TaggingDirective") else source.tags
    return Attributes(headers, metadata, tags, given.storage_class)


def _replaces(req: CopyObjectRequest, directive: str) -> bool:
    value = req.get(directive, "COPY")
    if value not in ("COPY", "REPLACE"):
        word = directive.removesuffix("Directive").lower()
        raise invalid_argument(f"Unknown {word} directive.", f"x-amz-{word}-directive", value)
    return value == "REPLACE"


def _changes(req: CopyObjectRequest) -> bool:
    """Whether copying an object onto itself has an effect."""
    return _replaces(req, "MetadataDirective") or "StorageClass" in req or "WebsiteRedirectLocation" in req


def _shared(ctx: Context, source: StoredObject, kind: str) -> int:
    """One reference more to each of the source's blobs; the id of the copy's own layout, 0 when it needs none."""
    pieces = pieces_of(ctx, source)
    for piece in pieces:
        share(ctx, piece.runs)
    if not source.layout:
        return 0
    if kind != source.checksum_kind:
        pieces = tuple(Piece(piece.number, piece.size, piece.etag, "", piece.runs) for piece in pieces)
    layout = Layout(ctx.tx.next_id("s3_layout"), "", pieces)
    ctx.tx[Layout].put(layout)
    return layout.id


def _digested(ctx: Context, req: CopyObjectRequest, source: StoredObject) -> StoredObject:
    """The source with the digests that its copy has: those of one piece, and the checksum that is asked for."""
    kind = source.checksum_kind
    if "ChecksumAlgorithm" in req:
        kind = checksums.algorithm(req["ChecksumAlgorithm"], "x-amz-checksum-algorithm")
    if kind == source.checksum_kind and not source.parts:
        return source
    if source.size > REHASH_BYTES_MAX:
        if kind != source.checksum_kind:
            raise NotBuilt(f"Another checksum for a copy of more than {REHASH_BYTES_MAX} bytes is not built.")
        return source
    data = b"".join(read(ctx, piece.runs) for piece in pieces_of(ctx, source))
    return msgspec.structs.replace(
        source,
        parts=0,
        etag=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        checksum=checksums.compute(kind, data),
        checksum_kind=kind,
        composite=False,
    )


def _result(made: StoredObject) -> CopyObjectResult:
    return {
        "ETag": f'"{made.etag}"',
        "LastModified": when(made.modified_ms),
        **checksums.shown(made.checksum_kind, made.checksum, composite=made.composite),  # type: ignore[typeddict-item]
    }
