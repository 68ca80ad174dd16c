"""PutObject."""

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.effects import StagePlan
from pilvi.core.operation import operation
from pilvi.services.s3.access import Conditions, Params, find_bucket, object_check, requested_tags
from pilvi.services.s3.acls import parse as acls
from pilvi.services.s3.acls.checks import new_object_check
from pilvi.services.s3.acls.conditions import KEYS as LIST_KEYS
from pilvi.services.s3.acls.writing import ownership_of
from pilvi.services.s3.attributes import attributes
from pilvi.services.s3.checksums import declared, digests, shown, verified
from pilvi.services.s3.conditions import check_write
from pilvi.services.s3.encryption import seals
from pilvi.services.s3.encryption.wishes import wished
from pilvi.services.s3.errors import EntityTooLarge
from pilvi.services.s3.lifecycle.dates import expiration
from pilvi.services.s3.locks import uploads as locks
from pilvi.services.s3.locks.rules import LOCKING
from pilvi.services.s3.names import check_key
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.objects import replace
from pilvi.services.s3.records import Bucket, StoredObject
from pilvi.services.s3.tagging.tags import parse_header
from pilvi.services.s3.types import PutObjectOutput, PutObjectRequest

PUT_BYTES_MAX = 5 * 1024**3
_SHOWN_TO_POLICIES = {
    **LIST_KEYS,
    "StorageClass": "s3:x-amz-storage-class",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "SSECustomerAlgorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
    "IfMatch": "s3:if-match",
    "IfNoneMatch": "s3:if-none-match",
    "CopySource": "s3:x-amz-copy-source",
    "MetadataDirective": "s3:x-amz-metadata-directive",
}
_TELLING = frozenset(_SHOWN_TO_POLICIES)


def write_checks(ctx: Context, bucket: Bucket, req: Params) -> list[Check]:
    """The questions before an object is written: its bytes, and its tags when the request has some."""
    key: str = req["Key"]
    check_key(key)
    conditions: Conditions = {}
    if not _TELLING.isdisjoint(req):
        conditions = {name: req[member] for member, name in _SHOWN_TO_POLICIES.items() if member in req}
    locking = bucket.locks and not LOCKING.isdisjoint(req)
    if "Tagging" not in req and not bucket.ownership and not locking:
        return [object_check(ctx, bucket, key, "s3:PutObject", conditions)]
    also = []
    if "Tagging" in req:
        conditions |= requested_tags(parse_header(req["Tagging"]))
        also = ["s3:PutObjectTagging"]
    if bucket.ownership and not acls.MEMBERS.isdisjoint(req):
        also.append("s3:PutObjectAcl")
    if locking:
        conditions |= locks.lock_conditions(ctx, req)
        also += locks.lock_actions(req)
    written = object_check(ctx, bucket, key, "s3:PutObject", conditions)
    return [written, *(new_object_check(ctx, bucket, key, action, conditions) for action in also)]


def _check(ctx: Context, req: PutObjectRequest) -> list[Check]:
    return write_checks(ctx, find_bucket(ctx, req), req)


def _stages(ctx: Context, req: PutObjectRequest) -> StagePlan:
    return plan_write(ctx, req)


def plan_write(ctx: Context, req: Params, bytes_max: int = PUT_BYTES_MAX) -> StagePlan:
    """Refuses before the first byte what would be refused after the last."""
    given = attributes(req)
    check_size(req, bytes_max)
    bucket = find_bucket(ctx, req)
    if given.locking:
        locks.check_headers(ctx, bucket, req)
    ownership_of(ctx, bucket, req)
    if "IfNoneMatch" in req or "IfMatch" in req:
        check_write(req, ctx.tx[StoredObject].get(bucket.id, req["Key"]), req["Key"])
    return seals.plan(ctx, bucket, req["Key"], wished(req, bucket), digests(declared(req)), bytes_max)


def check_size(req: Params, most: int) -> None:
    if req.get("ContentLength", 0) > most:
        raise EntityTooLarge(fields={"ProposedSize": req["ContentLength"], "MaxSizeAllowed": most})


@operation("PutObject", check=_check, stages=_stages, open=True)
def put_object(ctx: Context, req: PutObjectRequest) -> PutObjectOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
    return write_object(ctx, req, "ObjectCreated:Put")


def write_object(ctx: Context, req: Params, event: str) -> PutObjectOutput:
    """Makes a received body the object that the request names, whichever way both came, and tells of it as `event`."""
    bucket = find_bucket(ctx, req)
    key, body = req["Key"], req["Body"]
    kind, checksum = verified(body, declared(req))
    present = ctx.tx[StoredObject].get(bucket.id, key)
    check_write(req, present, key)
    given = attributes(req)
    owner, acl = ownership_of(ctx, bucket, req)
    made = StoredObject(
        bucket=bucket.id,
        key=key,
        size=body.size,
        modified_ms=ctx.now_ms,
        etag=seals.etag(ctx, body.carry, body.digests["md5"]),
        blob=ctx.tx.blobs.publish(body),
        checksum=checksum,
        checksum_kind=kind,
        headers=given.headers,
        metadata=given.metadata,
        tags=given.tags,
        storage_class=given.storage_class,
        owner=owner,
        acl=acl,
        seal=body.carry,
    )
    if given.locking:
        made = locks.with_lock(ctx, bucket, req, made)
    made = replace(ctx, bucket, present, made)
    if bucket.notifies:
        notify(ctx, bucket, event, made)
    result: PutObjectOutput = {"ETag": f'"{made.etag}"', **shown(kind, checksum, composite=False)}  # type: ignore[typeddict-item]
    if made.version:
        result["VersionId"] = made.version
    if bucket.ages:
        result |= expiration(ctx, bucket, made)  # type: ignore[typeddict-item]
    if made.seal is not None:
        result |= seals.answered(made.seal)  # type: ignore[typeddict-item]
    return result
