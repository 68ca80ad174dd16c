"""Attempts share commits, and nothing else."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from pilvi.core.errors import ServiceUnavailable
from pilvi.state import connection, sqlite, writer
from pilvi.state.sqlite import tell
from pilvi.state.store import Record, TableSpec
from state_records import Thing, Word
from waiting import wait_until


class Remembered(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("test_remembered", key=("name",), remembered=True)

    name: str
    value: int


class Held:
    """Holds the writer back inside an attempt, so that what is submitted meanwhile forms one batch."""

    def __init__(self, store: Any) -> None:
        self._entered = threading.Event()
        self._release = threading.Event()
        self.answers: list[tuple[Any, BaseException | None]] = []
        store.submit(self._attempt, self.done)
        assert self._entered.wait(10)

    def _attempt(self, _: Any) -> str:
        self._entered.set()
        assert self._release.wait(10)
        return "held"

    def done(self, result: Any, error: BaseException | None) -> None:
        self.answers.append((result, error))

    def release(self, answers: int) -> None:
        self._release.set()
        wait_until(lambda: len(self.answers) >= answers, f"{answers} answers")


class Statements:
    """Sees, and may break, every statement of the writer's connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        original = sqlite.open_writer

        def opened(path: Any, check: Any) -> connection.Session:
            session = original(path, check)
            execute = session.execute

            def watched(sql: str, *values: Any) -> sqlite3.Cursor:
                self.seen.append(sql)
                self.before(sql)
                return execute(sql, *values)

            session.execute = watched
            return session

        monkeypatch.setattr(sqlite, "open_writer", opened)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    return Statements(monkeypatch)


def words(store: Any) -> list[str]:
    with store.read() as tx:
        return [word.text for word in tx[Word].scan()]


def put_word(text: str, *, then: BaseException | None = None) -> Callable[[Any], str]:
    def attempt(tx: Any) -> str:
        tx[Word].put(Word(text))
        if then:
            raise then
        return text

    return attempt


def test_what_waits_together_is_committed_together(statements, backend):
    """A hundred attempts, one COMMIT; each is answered, in order."""
    store = backend.open(Word)
    held = Held(store)
    statements.seen.clear()
    for number in range(100):
        store.submit(put_word(f"{number:03}"), held.done)
    held.release(101)
    assert [result for result, _ in held.answers] == ["held", *(f"{number:03}" for number in range(100))]
    assert statements.seen.count("COMMIT") == 1
    assert len(words(store)) == 100


def test_one_that_raises_does_not_harm_the_others(backend):
    """The first, one in the middle, and the last of a batch are undone; all others stay."""
    store = backend.open(Word)
    held = Held(store)
    for number in range(9):
        failure = ValueError(number) if number in {0, 4, 8} else None
        store.submit(put_word(str(number), then=failure), held.done)
    held.release(10)
    errors = [str(error) for _, error in held.answers if error]
    assert errors == ["0", "4", "8"]
    assert words(store) == ["1", "2", "3", "5", "6", "7"]


def test_an_undone_attempt_leaves_nothing_that_the_next_one_of_the_batch_could_see(backend):
    """Neither changed nor removed records, nor an event."""
    store = backend.open(Word)
    store.write(put_word("old"))
    held = Held(store)

    def disturb(tx: Any) -> None:
        tx[Word].delete("old")
        tx[Word].put(Word("new"))
        raise ValueError

    store.submit(put_word("first"), held.done)
    store.submit(disturb, held.done)
    store.submit(lambda tx: [word.text for word in tx[Word].scan()], held.done)
    held.release(4)
    assert held.answers[-1] == (["first", "old"], None)


def test_savepoints_are_for_batches_in_which_something_raises(statements, backend):
    """An attempt that raises after a change undoes the batch: those before it are done again, guarded, as it goes on."""
    store = backend.open(Word)
    held = Held(store)
    statements.seen.clear()
    runs: list[str] = []

    def told(text: str, *, then: BaseException | None = None) -> Callable[[Any], str]:
        def attempt(tx: Any) -> str:
            runs.append(text)
            return put_word(text, then=then)(tx)

        return attempt

    for work in (told("a"), told("b"), told("c", then=ValueError("c")), told("d"), told("e", then=ValueError("e"))):
        store.submit(work, held.done)
    held.release(6)
    assert [str(error) if error else result for result, error in held.answers] == ["held", "a", "b", "c", "d", "e"]
    assert words(store) == ["a", "b", "d"]
    assert runs == ["a", "b", "c", "a", "b", "d", "e"]
    order = [sql for sql in statements.seen if sql in ("ROLLBACK", "COMMIT") or "attempt" in sql]
    guarded = ["SAVEPOINT attempt", "RELEASE attempt"]
    assert order == [
        "ROLLBACK",
        *guarded,
        *guarded,
        "SAVEPOINT attempt",
        "ROLLBACK TO attempt",
        "RELEASE attempt",
        "COMMIT",
    ]


def test_where_nothing_raises_there_are_no_savepoints(statements, backend):
    """Nor where only what changed nothing raises."""
    store = backend.open(Word)

    def refused(tx: Any) -> None:
        raise ValueError(tx[Word].count())

    held = Held(store)
    statements.seen.clear()
    for work in (put_word("a"), refused, put_word("b")):
        store.submit(work, held.done)
    held.release(4)
    assert [sql for sql in statements.seen if "attempt" in sql or sql == "ROLLBACK"] == []
    assert words(store) == ["a", "b"]


def test_what_the_writer_remembers_is_what_is_stored(backend):
    """After a change, an undone change, an undone part of an attempt, and a change by somebody else."""
    store = backend.open(Remembered)
    put = lambda value: lambda tx: tx[Remembered].put(Remembered("a", value))  # noqa: E731
    get = lambda tx: getattr(tx[Remembered].get("a"), "value", None)  # noqa: E731

    def undone(tx: Any) -> None:
        put(7)(tx)
        assert get(tx) == 7
        raise ValueError

    def partly(tx: Any) -> int:
        with contextlib.suppress(ValueError), tx.savepoint():
            undone(tx)
        return get(tx)

    assert store.write(get) is None
    store.write(put(1))
    assert store.write(get) == store.write(get) == 1
    with pytest.raises(ValueError):
        store.write(undone)
    assert store.write(get) == 1
    assert store.write(partly) == 1
    store.write(put(2))
    assert store.write(get) == 2
    with contextlib.closing(sqlite3.connect(backend.folder / "data.db")) as somebody, somebody:
        somebody.execute("UPDATE test_remembered SET doc = '{\"value\":3}'")
    assert store.write(get) == 3
    store.write(lambda tx: tx[Remembered].delete("a"))
    assert store.write(get) is None


def test_what_the_writer_remembers_is_read_once(statements, backend):
    """Not once for each attempt, nor for each batch."""
    store = backend.open(Remembered)
    store.write(lambda tx: tx[Remembered].put(Remembered("a", 1)))
    statements.seen.clear()
    for _ in range(3):
        store.write(lambda tx: tx[Remembered].get("a"))
    assert len([sql for sql in statements.seen if sql.startswith("SELECT")]) == 1


def test_nobody_is_answered_before_the_commit(statements, backend):
    """Neither who waits, nor who is told later, nor who listens."""
    store = backend.open(Word)
    order: list[str] = []
    statements.before = lambda sql: order.append(sql) if sql == "COMMIT" else None
    store.on_commit(lambda topics: order.append(f"topics {sorted(topics)}"))

    def attempt(tx: Any) -> None:
        tx.notify("b")
        tx.publish("a", b"")
        order.append("attempt")

    store.submit(attempt, lambda *_: order.append("answer"))
    wait_until(lambda: len(order) == 4, "the listener was told")
    assert order == ["attempt", "COMMIT", "answer", "topics ['a', 'b']"]


def test_answers_are_delivered_a_batch_at_a_time(backend):
    """One call for all of them, so that an event loop is woken once."""
    deliveries: list[list[Any]] = []
    store = backend.open(Word, deliver=lambda answers: deliveries.append(list(answers)))
    told: list[frozenset[str]] = []
    store.on_commit(told.append)
    held: list[Any] = []
    entered, release = threading.Event(), threading.Event()

    def hold(tx: Any) -> None:
        entered.set()
        assert release.wait(10)
        tx.notify("x")

    store.submit(hold, lambda *answer: held.append(answer))
    assert entered.wait(10)
    for number in range(5):
        store.submit(put_word(str(number)), lambda *answer: held.append(answer))
    release.set()
    wait_until(lambda: deliveries, "a delivery")
    assert held == []
    assert [len(delivery) for delivery in deliveries] == [7]
    tell(deliveries[0])
    assert held == [(None, None), *((str(number), None) for number in range(5))]
    assert told == [frozenset({"x"})]


def test_write_returns_though_nobody_delivers(backend):
    """A thread that waits is not answered through the event loop, which it may be holding up."""
    store = backend.open(Word, deliver=lambda _: None)
    assert store.write(put_word("a")) == "a"


def test_an_answer_that_fails_harms_no_other(backend, caplog):
    """It is logged."""
    store = backend.open(Word)
    held = Held(store)

    def broken(*_: Any) -> None:
        raise ValueError("broken answer")

    store.submit(put_word("a"), broken)
    store.submit(put_word("b"), held.done)
    held.release(2)
    assert held.answers[-1] == ("b", None)
    assert "broken answer" in caplog.text


@pytest.mark.parametrize("message", ["database or disk is full", "disk I/O error"])
def test_a_failing_commit_fails_every_attempt_of_the_batch(statements, backend, message):
    """Also those that had failed for a reason of their own, which may have been another's change; then it goes on."""
    store = backend.open(Word)
    store.write(put_word("old"))
    held = Held(store)
    told: list[frozenset[str]] = []
    store.on_commit(told.append)

    def break_commit(sql: str) -> None:
        if sql == "COMMIT":
            statements.before = lambda _: None
            raise sqlite3.OperationalError(message)

    statements.before = break_commit
    store.submit(put_word("a"), held.done)
    store.submit(put_word("b", then=ValueError()), held.done)
    store.submit(lambda tx: tx.publish("t", b""), held.done)
    held.release(4)
    assert [type(error) for _, error in held.answers] == [ServiceUnavailable] * 4
    assert words(store) == ["old"]
    assert told == []
    assert store.write(put_word("new")) == "new"
    assert words(store) == ["new", "old"]


def test_a_statement_that_the_machine_refuses_fails_its_attempt_alone(statements, backend):
    """With ServiceUnavailable, as long as SQLite keeps the transaction."""
    store = backend.open(Word, Thing)
    held = Held(store)

    def break_insert(sql: str) -> None:
        if "test_thing" in sql:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    statements.before = break_insert
    store.submit(put_word("a"), held.done)
    store.submit(lambda tx: tx[Thing].put(Thing("x")), held.done)
    store.submit(put_word("b"), held.done)
    held.release(4)
    assert [type(error) for _, error in held.answers] == [type(None), type(None), ServiceUnavailable, type(None)]
    assert words(store) == ["a", "b"]


def test_a_transaction_that_sqlite_gives_up_fails_the_whole_batch(statements, backend):
    """A full disk can undo everything in the middle of an attempt: nobody of the batch is told a lie."""
    store = backend.open(Word, Thing)
    held = Held(store)
    session = store._session

    def give_up(sql: str) -> None:
        if "test_thing" in sql:
            session.connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

    statements.before = give_up
    store.submit(put_word("a"), held.done)
    store.submit(lambda tx: tx[Thing].put(Thing("x")), held.done)
    store.submit(put_word("b"), held.done)
    held.release(4)
    assert [type(error) for _, error in held.answers] == [ServiceUnavailable] * 4
    assert words(store) == []
    store.write(put_word("c"))
    assert words(store) == ["c"]


def test_a_mistake_in_sql_is_not_passed_off_as_a_busy_machine(backend):
    """Our own bugs stay visible as what they are."""
    store = backend.open(Word)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.write(lambda tx: tx.execute("SELECT * FROM nowhere", ()))


def test_a_foreign_writer_is_waited_for_then_given_up(monkeypatch, backend, folder):
    """Somebody's sqlite3 shell holds the lock: unavailable, and well again afterwards."""
    monkeypatch.setattr(connection, "BUSY_SECONDS_MAX", 0.01)
    store = backend.open(Word)
    foreign = sqlite3.connect(folder / "data.db", isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceUnavailable):
        store.write(put_word("a"))
    assert words(store) == []
    foreign.execute("COMMIT")
    foreign.close()
    store.write(put_word("b"))
    assert words(store) == ["b"]


def test_close_finishes_what_is_queued(backend):
    """Everything submitted before is answered and durable; afterwards nothing is accepted."""
    store = backend.open(Word)
    held = Held(store)
    for number in range(1_200):  # more than one batch
        store.submit(put_word(f"{number:04}"), held.done)
    closing = threading.Thread(target=backend.close)
    closing.start()
    held.release(1_201)
    closing.join()
    assert [error for _, error in held.answers if error] == []
    late: list[Any] = []
    store.submit(put_word("late"), lambda *answer: late.append(answer))
    assert [type(error) for _, error in late] == [ServiceUnavailable]
    assert len(words(backend.open(Word))) == 1_200


def test_a_batch_has_a_limit(statements, backend):
    """So that the first of it does not wait for ever."""
    store = backend.open(Word)
    held = Held(store)
    statements.seen.clear()
    for number in range(writer.BATCH_MAX + 5):
        store.submit(put_word(f"{number:04}"), held.done)
    held.release(writer.BATCH_MAX + 6)
    assert statements.seen.count("COMMIT") == 2


def test_commits_are_synchronous(backend):
    """WAL with synchronous=FULL: the log is on the disk before anyone is told."""
    session = backend.open(Word)._session
    assert session.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert session.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
