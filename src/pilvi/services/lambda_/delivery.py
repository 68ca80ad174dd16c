"""Asynchronous invocations: from the outbox to the function, at least once.

A function error is tried again after one minute and then after two; a throttle or an error of the system with a
growing pause for up to six hours. What is given up goes to the destination, if there is one, and is dropped if not.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""

import msgspec

from pilvi.core.context import Context
from pilvi.core.effects import Invocation, Invoke, Outcome
from pilvi.core.errors import CloudError
from pilvi.core.operation import RetryAt, Settled
from pilvi.services.lambda_ import asyncevents, destinations, find, limits
from pilvi.services.lambda_.asyncevents import TOPIC, AsyncEvent
from pilvi.services.lambda_.errors import ResourceNotFound
from pilvi.services.lambda_.records import EventConfig
from pilvi.state.store import OutboxEntry

FAILURE_BYTES_MAX = 1_024  # of an error, kept with the entry


class AsyncInvocations(msgspec.Struct, frozen=True):
    """The delivery of `lambda.async`.

    Attributes:
        retry_delays_ms: after the first, second, ... function error; the last one repeats.
    """

    retry_delays_ms: tuple[int, ...] = limits.ASYNC_RETRY_DELAYS_MS
    backoff_first_ms: int = limits.BACKOFF_FIRST_MS
    topic: str = TOPIC

    def begin(self, ctx: Context, entry: OutboxEntry) -> Invoke | Settled:
        event = asyncevents.decode(entry.body)
        try:
            found = find.version(ctx, event.function)
        except ResourceNotFound:
            return Settled(dropped=f"{event.function.arn} is gone")
        spec = find.spec_of(event.function, found)
        invocation = Invocation(spec, event.payload, event.request_id, event.client_context)
        return Invoke(invocation, lambda outcome: outcome)

    def settle(self, ctx: Context, entry: OutboxEntry, outcome: Outcome | BaseException) -> Settled | RetryAt:
        event = asyncevents.decode(entry.body)
        config = ctx.tx[EventConfig].get(*event.function.key, event.function.policy_qualifier)
        if isinstance(outcome, Outcome) and outcome.error is None:
            destinations.send(ctx, event, config, destinations.SUCCESS, outcome)
            return Settled()
        if isinstance(outcome, Outcome):
            return self._after_function_error(ctx, event, config, outcome)
        return self._after_system_error(ctx, event, config, outcome)

    def _after_function_error(
        self, ctx: Context, event: AsyncEvent, config: EventConfig | None, outcome: Outcome
    ) -> Settled | RetryAt:
        retries = limits.ASYNC_RETRIES if config is None or config.retries is None else config.retries
        event = msgspec.structs.replace(event, errors=event.errors + 1)
        if event.errors > retries:
            destinations.send(ctx, event, config, destinations.RETRIES_EXHAUSTED, outcome)
            return Settled(dropped=f"{event.function.arn} failed {event.errors} times")
        delay = self.retry_delays_ms[min(event.errors, len(self.retry_delays_ms)) - 1]
        failure = outcome.payload[:FAILURE_BYTES_MAX].decode(errors="replace")
        return self._again(ctx, event, config, delay, failure, outcome)

    def _after_system_error(
        self, ctx: Context, event: AsyncEvent, config: EventConfig | None, error: BaseException
    ) -> Settled | RetryAt:
        event = msgspec.structs.replace(event, pauses=event.pauses + 1)
        delay = min(self.backoff_first_ms << min(event.pauses - 1, 20), limits.BACKOFF_MS_MAX)
        failure = f"{error.code}: {error.message}" if isinstance(error, CloudError) else type(error).__name__
        return self._again(ctx, event, config, delay, failure, None)

    def _again(
        self,
        ctx: Context,
        event: AsyncEvent,
        config: EventConfig | None,
        delay_ms: int,
        failure: str,
        outcome: Outcome | None,
    ) -> Settled | RetryAt:
        age_max = limits.ASYNC_AGE_MS_MAX
        if config is not None and config.age_seconds is not None:
            age_max = config.age_seconds * 1000
        if ctx.now_ms + delay_ms - event.created_ms > age_max:
            destinations.send(ctx, event, config, destinations.TOO_OLD, outcome)
            return Settled(dropped=f"{event.function.arn}: the event is too old for another try")
        return RetryAt(ctx.now_ms + delay_ms, failure, asyncevents.encode(event))
