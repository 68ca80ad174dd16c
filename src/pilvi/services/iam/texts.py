"""Policy documents on their way in."""

import msgspec

from pilvi.core import arn
from pilvi.core.context import Context
from pilvi.services.iam import limits
from pilvi.services.iam.errors import MalformedPolicyDocument
from pilvi.services.iam.records import Role, User, fold


def identity_policy(ctx: Context, document: str) -> None:
    """Raises:
    MalformedPolicyDocument: not a policy that can be given to a user, group or role.
    """
    _refuse(ctx.cloud.policy_problem(document))


def trust_policy(ctx: Context, document: str) -> None:
    """Raises:
    MalformedPolicyDocument: not a trust policy, or it trusts somebody who does not exist.
    LimitExceeded: it is too long.
    """
    _refuse(ctx.cloud.policy_problem(document, trust_policy=True))
    limits.within(limits.TRUST_CHARS, limits.written_chars(document))
    statements = msgspec.json.decode(document)["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement["Principal"]
        named = principal.get("AWS", []) if isinstance(principal, dict) else []
        for name in named if isinstance(named, list) else [named]:
            if not _exists(ctx, name):
                raise MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{name}"')


def _exists(ctx: Context, principal: str) -> bool:
    """Users and roles must exist; accounts, sessions and unique ids are taken as they are."""
    if not principal.startswith("arn:"):
        return True
    parsed = arn.parse(principal)
    kind, _, name = parsed.resource.partition("/")
    if kind not in {"user", "role"}:
        return True
    key = parsed.account, fold(name.rpartition("/")[2])
    found = ctx.tx[User].get(*key) if kind == "user" else ctx.tx[Role].get(*key)
    return found is not None and found.arn == principal


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise MalformedPolicyDocument(problem)
