"""The object as a whole: making one the current state of its key, and letting one go."""

from collections.abc import Iterable

from pilvi.core.context import Context
from pilvi.services.s3.notify import notify
from pilvi.services.s3.records import Bucket, Layout, Run, StoredObject


def replace(ctx: Context, present: StoredObject | None, made: StoredObject) -> None:
    """Makes `made` the current state of its key; what was `present` lets go of its bytes."""
    if present is not None:
        release(ctx, present)
    ctx.tx[StoredObject].put(made)


def remove(ctx: Context, bucket: Bucket, key: str) -> None:
    """Removes the object at a key, if there is one, and tells who wants to know."""
    objects = ctx.tx[StoredObject]
    present = objects.get(bucket.id, key)
    if present is None:
        return
    release(ctx, present)
    objects.delete(bucket.id, key)
    if bucket.notifies:
        notify(ctx, bucket, "ObjectRemoved:Delete", present)


def release(ctx: Context, gone: StoredObject) -> None:
    """Lets go of an object's bytes."""
    if gone.layout:
        layouts = ctx.tx[Layout]
        layout = layouts.get(gone.layout)
        assert layout is not None, "an object's layout lives as long as the object"
        for piece in layout.pieces:
            release_runs(ctx, piece.runs)
        layouts.delete(gone.layout)
    elif gone.blob:
        ctx.tx.blobs.release(gone.blob)


def release_runs(ctx: Context, runs: Iterable[Run]) -> None:
    for blob, _, _ in runs:
        ctx.tx.blobs.release(blob)
