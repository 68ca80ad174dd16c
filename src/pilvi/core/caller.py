"""Who asks, and what they ask to do: the values that authentication makes and authorisation judges."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from pilvi.core import arn

CallerKind = Literal["root", "user", "role", "service", "anonymous"]


class Caller(msgspec.Struct, frozen=True):
    """An authenticated principal (or the anonymous one).

    Attributes:
        arn: what GetCallerIdentity shows: `arn:aws:iam::A:root`, `arn:aws:iam::A:user/x`,
            `arn:aws:sts::A:assumed-role/R/session`; for a service its principal name, `s3.amazonaws.com`.
        user_id: the unique id: the account for root, AIDA... for a user, AROA...:session for a role session.
        identity_arn: whose policies apply: the user's or the role's ARN (differs from `arn` for a role session).
        session_policies: policy documents passed when the session was made; they only narrow.
        context: condition keys that belong to the caller, e.g. {"aws:PrincipalTag/team": "x"}.
        source: for a service acting for a resource: that resource's ARN (aws:SourceArn).
    """

    kind: CallerKind
    account: str
    arn: str
    user_id: str
    identity_arn: str = ""
    access_key_id: str = ""
    session_policies: tuple[str, ...] = ()
    session_expires_ms: int = 0
    context: Mapping[str, str | list[str]] = {}
    source: str = ""


ANONYMOUS = Caller(kind="anonymous", account="", arn="*", user_id="anonymous")


def root(account: str, access_key_id: str = "") -> Caller:
    name = arn.make("iam", "", account, "root")
    return Caller("root", account, name, account, identity_arn=name, access_key_id=access_key_id)


def service(principal: str, account: str, source: str = "") -> Caller:
    """A service of the cloud itself, e.g. service("s3.amazonaws.com", "0123...", bucket_arn), acting in `account`."""
    return Caller("service", account, principal, principal, identity_arn=principal, source=source)


class Check(msgspec.Struct, frozen=True):
    """One question to the policy engine: may the caller do `action` to `resource`?

    Attributes:
        action: `s3:GetObject`; a service's prefix and the action's name.
        resource: an ARN, or "*" for actions that have no resource.
        owner: account that owns the resource; "" means the caller's own.
        policy: the resource's own policy document (JSON text), if it has one.
        context: condition keys that belong to this question, e.g. {"s3:prefix": "a/"}.
        granted: an access control list of the resource allows it: to everybody, or to the caller's account (unless that is
            the owner). Counts as a grant of the resource's policy.
        only_denies: `policy` can refuse but not allow: the resource belongs to somebody else than the policy's author.
        grantees: principals whom grants of the resource (KMS's) allow this, besides its policy.
        policy_decides: nobody, not even the root of the account, is allowed what the resource's policy neither allows nor
            leaves to the account.
    """

    action: str
    resource: str = "*"
    owner: str = ""
    policy: str | None = None
    context: Mapping[str, str | list[str]] = {}
    granted: bool = False
    only_denies: bool = False
    grantees: tuple[str, ...] = ()
    policy_decides: bool = False


class Credential(msgspec.Struct, frozen=True):
    """A long-term access key as the directory knows it."""

    access_key_id: str
    secret: str
    caller: Caller
    active: bool = True


# When (milliseconds), for which service and in which region an access key or a role (by its id) was used last.
Uses = Mapping[str, tuple[int, str, str]]


class SessionCredentials(msgspec.Struct, frozen=True):
    """Temporary credentials, as STS hands them out."""

    access_key_id: str
    secret: str
    token: str
    expires_ms: int


class Supposition(msgspec.Struct, frozen=True):
    """A question about policies as they are given here, not as they are stored: what the policy simulator asks.

    Attributes:
        caller: who is supposed to ask; None: nobody in particular, so nothing is known of the principal.
        policies: identity-based documents by a name that tells them apart.
        boundaries: documents of permissions boundaries; none: there is no boundary.
        context: condition keys; they go before what is known otherwise.
    """

    caller: Caller | None
    check: Check
    policies: Mapping[str, str]
    boundaries: tuple[str, ...] = ()
    context: Mapping[str, str | list[str]] = {}


class Verdict(msgspec.Struct, frozen=True):
    """The answer to a Supposition.

    Attributes:
        matched: names of the documents with a statement that decided; "" stands for the resource's own policy.
        missing: condition keys that statements about the action ask for and nobody gave.
        bounded: whether the boundary allows, None without one.
    """

    decision: Literal["allowed", "explicitDeny", "implicitDeny"]
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    bounded: bool | None
