"""Records of asynchronous invocations, sent to the function that is their destination.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
"""

from typing import Any, Final

import msgspec

from pilvi.core.context import Context
from pilvi.core.effects import Outcome
from pilvi.core.errors import CloudError
from pilvi.services.lambda_ import find, limits, role
from pilvi.services.lambda_.asyncevents import AsyncEvent
from pilvi.services.lambda_.errors import ResourceNotFound
from pilvi.services.lambda_.records import EventConfig
from pilvi.services.lambda_.views import iso_time

SUCCESS: Final = "Success"
RETRIES_EXHAUSTED: Final = "RetriesExhausted"
TOO_OLD: Final = "EventAgeExceeded"


def send(ctx: Context, event: AsyncEvent, config: EventConfig | None, condition: str, outcome: Outcome | None) -> None:
    """Invokes the destination with a record of what happened, as the function's role.

    A destination that is gone, or that the role may not invoke, gets nothing, as on AWS.
    """
    if config is None:
        return
    target = config.on_success if condition == SUCCESS else config.on_failure
    if not target:
        return
    try:
        found = find.version(ctx, event.function)
        spec = find.spec_of(event.function, found)
        sender = ctx.acting_as(role.caller(ctx, spec), region=spec.region)
        request = {"FunctionName": target, "InvocationType": "Event", "Payload": record(ctx, event, condition, outcome)}
        sender.call("lambda", "Invoke", request)
    except ResourceNotFound:
        return
    except CloudError as error:
        if error.status >= 500:
            raise


def record(ctx: Context, event: AsyncEvent, condition: str, outcome: Outcome | None) -> bytes:
    """The document that a destination receives. What is too large for an event is left out."""
    tries = event.errors + (condition == SUCCESS)
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": iso_time(ctx.now_ms),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": event.function.arn if event.qualifier else f"{event.function.arn}:$LATEST",
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": msgspec.Raw(event.payload),
    }
    if outcome is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": "$LATEST"}
        if outcome.error:
            context["functionError"] = outcome.error
        document["responseContext"] = context
        document["responsePayload"] = msgspec.Raw(outcome.payload or b"null")
    encoded = msgspec.json.encode(document)
    if len(encoded) > limits.ASYNC_PAYLOAD_BYTES_MAX:
        del document["requestPayload"]
        encoded = msgspec.json.encode(document)
    return (
        encoded
        if len(encoded) <= limits.ASYNC_PAYLOAD_BYTES_MAX
        else msgspec.json.encode({name: value for name, value in document.items() if name != "responsePayload"})
    )
