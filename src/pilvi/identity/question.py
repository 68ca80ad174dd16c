"""What is asked of the policies: who, what, to which resource, under which circumstances."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from pilvi.core.caller import Caller, Check
from pilvi.identity.variables import Values

_TYPES = {"root": "Account", "user": "User", "role": "AssumedRole", "anonymous": "Anonymous"}


class Question:
    """A check, its caller and its request. Condition keys are gathered only when a statement wants them."""

    __slots__ = ("_keys", "action", "caller", "check", "now_ms", "owner", "request", "resource")

    def __init__(self, caller: Caller, check: Check, request: Mapping[str, str | list[str]], now_ms: int) -> None:
        self.caller = caller
        self.check = check
        self.request = request
        self.now_ms = now_ms
        self.action = check.action.lower()
        self.resource = check.resource
        self.owner = check.owner or caller.account
        self._keys: Values | None = None

    def suppose(self, context: Mapping[str, str | list[str]]) -> None:
        """Condition keys that go before everything known."""
        self._keys = {**self.keys(), **{name.lower(): value for name, value in context.items()}}

    def keys(self) -> Values:
        """Condition keys in lower case. What we know of the caller overrides what the request brings along."""
        if self._keys is None:
            sources = (self.request, self.check.context, self.caller.context)
            keys = {name.lower(): value for source in sources for name, value in source.items()}
            keys.update(_times(self.now_ms // 1000))
            keys.update(_principal(self.caller))
            if self.owner:
                keys["aws:resourceaccount"] = self.owner
                if self.action.startswith("s3:"):
                    keys["s3:resourceaccount"] = self.owner
            self._keys = keys
        return self._keys


@lru_cache(maxsize=16)
def _times(seconds: int) -> dict[str, str]:
    return {
        "aws:currenttime": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(seconds),
    }


def _principal(caller: Caller) -> dict[str, str]:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable"""
    if not caller.arn:  # supposed, and nobody in particular
        return {}
    if caller.kind == "service":
        keys = {"aws:principalisawsservice": "true", "aws:principalservicename": caller.arn}
        if caller.source:
            keys |= {"aws:sourcearn": caller.source, "aws:sourceaccount": caller.account}
        return keys
    keys = {
        "aws:principalisawsservice": "false",
        "aws:viaawsservice": "false",
        "aws:principaltype": _TYPES[caller.kind],
        "aws:userid": caller.user_id,
    }
    if caller.kind != "anonymous":
        keys |= {"aws:principalaccount": caller.account, "aws:principalarn": caller.identity_arn}
    if caller.kind == "user":
        keys["aws:username"] = caller.identity_arn.rpartition("/")[2]
    return keys
