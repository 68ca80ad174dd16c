"""The decision: may this caller do this? A pure function of documents and question.

One account (owner of the resource = caller's account):

1. An explicit deny anywhere (own policies, boundary, session policies, the resource's policy) ends it.
2. The resource's policy allows the user, the session, or everyone: allowed, whatever else does not allow.
3. Otherwise own policies must allow; a grant of the resource's policy to the caller's *role* does as well.
   A permissions boundary must allow too, and so must one of the session policies.
4. A role's trust policy must itself allow; for other resources no policy of their own is needed.

Two accounts: the caller's side (own policies, boundary, session) and the resource's policy must both allow. The root of an
account is allowed everything on its own side. Services of the cloud and anonymous callers have no side of their own:
only the resource's policy speaks for them.

An access control list (`Check.granted`) counts as a grant of the resource's policy. Where the
resource belongs to another account than the policy's author (`Check.only_denies`), the policy can only deny. Grants
(`Check.grantees`) count as a statement of the resource's policy that names their grantees. Where the resource's policy is
the root of authority (`Check.policy_decides`), step 4 is that of a trust policy.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from pilvi.identity.documents import Policy, Statement
from pilvi.identity.principals import DIRECT, NOBODY, ROLE, Principals
from pilvi.identity.question import Question

Kind = Literal["identity-based policy", "resource-based policy", "permissions boundary", "session policy"]

_TRUST_ACTIONS = frozenset(
    {
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:tagsession",
        "sts:setsourceidentity",
    }
)


class Decision(msgspec.Struct, frozen=True):
    """The answer and what decided it.

    Attributes:
        explicit: a deny statement decided.
        kind: the kind of policy that decided: allowed, denied, or that should have allowed and did not.
        sid: the deciding statement's Sid, "" when it has none or none decided.
    """

    allowed: bool
    explicit: bool
    kind: Kind
    sid: str = ""


class Policies(msgspec.Struct, frozen=True):
    """Everything that speaks about a caller and a resource, compiled.

    Attributes:
        boundary: the permissions boundary of the user or role, if it has one.
        session: policies passed when the session was made; none means the session is not narrowed.
    """

    identity: Sequence[Policy] = ()
    resource: Policy | None = None
    boundary: Policy | None = None
    session: Sequence[Policy] = ()


def decide(question: Question, policies: Policies) -> Decision:
    """May the caller do it? Never raises for documents that compiled."""
    return _denied(question, policies) or _granted(question, policies)


def _denied(question: Question, policies: Policies) -> Decision | None:
    found = _denying(question, policies.identity, "identity-based policy")
    if found is None and policies.boundary is not None:
        found = _denying(question, (policies.boundary,), "permissions boundary")
    if found is None and policies.session:
        found = _denying(question, policies.session, "session policy")
    if found is None and policies.resource is not None:
        for statement in policies.resource.about(question.action)[0]:
            if statement.names(question.caller) != NOBODY and statement.holds(question):
                return Decision(allowed=False, explicit=True, kind="resource-based policy", sid=statement.sid)
    return found


def _denying(question: Question, documents: Sequence[Policy], kind: Kind) -> Decision | None:
    for document in documents:
        for statement in document.about(question.action)[0]:
            if statement.holds(question):
                return Decision(allowed=False, explicit=True, kind=kind, sid=statement.sid)
    return None


def _granted(question: Question, policies: Policies) -> Decision:
    caller = question.caller
    strength, by_resource = _resource_grant(question, None if question.check.only_denies else policies.resource)
    if question.check.granted:
        strength = DIRECT
    if question.check.grantees:
        strength = max(strength, Principals.of(question.check.grantees).match(caller))
    resource_sid = by_resource.sid if by_resource else ""
    if caller.kind in {"service", "anonymous"}:
        return Decision(strength != NOBODY, explicit=False, kind="resource-based policy", sid=resource_sid)
    same_account = question.owner == caller.account
    decides = question.check.policy_decides or question.action in _TRUST_ACTIONS
    if strength == NOBODY and (not same_account or decides):
        return Decision(allowed=False, explicit=False, kind="resource-based policy")
    if same_account and strength == DIRECT:
        return Decision(allowed=True, explicit=False, kind="resource-based policy", sid=resource_sid)
    by_identity = _allowing(question, policies.identity)
    if caller.kind != "root" and by_identity is None and not (same_account and strength == ROLE):
        return Decision(allowed=False, explicit=False, kind="identity-based policy")
    if policies.boundary is not None and _allowing(question, (policies.boundary,)) is None:
        return Decision(allowed=False, explicit=False, kind="permissions boundary")
    if policies.session and _allowing(question, policies.session) is None:
        return Decision(allowed=False, explicit=False, kind="session policy")
    if by_identity is None and by_resource is not None:
        return Decision(allowed=True, explicit=False, kind="resource-based policy", sid=resource_sid)
    return Decision(True, explicit=False, kind="identity-based policy", sid=by_identity.sid if by_identity else "")


def _allowing(question: Question, documents: Sequence[Policy]) -> Statement | None:
    for document in documents:
        for statement in document.about(question.action)[1]:
            if statement.holds(question):
                return statement
    return None


def _resource_grant(question: Question, document: Policy | None) -> tuple[int, Statement | None]:
    """The most direct grant of the resource's policy."""
    best: tuple[int, Statement | None] = (NOBODY, None)
    for statement in () if document is None else document.about(question.action)[1]:
        strength = statement.names(question.caller)
        if strength > best[0] and statement.holds(question):
            best = (strength, statement)
    return best
