"""May they? Gathers the documents that apply, asks the policy engine, and words the refusal as AWS does.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pilvi.core.caller import Caller, Check
from pilvi.core.errors import AccessDenied
from pilvi.core.operation import Directory
from pilvi.identity.documents import compile_policy
from pilvi.identity.policy import Decision, Policies, decide
from pilvi.identity.question import Question

if TYPE_CHECKING:
    from pilvi.state.store import Tx

# A bucket's owner can always take back a policy that denies everyone.
_NEVER_LOCKED_OUT = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})
ROOT_ALLOWED = Decision(allowed=True, explicit=False, kind="identity-based policy")


def judge(
    tx: "Tx",
    directory: Directory,
    caller: Caller,
    check: Check,
    request: Mapping[str, str | list[str]],
    now_ms: int,
) -> Decision:
    """The decision about one check under the policies that are stored now."""
    if (
        caller.kind == "root"
        and (check.policy is None or check.action in _NEVER_LOCKED_OUT)
        and (not check.owner or check.owner == caller.account)
        and not caller.session_policies
    ):
        return ROOT_ALLOWED
    resource = None if check.policy is None else compile_policy(check.policy)
    session = [compile_policy(text) for text in caller.session_policies]
    policies = Policies(resource=resource, session=session)
    if caller.kind in {"user", "role"}:
        own, boundary = directory.policies(tx, caller)
        identity = [compile_policy(text) for text in own]
        narrowed_by = None if boundary is None else compile_policy(boundary)
        policies = Policies(identity, resource, narrowed_by, session)
    return decide(Question(caller, check, request, now_ms), policies)


def refusal(caller: Caller, check: Check, decision: Decision) -> AccessDenied:
    """The error for a decision that did not allow. Strangers are not told which policy said no."""
    stranger = bool(check.owner) and check.owner != caller.account
    if check.action.startswith("s3:") and (stranger or caller.kind == "anonymous"):
        return AccessDenied("Access Denied")
    quote = '"' if check.action.startswith("s3:") else ""
    resource = "" if check.resource == "*" else f" on resource: {quote}{check.resource}{quote}"
    who = "anonymous" if caller.kind == "anonymous" else caller.arn
    return AccessDenied(
        f"User: {who} is not authorized to perform: {check.action}{resource}{_because(check, decision, stranger)}"
    )


def _because(check: Check, decision: Decision, stranger: bool) -> str:
    kind: str = decision.kind
    if check.action.startswith("sts:AssumeRole") and kind == "resource-based policy":
        kind = "role trust policy"
    article = "an" if kind[0] == "i" else "a"
    if decision.explicit:
        return f" with an explicit deny in {article} {kind}"
    return "" if stranger else f" because no {kind} allows the {check.action} action"
