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
from pilvi.services.lambda_ import find, limits
from pilvi.services.lambda_.errors import ResourceNotFound
from pilvi.services.lambda_.names import FunctionId
from pilvi.services.lambda_.records import EventConfig
from pilvi.state.store import OutboxEntry

TOPIC = "lambda.async"


class AsyncEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One asynchronous invocation on its way.

    Attributes:
        errors: how often the function itself failed; throttles do not count.
        pauses: how often it could not be run at all.
    """

    account: str
    region: str
    name: str
    qualifier: str
    request_id: str
    payload: bytes
    created_ms: int
    client_context: str = ""
    errors: int = 0
    pauses: int = 0

    @property
    def function(self) -> FunctionId:
        return FunctionId(self.account, self.region, self.name, self.qualifier)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AsyncEvent).decode


def publish(ctx: Context, event: AsyncEvent) -> None:
    """Writes the invocation down, in the transaction of whoever asks for it."""
    ctx.tx.publish(TOPIC, _encode(event), key=event.function.unqualified_arn)


class AsyncInvocations(msgspec.Struct, frozen=True):
    """The delivery of `lambda.async`.

    Attributes:
        retry_delays_ms: after the first, second, ... function error; the last one repeats.
    """

    retry_delays_ms: tuple[int, ...] = limits.ASYNC_RETRY_DELAYS_MS
    backoff_first_ms: int = limits.BACKOFF_FIRST_MS
    topic: str = TOPIC

    def begin(self, ctx: Context, entry: OutboxEntry) -> Invoke | Settled:
        event = _decode(entry.body)
        try:
            found = find.version(ctx, event.function)
        except ResourceNotFound:
            return Settled(dropped=f"{event.function.arn} is gone")
        spec = find.spec_of(event.function, found)
        invocation = Invocation(spec, event.payload, event.request_id, event.client_context)
        return Invoke(invocation, lambda outcome: outcome)

    def settle(self, ctx: Context, entry: OutboxEntry, outcome: Outcome | BaseException) -> Settled | RetryAt:
        event = _decode(entry.body)
        if isinstance(outcome, Outcome) and outcome.error is None:
            return Settled()
        config = _config(ctx, event.function)
        if isinstance(outcome, Outcome):
            return self._after_function_error(ctx, event, config, outcome)
        return self._after_system_error(ctx, event, config, outcome)

    def _after_function_error(
        self, ctx: Context, event: AsyncEvent, config: EventConfig | None, outcome: Outcome
    ) -> Settled | RetryAt:
        retries = limits.ASYNC_RETRIES if config is None or config.retries is None else config.retries
        event = msgspec.structs.replace(event, errors=event.errors + 1)
        if event.errors > retries:
            return Settled(dropped=f"{event.function.arn} failed {event.errors} times")
        delay = self.retry_delays_ms[min(event.errors, len(self.retry_delays_ms)) - 1]
        return self._again(ctx, event, config, delay, outcome.payload[:1024].decode(errors="replace"))

    def _after_system_error(
        self, ctx: Context, event: AsyncEvent, config: EventConfig | None, error: BaseException
    ) -> Settled | RetryAt:
        event = msgspec.structs.replace(event, pauses=event.pauses + 1)
        delay = min(self.backoff_first_ms << min(event.pauses - 1, 20), limits.BACKOFF_MS_MAX)
        failure = f"{error.code}: {error.message}" if isinstance(error, CloudError) else type(error).__name__
        return self._again(ctx, event, config, delay, failure)

    def _again(
        self, ctx: Context, event: AsyncEvent, config: EventConfig | None, delay_ms: int, failure: str
    ) -> Settled | RetryAt:
        age_max = limits.ASYNC_AGE_MS_MAX
        if config is not None and config.age_seconds is not None:
            age_max = config.age_seconds * 1000
        if ctx.now_ms + delay_ms - event.created_ms > age_max:
            return Settled(dropped=f"{event.function.arn}: the event is too old for another try")
        return RetryAt(ctx.now_ms + delay_ms, failure, _encode(event))


def _config(ctx: Context, function: FunctionId) -> EventConfig | None:
    return ctx.tx[EventConfig].get(*function.key, function.policy_qualifier)
