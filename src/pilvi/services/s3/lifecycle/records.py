"""What a bucket remembers of its lifecycle rules."""

from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class Move(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change of storage class: so many days after an object was made (or superseded), or on a date.

    Attributes:
        kept: how many newer versions that are not current either must be there first.
    """

    to: str
    days: int | None = None
    date_ms: int | None = None
    kept: int = 0


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens to which objects at which age. None: nothing of that kind.

    Attributes:
        form: how it says which objects, for showing it as it came: "old" (a prefix, as before there were filters),
            "one" (a filter of one condition at most) or "all" (of conditions that must all hold).
        prefix: None where the rule names none; so the other conditions.
        expire_days, expire_date_ms, expire_markers: of the current version; the last one removes delete markers that have
            nothing behind them.
        older_days: a version is removed so long after it was superseded, when `older_kept` newer ones are there.
        abort_days: after an upload in parts was begun.
        moves, older_moves: of current versions, and of those that were superseded.
    """

    id: str
    enabled: bool
    form: str
    prefix: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    larger: int | None = None
    smaller: int | None = None
    expire_days: int | None = None
    expire_date_ms: int | None = None
    expire_markers: bool | None = None
    older_days: int | None = None
    older_kept: int = 0
    abort_days: int | None = None
    moves: tuple[Move, ...] = ()
    older_moves: tuple[Move, ...] = ()


class Lifecycle(Record, frozen=True, omit_defaults=True):
    """The rules of a bucket.

    Attributes:
        generation: of this configuration, never used twice: rounds that were begun under another one end.
        small_move: whether objects below 128 KiB move to classes that are made for archives.
    """

    spec: ClassVar[TableSpec] = TableSpec("s3_lifecycle", key=("bucket",), remembered=True)

    bucket: int
    generation: int
    rules: tuple[Rule, ...]
    small_move: bool = False
