"""Numbers that are never given twice, for one row written per block instead of one per number."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilvi.state.transaction import Transaction

CREATE = "CREATE TABLE IF NOT EXISTS pilvi_sequence (name TEXT PRIMARY KEY, reserved INTEGER NOT NULL) WITHOUT ROWID"
BLOCK = 1_024  # numbers skipped at most by a restart

_RESERVED = "SELECT reserved FROM pilvi_sequence WHERE name = ?"
_RESERVE = "INSERT INTO pilvi_sequence VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET reserved = excluded.reserved"


class Sequences:
    """The writer's counters. On disk stands the number up to which a sequence may have been used."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._reserved: dict[str, int] = {}

    def next(self, tx: "Transaction", name: str) -> int:
        number = self._last.get(name, -1) + 1
        if number == 0 or number > self._reserved.get(name, 0):
            number = self._reserve(tx, name)
        self._last[name] = number
        return number

    def forget(self) -> None:
        """Something was undone, perhaps a reservation: look at the disk again before the next number."""
        self._reserved.clear()

    def _reserve(self, tx: "Transaction", name: str) -> int:
        row = tx.execute(_RESERVED, (name,)).fetchone()
        stored: int = row[0] if row else 0
        number = self._last.get(name, stored) + 1
        if number > stored:
            stored = number + BLOCK - 1
            tx.change(_RESERVE, (name, stored))
        self._reserved[name] = stored
        return number
