"""Runs functions: an invocation gets a worker, an event, a deadline, and its place in the log."""

import asyncio
import base64
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
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
        self._invocations: set[asyncio.Task[Outcome]] = set()

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
        if self._running >= self._concurrency:
            raise TooManyRequests("Rate Exceeded.", fields={"Reason": "ConcurrentInvocationLimitExceeded"})
        client_context = _client_context(invocation.client_context)
        self._running += 1
        try:
            try:
                sandboxed, is_new = await self._pool.acquire(invocation.spec, invocation.request_id)
            except InitFailed as failed:
                return self._init_failed(invocation, failed)
            return await self._run(invocation, sandboxed, sandboxed.init_ms if is_new else None, client_context)
        finally:
            self._running -= 1

    async def _run(
        self, invocation: Invocation, sandboxed: Sandboxed, init_ms: float | None, client_context: str
    ) -> Outcome:
        spec, log = invocation.spec, sandboxed.log
        log.begin(want_tail=invocation.want_tail)
        log.line(f"START RequestId: {invocation.request_id} Version: {spec.version}")
        now_ms = self._clock.now_ms()
        event = Event(
            request_id=invocation.request_id,
            payload=invocation.payload,
            deadline_ms=now_ms + spec.timeout_seconds * 1000,
            arn=spec.arn,
            trace_id=_trace_id(now_ms),
            client_context=client_context,
        )
        started = time.perf_counter()  # the loop's own time has whole milliseconds
        try:
            answer = await sandboxed.worker.invoke(event, spec.timeout_seconds)
        finally:
            self._pool.release(sandboxed)
        duration_ms = (time.perf_counter() - started) * 1000
        if answer.ending is Ending.TIMEOUT:
            duration_ms = spec.timeout_seconds * 1000.0
        return _outcome(invocation, answer, duration_ms, init_ms, log)

    def _init_failed(self, invocation: Invocation, failed: InitFailed) -> Outcome:
        log = failed.log
        log.line(f"START RequestId: {invocation.request_id} Version: {invocation.spec.version}")
        return _outcome(invocation, failed.answer, failed.init_ms, None, log)


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


def _trace_id(now_ms: int) -> str:
    return f"Root=1-{now_ms // 1000:08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
