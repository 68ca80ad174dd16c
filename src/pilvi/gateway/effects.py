"""Carrying out what an attempt asks for instead of answering: see core.effects.

Everything here happens outside of any transaction; then the attempt is made again, or its answer is made of what came.
"""

import asyncio
from collections.abc import Awaitable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from pilvi.core.effects import Compute, Invoke, Outcome, Restage, Staged, WaitFor
from pilvi.core.errors import InternalFailure, ServiceUnavailable
from pilvi.gateway.bodies import storage_error
from pilvi.gateway.waits import Place
from pilvi.state.restage import COPIERS, Copy, SourceGone
from pilvi.wire.http import Response

if TYPE_CHECKING:
    from pilvi.gateway.pipeline import Exchange

RESTAGES_MAX = 3  # a source that changes more often while it is read is given up


class Unfinished(Exception):
    """Undoes an attempt that is to be made again."""

    def __init__(self, effect: WaitFor | Restage | Compute) -> None:
        self.effect = effect


def invoke_at_once(exchange: "Exchange", effect: Invoke) -> Awaitable[Response] | None:
    """The way without a task; None when user code cannot begin now."""
    if exchange.gateway.perform_at_once is None:
        return None
    answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    cancel = exchange.gateway.perform_at_once(effect.invocation, partial(_performed, exchange, answer, effect))
    if cancel is None:
        return None
    answer.add_done_callback(lambda done: cancel() if done.cancelled() else None)
    return answer


def _performed(
    exchange: "Exchange",
    answer: asyncio.Future[Response],
    effect: Invoke,
    outcome: Outcome | None,
    error: BaseException | None,
) -> None:
    if answer.done():
        return
    try:
        if outcome is None:
            answer.set_result(exchange.fail(error or InternalFailure("User code had no outcome.")))
        else:
            answer.set_result(exchange.serialise(effect.then(outcome), None))
    except Exception as failure:  # noqa: BLE001
        answer.set_result(exchange.fail(failure))


async def invoke(exchange: "Exchange", effect: Invoke) -> Response:
    try:
        outcome = await exchange.gateway.perform(effect.invocation)
        return exchange.serialise(effect.then(outcome), None)
    except Exception as error:  # noqa: BLE001
        return exchange.fail(error)


async def sleep(exchange: "Exchange", wait: WaitFor) -> Response:
    """Sleeps and tries again until the operation answers; after the deadline it must."""
    gateway = exchange.gateway
    found: Any = wait
    try:
        while isinstance(found, WaitFor):
            with Place(gateway.waits, found.topic) as place:
                found = await look_again(exchange, waited=False)
                if isinstance(found, WaitFor):
                    woken = await place.sleep((found.deadline_ms - gateway.clock.now_ms()) / 1000)
                    found = await look_again(exchange, waited=not woken)
                    assert woken or not isinstance(found, WaitFor), "after its deadline an operation answers"
        return await invoke(exchange, found) if isinstance(found, Invoke) else exchange.serialise(found, None)
    except Exception as error:  # noqa: BLE001
        return exchange.fail(error)


def go_on(exchange: "Exchange", effect: WaitFor | Restage | Compute) -> Coroutine[Any, Any, Response]:
    """What an attempt asked for before it can be made again, and the attempt."""
    if isinstance(effect, WaitFor):
        return sleep(exchange, effect)
    return compute(exchange, effect) if isinstance(effect, Compute) else restage(exchange, effect)


async def compute(exchange: "Exchange", effect: Compute) -> Response:
    """Computes on a thread of its own, and tries again with what came of it."""
    try:
        exchange.computed = await asyncio.get_running_loop().run_in_executor(None, effect.work)
        return exchange.serialise(await look_again(exchange), None)
    except Exception as error:  # noqa: BLE001
        return exchange.fail(error)


async def restage(exchange: "Exchange", effect: Restage) -> Response:
    """Reads stored bytes once more, and tries again with what came of it."""
    loop, found = asyncio.get_running_loop(), None
    try:
        for _ in range(RESTAGES_MAX):
            copy = Copy(exchange.gateway.store, effect)
            try:
                staged = await loop.run_in_executor(COPIERS, copy.run)
                found = await look_again(exchange, restaged=staged, asks=True)
            except SourceGone:
                found = await look_again(exchange, asks=True)
            finally:
                copy.abort()
            if not isinstance(found, Restage):
                return exchange.serialise(found, None)
            effect = found
        return exchange.fail(ServiceUnavailable("The source is changed faster than it can be read."))
    except OSError as error:
        return exchange.fail(storage_error(error))
    except Exception as error:  # noqa: BLE001
        return exchange.fail(error)


async def look_again(
    exchange: "Exchange", *, waited: bool = False, restaged: Staged | None = None, asks: bool = False
) -> Any:
    """One more attempt; a WaitFor when there is still nothing.

    Args:
        asks: whether the caller may is asked again: it took so long that the answer, or what is asked about, may be another.
    """
    exchange.now_ms = exchange.gateway.clock.now_ms()
    tried: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    attempt = exchange.attempt_asking if asks else exchange.attempt
    exchange.gateway.store.submit(partial(attempt, waited, restaged), partial(_resolve, tried))
    try:
        return await tried
    except Unfinished as again:
        return again.effect


def _resolve(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def finish_in_task(answer: asyncio.Future[Response], work: Coroutine[Any, Any, Response]) -> None:
    """What takes longer goes on in a task; a client that goes away cancels it through its answer."""
    task = asyncio.get_running_loop().create_task(work)
    answer.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
    task.add_done_callback(partial(_hand_over, answer))


def _hand_over(answer: asyncio.Future[Response], task: "asyncio.Task[Response]") -> None:
    if not answer.done():
        answer.set_result(task.result())
