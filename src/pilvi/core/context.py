"""What an operation can touch: its transaction, its caller, the time, and the rest of the cloud through `call`."""

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pilvi.core.caller import Caller, Check, SessionCredentials, Supposition, Verdict
from pilvi.core.clock import Ids
from pilvi.core.effects import Staged

if TYPE_CHECKING:  # the layer above: for the checker only
    from pilvi.state.store import Tx


class RequestInfo(msgspec.Struct, frozen=True):
    """What the edge knows about the request.

    Attributes:
        endpoint: base URL under which the client reached us, e.g. "http://localhost:4566".
        region: from the signature's scope, else the cloud's default.
        context: condition keys of the request itself: aws:SourceIp, aws:SecureTransport, aws:UserAgent, ...
    """

    request_id: str
    region: str
    endpoint: str
    context: dict[str, str | list[str]]
    service: str = ""
    operation: str = ""


class Cloud(Protocol):
    """What an operation may ask of the cloud around it. Implemented by the composition root."""

    def call(self, ctx: "Context", service: str, operation: str, request: dict[str, Any], caller: Caller | None) -> Any:
        """Runs another service's operation in the same transaction, authorised as `caller` (default: this one)."""

    def may(self, ctx: "Context", check: Check) -> bool:
        """The policy engine's answer for this caller."""

    def issue_session(self, caller: Caller, duration_seconds: int, now_ms: int) -> SessionCredentials:
        """Temporary credentials that authenticate as `caller` until they expire."""

    def policy_problem(self, document: str, *, resource_policy: bool = False, trust_policy: bool = False) -> str | None:
        """What is wrong with a policy document, or None. The text is fit for MalformedPolicyDocument."""

    def suppose(self, ctx: "Context", supposition: Supposition) -> Verdict:
        """The policy engine's answer under policies that are only supposed.

        Raises:
            ValueError: a document is no policy.
        """

    def secret(self, purpose: str) -> bytes:
        """32 bytes for one purpose, the same for as long as the cloud lives, derived from its master key."""

    def setting(self, name: str) -> str:
        """What the cloud's owner chose for a service (config.OPTIONS); "" where nothing was chosen."""

    def has_account(self, ctx: "Context", account: str) -> bool:
        """Whether anybody exists in an account."""

    def runtimes(self) -> frozenset[str]:
        """Function runtimes whose interpreter is on this machine."""


class Context:
    """Made anew for each attempt.

    Attributes:
        memo: records that the checks of this very snapshot already read, for the operation that follows on it.
        restaged: what the Restage of the attempt before brought.
        computed: what the Compute of the attempt before brought.
    """

    __slots__ = ("caller", "cloud", "computed", "ids", "memo", "now_ms", "request", "restaged", "tx", "waited")

    def __init__(
        self,
        tx: "Tx",
        caller: Caller,
        request: RequestInfo,
        now_ms: int,
        ids: Ids,
        cloud: Cloud,
        *,
        waited: bool = False,
        restaged: Staged | None = None,
    ) -> None:
        self.tx = tx
        self.caller = caller
        self.request = request
        self.now_ms = now_ms
        self.ids = ids
        self.cloud = cloud
        self.waited = waited
        self.restaged = restaged
        self.computed: Any = None
        self.memo: dict[Any, Any] = {}

    @property
    def account(self) -> str:
        return self.caller.account

    @property
    def region(self) -> str:
        return self.request.region

    def call(self, service: str, operation: str, request: dict[str, Any], *, caller: Caller | None = None) -> Any:
        """Another service's operation in this transaction. Raises what it raises (its changes so far undone)."""
        return self.cloud.call(self, service, operation, request, caller)

    def may(self, check: Check) -> bool:
        return self.cloud.may(self, check)

    def acting_as(self, caller: Caller, *, region: str = "") -> "Context":
        """The same attempt as somebody else (and in another region): work that a service does on behalf of a resource."""
        request = self.request
        if region and region != request.region:
            context = {**request.context, "aws:RequestedRegion": region}
            request = msgspec.structs.replace(request, region=region, context=context)
        return Context(
            self.tx, caller, request, self.now_ms, self.ids, self.cloud, waited=self.waited, restaged=self.restaged
        )
