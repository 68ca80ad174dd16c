"""Invoke: the one operation of Lambda that must be fast.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

from base64 import b64encode

import msgspec

from pilvi.core.context import Context
from pilvi.core.effects import Invocation, Invoke, Outcome
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.lambda_ import find, limits, names
from pilvi.services.lambda_.asyncevents import AsyncEvent, publish
from pilvi.services.lambda_.errors import InvalidParameterValue, InvalidRequestContent, RequestEntityTooLarge
from pilvi.services.lambda_.functions import on_function
from pilvi.services.lambda_.names import FunctionId
from pilvi.services.lambda_.types import InvocationRequest, InvocationResponse


def waits_for_the_answer(req: InvocationRequest) -> bool:
    """Only an asynchronous invocation changes anything: it is written down."""
    return req.get("InvocationType") != "Event"


@operation("Invoke", reads=waits_for_the_answer, check=on_function("InvokeFunction"))
def invoke(ctx: Context, req: InvocationRequest) -> InvocationResponse | Invoke:
    for member in ("DurableExecutionName", "TenantId"):
        if member in req:
            raise NotBuilt(f"lambda: {member} is not built.")
    kind = req.get("InvocationType", "RequestResponse")
    name = names.parse(ctx, req["FunctionName"], req.get("Qualifier"))
    payload = _event(req.get("Payload", b""), kind)
    found = find.version(ctx, name)
    if kind == "DryRun":
        return {"StatusCode": 204, "ExecutedVersion": found.version}
    if kind == "Event":
        return _later(ctx, req, name, payload)
    spec = find.spec_of(name, found)
    context = req.get("ClientContext", "")
    if len(context) > limits.CLIENT_CONTEXT_BYTES_MAX:
        raise InvalidRequestContent("Client context must be no more than 3583 bytes when base64-encoded.")
    tail = req.get("LogType") == "Tail"

    def answer(outcome: Outcome) -> InvocationResponse:
        result: InvocationResponse = {
            "StatusCode": 200,
            "ExecutedVersion": found.version,
            "Payload": outcome.payload,
        }
        if outcome.error:
            result["FunctionError"] = outcome.error
        if tail:
            result["LogResult"] = b64encode(outcome.tail).decode()
        return result

    return Invoke(Invocation(spec, payload, ctx.request.request_id, context, tail), answer)


def _event(payload: bytes, kind: str) -> bytes:
    """The event that a payload stands for; none at all is an empty object."""
    most = limits.ASYNC_PAYLOAD_BYTES_MAX if kind == "Event" else limits.SYNC_PAYLOAD_BYTES_MAX
    if len(payload) > most:
        raise RequestEntityTooLarge(
            f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {most} bytes)"
        )
    if not payload:
        return b"{}"
    try:
        msgspec.json.decode(payload, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestContent(f"Could not parse request body into json: {error}") from None
    return payload


def _later(ctx: Context, req: InvocationRequest, name: FunctionId, payload: bytes) -> InvocationResponse:
    if req.get("LogType", "None") == "Tail":
        raise InvalidParameterValue("Tail logs are only available for RequestResponse invocations.")
    by_service = ctx.caller.kind == "service"  # one request of its client may cause many invocations
    event = AsyncEvent(
        account=name.account,
        region=name.region,
        name=name.name,
        qualifier=name.qualifier,
        request_id=ctx.ids.uuid() if by_service else ctx.request.request_id,
        payload=payload,
        created_ms=ctx.now_ms,
        client_context=req.get("ClientContext", ""),
    )
    publish(ctx, event)
    return {"StatusCode": 202, "Payload": b""}
