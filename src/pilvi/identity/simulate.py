"""What would be decided if: the policy simulator over the very same decision.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html
"""

from collections.abc import Iterator

from pilvi.core.caller import Caller, Supposition, Verdict
from pilvi.identity.documents import Policy, compile_policy
from pilvi.identity.policy import Decision, Policies, decide
from pilvi.identity.principals import NOBODY
from pilvi.identity.question import Question

RESOURCE = ""  # the name under which a Verdict knows the resource's own policy


def suppose(supposed: Supposition, account: str, now_ms: int) -> Verdict:
    """The decision, what made it, and what it would have liked to know.

    Args:
        account: owner of the resource, and home of a caller who is nobody in particular, unless the check says.

    Raises:
        BadDocument: a document is no policy.
    """
    check = supposed.check
    caller = supposed.caller or Caller("user", check.owner or account, "", "")
    question = Question(caller, check, {}, now_ms)
    question.suppose(supposed.context)
    identity = {name: compile_policy(text) for name, text in supposed.policies.items()}
    boundary = _joined([compile_policy(text) for text in supposed.boundaries])
    resource = None if check.policy is None else compile_policy(check.policy)
    decision = decide(question, Policies(tuple(identity.values()), resource, boundary))
    documents = [*identity.values(), *(one for one in (boundary, resource) if one is not None)]
    return Verdict(
        decision="allowed" if decision.allowed else "explicitDeny" if decision.explicit else "implicitDeny",
        matched=tuple(_matched(question, decision, identity, resource)),
        missing=_missing(question, documents),
        bounded=None if boundary is None else decide(question, Policies((boundary,))).allowed,
    )


def _joined(boundaries: list[Policy]) -> Policy | None:
    if not boundaries:
        return None
    return Policy(tuple(statement for one in boundaries for statement in one.statements))


def _matched(
    question: Question, decision: Decision, identity: dict[str, Policy], resource: Policy | None
) -> Iterator[str]:
    """Documents with a statement of the deciding effect: that denies when it was denied, else that allows."""
    effect = 0 if decision.explicit else 1
    for name, document in identity.items():
        if any(statement.holds(question) for statement in document.about(question.action)[effect]):
            yield name
    for statement in resource.about(question.action)[effect] if resource else ():
        if statement.names(question.caller) != NOBODY and statement.holds(question):
            yield RESOURCE
            return


def _missing(question: Question, documents: list[Policy]) -> tuple[str, ...]:
    known = question.keys()
    asked = {
        key: None
        for document in documents
        for statements in document.about(question.action)
        for statement in statements
        for key in statement.asks
    }
    return tuple(key for key in asked if key.lower() not in known)
