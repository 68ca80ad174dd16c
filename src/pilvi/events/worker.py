"""Delivers the outbox: at least once, in order of due time, taking turns between keys.

    committed / due        load                begin               perform                 settle
    -------------->  a page of entries  -->  (a snapshot)  -->  (user code or a copy, --> (one attempt)
                     into a fair queue                            if any)                 removed, or due again

Each topic has a lane of its own with bounded concurrency. An entry stays in the store until the attempt that settles it
is durable, so a process that dies delivers it again; within one process it is never in delivery twice, because its id
is held in memory from load to settle.

A lane reads the store from where it last stopped, for new entries are due no earlier than those before them. Nearly: an
attempt that takes long may commit an entry behind one that was delayed until just now. So every half a second a lane
goes back a little, and one that has little in hand, or sees the clock set back, begins from the start.

Everything here runs on the event loop's thread.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import msgspec

from pilvi.core.clock import Clock
from pilvi.core.context import Context
from pilvi.core.effects import Invocation, Invoke, Outcome, Restage, Staged
from pilvi.core.operation import Delivery, RetryAt, Settled
from pilvi.events.fair import FairQueue
from pilvi.state.restage import COPIERS, Copy
from pilvi.state.store import OutboxEntry, Store, Tx

log = logging.getLogger("pilvi.events")

CONCURRENCY = 1_000  # deliveries of a topic in progress
PAGE_ENTRIES = 128
READY_ENTRIES_MAX = 8_192  # loaded and waiting: the window in which keys take turns
READY_BYTES_MAX = 32 * 1024 * 1024
BEGIN_AT_ONCE = 32  # begun in one go before the loop may do something else
FEW_IN_HAND = 64  # so many are cheap to read over again
RESCAN_MS = 500
RESCAN_BACK_MS = 1_000  # longer than any attempt takes
SLEEP_MS_MAX = 60_000  # a timer never trusts the wall clock for longer
PAUSE_FIRST_MS = 1_000  # after an error of our own, doubled each time ...
PAUSE_MS_MAX = 300_000  # ... up to here

Perform = Callable[[Invocation], Awaitable[Outcome]]


class Counters(msgspec.Struct):
    """What became of a topic's deliveries since the start; `failed` counts errors of our own."""

    delivered: int = 0
    retried: int = 0
    dropped: int = 0
    failed: int = 0


class Worker:
    """Carries out what services wrote to the outbox.

    Args:
        context: makes the context of begin and settle from their transaction.
        perform: runs user code; what it raises is handed to settle.
        concurrency: of topics that need other than CONCURRENCY.
    """

    def __init__(
        self,
        store: Store,
        deliveries: Iterable[Delivery],
        context: Callable[[Tx], Context],
        perform: Perform,
        clock: Clock,
        *,
        concurrency: Mapping[str, int] | None = None,
    ) -> None:
        self.store = store
        self.context = context
        self.perform = perform
        self.clock = clock
        most = concurrency or {}
        self._lanes = {one.topic: _Lane(self, one, most.get(one.topic, CONCURRENCY)) for one in deliveries}
        self._listening = False
        self.running = False

    @property
    def counters(self) -> Mapping[str, Counters]:
        """By topic."""
        return {topic: lane.counters for topic, lane in self._lanes.items()}

    def total(self, what: str) -> int:
        """One of the counters, over all topics."""
        return sum(getattr(counters, what) for counters in self.counters.values())

    @property
    def in_hand(self) -> int:
        """Entries that are loaded and not yet settled."""
        return sum(len(lane.in_hand) for lane in self._lanes.values())

    def start(self) -> None:
        """Begins with what an earlier process left. Called on the running loop."""
        self.loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.running = True
        if not self._listening:
            self.store.on_commit(self._committed)
            self._listening = True
        self.poke()

    def poke(self) -> None:
        """Looks for due entries now."""
        for lane in self._lanes.values():
            lane.look_soon()

    async def stop(self, grace_seconds: float = 30.0) -> None:
        """Begins nothing new and waits for what is in progress; what takes longer is abandoned and delivered again."""
        self.running = False
        await asyncio.gather(*(lane.drain(grace_seconds) for lane in self._lanes.values()))

    def on_loop(self, call: Callable[..., None], *values: Any) -> None:
        """Calls now when this is the loop's thread, else soon on it."""
        if threading.get_ident() == self._thread:
            call(*values)
        else:
            self.loop.call_soon_threadsafe(call, *values)

    def _committed(self, topics: frozenset[str]) -> None:
        if self.running:
            for topic in topics & self._lanes.keys():
                self.on_loop(self._lanes[topic].look_soon)


class _Lane:
    """The deliveries of one topic.

    Attributes:
        in_hand: ids from load to settle.
    """

    def __init__(self, worker: Worker, delivery: Delivery, concurrency: int) -> None:
        self.counters = Counters()
        self.in_hand: set[int] = set()
        self._worker = worker
        self._delivery = delivery
        self._concurrency = concurrency
        self._ready: FairQueue[OutboxEntry] = FairQueue()
        self._ready_bytes = 0
        self._begun = 0  # taken from `ready`, not yet settled
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused: dict[int, tuple[int, int]] = {}  # id -> until when, how often before
        self._cursor: tuple[int, int] = (0, 0)
        self._rescanned_ms = 0
        self._more = True
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ms = 0
        self._scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()

    # -- looking for work --------------------------------------------------------------------------------------------

    def look_soon(self) -> None:
        self._more = True
        self._run_soon()

    def _run_soon(self) -> None:
        if not self._scheduled and self._worker.running:
            self._scheduled = True
            self._worker.loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if not self._worker.running:
            return
        try:
            if self._wants_more():
                self._load()
            self._begin_some()
        except Exception:
            log.exception("the outbox topic %s cannot be read", self._delivery.topic)
            self._more = True
            self._wake_at(self._worker.clock.now_ms() + PAUSE_FIRST_MS)
            return
        if (self._ready and self._begun < self._concurrency) or self._wants_more():
            self._run_soon()

    def _wants_more(self) -> bool:
        return self._more and self._has_room(READY_ENTRIES_MAX // 2, READY_BYTES_MAX // 2)

    def _has_room(self, entries: int, size: int) -> bool:
        return len(self._ready) < entries and self._ready_bytes < size

    def _load(self) -> None:
        """One page of due entries."""
        now_ms = self._worker.clock.now_ms()
        bounds, limit = self._where(now_ms)
        with self._worker.store.read() as tx:
            table = tx[OutboxEntry]
            seen = 0
            for entry in table.scan(self._delivery.topic, index="due", end=now_ms + 1, limit=limit, **bounds):
                seen += 1
                self._cursor = (entry.due_ms, entry.id)
                if entry.id not in self.in_hand and not self._is_paused(entry.id, now_ms):
                    self._take_in(entry)
                if not self._has_room(READY_ENTRIES_MAX, READY_BYTES_MAX):
                    return
            self._more = seen == limit
            if not self._more:
                later = next(table.scan(self._delivery.topic, index="due", start=now_ms + 1, limit=1), None)
                self._sleep(now_ms, later)

    def _where(self, now_ms: int) -> tuple[dict[str, Any], int]:
        """Where the next page begins, and how long it may be: what is in hand lies before what is new."""
        over = any(until <= now_ms for until, _ in self._paused.values())
        again = PAGE_ENTRIES + len(self.in_hand)
        back_ms = self._rescanned_ms
        if len(self.in_hand) <= FEW_IN_HAND or now_ms < back_ms or over:
            self._rescanned_ms = now_ms
            return {}, again
        if now_ms - back_ms >= RESCAN_MS:
            self._rescanned_ms = now_ms
            return {"start": min(self._cursor[0], back_ms - RESCAN_BACK_MS)}, again
        return {"after": self._cursor}, PAGE_ENTRIES

    def _is_paused(self, number: int, now_ms: int) -> bool:
        return number in self._paused and self._paused[number][0] > now_ms

    def _take_in(self, entry: OutboxEntry) -> None:
        self.in_hand.add(entry.id)
        self._ready.push(entry.key, entry)
        self._ready_bytes += len(entry.body)

    def _sleep(self, now_ms: int, later: OutboxEntry | None) -> None:
        """Until the next entry is due, a pause is over, or it is time to go back a little."""
        times = [until for until, _ in self._paused.values() if until > now_ms]
        if later is not None:
            times.append(later.due_ms)
        if len(self.in_hand) > FEW_IN_HAND:
            times.append(now_ms + RESCAN_MS)
        if times:
            self._wake_at(min(times))

    def _wake_at(self, at_ms: int) -> None:
        """Looks again then, unless an alarm is set for earlier."""
        if self._alarm is not None:
            if self._alarm_ms <= at_ms:
                return
            self._alarm.cancel()
        self._alarm_ms = at_ms
        milliseconds = min(max(at_ms - self._worker.clock.now_ms(), 1), SLEEP_MS_MAX)
        self._alarm = self._worker.loop.call_later(milliseconds / 1000, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.look_soon()

    # -- delivering --------------------------------------------------------------------------------------------------

    def _begin_some(self) -> None:
        free = min(self._concurrency - self._begun, len(self._ready), BEGIN_AT_ONCE)
        if free <= 0:
            return
        with self._worker.store.read() as tx:
            for _ in range(free):
                entry = self._ready.pop()
                self._ready_bytes -= len(entry.body)
                self._begun += 1
                self._idle.clear()
                self._begin(tx, entry)

    def _begin(self, tx: Tx, entry: OutboxEntry) -> None:
        try:
            what = self._delivery.begin(self._context(tx), entry)
        except Exception as error:  # noqa: BLE001 - whatever it is, the entry must not be lost
            self._finished(entry, None, error)
            return
        if isinstance(what, Invoke | Restage):
            work = self._carry_out(entry, what) if isinstance(what, Invoke) else self._copy(entry, what)
            task = self._worker.loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(partial(self._carried_out, entry))
        elif what is None:
            self._submit(entry, partial(self._settle, entry, None))
        else:
            self._submit(entry, partial(_keep, entry, what))

    async def _carry_out(self, entry: OutboxEntry, effect: Invoke) -> None:
        outcome: Outcome | Exception
        try:
            outcome = await self._worker.perform(effect.invocation)
        except Exception as error:  # noqa: BLE001 - settle decides what it means
            outcome = error
        self._submit(entry, partial(self._settle, entry, outcome))

    async def _copy(self, entry: OutboxEntry, effect: Restage) -> None:
        copy = Copy(self._worker.store, effect)
        outcome: Staged | Exception
        try:
            outcome = await self._worker.loop.run_in_executor(COPIERS, copy.run)
        except asyncio.CancelledError:
            copy.abort()
            raise
        except Exception as error:  # noqa: BLE001 - settle decides what it means
            outcome = error
        finished = partial(self._worker.on_loop, self._finished, entry)

        def done(verdict: Settled | RetryAt | None, error: BaseException | None) -> None:
            copy.abort()
            finished(verdict, error)

        self._worker.store.submit(partial(self._settle, entry, outcome), done)

    def _carried_out(self, entry: OutboxEntry, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._release(entry)
        elif (error := task.exception()) is not None:  # the store takes nothing any more
            self._finished(entry, None, error)

    def _submit(self, entry: OutboxEntry, attempt: Callable[[Tx], Settled | RetryAt]) -> None:
        self._worker.store.submit(attempt, partial(self._worker.on_loop, self._finished, entry))

    def _settle(self, entry: OutboxEntry, outcome: Any, tx: Tx) -> Settled | RetryAt:
        return _keep(entry, self._delivery.settle(self._context(tx), entry, outcome), tx)

    def _context(self, tx: Tx) -> Context:
        """What is asked of other services while an event is delivered is asked by the service whose event it is."""
        ctx = self._worker.context(tx)
        ctx.request = msgspec.structs.replace(ctx.request, service=self._delivery.topic.partition(".")[0])
        return ctx

    def _finished(self, entry: OutboxEntry, verdict: Settled | RetryAt | None, error: BaseException | None) -> None:
        """The verdict is durable; or an error of ours stands in the way."""
        self._release(entry)
        if verdict is None:
            self._pause(entry, error)
            return
        self._paused.pop(entry.id, None)
        if isinstance(verdict, RetryAt):
            self.counters.retried += 1
            level = logging.INFO if verdict.failure else logging.DEBUG  # without one it is a job that goes on
            log.log(level, "event %d of %s is due again: %s", entry.id, entry.topic, verdict.failure)
            self._cursor = min(self._cursor, (verdict.due_ms, entry.id - 1))
            self._wake_at(verdict.due_ms)
        elif verdict.dropped:
            self.counters.dropped += 1
            log.warning("event %d of %s is given up: %s", entry.id, entry.topic, verdict.dropped)
        else:
            self.counters.delivered += 1
        if self._ready or self._more:
            self._run_soon()

    def _release(self, entry: OutboxEntry) -> None:
        self.in_hand.discard(entry.id)
        self._begun -= 1
        if self._begun == 0:
            self._idle.set()

    def _pause(self, entry: OutboxEntry, error: BaseException | None) -> None:
        """The entry is left alone for a while: it may be that which breaks us."""
        self.counters.failed += 1
        _, before = self._paused.get(entry.id, (0, 0))
        pause_ms = min(PAUSE_FIRST_MS << min(before, 20), PAUSE_MS_MAX)
        self._paused[entry.id] = (self._worker.clock.now_ms() + pause_ms, before + 1)
        log.error("event %d of %s failed inside", entry.id, entry.topic, exc_info=error)
        self._wake_at(self._paused[entry.id][0])

    # -- the end -----------------------------------------------------------------------------------------------------

    async def drain(self, grace_seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=grace_seconds)
        for task in list(self._tasks):
            task.cancel()
        await self._idle.wait()


def _keep(entry: OutboxEntry, verdict: Settled | RetryAt, tx: Tx) -> Settled | RetryAt:
    """Writes down what was decided about an entry."""
    if isinstance(verdict, Settled):
        tx[OutboxEntry].delete(entry.id)
    else:
        changed = msgspec.structs.replace(
            entry,
            due_ms=verdict.due_ms,
            attempts=entry.attempts + 1,
            failure=verdict.failure,
            body=entry.body if verdict.body is None else verdict.body,
        )
        tx[OutboxEntry].put(changed)
    return verdict
