"""Every worker there is: taken, started, given back, ended.

A free one of the same function is taken, the last used first, so that those not needed grow old and end. Else a new one is
started while memory lasts; else the longest idle worker of another function makes room; else the invocation waits for its
turn.
"""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from pilvi.core.caller import SessionCredentials
from pilvi.core.clock import Clock
from pilvi.core.effects import FunctionSpec
from pilvi.core.errors import ServiceUnavailable
from pilvi.runtime import environment, memory, outcomes
from pilvi.runtime.backend import Answer, Backend, Ending, Worker
from pilvi.runtime.errors import TooManyRequests
from pilvi.runtime.logs import Log

INIT_SECONDS_MAX = 10.0
QUEUE_SECONDS_MAX = 60.0
MEMORY_RESERVE_BYTES = 256 * 1024 * 1024  # stays free for the machine
WORKER_BYTES_EXPECTED = 128 * 1024 * 1024  # what a new one is expected to grow to, at most
MEMORY_LOOK_SECONDS = 0.05
CREDENTIALS_SPARE_MS = 60_000

LogSink = Callable[[FunctionSpec, str, list[tuple[int, str]]], None]


class Sandboxed(msgspec.Struct, eq=False):
    """A worker and what the supervisor knows about it. `expires_ms`: its credentials'."""

    spec: FunctionSpec
    worker: Worker
    log: Log
    expires_ms: int
    init_ms: float
    idle_since_ms: int = 0


class Waiting(msgspec.Struct, eq=False):
    """An invocation without a worker. The future brings one, or None: there is room to start one."""

    key: str
    turn: asyncio.Future[Sandboxed | None]


class InitFailed(Exception):
    """The function's module could not be imported; the worker is gone."""

    def __init__(self, answer: Answer, init_ms: float, log: Log) -> None:
        super().__init__(answer.ending.value)
        self.answer = answer
        self.init_ms = init_ms
        self.log = log


class Pool:
    """Every worker there is, free ones by function."""

    def __init__(
        self,
        backend: Backend,
        credentials: Callable[[FunctionSpec], SessionCredentials],
        log_sink: LogSink,
        clock: Clock,
        idle_seconds: int,
    ) -> None:
        self._backend = backend
        self._credentials = credentials
        self._log_sink = log_sink
        self._clock = clock
        self._idle_ms = idle_seconds * 1000
        self._idle: dict[str, list[Sandboxed]] = {}
        self._busy = 0
        self._queue: deque[Waiting] = deque()
        self._keys: dict[tuple[str, str, str, str], str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looked_at = 0.0
        self._available = 0

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(max(1.0, self._idle_ms / 4000), self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for waiting in self._queue:
            if not waiting.turn.done():
                waiting.turn.set_exception(ServiceUnavailable("The cloud is stopping."))
        self._queue.clear()
        for idle in self._idle.values():
            for sandboxed in idle:
                sandboxed.worker.kill()
        self._idle.clear()

    def take(self, spec: FunctionSpec) -> Sandboxed | None:
        """A free worker of the function, if there is one."""
        idle = self._idle.get(spec.key)
        while idle:
            sandboxed = idle.pop()
            if sandboxed.worker.alive and not self._expired(sandboxed):
                self._busy += 1
                return sandboxed
            sandboxed.worker.kill()
        return None

    async def acquire(self, spec: FunctionSpec, request_id: str) -> tuple[Sandboxed, bool]:
        """A worker of the function that nobody else has, and whether it is new.

        Raises:
            InitFailed: a new one was needed, and its function's module could not be imported.
            CloudError: none can be started, or none became free in time.
        """
        free = self.take(spec)
        if free is None and not self._room() and not self._evict():
            free = await self._queued(spec.key)
        if free is None:
            return await self._start(spec, request_id), True
        return free, False

    def release(self, sandboxed: Sandboxed) -> None:
        """Gives a worker back: to the next in the queue, or to the idle ones."""
        self._busy -= 1
        if not sandboxed.worker.alive or self._expired(sandboxed):
            sandboxed.worker.kill()
            self._wake(None)
            return
        key = sandboxed.spec.key
        for waiting in self._queue:
            if waiting.key == key and not waiting.turn.done():
                self._busy += 1
                waiting.turn.set_result(sandboxed)
                return
        if self._queue and self._wake(None):  # others wait for room: this one makes it
            sandboxed.worker.kill()
            return
        sandboxed.idle_since_ms = self._clock.now_ms()
        self._idle.setdefault(key, []).append(sandboxed)

    def expire(self) -> None:
        """Ends workers that were idle for too long."""
        before_ms = self._clock.now_ms() - self._idle_ms
        for key, idle in list(self._idle.items()):
            kept = [one for one in idle if one.worker.alive and one.idle_since_ms > before_ms]
            for one in idle:
                if one not in kept:
                    one.worker.kill()
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    # -- inside ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.expire()
        self.start()

    def _expired(self, sandboxed: Sandboxed) -> bool:
        """Whether its credentials could end during an invocation."""
        needed_ms = sandboxed.spec.timeout_seconds * 1000 + CREDENTIALS_SPARE_MS
        return sandboxed.expires_ms < self._clock.now_ms() + needed_ms

    async def _start(self, spec: FunctionSpec, request_id: str) -> Sandboxed:
        self._busy += 1
        try:
            self._forget_predecessor(spec)
            await self._backend.prepare(spec)
            return await self._initialised(spec, request_id)
        except BaseException:
            self._busy -= 1
            self._wake(None)
            raise

    async def _initialised(self, spec: FunctionSpec, request_id: str) -> Sandboxed:
        """A worker whose function is imported. AWS allows 10 s, then tries once more within the function's timeout."""
        for phase, seconds in (("init", INIT_SECONDS_MAX), ("invoke", float(spec.timeout_seconds))):
            started = time.perf_counter()
            sandboxed = await self._fork(spec)
            answer = await sandboxed.worker.initialise(seconds)
            init_ms = sandboxed.init_ms = (time.perf_counter() - started) * 1000
            if answer.ending is Ending.READY:
                return sandboxed
            sandboxed.worker.kill()
            _log_init(sandboxed.log, answer, init_ms, phase, request_id, spec)
            if answer.ending is not Ending.TIMEOUT or phase == "invoke":
                raise InitFailed(answer, init_ms, sandboxed.log)
        raise AssertionError("both phases end above")

    async def _fork(self, spec: FunctionSpec) -> Sandboxed:
        credentials = self._credentials(spec)
        stream = self._stream_name(spec)
        log = Log(lambda lines: self._log_sink(spec, stream, lines), self._clock)
        variables = environment.of_spec(spec) | environment.of_worker(credentials, stream)
        log.line(f"INIT_START Runtime Version: {spec.runtime.replace('python', 'python:')}")
        worker = await self._backend.start(spec, variables, log.output)
        return Sandboxed(spec, worker, log, credentials.expires_ms, 0.0)

    def _stream_name(self, spec: FunctionSpec) -> str:
        day = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return f"{day:%Y/%m/%d}/[{spec.version}]{secrets.token_hex(16)}"

    def _forget_predecessor(self, spec: FunctionSpec) -> None:
        """A function's changed code or configuration has another key: its idle workers of before are not needed."""
        name = (spec.account, spec.region, spec.name, spec.version)
        before = self._keys.get(name)
        if before != spec.key:
            self._keys[name] = spec.key
            for sandboxed in self._idle.pop(before or "", []):
                sandboxed.worker.kill()

    # -- room --------------------------------------------------------------------------------------------------------

    def _room(self) -> bool:
        """Whether memory for one more worker is there. One may always run."""
        if not self._busy and not any(self._idle.values()):
            return True
        now = asyncio.get_running_loop().time()
        if now - self._looked_at > MEMORY_LOOK_SECONDS:
            self._looked_at = now
            self._available = memory.available_bytes() - MEMORY_RESERVE_BYTES
        self._available -= WORKER_BYTES_EXPECTED  # others that start meanwhile have not grown yet
        if self._available < 0:
            self._available += WORKER_BYTES_EXPECTED
            return False
        return True

    def _evict(self) -> bool:
        """Ends the longest idle worker, whosever it is; whether there was one."""
        oldest = min((idle[0] for idle in self._idle.values() if idle), key=lambda one: one.idle_since_ms, default=None)
        if oldest is None:
            return False
        self._idle[oldest.spec.key].remove(oldest)
        oldest.worker.kill()
        return True

    async def _queued(self, key: str) -> Sandboxed | None:
        waiting = Waiting(key, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        try:
            async with asyncio.timeout(QUEUE_SECONDS_MAX):
                return await waiting.turn
        except TimeoutError:
            raise TooManyRequests("Rate Exceeded.", fields={"Reason": "ConcurrentInvocationLimitExceeded"}) from None
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled() and waiting.turn.exception() is None:
                given = waiting.turn.result()
                if given is not None:
                    self.release(given)
                else:
                    self._wake(None)
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._queue.remove(waiting)

    def _wake(self, sandboxed: Sandboxed | None) -> bool:
        """The first in the queue may try again."""
        for waiting in self._queue:
            if not waiting.turn.done():
                waiting.turn.set_result(sandboxed)
                return True
        return False


def _log_init(log: Log, answer: Answer, init_ms: float, phase: str, request_id: str, spec: FunctionSpec) -> None:
    status = "timeout" if answer.ending is Ending.TIMEOUT else "error"
    parts = [f"INIT_REPORT Init Duration: {init_ms:.2f} ms", f"Phase: {phase}", f"Status: {status}"]
    if status == "error":
        parts.append(f"Error Type: {outcomes.payload(answer, request_id, spec.timeout_seconds)[1]}")
    log.end_line()
    log.line("\t".join(parts))
    log.flush()
