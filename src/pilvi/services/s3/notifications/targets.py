"""Who can be told of a bucket's changes. Each kind of target is one class; functions are built.

A queue, a topic or an event bus is one class more: what it asks of its service, and what it sends there, in the
transaction of the change.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
"""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from pilvi.core.caller import Caller
from pilvi.core.context import Context
from pilvi.core.errors import CloudError
from pilvi.services.s3.records import NotificationRule

FUNCTION = "function"


class Target(Protocol):
    """One kind of target."""

    def refusal(self, ctx: Context, caller: Caller, rule: NotificationRule) -> str:
        """Why S3, as `caller`, cannot tell it: AWS's sentence; "" when it can."""

    def send(self, ctx: Context, caller: Caller, rule: NotificationRule, record: Mapping[str, Any]) -> None:
        """Tells it of one event, with this transaction. Raises what its service says."""


class Functions:
    """Functions are invoked asynchronously."""

    def refusal(self, ctx: Context, caller: Caller, rule: NotificationRule) -> str:
        try:
            with ctx.tx.savepoint():
                request = {"FunctionName": rule.target, "InvocationType": "DryRun"}
                ctx.call("lambda", "Invoke", request, caller=caller)
        except CloudError:
            return f"Not authorized to invoke function [{rule.target}]"
        return ""

    def send(self, ctx: Context, caller: Caller, rule: NotificationRule, record: Mapping[str, Any]) -> None:
        request = {"FunctionName": rule.target, "InvocationType": "Event", "Payload": message(record)}
        ctx.call("lambda", "Invoke", request, caller=caller)


def message(record: Mapping[str, Any]) -> bytes:
    """The document that functions, queues and topics get."""
    return msgspec.json.encode({"Records": [record]})


TARGETS: Mapping[str, Target] = {FUNCTION: Functions()}
"""The kinds that are built, by NotificationRule.kind."""
