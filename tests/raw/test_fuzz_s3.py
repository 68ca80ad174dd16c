"""Requests to object storage and its keys that nobody meant, signed as they should be. `make fuzz` does it for minutes."""

from __future__ import annotations

from pathlib import Path

from fuzz.driver import Fuzz
from live import LiveCloud
from trust import checked

SEED = 20
REQUESTS = 3_000
SECONDS_MAX = 15.0


def test_whatever_object_storage_is_asked_it_answers(tmp_path: Path) -> None:
    """Nothing breaks inside, no connection hangs, memory is bounded, and what is stored agrees with itself."""
    with LiveCloud(tmp_path, "--lifecycle-day-seconds", "5") as cloud:
        fuzz = Fuzz(cloud, SEED)
        fuzz.run(requests=REQUESTS, seconds=SECONDS_MAX)
    assert fuzz.findings == []
    assert fuzz.statuses[200] > fuzz.statuses.total() // 20, "hardly anything got past the door"
    summary, told = checked(cloud.data)
    assert not summary.damage, told[:20]
