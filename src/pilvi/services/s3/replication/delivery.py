"""Carrying replication out: an entry of the outbox comes again, with growing pauses, until every rule was followed.

What cannot be done for a day is given up: the version is FAILED, and whoever wants to know is told.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.effects import Restage, Staged
from pilvi.core.errors import CloudError
from pilvi.core.operation import RetryAt, Settled
from pilvi.services.s3 import objects
from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.notifications.notify import notify
from pilvi.services.s3.records import Bucket, StoredObject
from pilvi.services.s3.replication.plan import TOPIC, Work, decode, encode
from pilvi.services.s3.replication.records import Replication, Rule
from pilvi.services.s3.replication.replica import MustReread, reading, synchronise
from pilvi.services.s3.replication.role import Sessions, acting_as_role
from pilvi.state.store import OutboxEntry

PAUSE_FIRST_MS = 1_000  # doubled each time ...
PAUSE_MS_MAX = 15 * 60_000  # ... up to here
GIVEN_UP_MS = 24 * 3_600_000
FAILURE_CHARACTERS_MAX = 1_024
AGAIN = "the bytes must be read again"


class Job(msgspec.Struct, frozen=True):
    """What an entry of the outbox comes to, as things are now."""

    work: Work
    bucket: Bucket
    state: StoredObject
    role: str
    rules: tuple[Rule, ...]


class Replicating:
    """The delivery of `s3.replicate`."""

    topic = TOPIC

    def __init__(self) -> None:
        self._sessions = Sessions()

    def begin(self, ctx: Context, entry: OutboxEntry) -> Restage | None:
        """The bytes of one destination are read again at a time. What stands in the way, `settle` will find too."""
        job = _job(ctx, decode(entry.body))
        if job is None or job.state.seal is not None or job.state.marker or job.work.changed:
            return None
        for rule in job.rules:
            try:
                wanted = reading(acting_as_role(ctx, job.bucket, job.role), job.bucket, job.state, rule)
            except CloudError:
                continue
            if wanted is not None:
                return wanted
        return None

    def settle(self, ctx: Context, entry: OutboxEntry, outcome: Any) -> Settled | RetryAt:
        """Follows every rule that is left."""
        job = _job(ctx, decode(entry.body))
        if job is None:
            return Settled()
        staged = outcome if isinstance(outcome, Staged) else None
        failures = {rule.id: failure for rule in job.rules if (failure := self._follow(ctx, job, rule, staged))}
        _tell_late(ctx, job, failures)
        if not failures:
            _finish(ctx, job, "completed")
            return Settled()
        if ctx.now_ms - job.work.begun_ms >= GIVEN_UP_MS:
            return _give_up(ctx, job, failures)
        late = {*job.work.late, *(rule.id for rule in job.rules if rule.id in failures and _is_late(ctx, job, rule))}
        left = tuple(
            sorted(failures, key=lambda name: failures[name] != AGAIN)
        )  # whose bytes are next to be read: first
        again = msgspec.structs.replace(job.work, rules=left, late=tuple(sorted(late)))
        return RetryAt(_due(ctx, entry, job, failures), _words(failures), encode(again))

    def _follow(self, ctx: Context, job: Job, rule: Rule, staged: Staged | None) -> str:
        """Why a rule could not be followed; "" when it was."""
        try:
            with ctx.tx.savepoint():
                role = self._sessions.acting(ctx, job.bucket, job.role)
                synchronise(role, job.bucket, job.state, rule, staged, changed=job.work.changed, back=job.work.back)
        except MustReread:
            return AGAIN
        except CloudError as error:
            self._sessions.forget(job.bucket, job.role)
            return f"{error.code}: {error.message}"[:FAILURE_CHARACTERS_MAX]
        return ""


def _job(ctx: Context, work: Work) -> Job | None:
    """None: there is nothing (any more) to be done."""
    bucket = ctx.tx[Bucket].get(work.name)
    if bucket is None or bucket.id != work.bucket:
        return None
    state = objects.find_version(ctx, bucket, work.key, work.version)
    if state is None:
        return None
    found = ctx.tx[Replication].get(bucket.id)
    known = {rule.id: rule for rule in found.rules if rule.enabled} if found else {}
    rules = tuple(known[name] for name in work.rules if name in known)
    return Job(work, bucket, state, found.role if found else "", rules)


def _due(ctx: Context, entry: OutboxEntry, job: Job, failures: dict[str, str]) -> int:
    """When to try again: not after the moment at which somebody is to be told that it is late."""
    due_ms = ctx.now_ms + min(PAUSE_FIRST_MS << min(entry.attempts, 20), PAUSE_MS_MAX)
    if len(failures) < len(job.work.rules) and AGAIN in failures.values():
        due_ms = ctx.now_ms  # one destination's bytes came; now the next one's
    promised = [
        job.work.begun_ms + rule.threshold * 60_000
        for rule in job.rules
        if rule.measured and rule.threshold and rule.id in failures and rule.id not in job.work.late
    ]
    return min([due_ms, *(at_ms for at_ms in promised if at_ms > ctx.now_ms)])


def _finish(ctx: Context, job: Job, how: str) -> None:
    """Writes down how it went. What is itself a replica stays one. Rules that went meanwhile were not followed."""
    if job.work.back:
        return
    if not job.rules:
        how = "failed"
    now = objects.find_version(ctx, job.bucket, job.work.key, job.work.version)
    if now is not None and now.replication != how:
        objects.put_back(ctx, job.bucket, msgspec.structs.replace(now, replication=how))


def _give_up(ctx: Context, job: Job, failures: dict[str, str]) -> Settled:
    _finish(ctx, job, "failed")
    for rule in job.rules:
        if rule.id in failures:
            _tell(ctx, job, rule, "OperationFailedReplication", failures[rule.id])
    return Settled(dropped=f"{job.bucket.name} could not be replicated: {_words(failures)}")


def _words(failures: dict[str, str]) -> str:
    return "; ".join(dict.fromkeys(failures.values()))[:FAILURE_CHARACTERS_MAX]


# -- events ------------------------------------------------------------------------------------------------------------


def _is_late(ctx: Context, job: Job, rule: Rule) -> bool:
    return bool(rule.measured and rule.threshold) and ctx.now_ms - job.work.begun_ms >= rule.threshold * 60_000


def _tell_late(ctx: Context, job: Job, failures: dict[str, str]) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-time-control.html#using-s3-rtc-events"""
    for rule in job.rules:
        if rule.id in failures:
            if _is_late(ctx, job, rule) and rule.id not in job.work.late:
                _tell(ctx, job, rule, "OperationMissedThreshold", "")
        elif _is_late(ctx, job, rule):
            _tell(ctx, job, rule, "OperationReplicatedAfterThreshold", "")


def _tell(ctx: Context, job: Job, rule: Rule, event: str, failure: str) -> None:
    if not job.bucket.notifies:
        return
    about: dict[str, Any] = {
        "replicationRuleId": rule.id,
        "destinationBucket": bucket_arn(rule.destination),
        "s3Operation": _operation(job),
        "requestTime": _moment(job.work.begun_ms),
    }
    if rule.threshold:
        about["threshold"] = str(rule.threshold)
    if failure:
        about["failureReason"] = failure
    if event == "OperationReplicatedAfterThreshold":
        about["replicationTime"] = str((ctx.now_ms - job.work.begun_ms) // 60_000)
    notify(ctx, job.bucket, f"Replication:{event}", job.state, {"replicationEventData": about})


def _operation(job: Job) -> str:
    if job.state.marker:
        return "OBJECT_DELETE"
    return "OBJECT_PUT_TAGGING" if job.work.changed else "OBJECT_PUT"


def _moment(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"
