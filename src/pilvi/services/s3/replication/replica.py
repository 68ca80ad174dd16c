"""Replicas: what the destination has of a version."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.effects import Body, Restage, Segment, Staged, StagePlan
from pilvi.core.errors import AccessDenied
from pilvi.services.s3 import objects
from pilvi.services.s3.access import Conditions, existing_tags, object_check
from pilvi.services.s3.copies.source import pieces_of, share
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.encryption.wishes import Wish
from pilvi.services.s3.errors import InvalidRequest, NoSuchBucket
from pilvi.services.s3.locks.rules import default_lock, may_change
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.records import Bucket, Layout, Piece, Run, Seal, StoredObject
from pilvi.services.s3.replication.plan import REPLICA
from pilvi.services.s3.replication.records import Rule

NOT_VERSIONED = "Destination bucket must have versioning enabled."


class MustReread(Exception):
    """The bytes are wanted in another form than they are stored in, and have not been read for that."""


class Reading(msgspec.Struct, frozen=True):
    """What was read, and for which bucket. Blobs never change, and their ids are never given again."""

    destination: int
    runs: tuple[Run, ...]
    seal: Seal | None


def find_destination(ctx: Context, rule: Rule) -> Bucket:
    """Raises what stands in the way: no bucket, no versions, somebody else's."""
    found = ctx.tx[Bucket].get(rule.destination)
    if found is None:
        raise NoSuchBucket(fields={"BucketName": rule.destination})
    if rule.account and found.account != rule.account:
        raise AccessDenied("The destination does not belong to the account that the rule names.")
    if found.versioning != "enabled":
        raise InvalidRequest(NOT_VERSIONED)
    return found


def synchronise(
    role: Context, bucket: Bucket, state: StoredObject, rule: Rule, staged: Staged | None, *, changed: bool, back: bool
) -> None:
    """Makes what the destination has of a version equal to what the source has.

    Args:
        role: who does it, in the source's region.
        staged: its bytes, read again for one destination.
        changed, back: see Work.

    Raises:
        CloudError: it may not be, or cannot be.
        MustReread: `staged` is not what is needed.
    """
    destination = find_destination(role, rule)
    _check_readable(role, bucket, state)
    there = objects.find_version(role, destination, state.key, state.version)
    if there is None and changed:
        return
    if state.marker:
        _check(role, destination, state.key, "s3:ReplicateDelete")
        if there is None:
            _insert(role, destination, _replica(role, bucket, state, destination, rule, {}))
        return
    tags = state.tags if _may_tag(role, bucket, state, destination) else {}
    _check(role, destination, state.key, "s3:ReplicateObject", _asked(state, rule, destination))
    if rule.takes_over:
        _check(role, destination, state.key, "s3:ObjectOwnerOverrideToBucketOwner")
    if (state.lock or state.held) and not destination.locks:
        raise InvalidRequest("Destination bucket must have Object Lock enabled.")
    replica = _replica(role, bucket, state, destination, rule, tags)
    if there is None:
        _insert(role, destination, _with_bytes(role, bucket, state, destination, rule, replica, staged))
    else:
        objects.put_back(role, destination, _told(there, replica, role.now_ms, back=back))


# -- leave -------------------------------------------------------------------------------------------------------------


def _check_readable(role: Context, bucket: Bucket, state: StoredObject) -> None:
    conditions: Conditions = existing_tags(state) | {"s3:VersionId": state.version}
    wanted = [] if state.marker else ["s3:GetObjectVersionForReplication"]
    if state.acl:
        wanted.append("s3:GetObjectVersionAcl")
    if state.lock:
        wanted.append("s3:GetObjectRetention")
    if state.held:
        wanted.append("s3:GetObjectLegalHold")
    for action in wanted:
        _require(role, object_check(role, bucket, state.key, action, conditions, state))


def _may_tag(role: Context, bucket: Bucket, state: StoredObject, destination: Bucket) -> bool:
    """Without leave for its tags an object goes without them."""
    if not state.tags:
        return True
    readable = object_check(role, bucket, state.key, "s3:GetObjectVersionTagging", existing_tags(state), state)
    return role.may(readable) and role.may(object_check(role, destination, state.key, "s3:ReplicateTags"))


def _asked(state: StoredObject, rule: Rule, destination: Bucket) -> Conditions:
    """What policies of the destination can ask about a replica."""
    asked: Conditions = {}
    if rule.storage_class or state.storage_class:
        asked["s3:x-amz-storage-class"] = rule.storage_class or state.storage_class
    if state.seal is not None and state.seal.kind != "customer":
        asked["s3:x-amz-server-side-encryption"] = "aws:kms" if state.seal.kind == "kms" else "AES256"
        if state.seal.kind == "kms":
            asked["s3:x-amz-server-side-encryption-aws-kms-key-id"] = rule.key
    elif destination.encryption is not None and destination.encryption.kind:
        asked["s3:x-amz-server-side-encryption"] = "aws:kms" if destination.encryption.kind == "kms" else "AES256"
    return asked


def _check(role: Context, destination: Bucket, key: str, action: str, conditions: Conditions | None = None) -> None:
    _require(role, object_check(role, destination, key, action, conditions))


def _require(role: Context, check: Check) -> None:
    if not role.may(check):
        raise AccessDenied(f"{role.caller.identity_arn} is not authorized to perform: {check.action}")


# -- what is said about it ---------------------------------------------------------------------------------------------


def _replica(
    role: Context, bucket: Bucket, state: StoredObject, destination: Bucket, rule: Rule, tags: Mapping[str, str]
) -> StoredObject:
    owner, acl = _ownership(bucket, state, destination, rule)
    lock, until_ms = state.lock, state.locked_until_ms
    if not lock and not state.marker and destination.retention is not None:
        lock, until_ms = default_lock(destination.retention, role.now_ms)
    return msgspec.structs.replace(
        state,
        bucket=destination.id,
        tags=tags,
        storage_class=rule.storage_class or state.storage_class,
        restored_until_ms=0,
        owner=owner,
        acl=acl,
        lock=lock,
        locked_until_ms=until_ms,
        replication=REPLICA,
    )


def _ownership(bucket: Bucket, state: StoredObject, destination: Bucket, rule: Rule) -> tuple[str, tuple[Any, ...]]:
    """Whose the replica is: the source object's owner's, unless the destination's account owns or takes it."""
    if rule.takes_over or not destination.ownership:
        return "", ()
    owner = state.owner or bucket.account
    return "" if owner == destination.account else owner, state.acl


def _told(there: StoredObject, replica: StoredObject, now_ms: int, *, back: bool) -> StoredObject:
    """What the destination has, with what was said anew.

    A lock in compliance mode is never weakened, and a legal hold is lifted only where one was lifted.

    Args:
        back: it was there first.
    """
    lock = replica if may_change(there, replica.lock, replica.locked_until_ms, now_ms, bypass=True) else there
    hold = replica if replica.held or replica.hold_lifted else there
    changed = msgspec.structs.replace(
        there,
        tags=replica.tags,
        lock=lock.lock,
        locked_until_ms=lock.locked_until_ms,
        held=hold.held,
        hold_lifted=hold.hold_lifted,
    )
    return changed if back else msgspec.structs.replace(changed, owner=replica.owner, acl=replica.acl)


# -- its bytes ---------------------------------------------------------------------------------------------------------


def reading(role: Context, bucket: Bucket, state: StoredObject, rule: Rule, *, changed: bool = False) -> Restage | None:
    """The wish that a version's bytes be read again, for a destination that encrypts what is not encrypted.

    Raises:
        CloudError: the key that they are to be encrypted with cannot be had.
    """
    destination = find_destination(role, rule)
    if changed or not _is_reread(state, destination):
        return None
    if objects.find_version(role, destination, state.key, state.version) is not None:
        return None
    default = destination.encryption
    assert default is not None, "what is read again is to be encrypted"
    wish = Wish(default.kind, default.key, {}, default.bucket_key)
    begun = seals.begin(role, destination, state.key, wish)
    assert begun is not None, "an encryption was wished"
    runs = _runs(role, state)
    plan = StagePlan(seal=begun.key, carry=Reading(destination.id, runs, begun.seal))
    return Restage(Body(tuple(Segment(*run) for run in runs)), plan)


def _is_reread(state: StoredObject, destination: Bucket) -> bool:
    default = destination.encryption
    return state.seal is None and not state.marker and default is not None and bool(default.kind)


def _runs(ctx: Context, state: StoredObject) -> tuple[Run, ...]:
    return tuple(run for piece in pieces_of(ctx, state) for run in piece.runs if run[2])


def _with_bytes(
    role: Context,
    bucket: Bucket,
    state: StoredObject,
    destination: Bucket,
    rule: Rule,
    replica: StoredObject,
    staged: Staged | None,
) -> StoredObject:
    if _is_reread(state, destination):
        return _restored(role, state, destination, replica, staged)
    pieces = pieces_of(role, state)
    for piece in pieces:
        share(role, piece.runs)
    layout = _layout(role, state, pieces) if state.layout else 0
    return msgspec.structs.replace(replica, layout=layout, seal=_seal(role, bucket, state, destination, rule))


def _restored(
    ctx: Context, state: StoredObject, destination: Bucket, replica: StoredObject, staged: Staged | None
) -> StoredObject:
    """The replica with the bytes that were read again, all in one blob."""
    read = staged.carry if staged is not None else None
    if not isinstance(read, Reading) or (read.destination, read.runs) != (destination.id, _runs(ctx, state)):
        raise MustReread
    assert staged is not None, "what carries a reading was staged"
    blob = ctx.tx.blobs.publish(staged)
    etag = state.etag if read.seal is None or read.seal.kind == "s3" else ctx.ids.hex(32)
    made = msgspec.structs.replace(replica, seal=read.seal, etag=etag)
    if not state.layout:
        return msgspec.structs.replace(made, blob=blob)
    offset, pieces = 0, []
    for piece in pieces_of(ctx, state):
        pieces.append(Piece(piece.number, piece.size, piece.etag, piece.checksum, ((blob, offset, piece.size),)))
        offset += piece.size
    for _ in pieces[1:]:
        ctx.tx.blobs.share(blob)
    return msgspec.structs.replace(made, blob=0, layout=_layout(ctx, state, tuple(pieces)))


def _layout(ctx: Context, state: StoredObject, pieces: tuple[Piece, ...]) -> int:
    """A layout of the replica's own; an object in parts keeps its parts."""
    layout = Layout(ctx.tx.next_id("s3_layout"), "", pieces)
    ctx.tx[Layout].put(layout)
    return layout.id


def _seal(role: Context, bucket: Bucket, state: StoredObject, destination: Bucket, rule: Rule) -> Seal | None:
    """Keys that only the client has, and ours, hold there as here; one of KMS is exchanged for the rule's."""
    seal = state.seal
    if seal is None or seal.kind != "kms":
        return seal
    data_key = seals.data_key(role, bucket, state.key, seal, {})
    return seals.rewrap(role, destination, state.key, data_key, seal, rule.key)


# -- putting it there --------------------------------------------------------------------------------------------------


def _insert(role: Context, destination: Bucket, replica: StoredObject) -> None:
    made = objects.insert(role, destination, replica)
    if destination.notifies:
        event = "ObjectRemoved:DeleteMarkerCreated" if made.marker else "ObjectCreated:Put"
        notify(role, destination, event, made)
