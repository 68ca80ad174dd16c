"""The object as a whole: making one the current state of its key, and letting one go."""

from pilvi.core.context import Context
from pilvi.services.s3.notify import notify
from pilvi.services.s3.records import Bucket, Layout, StoredObject


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
    blobs = ctx.tx.blobs
    if gone.layout:
        layouts = ctx.tx[Layout]
        layout = layouts.get(gone.layout)
        assert layout is not None, "an object's layout lives as long as the object"
        for piece in layout.pieces:
            blobs.release(piece.blob)
        layouts.delete(gone.layout)
    elif gone.blob:
        blobs.release(gone.blob)
