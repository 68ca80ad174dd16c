"""The values that rules are made of: days, dates, and how many versions are kept."""

from datetime import UTC, datetime, timedelta

from pilvi.services.s3.errors import InvalidArgument

DAY_MS = 86_400_000
KEPT_MAX = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def positive(value: int, name: str, action: str) -> int:
    """The same number. Raises InvalidArgument when it is none that counts."""
    if value <= 0:
        raise InvalidArgument(f"'{name}' for {action} action must be a positive integer")
    return value


def kept(value: int, action: str) -> int:
    """How many newer versions must be there; raises InvalidArgument."""
    if value > KEPT_MAX:
        raise InvalidArgument(f"'NewerNoncurrentVersions' for {action} action must not exceed {KEPT_MAX}")
    return positive(value, "NewerNoncurrentVersions", action)


def shown_kept(number: int) -> dict[str, int]:
    return {"NewerNoncurrentVersions": number} if number else {}


def midnight_ms(moment: datetime) -> int:
    """Milliseconds of a date. Raises InvalidArgument for a time that is not the beginning of a day."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    if since % timedelta(days=1):
        raise InvalidArgument("'Date' must be at midnight GMT")
    return since.days * DAY_MS


def date(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
