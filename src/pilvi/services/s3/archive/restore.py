"""RestoreObject."""

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3.access import (
    Conditions,
    existing_object,
    existing_tags,
    find_bucket,
    named_version,
    object_check,
)
from pilvi.services.s3.archive.state import CLASSES
from pilvi.services.s3.conditions import when
from pilvi.services.s3.errors import InvalidArgument, InvalidObjectState, MalformedXML, invalid_argument
from pilvi.services.s3.names import check_key
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.objects import update
from pilvi.services.s3.types import RestoreObjectOutput, RestoreObjectRequest, RestoreRequest

DAY_MS = 24 * 60 * 60 * 1000
DAYS_MAX = 1_000_000
"""Later days have no name: dates end with the year 9999."""

TIERS = frozenset({"Standard", "Bulk", "Expedited"})
_SELECTING = frozenset({"OutputLocation", "SelectParameters"})


def _check(ctx: Context, req: RestoreObjectRequest) -> Check:
    bucket, key = find_bucket(ctx, req), req["Key"]
    check_key(key)
    found = named_version(ctx, bucket, req)
    conditions: Conditions = existing_tags(found) if found else {}
    if "VersionId" in req:
        conditions["s3:VersionId"] = req["VersionId"]
    return object_check(ctx, bucket, key, "s3:RestoreObject", conditions, found)


@operation("RestoreObject", check=_check, open=True, bodiless=True)
def restore_object(ctx: Context, req: RestoreObjectRequest) -> RestoreObjectOutput:
    """Makes an archived object readable for some days; asked again, for other days.

    The answer has status 202 the first time and 200 while the copy is there.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
    """
    bucket = find_bucket(ctx, req)
    wanted = req.get("RestoreRequest", {})
    if wanted.get("Type") == "SELECT" or not _SELECTING.isdisjoint(wanted):
        raise NotBuilt("Selecting from archived objects is not built.")
    found = existing_object(ctx, bucket, req)
    if found.storage_class not in CLASSES:
        raise InvalidObjectState("Restore is not allowed for the object's current storage class")
    _check_tier(wanted, found.storage_class)
    until_ms = _until_ms(ctx.now_ms, _days(wanted))
    begins = found.restored_until_ms <= ctx.now_ms
    changed = msgspec.structs.replace(found, restored_until_ms=until_ms)
    update(ctx, bucket, changed)
    if bucket.notifies and begins:
        notify(ctx, bucket, "ObjectRestore:Post", changed)
        told = {
            "lifecycleRestorationExpiryTime": f"{when(until_ms):%Y-%m-%dT%H:%M:%S}.000Z",
            "lifecycleRestoreStorageClass": found.storage_class,
        }
        notify(ctx, bucket, "ObjectRestore:Completed", changed, {"glacierEventData": {"restoreEventData": told}})
    return {"Begins": True} if begins else {}  # type: ignore[typeddict-unknown-key] # wire makes 202 of it


def _days(wanted: RestoreRequest) -> int:
    if "Days" not in wanted:
        raise MalformedXML
    if not 1 <= wanted["Days"] <= DAYS_MAX:
        raise invalid_argument("restoration days should be at least 1", "Days", wanted["Days"])
    return wanted["Days"]


def _check_tier(wanted: RestoreRequest, storage_class: str) -> None:
    tier = wanted.get("GlacierJobParameters", {}).get("Tier", wanted.get("Tier", "Standard"))
    if tier not in TIERS:
        raise MalformedXML
    if tier == "Expedited" and storage_class == "DEEP_ARCHIVE":
        raise InvalidArgument("Retrieval option is not supported by this storage class")


def _until_ms(now_ms: int, days: int) -> int:
    """The midnight (UTC) after so many days."""
    return -(-(now_ms + days * DAY_MS) // DAY_MS) * DAY_MS
