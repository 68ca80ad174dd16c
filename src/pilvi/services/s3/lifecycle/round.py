"""A walk over a bucket in bounded steps: where it stands, and what it comes across that is due.

    current objects  ->  older versions and delete markers  ->  uploads in parts

Only keys are read that begin with a prefix that a rule names.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.services.s3.lifecycle.dates import day_ms
from pilvi.services.s3.lifecycle.records import Lifecycle
from pilvi.services.s3.lifecycle.rules import (
    REMOVE,
    Due,
    abortion,
    due_current,
    due_marker,
    due_older,
    spans,
    speaks_of_current,
    speaks_of_older,
    speaks_of_uploads,
)
from pilvi.services.s3.lifecycle.values import KEPT_MAX
from pilvi.services.s3.names import successor
from pilvi.services.s3.objects import locked
from pilvi.services.s3.records import Bucket, OlderVersion, StoredObject, Upload

TOPIC = "s3.lifecycle"
PHASES = ("current", "older", "uploads")
LOOKED_AT_MAX = 250
"""Rows that one step reads: two milliseconds ..."""

COMPARED_MAX = 5_000
"""... and how often it compares a row with a rule, however many rules there are."""

DONE_MAX = 100
"""Versions that one step changes: a few milliseconds of the writer's time ..."""

RELEASED_MAX = 10_000
"""... of which those that go had this many parts altogether, or one had: each part costs as much as a small object ..."""

ABORTED_MAX = 4
"""... and uploads that it aborts: each may have ten thousand parts."""


_NOT_ELSEWHERE = frozenset({"pending", "failed"})


class Round(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far one walk over a bucket has come.

    Attributes:
        generation: of the rules that it was begun for.
        after: the last that was looked at: its key, and the rank of the version or the id of the upload.
    """

    bucket: int
    name: str
    generation: int
    phase: str = PHASES[0]
    after: tuple[str, int | str] | None = None


class Work(msgspec.Struct, frozen=True):
    """What is due, and for whom. Uploads are aborted, whatever `due` says."""

    due: Due
    what: StoredObject | OlderVersion | Upload


def begin_rounds(ctx: Context, bucket: Bucket, rules: Lifecycle) -> None:
    """Begins a walk over the bucket after this commit; it begins again by itself at each midnight.

    The entry of earlier rules ends when it sees that there are others.
    """
    begun = Round(bucket.id, bucket.name, rules.generation)
    ctx.tx.publish(TOPIC, msgspec.json.encode(begun), key=str(bucket.id))


def look(ctx: Context, bucket: Bucket, config: Lifecycle, at: Round) -> tuple[list[Work], Round | None]:
    """One step: what is due among the next rows, and where the next step begins (None: that was all)."""
    works: list[Work] = []
    phase: str | None = at.phase
    while phase is not None:
        after = _STEPS[phase](ctx, bucket, config, at.after, works)
        if after is not None:
            return works, msgspec.structs.replace(at, phase=phase, after=after)
        phase = _following(phase)
        at = msgspec.structs.replace(at, after=None)
        if works and phase is not None:
            return works, msgspec.structs.replace(at, phase=phase)
    return works, None


def rows_max(config: Lifecycle) -> int:
    """Rows that a step reads under these rules."""
    return min(LOOKED_AT_MAX, max(1, COMPARED_MAX // len(config.rules)))


def _following(phase: str) -> str | None:
    place = PHASES.index(phase) + 1
    return PHASES[place] if place < len(PHASES) else None


# Each looks at rows behind `after`, adds what is due to `works`, and says behind which the next step goes on.
After = tuple[str, int | str] | None


def _current(ctx: Context, bucket: Bucket, config: Lifecycle, after: After, works: list[Work]) -> After:
    prefixes = spans(rule.prefix or "" for rule in config.rules if rule.enabled and speaks_of_current(rule))
    day, last, most = day_ms(ctx), rows_max(config), len(works) + DONE_MAX
    for seen, row in enumerate(_rows(ctx.tx[StoredObject], bucket, prefixes, after, whole=False), start=1):
        due = due_current(config, row, ctx.now_ms, day, versioned=bool(bucket.versioning))
        if due and not _waits(ctx, bucket, row, removed=due is REMOVE and _goes_for_good(bucket, row)):
            works.append(Work(due, row))
        if seen == last or len(works) == most or _let_go_of_much(works):
            return row.key, 0
    return None


def _let_go_of_much(works: list[Work]) -> bool:
    return bool(works and _parts(works[-1])) and sum(map(_parts, works)) >= RELEASED_MAX


def _parts(work: Work) -> int:
    """How many parts go with it."""
    if work.due is not REMOVE or isinstance(work.what, Upload):
        return 0
    return work.what.state.parts if isinstance(work.what, OlderVersion) else work.what.parts


def _goes_for_good(bucket: Bucket, row: StoredObject) -> bool:
    """With versioning a current version only steps back, but for the null version of a bucket that makes no others."""
    return bucket.versioning != "enabled" and not row.version


def _waits(ctx: Context, bucket: Bucket, found: StoredObject, *, removed: bool) -> bool:
    """Whether something else comes first: a lock, or a copy elsewhere that is not made yet, or could not be.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-and-other-bucket-config.html
    """
    if bucket.replicates and found.replication in _NOT_ELSEWHERE:
        return True
    return removed and locked(found, ctx.now_ms)


def _older(ctx: Context, bucket: Bucket, config: Lifecycle, after: After, works: list[Work]) -> After:
    if not bucket.versioning:
        return None
    prefixes = spans(rule.prefix or "" for rule in config.rules if rule.enabled and speaks_of_older(rule))
    day, last, most = day_ms(ctx), rows_max(config), len(works) + DONE_MAX
    key, newer = "", 0
    for seen, row in enumerate(_rows(ctx.tx[OlderVersion], bucket, prefixes, after), start=1):
        if seen == 1 or row.key != key:
            key, newer = row.key, _newer(ctx, bucket, row) if after is not None and after[0] == row.key else 0
        if row.superseded_ms:
            due = due_older(config, row, newer, ctx.now_ms, day)
        else:
            due = due_marker(config, row.state, ctx.now_ms, day) if _is_alone(ctx, row) else None
        if due and _waits(ctx, bucket, row.state, removed=due is REMOVE):
            due = None
        if due:
            works.append(Work(due, row))
        if row.superseded_ms and due is not REMOVE:
            newer += 1
        if seen == last or len(works) == most or _let_go_of_much(works):
            return row.key, row.rank
    return None


def _newer(ctx: Context, bucket: Bucket, row: OlderVersion) -> int:
    """How many newer versions of its key were superseded: as many as rules can ask for, at most."""
    found = ctx.tx[OlderVersion].scan(bucket.id, row.key, end=row.rank, reverse=True, limit=KEPT_MAX + 1)
    return sum(1 for one in found if one.superseded_ms)


def _is_alone(ctx: Context, marker: OlderVersion) -> bool:
    return len(list(ctx.tx[OlderVersion].scan(marker.bucket, marker.key, limit=2))) == 1


def _uploads(ctx: Context, bucket: Bucket, config: Lifecycle, after: After, works: list[Work]) -> After:
    prefixes = spans(rule.prefix or "" for rule in config.rules if rule.enabled and speaks_of_uploads(rule))
    day, last, most = day_ms(ctx), rows_max(config), len(works) + ABORTED_MAX
    for seen, row in enumerate(_rows(ctx.tx[Upload], bucket, prefixes, after), start=1):
        end = abortion(config.rules, row, day)
        if end is not None and end[0] <= ctx.now_ms:
            works.append(Work(REMOVE, row))
        if seen == last or len(works) == most:
            return row.key, row.id
    return None


_STEPS = {"current": _current, "older": _older, "uploads": _uploads}


def _rows(table: Any, bucket: Bucket, prefixes: Iterable[str], after: After, *, whole: bool = True) -> Iterator[Any]:
    """The rows behind `after` whose keys begin with one of the prefixes (see `spans`), in order.

    Args:
        whole: the key of the table has a second field after the object's key, and `after` tells it.
    """
    for prefix in prefixes:
        end = successor(prefix)
        if after is None or after[0] < prefix:
            yield from table.scan(bucket.id, start=prefix or None, end=end or None)
        elif not end or after[0] < end:
            yield from table.scan(bucket.id, after=after if whole else after[0], end=end or None)
