"""An outbox worker in a test's hands: a real store, a fake clock, user code that does as the test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from pilvi.core.context import RequestInfo
from pilvi.core.effects import FunctionSpec, Invocation, Invoke, Outcome
from pilvi.core.operation import RetryAt, Settled
from pilvi.events.worker import Worker
from pilvi.state.sqlite import SqliteStore
from pilvi.state.store import OutboxEntry, Record, TableSpec
from stores import FakeClock

TOPIC = "test.work"
SPEC = FunctionSpec("k", "arn", "0", "r", "f", "$LATEST", "python3.11", "a.b", 1, "", "role")


class Mark(Record, frozen=True):
    """What a settled delivery leaves behind, in the transaction that removes its entry."""

    spec = TableSpec("mark", key=("number",))

    number: int
    times: int


class Plan:
    """A delivery that runs each entry's body as user code, and a record of what happened.

    Attributes:
        performed: bodies in the order in which they began; `active` are running now.
        verdicts: body -> what settle says, for bodies that are not simply settled; called with (now, attempts).
    """

    topic = TOPIC

    def __init__(self) -> None:
        self.performed: list[bytes] = []
        self.active: set[bytes] = set()
        self.overlaps: list[bytes] = []
        self.most_active = 0
        self.verdicts: dict[bytes, Callable[[int, int], Settled | RetryAt]] = {}
        self.behaviour: Callable[[bytes], Awaitable[None]] | None = None
        self.without_effect = False
        self.asking: set[str] = set()

    def begin(self, ctx: Any, entry: OutboxEntry) -> Invoke | None:
        self.asking.add(ctx.request.service)
        if self.without_effect:
            return None
        return Invoke(Invocation(SPEC, entry.body, str(entry.id)), lambda outcome: outcome)

    async def perform(self, invocation: Invocation) -> Outcome:
        body = invocation.payload
        if body in self.active:
            self.overlaps.append(body)
        self.active.add(body)
        self.most_active = max(self.most_active, len(self.active))
        self.performed.append(body)
        try:
            if self.behaviour is not None:
                await self.behaviour(body)
        finally:
            self.active.discard(body)
        return Outcome(body)

    def settle(self, ctx: Any, entry: OutboxEntry, outcome: Any) -> Settled | RetryAt:
        self.asking.add(ctx.request.service)
        if isinstance(outcome, Exception):
            return RetryAt(ctx.now_ms + 1000, str(outcome))
        decide = self.verdicts.get(entry.body)
        verdict = decide(ctx.now_ms, entry.attempts) if decide else Settled()
        if isinstance(verdict, Settled):
            known = ctx.tx[Mark].get(entry.id)
            ctx.tx[Mark].put(Mark(entry.id, (known.times if known else 0) + 1))
        return verdict


class SmallContext(msgspec.Struct):
    tx: Any
    now_ms: int
    request: RequestInfo


class Bench:
    """A store and workers over it."""

    def __init__(self, folder: Path, plan: Plan | None = None) -> None:
        self.clock = FakeClock()
        self.folder = folder
        self.plan = plan or Plan()
        self.store = self.open()

    def open(self) -> SqliteStore:
        return SqliteStore.open(self.folder, [Mark, OutboxEntry], clock=self.clock)

    def worker(self, **options: Any) -> Worker:
        return Worker(
            self.store,
            [self.plan],
            lambda tx: SmallContext(tx, self.clock.now_ms(), RequestInfo("", "", "", {})),
            self.plan.perform,
            self.clock,
            **options,
        )

    @asynccontextmanager
    async def running(self, **options: Any) -> Any:
        worker = self.worker(**options)
        worker.start()
        try:
            yield worker
        finally:
            await worker.stop(5)

    def publish(self, *bodies: bytes, key: str = "", due_ms: int = 0) -> list[int]:
        return self.store.write(lambda tx: [tx.publish(TOPIC, body, key=key, due_ms=due_ms) for body in bodies])

    def waiting(self) -> list[OutboxEntry]:
        with self.store.read() as tx:
            return list(tx[OutboxEntry].scan())

    def marks(self) -> dict[int, int]:
        with self.store.read() as tx:
            return {mark.number: mark.times for mark in tx[Mark].scan()}


async def until(condition: Callable[[], object], what: str, deadline_s: float = 20.0) -> None:
    """Lets the loop run until something is so."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.001)
