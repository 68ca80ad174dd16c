"""Operations and services: how a function becomes a part of the cloud.

    @operation("GetUser", reads=True, check=user_check)
    def get_user(ctx: Context, req: GetUserRequest) -> GetUserResponse: ...

A service's folder exports SERVICE, made by `service(...)` from the modules that hold its operations. Folders are
discovered; nothing else lists them.
"""

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from pilvi.core.caller import Caller, Check, Credential, Uses
from pilvi.core.context import Context
from pilvi.core.effects import Invoke, Restage, StagePlan
from pilvi.core.inspection import Inspector
from pilvi.core.origins import Sharing
from pilvi.core.watched import Watches

if TYPE_CHECKING:
    from pilvi.state.store import OutboxEntry, Record, Tx

F = TypeVar("F", bound=Callable[..., Any])

Checks = Callable[[Context, Any], Check | list[Check]]
Stages = Callable[[Context, Any], StagePlan]
Reads = bool | Callable[[Any], bool]


class Operation(msgspec.Struct, frozen=True):
    """One operation of a service.

    Attributes:
        reads: it changes nothing: runs on a snapshot, on the event loop's thread; must be quick. A function of the
            request where that depends (`only_reads` asks it).
        heavy: a reading operation that may take milliseconds: runs on a snapshot in a thread of its own. A function of
            the request where that depends (`takes_long` asks it).
        check: what must be allowed. Runs on a snapshot before the body is read. None: the default check,
            `<iam prefix>:<operation name>` on "*". An empty list: authenticated is enough (sts:GetCallerIdentity).
        open: the check is made even for callers without credentials (anonymous): resource policies decide.
        bodiless: the check needs nothing of the body, so that it is made before a stranger's is read.
        stages: for operations with a streaming request body: how to receive it.
    """

    name: str
    run: Callable[[Context, Any], Any]
    reads: Reads = False
    heavy: Reads = False
    check: Checks | None = None
    open: bool = False
    bodiless: bool = False
    stages: Stages | None = None

    def only_reads(self, request: Any) -> bool:
        """Whether this very request changes nothing."""
        return self.reads if isinstance(self.reads, bool) else self.reads(request)

    def takes_long(self, request: Any) -> bool:
        """Whether this very request is a heavy one."""
        return self.heavy if isinstance(self.heavy, bool) else self.heavy(request)


def operation(
    name: str,
    *,
    reads: Reads = False,
    heavy: Reads = False,
    check: Checks | None = None,
    open: bool = False,  # noqa: A002 - the word that says it: open to anonymous callers
    bodiless: bool = False,
    stages: Stages | None = None,
) -> Callable[[F], F]:
    """Marks a function as the implementation of AWS's operation `name`."""

    def mark(function: F) -> F:
        function.__operation__ = Operation(name, function, reads, heavy, check, open, bodiless, stages)  # type: ignore[attr-defined]
        return function

    return mark


def door(
    name: str,
    *,
    reads: Reads = False,
    heavy: Reads = False,
    check: Checks | None = None,
    stages: Stages | None = None,
) -> Callable[[F], F]:
    """Marks an operation that AWS's model does not tell of, under a name of ours. It is open: it decides who may."""
    return operation(name, reads=reads, heavy=heavy, check=check, open=True, stages=stages)


class Settled(msgspec.Struct, frozen=True):
    """A delivery came to its end: the entry is removed in the same transaction.

    Attributes:
        dropped: why it was given up, for the log and the metrics; "" when it was delivered.
    """

    dropped: str = ""


class RetryAt(msgspec.Struct, frozen=True):
    """A delivery failed and is due again.

    Attributes:
        body: replaces the entry's body, for deliveries that keep their progress there.
    """

    due_ms: int
    failure: str = ""
    body: bytes | None = None


class Delivery(Protocol):
    """Carries out events of one outbox topic: begin inside a read, the effect outside, settle inside a write."""

    @property
    def topic(self) -> str: ...

    def begin(self, ctx: Context, entry: "OutboxEntry") -> Invoke | Restage | Settled | RetryAt | None:
        """What is to be done. Runs on a snapshot. None: nothing outside; `settle` does it all, with outcome None."""

    def settle(self, ctx: Context, entry: "OutboxEntry", outcome: Any) -> Settled | RetryAt:
        """Records how it went; `outcome` is an Outcome (a Staged after a Restage), or what the effect raised."""


class Directory(Protocol):
    """Who exists: what authentication and authorisation look up. Provided by the iam service."""

    def credential(self, tx: "Tx", access_key_id: str) -> Credential | None:
        """A long-term access key and its owner."""

    def policies(self, tx: "Tx", caller: Caller) -> tuple[list[str], str | None]:
        """Documents that apply to the caller (own, of groups, attached) and its permissions boundary, if any."""

    def exists(self, tx: "Tx", caller: Caller) -> bool:
        """Whether the caller behind a session still exists (a deleted role's sessions end)."""

    def has_account(self, tx: "Tx", account: str) -> bool:
        """Whether anybody exists in an account."""

    def write_uses(self, tx: "Tx", uses: Uses) -> None:
        """Keeps when keys and roles were last used."""


class Service(msgspec.Struct, frozen=True):
    """One service of the cloud.

    Attributes:
        name: botocore's service name.
        prefix: of its IAM actions.
        principal: its service principal.
        doors: operations that AWS's model does not tell of (websites, HTML forms), by names of our own; the route knows
            them, and codecs of their own read and answer them.
        sharing: which pages of other origins may see what; None: all of them.
        watches: who wants to know of requests that are refused early; None: nobody.
    """

    name: str
    operations: Mapping[str, Operation]
    records: tuple["type[Record]", ...]
    prefix: str
    principal: str
    deliveries: tuple[Delivery, ...] = ()
    directory: Directory | None = None
    inspectors: tuple[Inspector[Any], ...] = ()
    doors: Mapping[str, Operation] = {}
    sharing: Sharing | None = None
    watches: Watches | None = None


def service(
    name: str,
    modules: Iterable[ModuleType],
    records: Iterable["type[Record]"] = (),
    *,
    prefix: str = "",
    deliveries: Iterable[Delivery] = (),
    directory: Directory | None = None,
    inspectors: Iterable[Inspector[Any]] = (),
    doors: Iterable[ModuleType] = (),
    sharing: Sharing | None = None,
    watches: Watches | None = None,
) -> Service:
    """Gathers the marked functions of `modules`, and of `doors`."""
    return Service(
        name=name,
        operations=_marked(name, modules),
        records=tuple(records),
        prefix=prefix or name,
        principal=f"{prefix or name}.amazonaws.com",
        deliveries=tuple(deliveries),
        directory=directory,
        inspectors=tuple(inspectors),
        doors=_marked(name, doors),
        sharing=sharing,
        watches=watches,
    )


def _marked(service_name: str, modules: Iterable[ModuleType]) -> dict[str, Operation]:
    found: dict[str, Operation] = {}
    for module in modules:
        for value in vars(module).values():
            marked = getattr(value, "__operation__", None)
            if isinstance(marked, Operation) and value.__module__ == module.__name__:
                if marked.name in found:
                    raise TypeError(f"{service_name}: {marked.name} is implemented twice")
                found[marked.name] = marked
    return found
