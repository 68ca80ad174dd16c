"""Connections for snapshots, and how they rest between two of them.

A resting connection keeps its SQLite transaction for as long as the next snapshot would see the same: beginning one
costs two file locks and a look at the log's index, which bursts of reads need not pay each time.

    take -> snapshot -> give -> rests, begun -> take -> snapshot -> give -> ...
                                            renew: ended, begins anew when it is taken

The writer calls `renew` after each commit and before anybody is told: who knows of a commit is given a snapshot that has
it. It calls `renew` also when the log is copied to its end, because a snapshot that began before keeps the log from
starting anew. So nothing old is ever held by an idle store. Changes by others (somebody's sqlite3 shell) are seen late by
`REST_SECONDS_MAX` at most.
"""

import sqlite3
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from pilvi.state.connection import Session
from pilvi.state.store import Key, Record

RESTING_MAX: Final = 8
REST_SECONDS_MAX: Final = 1.0
KNOWN_MAX: Final = 64  # records, of a connection
ENDED: Final = -1


class Known(dict[tuple[str, tuple[Key, ...]], Any]):
    """Records by table and key, of one moment."""

    def add(self, place: tuple[str, tuple[Key, ...]], record: Record) -> None:
        if len(self) >= KNOWN_MAX:
            self.clear()
        self[place] = record


class Reader:
    """A connection, and since when it has a transaction.

    Attributes:
        execute: see Session.
        known: what was read in this transaction, of the tables that are remembered.
        age: the pool's age when the transaction began, or ENDED; `began`: the same on the monotonic clock, in seconds.
    """

    __slots__ = ("age", "began", "execute", "known", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.execute = session.execute
        self.known = Known()
        self.age = ENDED
        self.began = 0.0

    def begin(self, age: int, now: float) -> None:
        self.end()
        self.execute("BEGIN")
        self.age = age
        self.began = now

    def end(self) -> None:
        if self.age != ENDED:
            self.age = ENDED
            self.known.clear()
            self.execute("COMMIT")


class Readers:
    """Any thread. A reader belongs to one thread from `take` to `give`; lists are changed by single, atomic calls."""

    def __init__(self, make: Callable[[], Session]) -> None:
        self._make = make
        self._resting: list[Reader] = []  # the warmest comes last
        self._age = 0
        self._closed = False

    def take(self) -> Reader:
        """A reader whose transaction sees every commit that anybody was told of."""
        try:
            reader = self._resting.pop()
        except IndexError:
            reader = Reader(self._make())
        now = monotonic()
        if reader.age != self._age or now - reader.began > REST_SECONDS_MAX:
            try:
                reader.begin(self._age, now)
            except BaseException:
                reader.session.close()
                raise
        return reader

    def give(self, reader: Reader) -> None:
        """To rest. A connection that failed is closed instead."""
        if self._closed or len(self._resting) >= RESTING_MAX:
            reader.session.close()
            return
        self._resting.append(reader)
        if reader.age != self._age:  # looked at only now: either we see that it is old, or `renew` sees it resting
            self._end_old()

    def renew(self) -> None:
        """From now on no snapshot that began before is given to anybody. Called by the writer."""
        self._age += 1
        self._end_old()

    def close(self) -> None:
        self._closed = True
        while self._resting:
            self._resting.pop().session.close()

    def _end_old(self) -> None:
        for reader in self._resting.copy():
            if reader.age not in (self._age, ENDED):
                self._end(reader)

    def _end(self, reader: Reader) -> None:
        try:
            self._resting.remove(reader)
        except ValueError:  # taken meanwhile
            return
        try:
            reader.end()
        except sqlite3.Error:
            reader.session.close()
        else:
            self._resting.append(reader)
