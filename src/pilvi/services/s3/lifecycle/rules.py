"""When a rule means an object, and what is due then: pure functions of rules, objects and the time.

Days are counted as S3 counts them: so many after the event, then on to the next midnight UTC. Where several rules mean the
same object, the earliest end counts; an end counts more than a move, a move more than a delete marker, and of moves the one
to the cheapest class.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-conflicts.html
"""

from collections.abc import Iterable, Iterator

import msgspec

from pilvi.services.s3.lifecycle.records import Lifecycle, Move, Rule
from pilvi.services.s3.lifecycle.transitions import ARCHIVES, DEPTH, may_move
from pilvi.services.s3.records import OlderVersion, StoredObject, Upload

SMALL_BYTES = 128 * 1024
"""Smaller objects stay where they are, unless a rule speaks of sizes itself."""


class Due(msgspec.Struct, frozen=True):
    """What is to be done with a version now. `to`: the storage class that it moves to; "" to remove it."""

    to: str = ""


REMOVE = Due()


def midnight_after(moment_ms: int, days: int, day_ms: int) -> int:
    """So many days later, on to the next midnight (a midnight is its own)."""
    return -(-(moment_ms + days * day_ms) // day_ms) * day_ms


def means(rule: Rule, found: StoredObject) -> bool:
    """Whether an enabled rule is about this version."""
    return (
        rule.enabled
        and found.key.startswith(rule.prefix or "")
        and (rule.larger is None or found.size > rule.larger)
        and (rule.smaller is None or found.size < rule.smaller)
        and all(found.tags.get(name) == value for name, value in rule.tags)
    )


# -- ends --------------------------------------------------------------------------------------------------------------


def expiry(rules: Iterable[Rule], found: StoredObject, day_ms: int) -> tuple[int, str] | None:
    """When the current version of a key expires, and by which rule: the earliest, of equals the first."""
    ends = (
        (end, rule.id) for rule in rules if means(rule, found) and (end := _end_ms(rule, found, day_ms)) is not None
    )
    return min(ends, key=lambda end: end[0], default=None)


def _end_ms(rule: Rule, found: StoredObject, day_ms: int) -> int | None:
    if rule.expire_date_ms is not None:
        return rule.expire_date_ms
    if rule.expire_days is not None:
        return midnight_after(found.modified_ms, rule.expire_days, day_ms)
    return None


def abortion(rules: Iterable[Rule], upload: Upload, day_ms: int) -> tuple[int, str] | None:
    """When an upload in parts is aborted, and by which rule."""
    ends = (
        (midnight_after(upload.initiated_ms, rule.abort_days, day_ms), rule.id)
        for rule in rules
        if rule.abort_days is not None and rule.enabled and upload.key.startswith(rule.prefix or "")
    )
    return min(ends, key=lambda end: end[0], default=None)


# -- what is due -------------------------------------------------------------------------------------------------------


def due_current(config: Lifecycle, found: StoredObject, now_ms: int, day_ms: int, *, versioned: bool) -> Due | None:
    """What is to be done with the current version of a key.

    Args:
        versioned: removing it only puts a delete marker in front, so that a move goes before.
    """
    end = expiry(config.rules, found, day_ms)
    expires = end is not None and end[0] <= now_ms
    if expires and not versioned:
        return REMOVE
    moves = (move for rule in config.rules if rule.moves and means(rule, found) for move in _open(config, rule, found))
    return _deepest(found, moves, found.modified_ms, now_ms, day_ms) or (REMOVE if expires else None)


def due_older(config: Lifecycle, row: OlderVersion, newer: int, now_ms: int, day_ms: int) -> Due | None:
    """What is to be done with a version that was superseded.

    Args:
        newer: how many newer versions of its key were superseded too, and are still there.
    """
    found = row.state
    rules = [rule for rule in config.rules if means(rule, found)]
    for rule in rules:
        if rule.older_days is None or newer < rule.older_kept:
            continue
        if midnight_after(row.superseded_ms, rule.older_days, day_ms) <= now_ms:
            return REMOVE
    if found.marker:
        return None
    moves = (move for rule in rules for move in _open(config, rule, found, older=True) if newer >= move.kept)
    return _deepest(found, moves, row.superseded_ms, now_ms, day_ms)


def due_marker(config: Lifecycle, marker: StoredObject, now_ms: int, day_ms: int) -> Due | None:
    """What is to be done with a delete marker that is all there is of its key."""
    if any(rule.expire_markers and means(rule, marker) for rule in config.rules):
        return REMOVE
    end = expiry(config.rules, marker, day_ms)
    return REMOVE if end is not None and end[0] <= now_ms else None


def _open(config: Lifecycle, rule: Rule, found: StoredObject, *, older: bool = False) -> Iterator[Move]:
    """The moves of a rule that are not closed to an object for its size."""
    small = found.size < SMALL_BYTES and rule.larger is None and rule.smaller is None
    for move in rule.older_moves if older else rule.moves:
        if not small or (config.small_move and move.to in ARCHIVES):
            yield move


def _deepest(found: StoredObject, moves: Iterable[Move], since_ms: int, now_ms: int, day_ms: int) -> Due | None:
    due = [
        move.to
        for move in moves
        if may_move(found.storage_class, move.to) and _move_ms(move, since_ms, day_ms) <= now_ms
    ]
    return Due(max(due, key=DEPTH.__getitem__)) if due else None


def _move_ms(move: Move, since_ms: int, day_ms: int) -> int:
    if move.date_ms is not None:
        return move.date_ms
    assert move.days is not None, "a move has days or a date"
    return midnight_after(since_ms, move.days, day_ms)


# -- where to look -----------------------------------------------------------------------------------------------------


def spans(prefixes: Iterable[str]) -> list[str]:
    """The prefixes that together hold all keys that any of them holds, in order, none inside another."""
    found: list[str] = []
    for prefix in sorted(prefixes):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found


def speaks_of_current(rule: Rule) -> bool:
    return rule.expire_days is not None or rule.expire_date_ms is not None or bool(rule.moves)


def speaks_of_older(rule: Rule) -> bool:
    """Of versions that were superseded, or of delete markers."""
    ends = rule.expire_days is not None or rule.expire_date_ms is not None or bool(rule.expire_markers)
    return ends or rule.older_days is not None or bool(rule.older_moves)


def speaks_of_uploads(rule: Rule) -> bool:
    return rule.abort_days is not None
