"""The outbox worker's rules, one by one, under a fake clock."""

from __future__ import annotations

import asyncio
import logging

import pytest

from outbox import TOPIC, Bench, until
from pilvi.core.operation import RetryAt, Settled
from pilvi.events.fair import FairQueue


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "data")
    yield made
    made.store.close()


def test_what_waits_at_the_start_is_delivered(bench):
    """Entries that an earlier process left are delivered without any new commit, in order, and removed."""
    bench.publish(b"1", b"2", b"3")

    async def scenario():
        async with bench.running() as worker:
            await until(lambda: worker.counters[TOPIC].delivered == 3, "delivered")
            assert bench.waiting() == []

    asyncio.run(scenario())
    assert bench.plan.performed == [b"1", b"2", b"3"]


def test_what_is_asked_meanwhile_is_asked_by_the_topics_service(bench):
    """Other services see on whose behalf they are called: begin and settle act as the service whose event it is."""
    bench.publish(b"1")

    async def scenario():
        async with bench.running():
            await until(lambda: not bench.waiting(), "delivered")

    asyncio.run(scenario())
    assert bench.plan.asking == {TOPIC.partition(".")[0]}


def test_a_commit_wakes_the_worker(bench):
    """An entry that is committed while the worker sleeps is delivered at once."""

    async def scenario():
        async with bench.running():
            await until(lambda: True, "started")
            await asyncio.to_thread(bench.publish, b"new")
            await until(lambda: bench.plan.performed == [b"new"], "delivered")
            await until(lambda: not bench.waiting(), "removed")

    asyncio.run(scenario())


def test_nothing_is_delivered_before_it_is_due(bench):
    """An entry with a due time waits for the clock, however often the worker looks."""
    bench.publish(b"later", due_ms=bench.clock.now + 60_000)

    async def scenario():
        async with bench.running() as worker:
            await asyncio.to_thread(bench.publish, b"now")
            await until(lambda: bench.plan.performed == [b"now"], "the due one")
            bench.clock.advance(59_999)
            worker.poke()
            await asyncio.to_thread(bench.publish, b"another")
            await until(lambda: bench.plan.performed == [b"now", b"another"], "another")
            bench.clock.advance(1)
            worker.poke()
            await until(lambda: bench.plan.performed[-1] == b"later", "the later one")

    asyncio.run(scenario())


def test_a_timer_wakes_the_worker_for_what_becomes_due(bench):
    """Nobody needs to poke: the worker sleeps exactly until the next entry is due."""
    bench.publish(b"soon", due_ms=bench.clock.now + 30)

    async def scenario():
        async with bench.running():
            await until(lambda: bench.plan.performed == [] and bench.waiting(), "loaded")
            bench.clock.advance(30)
            await until(lambda: bench.plan.performed == [b"soon"], "delivered by the timer")

    asyncio.run(scenario())


def test_a_retry_keeps_the_entry_and_its_progress(bench):
    """RetryAt writes due time, attempts, failure and the new body; the next delivery sees them."""
    due = bench.clock.now + 5_000
    bench.plan.verdicts[b"first"] = lambda now, attempts: RetryAt(now + 5_000, "not yet", b"second")
    bench.publish(b"first")

    async def scenario():
        async with bench.running() as worker:
            await until(lambda: [entry.body for entry in bench.waiting()] == [b"second"], "retry written")
            (entry,) = bench.waiting()
            assert (entry.due_ms, entry.attempts, entry.failure) == (due, 1, "not yet")
            bench.clock.advance(5_000)
            worker.poke()
            await until(lambda: not bench.waiting(), "delivered")
            assert worker.counters[TOPIC].retried == 1

    asyncio.run(scenario())
    assert bench.plan.performed == [b"first", b"second"]


def test_what_user_code_raises_reaches_settle(bench):
    """An exception of the effect is no end: settle decides, here to try again."""
    failures = iter([RuntimeError("no worker"), None])

    async def fail(_body):
        error = next(failures)
        if error:
            raise error

    bench.plan.behaviour = fail
    bench.publish(b"x")

    async def scenario():
        async with bench.running() as worker:
            await until(lambda: bench.waiting() and bench.waiting()[0].failure == "no worker", "the failure is kept")
            bench.clock.advance(1_000)
            worker.poke()
            await until(lambda: not bench.waiting(), "delivered")

    asyncio.run(scenario())


def test_concurrency_is_bounded(bench):
    """At most `concurrency` deliveries of a topic are in progress, and all are delivered."""

    async def yield_often(_body):
        for _ in range(10):
            await asyncio.sleep(0)

    bench.plan.behaviour = yield_often
    bench.publish(*(b"%d" % number for number in range(200)))

    async def scenario():
        async with bench.running(concurrency={TOPIC: 7}):
            await until(lambda: not bench.waiting(), "all delivered")

    asyncio.run(scenario())
    assert bench.plan.most_active == 7
    assert len(bench.plan.performed) == 200


def test_keys_take_turns(bench):
    """One key's many entries do not hold up another key's few, though these came later."""
    bench.publish(*(b"many%d" % number for number in range(300)), key="many")
    bench.publish(b"few", key="few")

    async def scenario():
        async with bench.running(concurrency={TOPIC: 1}):
            await until(lambda: not bench.waiting(), "all delivered")

    asyncio.run(scenario())
    assert bench.plan.performed.index(b"few") < 300
    assert bench.plan.performed[:1] == [b"many0"]


def test_settling_without_an_effect(bench):
    """A delivery whose begin answers None is settled at once; the user code never runs."""
    bench.plan.without_effect = True
    numbers = bench.publish(b"a", b"b")

    async def scenario():
        async with bench.running():
            await until(lambda: not bench.waiting(), "settled")

    asyncio.run(scenario())
    assert bench.plan.performed == []
    assert bench.marks() == dict.fromkeys(numbers, 1)


def test_dropped_deliveries_are_counted_and_logged(bench, caplog):
    """What settle gives up is removed, counted and logged with its reason."""
    bench.plan.verdicts[b"x"] = lambda now, attempts: Settled(dropped="tried long enough")
    bench.publish(b"x")

    async def scenario():
        async with bench.running() as worker:
            with caplog.at_level(logging.WARNING, "pilvi.events"):
                await until(lambda: worker.counters[TOPIC].dropped == 1, "dropped")

    asyncio.run(scenario())
    assert "tried long enough" in caplog.text
    assert bench.waiting() == []


def test_an_entry_that_breaks_settle_is_paused_and_others_go_on(bench, caplog):
    """Our own bug in settle loses nothing: the entry stays, is tried again after a growing pause, others are served."""
    broken = [True]

    def breaks(_now, _attempts):
        if broken:
            raise ZeroDivisionError
        return Settled()

    bench.plan.verdicts[b"bad"] = breaks
    bench.publish(b"bad", b"good")

    async def scenario():
        async with bench.running() as worker:
            await until(lambda: worker.counters[TOPIC].failed == 1, "failed once")
            await until(lambda: [entry.body for entry in bench.waiting()] == [b"bad"], "the good one is gone")
            worker.poke()
            bench.clock.advance(1_000)
            worker.poke()
            await until(lambda: worker.counters[TOPIC].failed == 2, "failed twice")
            broken.clear()
            bench.clock.advance(1_999)
            worker.poke()
            await asyncio.to_thread(bench.publish, b"also good")
            await until(lambda: bench.plan.performed[-1] == b"also good", "others are served")
            assert bench.plan.performed.count(b"bad") == 2
            bench.clock.advance(1)
            worker.poke()
            await until(lambda: not bench.waiting(), "delivered in the end")

    with caplog.at_level(logging.CRITICAL, "pilvi.events"):
        asyncio.run(scenario())


def test_stop_waits_for_what_is_in_progress(bench):
    """stop() begins nothing new and returns when running deliveries are settled."""
    release = asyncio.Event()

    async def wait(_body):
        await release.wait()

    bench.plan.behaviour = wait
    bench.publish(b"1", b"2", b"3")

    async def scenario():
        worker = bench.worker(concurrency={TOPIC: 2})
        worker.start()
        await until(lambda: len(bench.plan.active) == 2, "two are running")
        stopping = asyncio.create_task(worker.stop(10))
        await until(lambda: not worker.running, "stopping")
        release.set()
        await stopping

    asyncio.run(scenario())
    assert [entry.body for entry in bench.waiting()] == [b"3"]


def test_stop_abandons_what_takes_too_long(bench):
    """After the grace, deliveries are cancelled; their entries stay for the next process."""

    async def forever(_body):
        await asyncio.Event().wait()

    bench.plan.behaviour = forever
    bench.publish(b"1")

    async def scenario():
        worker = bench.worker()
        worker.start()
        await until(lambda: bench.plan.active, "running")
        await worker.stop(0)

    asyncio.run(scenario())
    assert [entry.body for entry in bench.waiting()] == [b"1"]


def test_ten_thousand_at_once(bench):
    """A burst of 10,000 is delivered, each exactly once when nothing fails, with hundreds in progress at a time."""

    async def a_moment(_body):
        await asyncio.sleep(0)

    bench.plan.behaviour = a_moment
    for start in range(0, 10_000, 1_000):
        bench.publish(*(b"%d" % number for number in range(start, start + 1_000)), key=str(start))

    async def scenario():
        async with bench.running(concurrency={TOPIC: 300}) as worker:
            await until(lambda: worker.counters[TOPIC].delivered == 10_000, "all delivered", deadline_s=60)

    asyncio.run(scenario())
    assert bench.waiting() == []
    assert len(set(bench.plan.performed)) == len(bench.plan.performed) == 10_000


def test_an_entry_behind_the_place_of_reading_is_found(bench):
    """An entry committed late, due before others that were read already, is delivered while many are in progress."""
    release = asyncio.Event()

    async def wait(body):
        if body != b"behind":
            await release.wait()

    bench.plan.behaviour = wait
    bench.publish(*(b"%d" % number for number in range(100)))

    async def scenario():
        async with bench.running() as worker:
            await until(lambda: len(bench.plan.active) == 100, "many in progress")
            await asyncio.to_thread(bench.publish, b"behind", due_ms=bench.clock.now - 100)
            bench.clock.advance(500)
            worker.poke()
            await until(lambda: b"behind" in bench.plan.performed, "found")
            release.set()
            await until(lambda: not bench.waiting(), "all delivered")

    asyncio.run(scenario())
    assert bench.plan.overlaps == []


def test_fair_queue():
    """First in, first out per key; keys take turns; empty raises."""
    queue: FairQueue[int] = FairQueue()
    for number in range(3):
        queue.push("a", number)
    queue.push("b", 10)
    queue.push("b", 11)
    assert [queue.pop() for _ in range(len(queue))] == [0, 10, 1, 11, 2]
    with pytest.raises(IndexError):
        queue.pop()
    queue.push("a", 7)
    assert (queue.pop(), len(queue)) == (7, 0)
