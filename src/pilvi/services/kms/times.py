"""Times as answers tell them."""

from datetime import UTC, datetime


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
