"""What holds for stored objects, for `pilvi check`: they agree with each other, and their bytes with their checksums."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pilvi.core import caller as callers
from pilvi.core import digests, sealing
from pilvi.core.context import Context
from pilvi.core.errors import CloudError
from pilvi.core.inspection import Inspector
from pilvi.services.s3 import checksums
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.records import (
    Bucket,
    Layout,
    OlderVersion,
    Piece,
    Run,
    Seal,
    StoredObject,
    UploadedPart,
)

READ_BYTES = 4 * 1024 * 1024


class KeyNotToBeHad(Exception):
    """Only a client, or a key of KMS that is disabled or gone, could open these bytes."""


class ObjectInspector(Inspector[StoredObject]):
    """The current state of a key."""

    record = StoredObject

    def title(self, ctx: Context, record: StoredObject) -> str:
        version = f" (version {record.version})" if record.version else ""
        return f"{_address(ctx, record)}{version}"

    def reaches(self, ctx: Context, record: StoredObject) -> Iterable[int]:
        layout = ctx.tx[Layout].get(record.layout) if record.layout else None
        return layout.blobs() if layout else record.blobs()

    def problems(self, ctx: Context, record: StoredObject) -> Iterator[str]:
        if record.bucket not in _buckets(ctx):
            yield "is in a bucket that does not exist"
        if record.marker:
            yield "is a delete marker, and stands where only objects do"
        yield from _shape(ctx, record)

    def contents(self, ctx: Context, record: StoredObject) -> Iterator[str]:
        yield from _contents(ctx, record)


class OlderInspector(Inspector[OlderVersion]):
    """Versions behind the current state of their key, and delete markers."""

    record = OlderVersion

    def title(self, ctx: Context, record: OlderVersion) -> str:
        return f"{_address(ctx, record.state)} (version {record.version or 'null'})"

    def reaches(self, ctx: Context, record: OlderVersion) -> Iterable[int]:
        return _OBJECTS.reaches(ctx, record.state)

    def problems(self, ctx: Context, record: OlderVersion) -> Iterator[str]:
        state = record.state
        if record.bucket not in _buckets(ctx):
            yield "is in a bucket that does not exist"
        if (state.bucket, state.key, state.rank, state.version) != (
            record.bucket, record.key, record.rank, record.version,
        ):  # fmt: skip
            yield "does not agree with itself about which version it is"
        front = ctx.tx[StoredObject].get(record.bucket, record.key)
        if front is not None and (front.rank >= record.rank or not record.superseded_ms):
            yield "should stand before the object that is the current state of its key"
        if front is not None and front.version == record.version:
            yield "has the same id as the current state of its key"
        same = ctx.tx[OlderVersion].scan(record.bucket, record.key, record.version, index="version", limit=2)
        if len(list(same)) > 1:
            yield "has the same id as another version of its key"
        if not record.superseded_ms and not state.marker:
            yield "is the latest version of its key, and does not stand where the latest does"
        if not state.marker:
            yield from _shape(ctx, state)

    def contents(self, ctx: Context, record: OlderVersion) -> Iterator[str]:
        if not record.state.marker:
            yield from _contents(ctx, record.state)


class PartInspector(Inspector[UploadedPart]):
    """Parts that wait for their upload's completion."""

    record = UploadedPart

    def title(self, ctx: Context, record: UploadedPart) -> str:
        return f"part {record.number} of the upload {record.upload}"

    def problems(self, ctx: Context, record: UploadedPart) -> Iterator[str]:
        if sum(length for _, _, length in record.runs) != record.size:
            yield f"has a size of {record.size} bytes, and runs of another"


class LayoutInspector(Inspector[Layout]):
    """Objects speak for their layouts."""

    record = Layout

    def title(self, ctx: Context, record: Layout) -> str:
        return f"layout {record.id}"

    def reaches(self, ctx: Context, record: Layout) -> Iterable[int]:
        return ()


_OBJECTS = ObjectInspector()
INSPECTORS: tuple[Inspector[Any], ...] = (
    _OBJECTS,
    OlderInspector(),
    LayoutInspector(),
    PartInspector(),
)


def _buckets(ctx: Context) -> dict[int, Bucket]:
    found: dict[int, Bucket] | None = ctx.memo.get(Bucket)
    if found is None:
        found = ctx.memo[Bucket] = {bucket.id: bucket for bucket in _readable(ctx.tx[Bucket].scan())}
    return found


def _readable(buckets: Iterator[Bucket]) -> Iterator[Bucket]:
    while True:
        try:
            yield next(buckets)
        except StopIteration:
            return
        except msgspec.MsgspecError:  # that one is told of for itself
            continue


def _address(ctx: Context, state: StoredObject) -> str:
    bucket = _buckets(ctx).get(state.bucket)
    return f"s3://{bucket.name if bucket else f'(bucket {state.bucket})'}/{state.key}"


def _shape(ctx: Context, state: StoredObject) -> Iterator[str]:
    """Whether there are as many bytes as it says. Blobs that are not there are found elsewhere."""
    if not state.layout:
        yield from _extent(ctx, state.seal, ((state.blob, 0, state.size),), whole=True)
        return
    layout = ctx.tx[Layout].get(state.layout)
    if layout is None:
        yield f"its layout {state.layout} is not there: its bytes cannot be found"
        return
    if sum(piece.size for piece in layout.pieces) != state.size:
        yield f"has a size of {state.size} bytes, and parts of another"
    if state.parts and state.parts != len(layout.pieces):
        yield f"says that it has {state.parts} parts, and has {len(layout.pieces)}"
    for piece in layout.pieces:
        if sum(length for _, _, length in piece.runs) != piece.size:
            yield f"its part {piece.number} has a size of {piece.size} bytes, and runs of another"
        yield from _extent(ctx, state.seal, piece.runs, whole=False)


def _extent(ctx: Context, seal: Seal | None, runs: tuple[Run, ...], *, whole: bool) -> Iterator[str]:
    for blob, offset, length in runs:
        try:
            stored = ctx.tx.blobs.size(blob)
        except KeyError:
            continue
        size = stored if seal is None else sealing.plain_size(stored)
        if offset + length > size or (whole and length != size):
            yield f"should have {offset + length} bytes in blob {blob}, which has {size}"


def _contents(ctx: Context, state: StoredObject) -> Iterator[str]:
    """Whether its bytes have the checksum that it shows; that of each part, where there is none of the whole."""
    if not state.checksum_kind or not state.checksum:
        return
    try:
        key = _key(ctx, state)
    except KeyNotToBeHad:
        return
    except sealing.SealBroken:
        yield "its data key does not open: the master key is not the one that it was sealed under, or the record is damaged"
        return
    kind = state.checksum_kind
    layout = ctx.tx[Layout].get(state.layout) if state.layout else None
    if state.layout and layout is None:
        return
    pieces = layout.pieces if layout else (Piece(1, state.size, "", "", ((state.blob, 0, state.size),)),)
    if not state.composite:
        if _digest(ctx, kind, (run for piece in pieces for run in piece.runs), key) != state.checksum:
            yield f"its bytes do not have its checksum ({kind} {state.checksum})"
        return
    for piece in pieces:
        if piece.checksum and _digest(ctx, kind, piece.runs, key) != piece.checksum:
            yield f"the bytes of its part {piece.number} do not have their checksum ({kind} {piece.checksum})"


def _digest(ctx: Context, kind: str, runs: Iterable[Run], key: bytes) -> str:
    digest = digests.make([kind])[kind]
    for blob, offset, length in runs:
        for at in range(offset, offset + length, READ_BYTES):
            digest.update(ctx.tx.blobs.read(blob, at, min(READ_BYTES, offset + length - at), key=key))
    return checksums.encode(digest.digest())


def _key(ctx: Context, state: StoredObject) -> bytes:
    """Raises KeyNotToBeHad; SealBroken when the key is here and does not fit."""
    if state.seal is None:
        return b""
    bucket = _buckets(ctx).get(state.bucket)
    if state.seal.kind == "customer" or bucket is None:
        raise KeyNotToBeHad
    owner = ctx.acting_as(callers.root(bucket.account))
    try:
        return seals.data_key(owner, bucket, state.key, state.seal, {})
    except CloudError:
        raise KeyNotToBeHad from None
