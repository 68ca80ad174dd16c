"""A whole check, from the lock to the summary."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pilvi.state.checks.blobs import check_bytes, check_counts, check_files
from pilvi.state.checks.findings import Finding, Findings, Kind, Summary
from pilvi.state.checks.mender import Mender
from pilvi.state.checks.records import check_records, name_holders
from pilvi.state.checks.wanted import Run, Stopped, Wanted, Watch
from pilvi.state.connection import open_writer
from pilvi.state.disk import Disk
from pilvi.state.errors import UnusableData
from pilvi.state.files import BlobFiles
from pilvi.state.lock import FolderLock
from pilvi.state.migrate import check_format, migrate
from pilvi.state.still import FILE, Still, StillFolder, look

_STEPS = 1_000_000  # of SQLite's machine between two looks at whether to stop


def check(path: Path, wanted: Wanted, tell: Callable[[Finding], None], watch: Watch) -> Summary:
    """Looks at everything and changes nothing.

    Args:
        tell: is told of each finding, on any thread, one at a time.

    Raises:
        UnusableData, NewerData: it is not a data folder of pilvi's, or one of another version.
    """
    with look(path, wanted.layouts) as folder:
        return _check(folder, Run(wanted, Findings(tell), watch, None, threading.Event()))


def repair(path: Path, wanted: Wanted, tell: Callable[[Finding], None], watch: Watch) -> Summary:
    """Looks at everything and puts right what can be.

    Raises:
        FolderInUse: a server runs on it.
        UnusableData, NewerData: as `check`.
    """
    if not (path / FILE).is_file():
        raise UnusableData("there is no data.db in it")
    lock = FolderLock(path)
    try:
        with _mending(path, wanted) as mender:
            run = Run(wanted, Findings(tell), watch, mender, threading.Event())
            return _check(StillFolder(path, wanted.layouts, running=False, shared=True), run)
    finally:
        lock.release()


@contextmanager
def _mending(path: Path, wanted: Wanted) -> Iterator[Mender]:
    try:
        session = open_writer(path / FILE, check_format)
        migrate(session.connection, wanted.layouts.values())
    except sqlite3.DatabaseError as error:
        raise UnusableData(f"{path / FILE} cannot be used: {error}") from None
    mender = Mender(session, path, BlobFiles(path, Disk()))
    try:
        yield mender
    finally:
        mender.close()


def _check(folder: StillFolder, run: Run) -> Summary:
    with ThreadPoolExecutor(2, "pilvi-check") as pool:
        try:
            if run.mender is not None:
                _check_database(run, folder)  # first: the rest reads through what it may have made anew
            others = [] if run.mender is not None else [pool.submit(_check_database, run, folder)]
            stored = pool.submit(check_bytes, run, folder)
            with folder.snapshot() as still:
                missing = _outcome(run, lambda: _check_index(run, still))
                lost = missing | _outcome(run, stored.result)
                if lost:
                    _outcome(run, lambda: name_holders(run, still, lost))
            _outcome(run, lambda: check_files(run, folder))
            for other in others:
                other.result()
        except BaseException:
            run.stop.set()
            raise
    return run.findings.summary(running=folder.running)


def _check_index(run: Run, still: Still) -> set[int]:
    tally, certain = check_records(run, still)
    return check_counts(run, still, tally, certain=certain and not run.findings.damage[Kind.DATABASE])


def _outcome(run: Run, work: Callable[[], set[int]]) -> set[int]:
    """What a pass brings; one that the database does not let come to its end brings nothing."""
    try:
        return work()
    except sqlite3.DatabaseError as error:
        run.findings.add(Kind.DATABASE, FILE, f"cannot be read to its end: {error}")
        return set()


def _check_database(run: Run, folder: StillFolder) -> None:
    """SQLite's own check of its pages, and of its indexes against its tables."""
    problems = _integrity(run, folder)
    if problems and run.mender is not None:
        try:
            run.mender.reindex()
            left = _integrity(run, folder)
        except sqlite3.DatabaseError as error:
            left = [str(error)]
        for problem in problems:
            run.findings.add(Kind.DATABASE, FILE, problem, repaired=not left)
        return
    for problem in problems:
        run.findings.add(Kind.DATABASE, FILE, problem)


def _integrity(run: Run, folder: StillFolder) -> list[str]:
    with folder.snapshot() as still:
        still.connection.set_progress_handler(run.stop.is_set, _STEPS)
        try:
            found = [row[0] for row in still.rows("PRAGMA integrity_check")]
        except sqlite3.OperationalError as error:
            if run.stop.is_set():
                raise Stopped from None
            found = [str(error)]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
    return [] if found == ["ok"] else found
