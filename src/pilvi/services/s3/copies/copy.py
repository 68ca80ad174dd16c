"""CopyObject. The copy shares its source's bytes: however large, it costs a row."""

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.effects import Restage
from pilvi.core.operation import operation
from pilvi.services.s3 import checksums
from pilvi.services.s3.access import find_bucket, object_check, of_version, refuse
from pilvi.services.s3.acls.checks import new_object_check
from pilvi.services.s3.acls.writing import ownership_of
from pilvi.services.s3.attributes import Attributes, attributes
from pilvi.services.s3.conditions import check_write, when
from pilvi.services.s3.copies.reread import reread
from pilvi.services.s3.copies.source import (
    find_source,
    named_source,
    pieces_of,
    share,
    source_bucket,
    source_check,
    source_object,
)
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.encryption.wishes import TELLING, Wish, wished
from pilvi.services.s3.errors import InvalidRequest, invalid_argument
from pilvi.services.s3.lifecycle.dates import expiration
from pilvi.services.s3.locks import uploads as locks
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.objects import replace, shown_version
from pilvi.services.s3.put import write_checks
from pilvi.services.s3.records import Bucket, Layout, StoredObject
from pilvi.services.s3.types import CopyObjectOutput, CopyObjectRequest, CopyObjectResult

COPY_BYTES_MAX = 5 * 1024**3
REREAD_BYTES_MAX = 32 * 1024**2
"""Up to this size a copy of an object in parts is read once more to become one piece."""

UNBUILT_DIRECTIVES = frozenset({"AnnotationDirective"})
_ITSELF = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's "
    "metadata, storage class, website redirect location or encryption attributes."
)


def _check(ctx: Context, req: CopyObjectRequest) -> list[Check]:
    """Read there, write here; and when tags come along, the same of tags."""
    checks = [source_check(ctx, req), *write_checks(ctx, find_bucket(ctx, req), req)]
    if _replaces(req, "TaggingDirective"):
        return checks
    name, key, version = named_source(req)
    bucket = source_bucket(ctx, req, name)
    found = source_object(ctx, bucket, key, version)
    if found is not None and found.tags:
        action = "s3:GetObjectTagging"
        checks.append(object_check(ctx, bucket, key, of_version(action) if version else action, found=found))
        checks.append(new_object_check(ctx, find_bucket(ctx, req), req["Key"], "s3:PutObjectTagging", {}))
    return checks


@operation("CopyObject", check=_check, open=True)
def copy_object(ctx: Context, req: CopyObjectRequest) -> CopyObjectOutput | Restage:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""
    refuse(req, UNBUILT_DIRECTIVES)
    bucket, key = find_bucket(ctx, req), req["Key"]
    source = find_source(ctx, req)
    given = _attributes(req, source)
    owner, acl = ownership_of(ctx, bucket, req)
    restores = bool(named_source(req)[2])  # a version that was named becomes the latest
    if (source.bucket, source.key) == (bucket.id, key) and not restores and not _changes(req):
        raise InvalidRequest(_ITSELF)
    if source.size > COPY_BYTES_MAX:
        raise InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}"
        )
    present = ctx.tx[StoredObject].get(bucket.id, key)
    check_write(req, present, key)
    kind, wish = _kind(req, source), wished(req, bucket)
    if _can_share(source, kind, wish):
        seals.customer(req, source.seal, "CopySource")
        copied: StoredObject | Restage = msgspec.structs.replace(source, layout=_shared(ctx, source))
    else:
        copied = _reread(ctx, req, bucket, source, kind, wish)
    if isinstance(copied, Restage):
        return copied
    made = msgspec.structs.replace(
        copied,
        bucket=bucket.id,
        key=key,
        modified_ms=ctx.now_ms,
        headers=given.headers,
        metadata=given.metadata,
        tags=given.tags,
        storage_class=given.storage_class,
        restored_until_ms=0,
        version="",
        rank=0,
        lock="",
        locked_until_ms=0,
        held=False,
        hold_lifted=False,
        owner=owner,
        acl=acl,
        replication="",
    )
    if given.locking:
        made = locks.with_lock(ctx, bucket, req, made)
    made = replace(ctx, bucket, present, made)
    if bucket.notifies:
        notify(ctx, bucket, "ObjectCreated:Copy", made)
    result: CopyObjectOutput = {"CopyObjectResult": _result(made)}
    if bucket.ages:
        result |= expiration(ctx, bucket, made)  # type: ignore[typeddict-item]
    if made.version:
        result["VersionId"] = made.version
    if restores or source.version:
        result["CopySourceVersionId"] = shown_version(source)
    result |= seals.answered(made.seal)  # type: ignore[typeddict-item]
    return result


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
    return Attributes(headers, metadata, tags, given.storage_class, given.locking)


def _replaces(req: CopyObjectRequest, directive: str) -> bool:
    value = req.get(directive, "COPY")
    if value not in ("COPY", "REPLACE"):
        word = directive.removesuffix("Directive").lower()
        raise invalid_argument(f"Unknown {word} directive.", f"x-amz-{word}-directive", value)
    return value == "REPLACE"


def _changes(req: CopyObjectRequest) -> bool:
    """Whether copying an object onto itself has an effect."""
    return (
        _replaces(req, "MetadataDirective")
        or "StorageClass" in req
        or "WebsiteRedirectLocation" in req
        or not TELLING.isdisjoint(req)
    )


def _shared(ctx: Context, source: StoredObject) -> int:
    """One reference more to each of the source's blobs; the id of the copy's own layout, 0 when it needs none."""
    pieces = pieces_of(ctx, source)
    for piece in pieces:
        share(ctx, piece.runs)
    if not source.layout:
        return 0
    layout = Layout(ctx.tx.next_id("s3_layout"), "", pieces)
    ctx.tx[Layout].put(layout)
    return layout.id


def _reread(
    ctx: Context, req: CopyObjectRequest, bucket: Bucket, source: StoredObject, kind: str, wish: Wish
) -> StoredObject | Restage:
    """The source as one piece of its own, with digests and a seal of its own."""
    source_of = source_bucket(ctx, req, named_source(req)[0])
    opened_by = seals.data_key(ctx, source_of, source.key, source.seal, req, prefix="CopySource")
    runs = [run for piece in pieces_of(ctx, source) for run in piece.runs if run[2]]
    staged = reread(ctx, runs, opened_by, frozenset({"md5", kind}), lambda: seals.begin(ctx, bucket, req["Key"], wish))
    if isinstance(staged, Restage):
        return staged
    seal = staged.carry.seal
    return msgspec.structs.replace(
        source,
        blob=ctx.tx.blobs.publish(staged),
        layout=0,
        parts=0,
        etag=seals.etag(ctx, seal, staged.digests["md5"]),
        checksum=checksums.encode(staged.digests[kind]),
        checksum_kind=kind,
        composite=False,
        seal=seal,
    )


def _kind(req: CopyObjectRequest, source: StoredObject) -> str:
    """The checksum that the copy will have."""
    if "ChecksumAlgorithm" in req:
        return checksums.algorithm(req["ChecksumAlgorithm"], "x-amz-checksum-algorithm")
    return source.checksum_kind


def _can_share(source: StoredObject, kind: str, wish: Wish) -> bool:
    """Whether the copy can refer to its source's bytes as they are.

    An object that was uploaded in parts becomes one piece where that costs little; a large one stays as it is.
    """
    seal = source.seal.kind if source.seal else ""
    return (
        seal == wish.kind
        and seal in ("", "s3")
        and kind == source.checksum_kind
        and (not source.parts or source.size > REREAD_BYTES_MAX)
    )


def _result(made: StoredObject) -> CopyObjectResult:
    return {
        "ETag": f'"{made.etag}"',
        "LastModified": when(made.modified_ms),
        **checksums.shown(made.checksum_kind, made.checksum, composite=made.composite),  # type: ignore[typeddict-item]
    }
