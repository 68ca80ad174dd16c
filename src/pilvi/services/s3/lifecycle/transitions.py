"""Changes of storage class: which rules S3 accepts, and from which class an object may go to which.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from pilvi.core.errors import CloudError
from pilvi.services.s3.errors import InvalidArgument, InvalidRequest, MalformedXML
from pilvi.services.s3.lifecycle.records import Move, Rule
from pilvi.services.s3.lifecycle.values import date, kept, midnight_ms, shown_kept

# From the dearest to keep to the cheapest: objects only ever go down.
DEPTH = {
    "": 0,
    "STANDARD": 0,
    "REDUCED_REDUNDANCY": 0,
    "STANDARD_IA": 1,
    "INTELLIGENT_TIERING": 2,
    "ONEZONE_IA": 3,
    "GLACIER_IR": 4,
    "GLACIER": 5,
    "DEEP_ARCHIVE": 6,
}
TARGETS = frozenset({"STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"})
ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes that small objects may move to where a bucket's sizes vary by storage class."""

INFREQUENT = frozenset({"STANDARD_IA", "ONEZONE_IA"})
INFREQUENT_DAYS_MIN = 30
_CURRENT, _OLDER = "Transition", "NoncurrentVersionTransition"


def may_move(present: str, to: str) -> bool:
    """Whether an object goes from its present class to another one."""
    return DEPTH.get(to, 0) > DEPTH.get(present, 0) and (present, to) != ("ONEZONE_IA", "GLACIER_IR")


def parse_moves(given: Iterable[Mapping[str, Any]]) -> tuple[Move, ...]:
    return tuple(_move(item) for item in given)


def _move(given: Mapping[str, Any]) -> Move:
    if given.get("StorageClass") not in TARGETS or ("Days" in given) == ("Date" in given):
        raise MalformedXML
    if "Date" in given:
        return Move(given["StorageClass"], date_ms=midnight_ms(given["Date"]))
    return Move(given["StorageClass"], days=_days(given, "Days", _CURRENT))


def _days(given: Mapping[str, Any], name: str, action: str) -> int:
    days: int = given[name]
    if days < 0:
        raise InvalidArgument(f"'{name}' in {action} action must be nonnegative")
    if given["StorageClass"] in INFREQUENT and days < INFREQUENT_DAYS_MIN and action == _CURRENT:
        raise InvalidArgument(
            f"'{name}' in {action} action must be greater than or equal to {INFREQUENT_DAYS_MIN} for storageClass "
            f"'{given['StorageClass']}'"
        )
    return days


def parse_older_moves(given: Iterable[Mapping[str, Any]]) -> tuple[Move, ...]:
    return tuple(_older_move(item) for item in given)


def _older_move(given: Mapping[str, Any]) -> Move:
    if given.get("StorageClass") not in TARGETS or "NoncurrentDays" not in given:
        raise MalformedXML
    number = kept(given["NewerNoncurrentVersions"], _OLDER) if "NewerNoncurrentVersions" in given else 0
    return Move(given["StorageClass"], days=_days(given, "NoncurrentDays", _OLDER), kept=number)


def show_moves(rule: Rule) -> dict[str, Any]:
    """The members of a shown rule that tell its moves."""
    shown: dict[str, Any] = {}
    if rule.moves:
        shown["Transitions"] = [
            {"StorageClass": move.to} | ({"Days": move.days} if move.date_ms is None else {"Date": date(move.date_ms)})
            for move in rule.moves
        ]
    if rule.older_moves:
        shown["NoncurrentVersionTransitions"] = [
            {"StorageClass": move.to, "NoncurrentDays": move.days} | shown_kept(move.kept) for move in rule.older_moves
        ]
    return shown


# -- what goes together ------------------------------------------------------------------------------------------------


def check_moves(rule: Rule) -> None:
    """Raises where a rule's moves contradict each other, or come after the end.

    Raises:
        InvalidRequest: two moves to the same class; days beside dates.
        InvalidArgument: the cheaper class comes first; the object would be gone already.
    """
    _check_order(rule, rule.moves, _CURRENT)
    _check_order(rule, rule.older_moves, _OLDER)
    if not rule.moves:
        _check_older_end(rule)
        return
    by_days = rule.moves[0].date_ms is None
    if (rule.expire_date_ms is not None and by_days) or (rule.expire_days is not None and not by_days):
        raise _mixed("Expiration and Transition", rule)
    for move in rule.moves:
        if move.days is not None and rule.expire_days is not None and rule.expire_days <= move.days:
            raise _too_early("Days", "Expiration", _CURRENT, rule)
        if move.date_ms is not None and rule.expire_date_ms is not None and rule.expire_date_ms <= move.date_ms:
            raise _too_early("Date", "Expiration", _CURRENT, rule)
    _check_older_end(rule)


def _check_older_end(rule: Rule) -> None:
    for move in rule.older_moves:
        if rule.older_days is not None and move.days is not None and rule.older_days <= move.days:
            raise _too_early("NoncurrentDays", "NoncurrentVersionExpiration", _OLDER, rule)


def _check_order(rule: Rule, moves: Sequence[Move], action: str) -> None:
    for one, other in combinations(moves, 2):
        if one.to == other.to:
            raise InvalidRequest(
                f"'StorageClass' must be different for '{action}' actions in same 'Rule' with {described(rule)}"
            )
        if (one.date_ms is None) != (other.date_ms is None):
            raise _mixed(action, rule)
    for one, other in combinations(sorted(moves, key=lambda move: DEPTH[move.to]), 2):
        name = "Date" if one.date_ms is not None else "Days" if action == _CURRENT else "NoncurrentDays"
        least = INFREQUENT_DAYS_MIN if one.to in INFREQUENT and one.days is not None and action == _CURRENT else 0
        if _when(other) <= _when(one) or _when(other) - _when(one) < least:
            by = f"{least} days more" if least else "greater"
            raise InvalidArgument(
                f"'{name}' in the '{action}' action for StorageClass '{other.to}' for {described(rule)} must be {by} "
                f"than '{name}' in the '{action}' action for StorageClass '{one.to}'"
            )


def _when(move: Move) -> int:
    """Days, or a date: to be compared with the same kind."""
    found = move.days if move.date_ms is None else move.date_ms
    assert found is not None, "a move has days or a date"
    return found


def _mixed(actions: str, rule: Rule) -> CloudError:
    return InvalidRequest(
        f"Found mixed 'Date' and 'Days' based {actions} actions in lifecycle rule for {described(rule)}"
    )


def _too_early(name: str, end: str, action: str, rule: Rule) -> CloudError:
    return InvalidArgument(
        f"'{name}' in the {end} action for {described(rule)} must be greater than '{name}' in the {action} action"
    )


def described(rule: Rule) -> str:
    """Which objects a rule is for, as S3's sentences say it."""
    if rule.form == "old":
        return f"prefix '{rule.prefix}'"
    return "filter '()'" if rule.prefix is None else f"filter '(prefix={rule.prefix})'"
