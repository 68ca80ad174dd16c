"""The Principal element: whom a resource's policy speaks about, and how directly.

How directly decides what may narrow the grant within one account (policy evaluation logic, "Evaluating identity-based
policies with resource-based policies"): a grant to a user, a session or everyone stands alone; one to a role passes
through the session's boundary and session policies; one to an account only delegates, so the caller's own policies must
allow too.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-req-context.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from pilvi.core.accounts import account_of
from pilvi.core.caller import Caller

NOBODY, ACCOUNT, ROLE, DIRECT = range(4)

_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?")

KINDS = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})


class Principals:
    """A compiled Principal or NotPrincipal."""

    __slots__ = ("accounts", "everyone", "names", "services")

    def __init__(self, element: str | Mapping[str, str | list[str]]) -> None:
        named: Mapping[str, str | list[str]] = {"AWS": element} if isinstance(element, str) else element
        self.everyone = "*" in _listed(named, "AWS")
        self.services = frozenset(_listed(named, "Service"))
        numbers = (found[1] for text in _listed(named, "AWS") if (found := _ACCOUNT.fullmatch(text)))
        canonical = (account for text in _listed(named, "CanonicalUser") if (account := account_of(text)))
        self.accounts = frozenset((*numbers, *canonical))
        self.names = frozenset((*_listed(named, "AWS"), *_listed(named, "Federated")))

    @classmethod
    def of(cls, names: Sequence[str]) -> "Principals":
        """Of names of any kind: ARNs, accounts, services."""
        return cls({"AWS": list(names), "Service": list(names)})

    def match(self, caller: Caller) -> int:
        """NOBODY, or how directly the caller is meant: ACCOUNT < ROLE < DIRECT."""
        if self.everyone:
            return DIRECT
        if caller.kind == "service":
            return DIRECT if not self.services.isdisjoint((caller.arn, "*")) else NOBODY
        if caller.kind == "anonymous":
            return NOBODY
        if caller.arn in self.names or caller.user_id in self.names:
            return DIRECT
        if caller.kind == "role" and not self.names.isdisjoint((caller.identity_arn, caller.user_id.partition(":")[0])):
            return ROLE
        return ACCOUNT if caller.account in self.accounts else NOBODY

    def match_all(self, caller: Caller) -> bool:
        """Whether every layer of the caller (session, role, account) is listed: only then NotPrincipal spares it."""
        if self.everyone:
            return True
        if caller.kind in {"service", "anonymous"}:
            return self.match(caller) != NOBODY
        return caller.account in self.accounts and all(layer in self.names for layer in _layers(caller))


def _layers(caller: Caller) -> Iterable[str]:
    if caller.kind == "root":
        return ()
    return (caller.arn, caller.identity_arn) if caller.kind == "role" else (caller.arn,)


def _listed(element: Mapping[str, str | list[str]], kind: str) -> list[str]:
    value = element.get(kind, [])
    return [value] if isinstance(value, str) else value
