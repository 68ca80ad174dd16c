"""Runs functions: an invocation gets a worker, an event, a deadline, and its place in the log."""

import asyncio
import base64
import itertools
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from pilvi.core.caller import SessionCredentials
from pilvi.core.clock import Clock
from pilvi.core.effects import FunctionSpec, Invocation, Outcome
from pilvi.runtime import outcomes
from pilvi.runtime.backend import Answer, Ending, Event
from pilvi.runtime.errors import InvalidRequestContent, TooManyRequests
from pilvi.runtime.logs import Log
from pilvi.runtime.pool import InitFailed, LogSink, Pool, Sandboxed
from pilvi.runtime.processes import ProcessBackend

Told = Callable[[Outcome | None, BaseException | None], None]


class Runtime:
    """
    Args:
        folder: for caches; it may be removed whenever the cloud does not run.
        fetch_code: the bytes of a package's blob. Called in a thread.
        credentials: of a function's role. Raises CloudError when it cannot be assumed.
        log_sink: takes lines of a function's log stream.
        on_endpoint_socket: serves the cloud on a listening socket inside a sandbox.
        idle_seconds: a worker that was not used for so long ends.
        concurrency: invocations at once; further ones are throttled.
        backend: how workers run; by default as processes of this machine.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fetch_code: Callable[[int], bytes],
        credentials: Callable[[FunctionSpec], SessionCredentials],
        log_sink: LogSink,
        on_endpoint_socket: Callable[[socket.socket], Awaitable[asyncio.Server]],
        clock: Clock,
        idle_seconds: int,
        concurrency: int,
    ) -> None:
        self._backend = ProcessBackend(folder, fetch_code, on_endpoint_socket)
        self._pool = Pool(self._backend, credentials, log_sink, clock, idle_seconds)
        self._clock = clock
        self._concurrency = concurrency
        self._running = 0
        self._traces = _Traces()

    def runtimes(self) -> frozenset[str]:
        """Identifiers of the runtimes that have an interpreter here, e.g. "python3.11"."""
        return self._backend.runtimes()

    def layers(self) -> dict[str, str]:
        """The layers of the sandbox, found by trying: name -> "" when it holds, else why it does not."""
        return self._backend.layers()

    async def start(self) -> None:
        await self._backend.open()
        self._pool.start()

    async def stop(self) -> None:
        """Ends every worker; what still runs fails."""
        self._pool.stop()
        await self._backend.stop()

    async def warm(self, runtime: str) -> None:
        """Starts a runtime's zygote ahead of its first function."""
        await self._backend.zygote(runtime)

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Runs a function once.

        Raises:
            TooManyRequests: as many invocations as may run, run.
            CloudError: the function could not be run at all: its role, its code, its runtime.
        """
        client_context = self._admit(invocation)
        self._running += 1
        try:
            try:
                sandboxed, is_new = await self._pool.acquire(invocation.spec, invocation.request_id)
            except InitFailed as failed:
                return self._init_failed(invocation, failed)
            outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            run = _Run(self._pool, invocation, sandboxed, sandboxed.init_ms if is_new else None)
            try:
                self._begin(run, client_context, partial(_resolve, outcome))
                return await outcome
            except asyncio.CancelledError:
                run.cancel()
                raise
        finally:
            self._running -= 1

    def invoke_at_once(self, invocation: Invocation, told: Told) -> Callable[[], None] | None:
        """Runs a function once if a worker of it is free: without a task, for this is the way of most invocations.

        Args:
            told: called once with the outcome, or with what failed; not after the result was called.

        Returns:
            What ends the invocation because nobody waits for it any more; None: no worker is free, nothing was begun.

        Raises:
            TooManyRequests: as many invocations as may run, run.
            CloudError: the request is invalid.
        """
        client_context = self._admit(invocation)
        sandboxed = self._pool.take(invocation.spec)
        if sandboxed is None:
            return None
        run = _Run(self._pool, invocation, sandboxed, None)
        self._running += 1
        self._begin(run, client_context, partial(self._over, told))
        return partial(self._cancel, run)

    def _over(self, told: Told, outcome: Outcome | None, error: BaseException | None) -> None:
        self._running -= 1
        told(outcome, error)

    def _cancel(self, run: "_Run") -> None:
        if run.cancel():
            self._running -= 1

    def _admit(self, invocation: Invocation) -> str:
        """The client context of an invocation that may run now."""
        if self._running >= self._concurrency:
            raise TooManyRequests("Rate Exceeded.", fields={"Reason": "ConcurrentInvocationLimitExceeded"})
        return _client_context(invocation.client_context)

    def _begin(self, run: "_Run", client_context: str, told: Told) -> None:
        invocation, sandboxed = run.invocation, run.sandboxed
        spec, log = invocation.spec, sandboxed.log
        log.begin(want_tail=invocation.want_tail)
        log.line(f"START RequestId: {invocation.request_id} Version: {spec.version}")
        now_ms = self._clock.now_ms()
        event = Event(
            request_id=invocation.request_id,
            payload=invocation.payload,
            deadline_ms=now_ms + spec.timeout_seconds * 1000,
            arn=spec.arn,
            trace_id=self._traces.next(now_ms),
            client_context=client_context,
        )
        run.told = told
        run.started = time.perf_counter()  # the loop's own time has whole milliseconds
        sandboxed.worker.invoke(event, spec.timeout_seconds, run.answered)

    def _init_failed(self, invocation: Invocation, failed: InitFailed) -> Outcome:
        log = failed.log
        log.line(f"START RequestId: {invocation.request_id} Version: {invocation.spec.version}")
        return _outcome(invocation, failed.answer, failed.init_ms, None, log)


class _Run:
    """A worker at an invocation, until it answers or nobody waits any more."""

    __slots__ = ("_init_ms", "_is_over", "_pool", "invocation", "sandboxed", "started", "told")

    told: Told

    def __init__(self, pool: Pool, invocation: Invocation, sandboxed: Sandboxed, init_ms: float | None) -> None:
        self.invocation = invocation
        self.sandboxed = sandboxed
        self.started = 0.0
        self._pool = pool
        self._init_ms = init_ms
        self._is_over = False

    def answered(self, answer: Answer) -> None:
        if self._is_over:
            return
        self._is_over = True
        duration_ms = (time.perf_counter() - self.started) * 1000
        try:
            if answer.ending is Ending.TIMEOUT:
                duration_ms = self.invocation.spec.timeout_seconds * 1000.0
            self._pool.release(self.sandboxed)
            outcome = _outcome(self.invocation, answer, duration_ms, self._init_ms, self.sandboxed.log)
        except Exception as error:  # noqa: BLE001 - it is told to whoever waits
            self.told(None, error)
        else:
            self.told(outcome, None)

    def cancel(self) -> bool:
        """Ends it with its worker; False: it had ended."""
        if self._is_over:
            return False
        self._is_over = True
        self.sandboxed.worker.kill()
        self._pool.release(self.sandboxed)
        return True


class _Traces:
    """Trace ids: at random to begin with, then counted. Unlike any other, and not a secret."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(secrets.randbits(47))
        self._parents = itertools.count(secrets.randbits(63))

    def next(self, now_ms: int) -> str:
        root = f"{now_ms // 1000:08x}-{self._prefix}{next(self._numbers):012x}"
        return f"Root=1-{root};Parent={next(self._parents):016x};Sampled=0"


def _resolve(future: asyncio.Future[Outcome], outcome: Outcome | None, error: BaseException | None) -> None:
    if future.done():
        return
    if outcome is not None:
        future.set_result(outcome)
    elif error is not None:
        future.set_exception(error)


def _outcome(invocation: Invocation, answer: Answer, duration_ms: float, init_ms: float | None, log: Log) -> Outcome:
    """Closes the invocation's log and says how it ended."""
    spec, request_id = invocation.spec, invocation.request_id
    memory_mb = min(spec.memory_mb, answer.memory_kb >> 10)
    log.end_line()
    text = outcomes.log_text(answer, request_id, spec.timeout_seconds)
    if text:
        log.line(text)
    log.line(f"END RequestId: {request_id}")
    log.line(outcomes.report(spec, request_id, duration_ms, memory_mb, init_ms, answer))
    log.flush()
    payload, error_type = outcomes.payload(answer, request_id, spec.timeout_seconds)
    return Outcome(
        payload=payload,
        error="Unhandled" if error_type else None,
        tail=log.tail(),
        duration_ms=duration_ms,
        billed_ms=outcomes.billed_ms(duration_ms, init_ms),
        memory_max_mb=memory_mb,
        init_ms=init_ms,
    )


def _client_context(header: str) -> str:
    """JSON text from the header's base64."""
    try:
        return base64.b64decode(header, validate=True).decode() if header else ""
    except ValueError:
        raise InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.") from None
