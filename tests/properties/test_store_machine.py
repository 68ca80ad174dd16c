"""The store against a model of dicts: whatever is done in whatever order, also across reopenings and crashes."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pilvi.state.sqlite import SqliteStore
from pilvi.state.stage import INLINE_BYTES_MAX
from pilvi.state.store import OutboxEntry
from state_records import Thing
from stores import FakeClock

# Few values, so that keys meet; among them those that order and quoting get wrong.
places = st.sampled_from(["", "a", "a\x00", "ab", "b'\"", "é", "\U0001f600"])
numbers = st.sampled_from([-(2**63), -1, 0, 1, 10, 2**63 - 1])
tags = st.sampled_from([b"", b"\x00", b"a", b"\xff"])
keys = st.tuples(places, numbers, tags)
things = st.builds(
    Thing,
    place=places,
    number=numbers,
    tag=tags,
    size=st.integers(-2, 2),
    open=st.booleans(),
    state=st.sampled_from(["new", "old"]),
    note=st.none() | st.text(max_size=5),
    labels=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    parts=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    raw=st.binary(max_size=5),
)
PATHS = {
    "": (("place", places), ("number", numbers), ("tag", tags)),
    "size": (("place", places), ("size", st.integers(-2, 2)), ("number", numbers), ("tag", tags)),
    "state": (
        ("open", st.booleans()),
        ("state", st.sampled_from(["new", "old"])),
        ("place", places),
        ("number", numbers),
        ("tag", tags),
    ),
}


class Undo(Exception):
    pass


class Scan(msgspec.Struct, frozen=True):
    """Arguments of a scan, and what they mean."""

    index: str
    prefix: tuple[Any, ...]
    start: tuple[Any, ...] | None
    after: tuple[Any, ...] | None
    end: tuple[Any, ...] | None
    limit: int | None
    reverse: bool

    def expected(self, model: dict[Any, Thing]) -> list[Thing]:
        fields = [name for name, _ in PATHS[self.index]]

        def values(thing: Thing) -> tuple[Any, ...]:
            return tuple(ordered(getattr(thing, name)) for name in fields)

        def within(thing: Thing) -> bool:
            found = values(thing)
            rest = found[len(self.prefix) :]
            return (
                found[: len(self.prefix)] == tuple(map(ordered, self.prefix))
                and (self.start is None or rest[: len(self.start)] >= tuple(map(ordered, self.start)))
                and (self.after is None or rest[: len(self.after)] > tuple(map(ordered, self.after)))
                and (self.end is None or rest[: len(self.end)] < tuple(map(ordered, self.end)))
            )

        found = sorted(filter(within, model.values()), key=values, reverse=self.reverse)
        return found if self.limit is None else found[: self.limit]

    def run(self, tx: Any) -> Any:
        return tx[Thing].scan(
            *self.prefix,
            index=self.index,
            start=self.start,
            after=self.after,
            end=self.end,
            limit=self.limit,
            reverse=self.reverse,
        )


def ordered(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    index = draw(st.sampled_from(list(PATHS)))
    fields = PATHS[index]
    prefix = draw(st.integers(0, len(fields) - 1))

    def bound() -> tuple[Any, ...] | None:
        length = draw(st.integers(0, len(fields) - prefix))
        return tuple(draw(values) for _, values in fields[prefix : prefix + length]) if length else None

    return Scan(
        index=index,
        prefix=tuple(draw(values) for _, values in fields[:prefix]),
        start=bound(),
        after=bound(),
        end=bound(),
        limit=draw(st.none() | st.integers(0, 4)),
        reverse=draw(st.booleans()),
    )


class Change(msgspec.Struct, frozen=True):
    """One change, of the store and of the model."""

    kind: str
    thing: Thing

    @property
    def key(self) -> tuple[Any, ...]:
        return self.thing.place, self.thing.number, self.thing.tag

    def apply(self, tx: Any) -> Any:
        match self.kind:
            case "put":
                return tx[Thing].put(self.thing)
            case "add":
                return tx[Thing].add(self.thing)
            case _:
                return tx[Thing].delete(*self.key)

    def imitate(self, model: dict[Any, Thing]) -> Any:
        known = self.key in model
        if self.kind == "delete":
            model.pop(self.key, None)
            return known
        if self.kind == "add" and known:
            return False
        model[self.key] = self.thing
        return None if self.kind == "put" else True


changes = st.lists(st.builds(Change, kind=st.sampled_from(["put", "put", "add", "delete"]), thing=things), max_size=6)


class StoreMachine(RuleBasedStateMachine):
    """Every rule does the same to the store and to the model, and compares."""

    @initialize()
    def begin(self) -> None:
        memory = Path("/dev/shm")
        self.top = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.folder = self.top / "0"
        self.opened = 0
        self.model: dict[Any, Thing] = {}
        self.blobs: dict[int, tuple[bytes, int]] = {}
        self.events: dict[int, bytes] = {}
        self.ids: list[int] = []
        self.unseen_ids: list[int] = []  # given to undone attempts; a restart may give them again
        self.open()

    def open(self) -> None:
        self.unseen_ids.clear()
        self.store = SqliteStore.open(self.folder, [Thing], clock=FakeClock())

    @rule(changes=changes)
    def change(self, changes: list[Change]) -> None:
        found = self.store.write(lambda tx: [change.apply(tx) for change in changes])
        assert found == [change.imitate(self.model) for change in changes]

    @rule(kept=changes, undone=changes, later=changes)
    def change_in_parts(self, kept: list[Change], undone: list[Change], later: list[Change]) -> None:
        def spoil(tx: Any) -> None:
            with tx.savepoint():
                for change in undone:
                    change.apply(tx)
                self.unseen_ids.append(tx.next_id("ids"))
                tx.publish("t", b"undone")
                raise Undo

        def attempt(tx: Any) -> list[Any]:
            found = [change.apply(tx) for change in kept]
            try:
                spoil(tx)
            except Undo:
                found += [change.apply(tx) for change in later]
            return found

        assert self.store.write(attempt) == [change.imitate(self.model) for change in [*kept, *later]]

    @rule(undone=changes)
    def change_and_raise(self, undone: list[Change]) -> None:
        def attempt(tx: Any) -> None:
            for change in undone:
                change.apply(tx)
            self.unseen_ids.append(tx.next_id("ids"))
            tx.blobs.add(bytes(INLINE_BYTES_MAX + 1))
            for blob in self.blobs:
                tx.blobs.release(blob)
            raise Undo

        try:
            self.store.write(attempt)
        except Undo:
            pass
        else:
            raise AssertionError("the attempt's exception got lost")

    @rule(key=keys)
    def get(self, key: tuple[Any, ...]) -> None:
        with self.store.read() as tx:
            assert tx[Thing].get(*key) == self.model.get(key)

    @rule(scan=scans())
    def scan(self, scan: Scan) -> None:
        with self.store.read() as tx:
            assert list(scan.run(tx)) == scan.expected(self.model)

    @rule(scan=scans(), changes=changes)
    def scan_a_snapshot_while_it_changes(self, scan: Scan, changes: list[Change]) -> None:
        with self.store.read() as tx:
            rows = scan.run(tx)
            expected = scan.expected(self.model)
            found = list(itertools.islice(rows, 1))
            self.change(changes)
            assert found + list(rows) == expected

    @rule(scan=scans())
    def count(self, scan: Scan) -> None:
        whole = msgspec.structs.replace(scan, start=None, after=None, end=None, limit=None)
        with self.store.read() as tx:
            assert tx[Thing].count(*scan.prefix, index=scan.index) == len(whole.expected(self.model))

    @rule(size=st.sampled_from([0, 1, 100, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1]), staged=st.booleans())
    def add_blob(self, size: int, staged: bool) -> None:
        data = len(self.blobs).to_bytes(1, "big") * size
        if staged:
            stage = self.store.stage()
            stage.write(data)
            body = stage.finish({}, {})
            blob = self.store.write(lambda tx: tx.blobs.publish(body))
        else:
            blob = self.store.write(lambda tx: tx.blobs.add(data))
        assert blob not in self.blobs
        self.blobs[blob] = (data, 1)

    @rule(data=st.data(), step=st.sampled_from([1, -1, -1]))
    def count_references(self, data: st.DataObject, step: int) -> None:
        if not self.blobs:
            return
        blob = data.draw(st.sampled_from(sorted(self.blobs)))
        content, refs = self.blobs.pop(blob)
        self.store.write(lambda tx: tx.blobs.share(blob) if step > 0 else tx.blobs.release(blob))
        if refs + step:
            self.blobs[blob] = (content, refs + step)

    @rule(body=st.binary(max_size=4))
    def publish(self, body: bytes) -> None:
        event = self.store.write(lambda tx: tx.publish("t", body))
        assert event > max(self.events, default=0)
        self.events[event] = body

    @rule()
    def take_number(self) -> None:
        self.ids.append(self.store.write(lambda tx: tx.next_id("ids")))

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def crash(self) -> None:
        """What is on the disk now, without anything that closing would do, is what a killed process leaves."""
        self.store.sweep()
        self.opened += 1
        survivor = self.top / str(self.opened)
        shutil.copytree(self.folder, survivor, ignore=shutil.ignore_patterns("data.db-shm"))
        self.store.close()
        shutil.rmtree(self.folder)
        self.folder = survivor
        self.open()

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        if not hasattr(self, "store"):
            return
        with self.store.read() as tx:
            assert list(tx[Thing].scan()) == Scan("", (), None, None, None, None, reverse=False).expected(self.model)
            assert {entry.id: entry.body for entry in tx[OutboxEntry].scan("t", index="due")} == self.events
            assert {blob: tx.blobs.read(blob) for blob in self.blobs} == {
                blob: data for blob, (data, _) in self.blobs.items()
            }
            assert tx.execute("SELECT count(*) FROM blobs", ()).fetchone()[0] == len(self.blobs)
        assert self.ids == sorted(set(self.ids) - set(self.unseen_ids))

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.store.sweep()
        files = sum(path.is_file() for name in ("blobs", "staging") for path in (self.folder / name).rglob("*"))
        assert files == sum(len(data) > INLINE_BYTES_MAX for data, _ in self.blobs.values())
        self.store.close()
        shutil.rmtree(self.top)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
