"""Callers, documents and decisions for tests of the policy engine."""

import json
from collections.abc import Sequence
from typing import Any

from pilvi.core.caller import ANONYMOUS, Caller, Check, root, service
from pilvi.identity.documents import Policy, compile_policy
from pilvi.identity.policy import Decision, Policies, decide
from pilvi.identity.question import Question

HERE, THERE = "111122223333", "444455556666"
NOW_MS = 1_790_000_000_000

BOB = Caller(
    "user", HERE, f"arn:aws:iam::{HERE}:user/team/bob", "AIDABOBBOBBOBBOB", f"arn:aws:iam::{HERE}:user/team/bob"
)
STRANGER = Caller("user", THERE, f"arn:aws:iam::{THERE}:user/eve", "AIDAEVEEVEEVEEVE", f"arn:aws:iam::{THERE}:user/eve")
SESSION = Caller(
    "role",
    HERE,
    f"arn:aws:sts::{HERE}:assumed-role/reader/s1",
    "AROAREADERREADER:s1",
    f"arn:aws:iam::{HERE}:role/reader",
)
ROOT = root(HERE)
S3 = service("s3.amazonaws.com", HERE, "arn:aws:s3:::photos")
NOBODY = ANONYMOUS

PHOTO = "arn:aws:s3:::photos/a/cat.jpg"
Statement = dict[str, Any]


def document(*statements: Statement, version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def policy(*statements: Statement, version: str = "2012-10-17") -> Policy:
    return compile_policy(document(*statements, version=version))


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> Statement:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def judge(
    *identity: Statement,
    caller: Caller = BOB,
    action: str = "s3:GetObject",
    resource: str = PHOTO,
    by_resource: Sequence[Statement] | None = None,
    boundary: Sequence[Statement] | None = None,
    session: Sequence[Statement] | None = None,
    owner: str = HERE,
    context: dict[str, str | list[str]] | None = None,
    request: dict[str, str | list[str]] | None = None,
    version: str = "2012-10-17",
    **how: Any,
) -> Decision:
    """The decision about one question under policies made of these statements."""
    check = Check(action, resource, owner=owner, context=context or {}, **how)
    return decide(
        Question(caller, check, request or {}, NOW_MS),
        Policies(
            identity=(policy(*identity, version=version),) if identity else (),
            resource=None if by_resource is None else policy(*by_resource),
            boundary=None if boundary is None else policy(*boundary),
            session=() if session is None else (policy(*session),),
        ),
    )


def allowed(*identity: Statement, **more: Any) -> bool:
    return judge(*identity, **more).allowed
