"""Work that nobody waits for, on a thread of its own: moving the log into the database, burying files, sweeping.

A checkpoint copies thousands of scattered pages and syncs them. Done by the writer it would hold up every attempt
meanwhile (measured: 50 ms, and seconds on a slow disk). So it is done here, beside the writer; only the few pages that
were written during it are left to the writer, because only a log that is copied to its end can start anew.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from pilvi.state.connection import Session, open_checkpointer

log = logging.getLogger("pilvi.state")

PAGES_MAX = 4_096  # of the log since the last checkpoint
HELD_SECONDS = 5.0  # between two tries to bury what a backup holds
SWEEP_SECONDS = 3_600.0  # between two sweeps


class Janitor:
    """Keeps the folder tidy while the store is open."""

    def __init__(
        self, database: Path, bury: Callable[[], int], sweep: Callable[[], int], held: Callable[[], bool]
    ) -> None:
        self._bury = bury
        self._held = held
        self._sweep = sweep
        self._session = open_checkpointer(database)
        # Closing any descriptor of the file drops SQLite's locks on it (POSIX): this one stays open to the end.
        self._file = os.open(database, os.O_RDONLY | os.O_CLOEXEC)
        self._pages = 0
        self._copying = False
        self._rest = False
        self._wanted = threading.Event()
        self.stopping = False
        self._thread = threading.Thread(target=self._run, name="pilvi-janitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wanted.set()

    def written(self, writer: Session, pages: int) -> bool:
        """Called by the writer after each commit, with about how many pages the log grew.

        Returns:
            whether the log was copied to its end, so that it can start anew once no snapshot from before is left.
        """
        self._pages += pages
        if self._rest:
            self._rest = False
            return _checkpoint(writer)
        if self._pages >= PAGES_MAX and not self._copying:
            self._pages = 0
            self._copying = True
            self._wanted.set()
        return False

    def stop(self) -> None:
        """Finishes what it is doing. Only after the last other connection is closed may `close` follow."""
        self.stopping = True
        self._wanted.set()
        self._thread.join()
        self._session.close()

    def close(self) -> None:
        os.close(self._file)

    def _run(self) -> None:
        while not self.stopping:
            self._guarded(self._sweep)
            while (
                self._wanted.wait(HELD_SECONDS if self._held() else SWEEP_SECONDS) or self._held()
            ) and not self.stopping:
                self._wanted.clear()
                self._guarded(self._bury)
                if self._copying:
                    self._guarded(self._copy)
                    self._copying = False

    def _copy(self) -> None:
        if _checkpoint(self._session):
            os.fdatasync(self._file)  # SQLite syncs only when it reached the log's end: leave the writer little to sync
            self._rest = True

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            if not self.stopping:
                log.exception("housekeeping failed; it is tried again later")


def _checkpoint(session: Session) -> bool:
    """Whether it went well. A full disk or a foreign lock is no reason to stop: the log keeps everything."""
    try:
        session.checkpoint()
    except sqlite3.Error as error:
        log.warning("the write-ahead log could not be copied into the database: %s", error)
        return False
    return True
