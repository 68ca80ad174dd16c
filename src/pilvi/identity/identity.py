"""Identity as the rest of the cloud uses it: authenticate, authorise, issue sessions, judge documents."""

from typing import TYPE_CHECKING

from pilvi.core.caller import Caller, Check, Credential, SessionCredentials, Supposition, Uses, Verdict
from pilvi.core.clock import Ids
from pilvi.core.context import Context
from pilvi.core.operation import Directory
from pilvi.identity import authenticate, authorise, simulate, validation
from pilvi.identity.tokens import Tokens

if TYPE_CHECKING:
    from pilvi.state.store import Tx


class Identity:
    """Who is who and who may what.

    Args:
        master_key: at least 32 random bytes, kept in the data folder; whoever has it can forge sessions.
    """

    def __init__(self, master_key: bytes, directory: Directory, ids: Ids) -> None:
        self._directory = directory
        self._uses: dict[str, tuple[int, str, str]] = {}
        self._tokens = Tokens({1: master_key}, 1, ids)

    def authenticate(self, tx: "Tx", access_key_id: str, token: str | None, now_ms: int) -> Credential:
        """The secret to verify the signature with, and whose it is.

        Raises:
            AuthenticationFailed: see `authenticate.Problem`.
        """
        return authenticate.credential(tx, self._directory, self._tokens, access_key_id, token, now_ms)

    def used(self, caller: Caller, service: str, region: str, now_ms: int) -> None:
        """Notes that a request was signed as `caller`; on one thread with `take_uses`."""
        identity = caller.user_id.partition(":")[0] if caller.session_expires_ms else caller.access_key_id
        self._uses[identity] = (now_ms, service, region)

    def take_uses(self) -> Uses:
        """What was noted since the last time, to be written with `write_uses`."""
        taken, self._uses = self._uses, {}
        return taken

    def write_uses(self, tx: "Tx", uses: Uses) -> None:
        """Keeps what was noted."""
        self._directory.write_uses(tx, uses)

    def authorise(self, ctx: Context, check: Check) -> None:
        """Raises:
        AccessDenied: worded as AWS does.
        """
        decision = authorise.judge(ctx.tx, self._directory, ctx.caller, check, ctx.request.context, ctx.now_ms)
        if not decision.allowed:
            raise authorise.refusal(ctx.caller, check, decision)

    def may(self, ctx: Context, check: Check) -> bool:
        """Whether the context's caller is allowed what `check` asks."""
        return authorise.judge(ctx.tx, self._directory, ctx.caller, check, ctx.request.context, ctx.now_ms).allowed

    def has_account(self, tx: "Tx", account: str) -> bool:
        """Whether anybody exists in an account."""
        return self._directory.has_account(tx, account)

    def issue_session(self, caller: Caller, duration_seconds: int, now_ms: int) -> SessionCredentials:
        """Temporary credentials that authenticate as `caller`."""
        return self._tokens.issue(caller, duration_seconds, now_ms)

    def suppose(self, ctx: Context, supposition: Supposition) -> Verdict:
        """The decision under policies that are only supposed, at the time of the request.

        Raises:
            BadDocument: a document is no policy.
        """
        return simulate.suppose(supposition, ctx.account, ctx.now_ms)

    def policy_problem(self, document: str, *, resource_policy: bool = False, trust_policy: bool = False) -> str | None:
        """What is wrong with a policy document, or None."""
        use: validation.Use = "trust" if trust_policy else "resource" if resource_policy else "identity"
        return validation.problem(document, use)
