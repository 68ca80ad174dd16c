"""The pass over the records: each is what its type says, agrees with others, and is counted with the blobs that it holds."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.inspection import Inspector
from pilvi.state.checks.findings import Kind
from pilvi.state.checks.tally import Tally
from pilvi.state.checks.wanted import STEP, Run
from pilvi.state.errors import BlobDamaged
from pilvi.state.layout import CHECKSUM, Layout, quote, row_checksum
from pilvi.state.still import Still
from pilvi.state.store import OutboxEntry, Record

_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, sqlite3.DatabaseError)


def check_records(run: Run, still: Still) -> tuple[Tally, bool]:
    """How often each blob is held, and whether that is certain: every record could be read."""
    tally = Tally()
    certain = _strangers(run, still)
    for layout in run.wanted.layouts.values():
        certain &= _check_table(run, still, layout, tally)
    _check_events(run, still)
    return tally, certain


def name_holders(run: Run, still: Still, lost: set[int]) -> set[int]:
    """Says whose bytes they are that are damaged or missing."""
    ctx = run.wanted.context(still)
    for layout in run.wanted.layouts.values():
        inspector = run.wanted.inspectors.get(layout.record)
        if inspector is None and layout.record.blobs is Record.blobs:
            continue
        for record in _records(run, still, layout, "looking for the holders"):
            found = sorted(lost.intersection(_reached(ctx, inspector, record)))
            if found:
                title = _title(ctx, layout, inspector, record)
                blobs = ", ".join(map(str, found[:10]))
                run.findings.add(Kind.HOLDER, title, f"is damaged: its bytes, or some of them, are lost (blob {blobs})")
    return lost


def _reached(ctx: Context, inspector: Inspector[Any] | None, record: Record) -> Iterable[int]:
    try:
        return inspector.reaches(ctx, record) if inspector else record.blobs()
    except _UNREADABLE:
        return record.blobs()


def _title(ctx: Context, layout: Layout[Any], inspector: Inspector[Any] | None, record: Record) -> str:
    with contextlib.suppress(*_UNREADABLE):
        if inspector is not None:
            return inspector.title(ctx, record)
    return _place(layout, layout.dump(record))


def _strangers(run: Run, still: Still) -> bool:
    """Whether there are no records of types that we do not know: their blobs cannot be counted."""
    known = {layout.table for layout in run.wanted.layouts.values()}
    named = [name for (name,) in still.rows("SELECT name FROM pilvi_table ORDER BY name") if name not in known]
    full = [name for name in named if still.execute(f"SELECT 1 FROM {quote(name)} LIMIT 1").fetchone()]
    for name in full:
        run.findings.add(Kind.RECORD, name, "this pilvi does not know such records: they are left alone")
    return not full


def _check_table(run: Run, still: Still, layout: Layout[Any], tally: Tally) -> bool:
    before = run.findings.damage[Kind.RECORD]
    ctx = run.wanted.context(still)
    inspector = run.wanted.inspectors.get(layout.record)
    holds = layout.record.blobs is not Record.blobs
    for record in _records(run, still, layout, "records", tell=True):
        if holds:
            for blob in record.blobs():
                tally.add(blob)
        if inspector is not None:
            for problem in _problems(run, ctx, inspector, record):
                run.findings.add(Kind.CONTRADICTION, _title(ctx, layout, inspector, record), problem)
    return run.findings.damage[Kind.RECORD] == before


def _records(run: Run, still: Still, layout: Layout[Any], phase: str, *, tell: bool = False) -> Iterator[Any]:
    """Those of a table that can be read; the others are told of, the first time."""
    done = unverified = 0
    try:
        total = still.execute(f"SELECT count(*) FROM {quote(layout.table)}").fetchone()[0]
        for *values, checksum in still.rows(f"SELECT {layout.selected}, {quote(CHECKSUM)} FROM {quote(layout.table)}"):
            row = tuple(values)
            done += 1
            if done % STEP == 0:
                run.step(f"{phase}: {layout.table}", done, total)
            try:
                record = layout.load(row)
            except _UNREADABLE as error:
                if tell:
                    run.findings.add(Kind.RECORD, _place(layout, row), f"cannot be read: {error}")
                continue
            if tell and checksum != row_checksum(row):
                unverified += _unlike(run, layout, row, checksum)
            yield record
    except sqlite3.DatabaseError as error:
        if tell:
            run.findings.add(Kind.DATABASE, layout.table, f"cannot be read to its end, after {done:,} records: {error}")
    if tell:
        run.findings.checked["records"] += done
    if unverified:
        told = f"{unverified:,} records are from before records had checksums"
        run.findings.add(Kind.UNVERIFIED, layout.table, told, repaired=run.mender is not None)


def _unlike(run: Run, layout: Layout[Any], row: tuple[Any, ...], checksum: int | None) -> bool:
    """Tells of a record that is not what was stored; whether it merely never had a checksum."""
    if checksum is not None:
        run.findings.add(Kind.RECORD, _place(layout, row), "is not what was stored: its checksum is another")
        return False
    if run.mender is not None:
        key = row[: len(layout.key)]
        where = " AND ".join(f"{quote(name)} = ?" for name in layout.key)
        run.mender.vouch(
            f"UPDATE {quote(layout.table)} SET {quote(CHECKSUM)} = ? WHERE {where}", row_checksum(row), key
        )
    return True


def _problems(run: Run, ctx: Context, inspector: Inspector[Any], record: Record) -> Iterable[str]:
    try:
        yield from inspector.problems(ctx, record)
        if not run.wanted.quick:
            with contextlib.suppress(BlobDamaged, KeyError, OSError):  # the blob's own check says so
                yield from inspector.contents(ctx, record)
    except _UNREADABLE as error:
        yield f"cannot be compared with others: {error}"


def _check_events(run: Run, still: Still) -> None:
    table = run.wanted.layouts[OutboxEntry].table
    for topic, count in still.rows(f"SELECT topic, count(*) FROM {quote(table)} GROUP BY topic ORDER BY topic"):
        if topic in run.wanted.topics:
            continue
        repaired = run.mender is not None
        if run.mender is not None:
            for entry in still[OutboxEntry].scan(topic, index="due"):
                run.mender.keep("events.jsonl", msgspec.json.encode(entry) + b"\n")
                run.mender.drop_event(entry.id)
        run.findings.add(Kind.EVENT, topic, f"{count} events wait that nobody here delivers", repaired=repaired)


def _place(layout: Layout[Any], row: tuple[Any, ...]) -> str:
    return f"{layout.table} {row[: len(layout.key)]!r}"
