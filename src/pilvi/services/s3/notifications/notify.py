"""Telling of a change of an object, in the transaction that makes it.

The event is written with the change, and delivered at least once after it.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from pilvi.core.caller import service
from pilvi.core.context import Context
from pilvi.core.errors import CloudError, NotBuilt
from pilvi.services.s3.names import bucket_arn, owner_id
from pilvi.services.s3.notifications.targets import TARGETS
from pilvi.services.s3.records import Bucket, BucketNotifications, NotificationRule, StoredObject

PRINCIPAL = "s3.amazonaws.com"
_NO_MORE: Mapping[str, Any] = {}
_ENDS = ("ObjectRemoved:", "LifecycleExpiration:")
# Versions of the record by family of events, where it is not 2.1.
_VERSIONS = {
    "IntelligentTiering": "2.3",
    "LifecycleExpiration": "2.3",
    "LifecycleTransition": "2.3",
    "ObjectAcl": "2.3",
    "ObjectTagging": "2.3",
    "Replication": "2.2",
}
_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"  # MD5 of no bytes, which is what a delete marker has


def notify(ctx: Context, bucket: Bucket, event: str, about: StoredObject, more: Mapping[str, Any] = _NO_MORE) -> None:
    """Tells everyone whose rule matches. A target that is gone or refuses loses its event, as on AWS; the change stays.

    Args:
        event: without "s3:", as "ObjectCreated:Put".
        more: what only events of this family have: {"replicationEventData": ...}, {"lifecycleEventData": ...}.
    """
    row = ctx.tx[BucketNotifications].get(bucket.id)
    rules = [rule for rule in row.rules if matches(rule, event, about.key)] if row else []
    if not rules:
        return
    record = _record(ctx, bucket, event, about) | dict(more)
    caller = service(PRINCIPAL, bucket.account, source=bucket_arn(bucket.name))
    for rule in rules:
        record["s3"]["configurationId"] = rule.id
        try:
            with ctx.tx.savepoint():
                TARGETS[rule.kind].send(ctx, caller, rule, record)
        except CloudError as error:
            if error.fault == "server" and not isinstance(error, NotBuilt):  # we failed: then nothing changes either
                raise


def matches(rule: NotificationRule, event: str, key: str) -> bool:
    return (
        any(pattern == event or (pattern[-1] == "*" and event.startswith(pattern[:-1])) for pattern in rule.events)
        and key.startswith(rule.prefix)
        and key.endswith(rule.suffix)
    )


def _record(ctx: Context, bucket: Bucket, event: str, about: StoredObject) -> dict[str, Any]:
    moment = datetime.fromtimestamp(ctx.now_ms / 1000, UTC)
    return {
        "eventVersion": _VERSIONS.get(event.partition(":")[0], "2.1"),
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": f"{moment:%Y-%m-%dT%H:%M:%S}.{ctx.now_ms % 1000:03}Z",
        "eventName": event,
        "userIdentity": {"principalId": _principal(ctx)},
        "requestParameters": {"sourceIPAddress": _source(ctx)},
        "responseElements": {
            "x-amz-request-id": ctx.request.request_id,
            "x-amz-id-2": f"pilvi/{ctx.request.request_id}",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "",
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": owner_id(bucket.account)[:14].upper()},
                "arn": bucket_arn(bucket.name),
            },
            "object": _object(ctx, event, about),
        },
    }


def _principal(ctx: Context) -> str:
    if ctx.caller.kind == "service":
        return ctx.caller.arn
    return "Anonymous" if ctx.caller.kind == "anonymous" else f"AWS:{ctx.caller.user_id}"


def _source(ctx: Context) -> str | list[str]:
    """Where the request came from: S3 itself, when it does what rules tell it."""
    return ctx.caller.arn if ctx.caller.kind == "service" else ctx.request.context.get("aws:SourceIp", "127.0.0.1")


def _object(ctx: Context, event: str, about: StoredObject) -> dict[str, Any]:
    """Key and sequencer always, what it looks like only while it is there. Keys are encoded as in a form."""
    shown: dict[str, Any] = {"key": quote_plus(about.key, safe="/*")}
    if about.marker:
        shown["eTag"] = _NOTHING
    elif not event.startswith(_ENDS):
        shown |= {"size": about.size, "eTag": about.etag}
    if about.version:
        shown["versionId"] = about.version
    return shown | {"sequencer": f"{ctx.tx.next_id('s3_sequencer'):018X}"}
