"""Lifecycle rules in a test's hands: a bucket, a clock, and the job's steps taken one by one."""

from __future__ import annotations

from typing import Any

from pilvi.core.operation import RetryAt, Settled
from pilvi.events import worker
from pilvi.services.s3.lifecycle.delivery import Aging
from pilvi.services.s3.lifecycle.round import TOPIC
from pilvi.state.store import OutboxEntry
from s3kit import Buckets

DAY_MS = 86_400_000
BUCKET = "photos"


class Crash(Exception):
    """What was not committed is gone."""


def rules(s3: Buckets, *wanted: dict[str, Any], **more: Any) -> None:
    """Puts these rules. Each is enabled and for all keys, unless it says otherwise."""
    filled = [{"ID": f"rule-{number}", "Filter": {}, "Status": "Enabled", **rule} for number, rule in enumerate(wanted)]
    s3.s3("PutBucketLifecycleConfiguration", Bucket=BUCKET, LifecycleConfiguration={"Rules": filled}, **more)


def due(s3: Buckets) -> list[OutboxEntry]:
    """The job's entries that are due."""
    with s3.store.read() as tx:
        return list(tx[OutboxEntry].scan(TOPIC, index="due", end=s3.clock.now + 1))


def waiting(s3: Buckets) -> list[OutboxEntry]:
    with s3.store.read() as tx:
        return list(tx[OutboxEntry].scan(TOPIC, index="due"))


def step(s3: Buckets, entry: OutboxEntry, *, dies: bool = False) -> None:
    """One step of the job, as the worker takes it; `dies`: the process ends just before it is committed."""
    aging = Aging()
    with s3.store.read() as tx:
        verdict = aging.begin(s3.context(tx), entry)

    def attempt(tx: Any) -> None:
        decided: Settled | RetryAt = verdict or aging.settle(s3.context(tx), entry, None)
        worker._keep(entry, decided, tx)
        if dies:
            raise Crash

    s3.store.write(attempt)


def run(s3: Buckets) -> int:
    """Takes steps until none is due before the next midnight; how many."""
    steps = 0
    while True:
        entries = due(s3)
        if not entries:
            soon = [entry for entry in waiting(s3) if entry.due_ms <= s3.clock.now + 1000]
            if not soon:
                return steps
            s3.clock.advance(10)
            continue
        step(s3, entries[0])
        steps += 1


def pass_days(s3: Buckets, days: int) -> None:
    """So many midnights pass, each with its round."""
    for _ in range(days):
        s3.clock.now = (s3.clock.now // DAY_MS + 1) * DAY_MS
        run(s3)


def shown(s3: Buckets) -> list[tuple[str, str, bool]]:
    """Key, version and whether it is a delete marker, of all versions, in the order of keys; markers behind."""
    listed = s3.s3("ListObjectVersions", Bucket=BUCKET)
    found = [(entry["Key"], entry["VersionId"], False) for entry in listed.get("Versions", ())]
    found += [(entry["Key"], entry["VersionId"], True) for entry in listed.get("DeleteMarkers", ())]
    return sorted(found, key=lambda entry: (entry[0], entry[2]))
