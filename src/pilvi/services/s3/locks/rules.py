"""What a lock is, and who may change it how. Nothing here reads or writes.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from pilvi.services.s3.errors import InvalidRequest, MalformedXML, S3Error, invalid_argument
from pilvi.services.s3.records import Bucket, Retention, StoredObject

Params = Mapping[str, Any]

DAY_MS = 24 * 60 * 60 * 1000
DAYS_A_YEAR = 365
DAYS_MAX = 36_500
YEARS_MAX = 100

MODES = {"GOVERNANCE": "governance", "COMPLIANCE": "compliance"}
SHOWN = {word: name for name, word in MODES.items()}
HOLDS = {"ON": True, "OFF": False}
LOCKING = frozenset({"ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus"})
"""The members of an upload's request that say how the new object is locked."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MISSING = "Bucket is missing Object Lock Configuration"


class InvalidRetentionPeriod(S3Error):
    code = "InvalidRetentionPeriod"


class Lock(msgspec.Struct, frozen=True):
    """The fields of a version that say how it is locked."""

    lock: str = ""
    locked_until_ms: int = 0
    held: bool = False
    hold_lifted: bool = False


def check_lockable(bucket: Bucket) -> None:
    """Raises InvalidRequest for a bucket whose objects cannot be locked."""
    if not bucket.locks:
        raise InvalidRequest(_MISSING)


def uploaded_lock(bucket: Bucket, req: Params, now_ms: int) -> Lock:
    """The lock that the headers of an upload ask for.

    Raises:
        InvalidRequest: objects of this bucket cannot be locked.
        InvalidArgument: there is no such lock.
    """
    check_lockable(bucket)
    mode, until_ms = "", 0
    if ("ObjectLockMode" in req) != ("ObjectLockRetainUntilDate" in req):
        given = "mode" if "ObjectLockMode" in req else "retain-until-date"
        raise invalid_argument(
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
            f"x-amz-object-lock-{given}",
            req.get("ObjectLockMode", req.get("ObjectLockRetainUntilDate")),
        )
    if "ObjectLockMode" in req:
        if req["ObjectLockMode"] not in MODES:
            raise invalid_argument("Unknown wormMode directive.", "x-amz-object-lock-mode", req["ObjectLockMode"])
        mode = MODES[req["ObjectLockMode"]]
        until_ms = milliseconds(req["ObjectLockRetainUntilDate"])
        check_future(until_ms, now_ms, "x-amz-object-lock-retain-until-date")
    status = req.get("ObjectLockLegalHoldStatus")
    if status is not None and status not in HOLDS:
        raise invalid_argument("Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold", status)
    return Lock(mode, until_ms, held=status == "ON", hold_lifted=status == "OFF")


def check_future(until_ms: int, now_ms: int, name: str) -> None:
    if until_ms <= now_ms:
        raise invalid_argument("The retain until date must be in the future!", name, moment(until_ms).isoformat())


def asked_retention(given: Params, now_ms: int) -> tuple[str, int]:
    """(mode, until when) of a Retention document, ("", 0) for an empty one, which ends it.

    Raises:
        MalformedXML: half of it, or no such mode.
        InvalidArgument: the time has passed.
    """
    if "Mode" not in given and "RetainUntilDate" not in given:
        return "", 0
    if given.get("Mode") not in MODES or "RetainUntilDate" not in given:
        raise MalformedXML
    until_ms = milliseconds(given["RetainUntilDate"])
    check_future(until_ms, now_ms, "RetainUntilDate")
    return MODES[given["Mode"]], until_ms


def may_change(present: StoredObject, mode: str, until_ms: int, now_ms: int, *, bypass: bool) -> bool:
    """Whether a version's retention may become another.

    It can always be made longer. Nobody weakens compliance mode; governance mode only who may bypass it.
    """
    if present.locked_until_ms <= now_ms:
        return True
    if mode == present.lock and until_ms >= present.locked_until_ms:
        return True
    return present.lock == "governance" and bypass


def asked_default(rule: Params) -> Retention:
    """The default retention that a Rule of a lock configuration sets.

    Raises:
        MalformedXML: no mode, or not one of days and years.
        InvalidRetentionPeriod: too few of them, or too many.
    """
    given: Params = rule.get("DefaultRetention", {})
    if given.get("Mode") not in MODES or ("Days" in given) == ("Years" in given):
        raise MalformedXML
    days, years = given.get("Days", 0), given.get("Years", 0)
    if days + years < 1:
        raise InvalidRetentionPeriod("Default retention period must be a positive integer value.")
    if days > DAYS_MAX or years > YEARS_MAX:
        raise InvalidRetentionPeriod("Default retention period too large.")
    return Retention(MODES[given["Mode"]], days, years)


def default_lock(retention: Retention, now_ms: int) -> tuple[str, int]:
    """(mode, until when) of an object that is made now."""
    days = retention.days + retention.years * DAYS_A_YEAR
    return retention.mode, now_ms + days * DAY_MS


def milliseconds(at: datetime) -> int:
    """Since 1970. Times without a zone are UTC."""
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def remaining_days(until_ms: int, now_ms: int) -> int:
    """As the condition key s3:object-lock-remaining-retention-days counts them: days that have begun count."""
    return -((now_ms - until_ms) // DAY_MS)
