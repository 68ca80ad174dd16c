"""The object as a whole: the one place that makes, replaces and removes versions.

A key's history is a line of versions, newest first, each with a rank: later ones have smaller ranks. Where the newest is
an object, it is the `StoredObject` row of its key; everything else, and a delete marker even where it is the newest, is an
`OlderVersion` row. So four things can happen, and nothing but this module does them:

    replace          a new object comes in front of the line (in a bucket without versions: instead of it)
    remove           a delete marker comes in front of the line (in a bucket without versions: the object goes)
    remove_version   one version leaves the line for good; what is behind the newest one moves up
    insert           a version that was made elsewhere takes its place in the line (replication)

`update` changes what is said about a version (tags, locks, grants), never its bytes or its place. Reading: `current`,
`latest`, `find_version`, `versions`.

Ids of versions end with their rank, so that a listing can go on behind a version that has gone meanwhile; to clients they
are opaque. While versioning is suspended new versions have the id "", shown as null, of which a key has one at most.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.errors import invalid_argument
from pilvi.services.s3.locks.rules import default_lock
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.records import Bucket, Layout, OlderVersion, Run, StoredObject
from pilvi.services.s3.replication import plan

REQUESTED = "ObjectRemoved"
"""Why an object goes: somebody asked for it. What goes by a rule is not replicated."""

NULL = "null"
"""How the version "" is called outside."""

_RANDOM, _RANKED = 20, 12
_VERSION = re.compile(r"[A-Za-z0-9._-]{32}")
_SEQUENCE = "s3_version"


# -- reading -----------------------------------------------------------------------------------------------------------


def current(ctx: Context, bucket: Bucket, key: str) -> StoredObject | None:
    """The object at a key; None when there is none, or a delete marker is the latest version."""
    return ctx.tx[StoredObject].get(bucket.id, key)


def latest(ctx: Context, bucket: Bucket, key: str) -> StoredObject | None:
    """The newest version of a key: `current`, or a delete marker. None: the key has no versions at all."""
    present = current(ctx, bucket, key)
    if present is not None or not bucket.versioning:
        return present
    newest = _newest(ctx, bucket, key)
    return newest.state if newest else None


def find_version(ctx: Context, bucket: Bucket, key: str, version: str) -> StoredObject | None:
    """The version of a key with this id ("" for the null version), which may be a delete marker (`.marker`)."""
    present = current(ctx, bucket, key)
    if present is not None and present.version == version:
        return present
    row = _older(ctx, bucket, key, version) if bucket.versioning else None
    return row.state if row else None


def versions(ctx: Context, bucket: Bucket, key: str) -> Iterator[StoredObject]:
    """All versions of a key, newest first, delete markers too. Take a list of it before changing any of them."""
    present = current(ctx, bucket, key)
    if present is not None:
        yield present
    if bucket.versioning:
        for row in ctx.tx[OlderVersion].scan(bucket.id, key):
            yield row.state


def asked_version(shown: str) -> str:
    """The id of a version as it is stored, from what a client sent.

    Raises:
        InvalidArgument: no version has such an id.
    """
    if shown == NULL:
        return ""
    if not _VERSION.fullmatch(shown):
        text = "Invalid version id specified" if shown else "Version id cannot be the empty string"
        raise invalid_argument(text, "versionId", shown)
    return shown


def shown_version(state: StoredObject) -> str:
    return state.version or NULL


def rank_of(version: str) -> int | None:
    """The rank that an id was made with; None for the null version and what is no id of ours."""
    try:
        return -int(version[_RANDOM:], 16) if len(version) == _RANDOM + _RANKED else None
    except ValueError:
        return None


# -- changing ----------------------------------------------------------------------------------------------------------


def replace(ctx: Context, bucket: Bucket, present: StoredObject | None, made: StoredObject) -> StoredObject:
    """Makes `made` the current state of its key, in front of what is `present` (see `current`), or instead of it.

    Returns:
        `made` as it is stored: with its version and rank.
    """
    if made.seal is not None and made.seal.managed:
        seals.used(ctx, bucket, made.seal)
    if not bucket.versioning:
        if present is not None:
            release(ctx, present)
        ctx.tx[StoredObject].put(made)
        return made
    _step_back(ctx, bucket, made.key, present)
    made = _numbered(ctx, bucket, made)
    if bucket.replicates:
        made = plan.made(ctx, bucket, made)
    ctx.tx[StoredObject].put(made)
    return made


def remove(ctx: Context, bucket: Bucket, key: str, *, cause: str = "ObjectRemoved") -> StoredObject | None:
    """What DELETE of a key means: the object goes, or with versions a delete marker comes in front of it.

    Args:
        cause: family of the event that is told: "ObjectRemoved" or "LifecycleExpiration".

    Returns:
        The delete marker, None where the bucket has no versions. There a key without an object stays as it is.
    """
    objects = ctx.tx[StoredObject]
    present = objects.get(bucket.id, key)
    if bucket.versioning:
        return _mark(ctx, bucket, key, present, cause)
    if present is not None:
        release(ctx, present)
        objects.delete(bucket.id, key)
        if bucket.notifies:
            notify(ctx, bucket, f"{cause}:Delete", present)
    return None


def _mark(ctx: Context, bucket: Bucket, key: str, present: StoredObject | None, cause: str) -> StoredObject:
    _step_back(ctx, bucket, key, present)
    if present is not None:
        ctx.tx[StoredObject].delete(bucket.id, key)
    unnumbered = StoredObject(bucket=bucket.id, key=key, size=0, modified_ms=ctx.now_ms, etag="", marker=True)
    marker = _numbered(ctx, bucket, unnumbered)
    if bucket.replicates and cause == REQUESTED:
        marker = plan.made(ctx, bucket, marker)
    ctx.tx[OlderVersion].put(_row(marker, 0))
    if bucket.notifies:
        notify(ctx, bucket, f"{cause}:DeleteMarkerCreated", marker)
    return marker


def remove_version(
    ctx: Context, bucket: Bucket, key: str, version: str, *, bypass: bool = False, cause: str = "ObjectRemoved"
) -> StoredObject | None:
    """Removes one version for good, delete markers too; if it was the latest, what is behind it becomes the latest.

    Args:
        version: its id, "" for the null version.
        bypass: whether a lock in governance mode does not count (the caller may, and asked for it).

    Returns:
        The version that is gone; None when there was none.

    Raises:
        AccessDenied: it is locked.
    """
    objects, older = ctx.tx[StoredObject], ctx.tx[OlderVersion]
    gone = objects.get(bucket.id, key)
    if gone is not None and gone.version == version:
        check_unlocked(ctx, gone, bypass=bypass)
        objects.delete(bucket.id, key)
        if bucket.versioning:
            _move_up(ctx, bucket, key)
    else:
        row = _older(ctx, bucket, key, version) if bucket.versioning else None
        if row is None:
            return None
        gone = row.state
        check_unlocked(ctx, gone, bypass=bypass)
        older.delete(bucket.id, key, row.rank)
        if not row.superseded_ms:
            _move_up(ctx, bucket, key)
    release(ctx, gone)
    if bucket.notifies:
        notify(ctx, bucket, f"{cause}:Delete", gone)
    return gone


def insert(ctx: Context, bucket: Bucket, made: StoredObject) -> StoredObject:
    """Puts a version that has an id already (an object or a delete marker) at its place in its key's line.

    Its bytes are already its own (see `replace`). A version of the same id must not be there (`find_version`).

    Returns:
        `made` with its rank.
    """
    rank = rank_of(made.version)
    assert bucket.versioning, "versions come from elsewhere only where there are versions"
    assert rank is not None, "versions with ids of ours alone are carried elsewhere"
    made = msgspec.structs.replace(made, rank=rank)
    front = latest(ctx, bucket, made.key)
    if front is not None and front.rank < rank:
        ctx.tx[OlderVersion].put(_row(made, ctx.now_ms))
        return made
    present = front if front is not None and not front.marker else None
    _age(ctx, bucket, made.key, present)
    if not made.marker:
        ctx.tx[StoredObject].put(made)
        return made
    if present is not None:
        ctx.tx[StoredObject].delete(bucket.id, made.key)
    ctx.tx[OlderVersion].put(_row(made, 0))
    return made


def update(ctx: Context, bucket: Bucket, changed: StoredObject) -> None:
    """Stores what somebody said about a version that is there: `changed` has its key and rank."""
    put_back(ctx, bucket, plan.changed(ctx, bucket, changed) if bucket.replicates else changed)


def put_back(ctx: Context, bucket: Bucket, changed: StoredObject) -> None:
    """Stores what has become of a version by itself: see `update`, but nothing of it is carried elsewhere."""
    if bucket.versioning:
        row = ctx.tx[OlderVersion].get(bucket.id, changed.key, changed.rank)
        if row is not None:
            ctx.tx[OlderVersion].put(msgspec.structs.replace(row, state=changed))
            return
    ctx.tx[StoredObject].put(changed)


# -- locks -------------------------------------------------------------------------------------------------------------


def locked(state: StoredObject, now_ms: int, *, bypass: bool = False) -> bool:
    """Whether a version may not be removed now. `bypass`: governance mode does not count.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
    """
    if state.held:
        return True
    return state.locked_until_ms > now_ms and not (bypass and state.lock == "governance")


def check_unlocked(ctx: Context, state: StoredObject, *, bypass: bool = False) -> None:
    """Raises AccessDenied for a version that is `locked`."""
    if locked(state, ctx.now_ms, bypass=bypass):
        raise AccessDenied("Access Denied because object protected by object lock.")


# -- the line of versions ----------------------------------------------------------------------------------------------


def _step_back(ctx: Context, bucket: Bucket, key: str, present: StoredObject | None) -> None:
    """Makes room in front. While versioning is suspended the null version goes, wherever it is."""
    if bucket.versioning == "suspended":
        if present is not None and not present.version:
            release(ctx, present)
            return  # whatever takes its place: its row will be replaced or deleted
        _drop_null(ctx, bucket, key)
    _age(ctx, bucket, key, present)


def _age(ctx: Context, bucket: Bucket, key: str, present: StoredObject | None) -> None:
    """The latest version is the latest no more."""
    older = ctx.tx[OlderVersion]
    if present is not None:
        older.put(_row(present, ctx.now_ms))
        return
    marker = _newest(ctx, bucket, key)
    if marker is not None and not marker.superseded_ms:
        older.put(msgspec.structs.replace(marker, superseded_ms=ctx.now_ms))


def _drop_null(ctx: Context, bucket: Bucket, key: str) -> None:
    row = _older(ctx, bucket, key, "")
    if row is not None:
        release(ctx, row.state)
        ctx.tx[OlderVersion].delete(bucket.id, key, row.rank)


def _move_up(ctx: Context, bucket: Bucket, key: str) -> None:
    """The newest of the older versions is the latest now."""
    older = ctx.tx[OlderVersion]
    row = _newest(ctx, bucket, key)
    if row is None:
        return
    if row.state.marker:
        older.put(msgspec.structs.replace(row, superseded_ms=0))
    else:
        older.delete(bucket.id, key, row.rank)
        ctx.tx[StoredObject].put(row.state)


def _numbered(ctx: Context, bucket: Bucket, made: StoredObject) -> StoredObject:
    """The newest version of its key, locked as the bucket's new objects are unless it says itself how."""
    number = ctx.tx.next_id(_SEQUENCE)
    version = ""
    if bucket.versioning == "enabled":
        version = f"{ctx.ids.base32(_RANDOM)}{number:0{_RANKED}x}"
    made = msgspec.structs.replace(made, version=version, rank=-number)
    if bucket.retention is None or made.lock or made.marker:
        return made
    lock, until_ms = default_lock(bucket.retention, ctx.now_ms)
    return msgspec.structs.replace(made, lock=lock, locked_until_ms=until_ms)


def _row(state: StoredObject, superseded_ms: int) -> OlderVersion:
    return OlderVersion(state.bucket, state.key, state.rank, state.version, superseded_ms, state)


def _newest(ctx: Context, bucket: Bucket, key: str) -> OlderVersion | None:
    return next(ctx.tx[OlderVersion].scan(bucket.id, key, limit=1), None)


def _older(ctx: Context, bucket: Bucket, key: str, version: str) -> OlderVersion | None:
    return next(ctx.tx[OlderVersion].scan(bucket.id, key, version, index="version", limit=1), None)


# -- bytes -------------------------------------------------------------------------------------------------------------


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
