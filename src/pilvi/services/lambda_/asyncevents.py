"""An asynchronous invocation, as it stands in the outbox."""

import msgspec

from pilvi.core.context import Context
from pilvi.services.lambda_.names import FunctionId

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


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AsyncEvent).decode


def publish(ctx: Context, event: AsyncEvent) -> None:
    """Writes the invocation down, in the transaction of whoever asks for it."""
    ctx.tx.publish(TOPIC, encode(event), key=event.function.unqualified_arn)
