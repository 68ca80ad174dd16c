"""The outbox worker as a state machine: whatever happens, every committed event is delivered at least once.

Between steps the process may die (its deliveries forgotten, whatever they were doing), the clock moves, user code fails
or hangs. In the end everything that was committed has been delivered and settled, nothing that was undone has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from outbox import TOPIC, Bench, Plan, until
from pilvi.core.operation import RetryAt, Settled
from pilvi.events.worker import Worker

RETRY_MS = 1_000


class Undo(Exception):
    pass


class OutboxWorker(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        logging.getLogger("pilvi.events").setLevel(logging.CRITICAL)
        self.folder = Path(tempfile.mkdtemp(prefix="pilvi-outbox-"))
        self.plan = Plan()
        self.plan.behaviour = self.behave
        self.bench = Bench(self.folder / "data", self.plan)
        self.loop = asyncio.new_event_loop()
        self.committed: dict[int, bytes] = {}
        self.fail: dict[bytes, int] = {}
        self.hang: set[bytes] = set()
        self.number = 0
        self.worker: Worker | None = None
        self.start(3)

    async def behave(self, body: bytes) -> None:
        if body in self.hang:
            await until(lambda: body not in self.hang, "released")
        if self.fail.get(body, 0) > 0:
            self.fail[body] -= 1
            raise RuntimeError("user code failed")

    def some(self, count: int) -> list[bytes]:
        self.number += count
        return [b"%d" % number for number in range(self.number - count, self.number)]

    # -- what happens ------------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 40), key=st.sampled_from("abc"), delay=st.sampled_from([0, 0, 700, 5_000]))
    def commit(self, count: int, key: str, delay: int) -> None:
        bodies = self.some(count)
        due = self.bench.clock.now + delay if delay else 0
        self.committed.update(zip(self.bench.publish(*bodies, key=key, due_ms=due), bodies, strict=True))

    @rule(count=st.integers(1, 3), how=st.sampled_from(["raise", "retry", "hang", "break"]), times=st.integers(1, 3))
    def commit_trouble(self, count: int, how: str, times: int) -> None:
        bodies = self.some(count)
        for body in bodies:
            if how == "raise":
                self.fail[body] = times
            elif how == "hang":
                self.hang.add(body)
            else:
                self.plan.verdicts[body] = self.verdict(how, times)
        self.committed.update(zip(self.bench.publish(*bodies), bodies, strict=True))

    def verdict(self, how: str, times: int):
        left = [times]

        def decide(now: int, attempts: int) -> Settled | RetryAt:
            if left[0] == 0:
                return Settled()
            left[0] -= 1
            if how == "break":
                raise ZeroDivisionError("a bug of ours")
            return RetryAt(now + RETRY_MS, "again")

        return decide

    @rule(count=st.integers(1, 5))
    def undo(self, count: int) -> None:
        bodies = self.some(count)

        def attempt(tx):
            for body in bodies:
                tx.publish(TOPIC, body)
            raise Undo

        with contextlib.suppress(Undo):
            self.bench.store.write(attempt)

    @rule(milliseconds=st.sampled_from([1, 500, 1_000, 60_000]))
    def advance(self, milliseconds: int) -> None:
        self.bench.clock.advance(milliseconds)
        if self.worker:
            self.loop.call_soon(self.worker.poke)

    @rule(milliseconds=st.sampled_from([100, 30_000]))
    def clock_is_set_back(self, milliseconds: int) -> None:
        self.bench.clock.advance(-milliseconds)

    @rule(concurrency=st.sampled_from([1, 3, 1_000]))
    def start(self, concurrency: int) -> None:
        if self.worker is None:
            self.worker = self.bench.worker(concurrency={TOPIC: concurrency})
            self.loop.run_until_complete(self.call(self.worker.start))

    async def call(self, function) -> None:
        function()

    @rule(turns=st.integers(1, 30))
    def run_a_while(self, turns: int) -> None:
        """The loop turns; the writer's thread works meanwhile."""

        async def some_turns() -> None:
            for _ in range(turns):
                await asyncio.sleep(0.0002)

        self.loop.run_until_complete(some_turns())

    @rule()
    def release(self) -> None:
        self.hang.clear()

    @rule()
    def stop(self) -> None:
        if self.worker:
            self.hang.clear()
            self.loop.run_until_complete(self.worker.stop(10))
            self.worker = None

    @rule()
    def die(self) -> None:
        """The process ends in the middle: its loop never turns again, and another opens the folder."""
        self.bury()
        self.plan.active.clear()
        self.bench.store = self.bench.open()
        self.loop = asyncio.new_event_loop()

    def bury(self) -> None:
        """What the writer has taken on is durable, but its answers are never heard."""
        self.bench.store.close()
        if self.worker:
            self.worker.running = False
            self.worker = None
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
            task.get_loop().run_until_complete(asyncio.wait([task]))
        self.loop.close()

    # -- what must be so ---------------------------------------------------------------------------------------------

    @invariant()
    def never_twice_at_once(self) -> None:
        if hasattr(self, "plan"):
            assert self.plan.overlaps == []

    @invariant()
    def settled_once_and_only_what_was_committed(self) -> None:
        if hasattr(self, "bench"):
            waiting = {entry.id for entry in self.bench.waiting()}  # first: the writer may settle some meanwhile
            marks = self.bench.marks()
            assert set(marks) <= set(self.committed)
            assert all(times == 1 for times in marks.values())
            assert set(self.committed) == set(marks) | waiting

    def teardown(self) -> None:
        """Let it finish: in the end everything is delivered."""
        if not hasattr(self, "bench"):
            return
        try:
            self.loop.run_until_complete(self.finish())
            assert self.bench.marks() == dict.fromkeys(self.committed, 1)
            assert self.plan.overlaps == []
            assert set(self.committed.values()) <= set(self.plan.performed)
        finally:
            self.bury()
            shutil.rmtree(self.folder)

    async def finish(self) -> None:
        self.hang.clear()
        if self.worker is None:
            self.worker = self.bench.worker()
            self.worker.start()

        def done() -> bool:
            assert self.worker
            self.bench.clock.advance(1_000)
            self.worker.poke()
            return not self.bench.waiting()

        await until(done, "everything is delivered")
        await self.worker.stop(10)


OutboxWorker.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOutboxWorker = OutboxWorker.TestCase
