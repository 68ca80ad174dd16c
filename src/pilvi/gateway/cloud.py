"""What operations may ask of the cloud around them: each other, the policy engine, credentials."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from pilvi.core import sealing
from pilvi.core.caller import Caller, Check, SessionCredentials, Supposition, Verdict
from pilvi.core.context import Context
from pilvi.core.effects import Compute, Invoke, WaitFor
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import Operation, Service
from pilvi.identity.identity import Identity


class LocalCloud:
    """The cloud of this process."""

    def __init__(
        self,
        services: Mapping[str, Service],
        identity: Identity,
        runtimes: Callable[[], frozenset[str]],
        master_key: bytes,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._services = services
        self._identity = identity
        self._runtimes = runtimes
        self._secrets = cache(partial(sealing.derive, master_key))
        self._settings = settings or {}

    def call(self, ctx: Context, service: str, operation: str, request: dict[str, Any], caller: Caller | None) -> Any:
        """Checks like a request from outside would be, then runs inside the caller's transaction.

        Raises:
            CloudError: what the operation raises; its changes are undone, those made before stay.
        """
        callee = self._services.get(service)
        found = callee.operations.get(operation) if callee else None
        if callee is None or found is None:
            raise NotBuilt(f"{service}:{operation} is not built.")
        inner = ctx if caller is None else ctx.acting_as(caller)
        with ctx.tx.savepoint():
            authorise(self._identity, inner, callee, found, request)
            result = found.run(inner, request)
        assert not isinstance(result, Invoke | WaitFor | Compute), (
            f"{service}:{operation} cannot be awaited inside a transaction"
        )
        return result

    def may(self, ctx: Context, check: Check) -> bool:
        return self._identity.may(ctx, check)

    def issue_session(self, caller: Caller, duration_seconds: int, now_ms: int) -> SessionCredentials:
        return self._identity.issue_session(caller, duration_seconds, now_ms)

    def policy_problem(self, document: str, *, resource_policy: bool = False, trust_policy: bool = False) -> str | None:
        return self._identity.policy_problem(document, resource_policy=resource_policy, trust_policy=trust_policy)

    def suppose(self, ctx: Context, supposition: Supposition) -> Verdict:
        return self._identity.suppose(ctx, supposition)

    def secret(self, purpose: str) -> bytes:
        return self._secrets(purpose)

    def setting(self, name: str) -> str:
        return self._settings.get(name, "")

    def has_account(self, ctx: Context, account: str) -> bool:
        return self._identity.has_account(ctx.tx, account)

    def runtimes(self) -> frozenset[str]:
        return self._runtimes()


def authorise(
    identity: Identity, ctx: Context, service: Service, operation: Operation, request: dict[str, Any]
) -> None:
    """Asks the policy engine each question that the operation poses.

    Raises:
        AccessDenied: at the first that is answered with no.
    """
    if operation.check is None:
        identity.authorise(ctx, Check(f"{service.prefix}:{operation.name}"))
        return
    checks = operation.check(ctx, request)
    if isinstance(checks, Check):
        identity.authorise(ctx, checks)
        return
    for check in checks:
        identity.authorise(ctx, check)
