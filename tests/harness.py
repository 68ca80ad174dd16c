"""A cloud in one process, without HTTP: operations run in real transactions over a real store, under a fake clock.

with Harness(tmp_path) as cloud:
    cloud.run("s3", "CreateBucket", Bucket="photos")
"""

from __future__ import annotations

import random
import string
import uuid
from pathlib import Path
from typing import Any, Self

from pilvi import services
from pilvi.core import caller as callers
from pilvi.core import sealing
from pilvi.core.caller import Caller, Check, SessionCredentials
from pilvi.core.context import Context, RequestInfo
from pilvi.core.effects import Compute, Restage, Staged
from pilvi.core.errors import AccessDenied
from pilvi.core.operation import Operation
from pilvi.state.disk import Disk
from pilvi.state.restage import Copy, SourceGone
from pilvi.state.sqlite import SqliteStore
from pilvi.state.store import OutboxEntry
from stores import FakeClock

ACCOUNT = "000000000000"
MASTER_KEY = b"the master key of tests' clouds."


class SeededIds:
    """The same identifiers in every run."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def hex(self, length: int) -> str:
        return "".join(self._random.choices("0123456789abcdef", k=length))

    def base32(self, length: int) -> str:
        return "".join(self._random.choices(string.ascii_uppercase + "234567", k=length))

    def base64(self, length: int) -> str:
        return "".join(self._random.choices(string.ascii_letters + string.digits, k=length))

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def bytes(self, length: int) -> bytes:
        return self._random.randbytes(length)


class HarnessCloud:
    """Everything is allowed unless `denied` names the action."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.settings: dict[str, str] = {}
        self.accounts = {ACCOUNT}
        self.known_runtimes = frozenset({"python3.11", "python3.12", "python3.13"})

    def call(self, ctx: Context, service: str, operation: str, request: dict[str, Any], caller: Caller | None) -> Any:
        inner = ctx.acting_as(caller or ctx.caller)
        found = services.discover()[service].operations[operation]
        self.authorise(inner, service, found, request)
        with ctx.tx.savepoint():
            return found.run(inner, request)

    def authorise(self, ctx: Context, service: str, operation: Operation, request: dict[str, Any]) -> None:
        for check in checks_of(operation.check, ctx, request, default=f"{service}:{operation.name}"):
            if not self.may(ctx, check):
                raise AccessDenied(f"not authorized to perform: {check.action}")

    def may(self, ctx: Context, check: Check) -> bool:
        return check.action not in self.denied

    def issue_session(self, caller: Caller, duration_seconds: int, now_ms: int) -> SessionCredentials:
        return SessionCredentials("ASIATEST", "secret", "token", now_ms + duration_seconds * 1000)

    def policy_problem(self, document: str, *, resource_policy: bool = False, trust_policy: bool = False) -> str | None:
        return None

    def suppose(self, ctx: Context, supposition: Any) -> Any:
        raise NotImplementedError("this harness decides nothing")

    def setting(self, name: str) -> str:
        return self.settings.get(name, "")

    def secret(self, purpose: str) -> bytes:
        return sealing.derive(MASTER_KEY, purpose)

    def has_account(self, ctx: Context, account: str) -> bool:
        return account in self.accounts

    def runtimes(self) -> frozenset[str]:
        return self.known_runtimes


def checks_of(check: Any, ctx: Context, request: dict[str, Any], default: str) -> list[Check]:
    if check is None:
        return [Check(default)]
    found = check(ctx, request)
    return found if isinstance(found, list) else [found]


class Unfinished(Exception):
    """Undoes an attempt that is to be made again."""

    def __init__(self, effect: Restage | Compute) -> None:
        self.effect = effect


class Harness:
    def __init__(
        self, folder: Path, *, region: str = "us-east-1", account: str = ACCOUNT, disk: Disk | None = None
    ) -> None:
        self.clock = FakeClock()
        self.ids = SeededIds()
        self.cloud = HarnessCloud()
        self.caller = callers.root(account)
        self.region = region
        self.folder = folder
        records = [record for service in services.discover().values() for record in service.records]
        self.store = SqliteStore.open(folder, [*records, OutboxEntry], clock=self.clock, disk=disk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def context(self, tx: Any, caller: Caller | None = None) -> Context:
        info = RequestInfo(self.ids.hex(16), self.region, "http://localhost:4566", {"aws:SourceIp": "127.0.0.1"})
        return Context(tx, caller or self.caller, info, self.clock.now_ms(), self.ids, self.cloud)

    def run(self, service: str, operation: str, /, **request: Any) -> Any:
        """One request: check, attempt, commit. Raises what the client would see."""
        return self.run_as(self.caller, service, operation, **request)

    def run_as(self, caller: Caller, service: str, operation: str, /, **request: Any) -> Any:
        found = services.discover()[service].operations[operation]
        if found.only_reads(request):
            with self.store.read() as tx:
                return self._attempt(tx, caller, service, found, request)
        return self._write(caller, service, found, request)

    def _write(self, caller: Caller, service: str, operation: Operation, request: dict[str, Any]) -> Any:
        """As the edge does it: what an attempt asks for is done outside of any transaction, and the attempt made again."""
        restaged: Staged | None = None
        computed: Any = None
        copies: list[Copy] = []

        def attempt(tx: Any) -> Any:
            result = self._attempt(tx, caller, service, operation, request, restaged, computed)
            if isinstance(result, Restage | Compute):
                raise Unfinished(result)
            return result

        try:
            while True:
                try:
                    return self.store.write(attempt)
                except Unfinished as again:
                    if isinstance(again.effect, Compute):
                        computed = again.effect.work()
                    else:
                        copies.append(Copy(self.store, again.effect))
                        restaged = self._read_again(copies[-1])
        finally:
            for copy in copies:
                copy.abort()

    def _read_again(self, copy: Copy) -> Staged | None:
        try:
            staged = copy.run()
        except SourceGone:
            staged = None
        self.meanwhile()
        return staged

    def meanwhile(self) -> None:
        """What others do between the reading of a copy's source and the attempt that follows."""

    def _attempt(
        self,
        tx: Any,
        caller: Caller,
        service: str,
        operation: Operation,
        request: dict[str, Any],
        restaged: Staged | None = None,
        computed: Any = None,
    ) -> Any:
        ctx = self.context(tx, caller)
        ctx.restaged, ctx.computed = restaged, computed
        self.authorise(ctx, service, operation, request)
        return operation.run(ctx, request)

    def authorise(self, ctx: Context, service: str, operation: Operation, request: dict[str, Any]) -> None:
        """Raises AccessDenied."""
        self.cloud.authorise(ctx, service, operation, request)
