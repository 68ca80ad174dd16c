"""The records of one type inside one transaction."""

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pilvi.state.layout import Layout
from pilvi.state.store import Bound, Key, Record

if TYPE_CHECKING:
    from pilvi.state.transaction import Transaction

R = TypeVar("R", bound=Record)


class SqliteTable(Generic[R]):
    __slots__ = ("_layout", "_tx")

    def __init__(self, tx: "Transaction", layout: Layout[R]) -> None:
        self._tx = tx
        self._layout = layout

    def get(self, *key: Key) -> R | None:
        layout = self._layout
        known = self._tx.known if layout.remembered else None
        if known is not None:
            found: R | None = known.get((layout.table, key))
            if found is not None:
                return found
        row = self._tx.execute(layout.get, key).fetchone()
        if row is None:
            return None
        record = layout.load(row)
        if known is not None:
            known.add((layout.table, key), record)
        return record

    def put(self, record: R) -> None:
        layout = self._layout
        row = layout.dump(record)
        if layout.remembered:
            self._forget(row[: len(layout.key)])
        self._tx.change(layout.put, row)

    def add(self, record: R) -> bool:
        layout = self._layout
        return self._tx.change(layout.add, layout.dump(record)).rowcount == 1

    def delete(self, *key: Key) -> bool:
        if self._layout.remembered:
            self._forget(key)
        return self._tx.change(self._layout.delete, key).rowcount == 1

    def clear(self, *prefix: Key) -> int:
        layout = self._layout
        assert prefix, "whole tables are not emptied"
        assert not layout.remembered, "what is remembered is forgotten one by one"
        found: int = self._tx.change(layout.paths[""].clear(len(prefix)), prefix).rowcount
        return found

    def _forget(self, key: tuple[Key, ...]) -> None:
        """The writer remembers no record that it changes. (One that it adds cannot be remembered: it was not there.)"""
        known = self._tx.known
        if known is not None:
            known.pop((self._layout.table, key), None)

    def scan(
        self,
        *prefix: Key,
        index: str = "",
        start: Bound | None = None,
        after: Bound | None = None,
        end: Bound | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Iterator[R]:
        """As the protocol says. In a writing transaction, records changed during the scan may be seen as they were."""
        first, above, below = _values(start), _values(after), _values(end)
        path = self._layout.paths[index]
        sql = path.scan(len(prefix), len(first), len(above), len(below), reverse)
        cursor: sqlite3.Cursor = self._tx.scan(sql, (*prefix, *first, *above, *below, -1 if limit is None else limit))
        return map(self._layout.load, cursor)

    def columns(
        self, *prefix: Key, start: Key | None = None, end: Key | None = None, limit: int
    ) -> dict[str, list[Any]]:
        layout = self._layout
        sql = layout.paths[""].gather(start is not None, end is not None)
        values = (*prefix, *_values(start), *_values(end), limit)
        return layout.spread(self._tx.execute(sql, values).fetchone())

    def count(self, *prefix: Key, index: str = "") -> int:
        found: int = self._tx.execute(self._layout.paths[index].count(len(prefix)), prefix).fetchone()[0]
        return found


def _values(bound: Bound | None) -> tuple[Key, ...]:
    if bound is None:
        return ()
    return bound if isinstance(bound, tuple) else (bound,)
