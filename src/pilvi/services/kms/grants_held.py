"""What grants allow: asked with every use of a key that has any.

https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""

from collections.abc import Iterable, Iterator, Mapping

from pilvi.core.context import Context
from pilvi.services.kms.records import Grant, Key

ENCRYPTING = frozenset(
    {"Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
     "GenerateDataKeyPairWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"}
)  # fmt: skip
"""Operations that an encryption context can belong to; constraints say nothing about the others."""


def grantees(ctx: Context, key: Key, operation: str, context: Mapping[str, str]) -> tuple[str, ...]:
    """Whom among the caller's identities grants let do `operation` with the key under this encryption context."""
    held = of_caller(ctx, key)
    return tuple(
        grant.grantee for grant in held if operation in grant.operations and _holds(ctx, grant, operation, context)
    )


def of_caller(ctx: Context, key: Key) -> Iterator[Grant]:
    """The grants of a key that name the caller in any way."""
    for grantee in layers(ctx):
        yield from ctx.tx[Grant].scan(key.id, grantee, index="grantee")


def layers(ctx: Context) -> Iterable[str]:
    """What a grant can call the caller: the user or the session, the role, the account; or the service."""
    caller = ctx.caller
    if caller.kind == "service":
        return (caller.arn,)
    return dict.fromkeys((caller.arn, caller.identity_arn, f"arn:aws:iam::{caller.account}:root"))


def _holds(ctx: Context, grant: Grant, operation: str, context: Mapping[str, str]) -> bool:
    if grant.source and grant.source != ctx.caller.source:
        return False
    if operation not in ENCRYPTING:
        return True
    if grant.equals is not None and grant.equals != context:
        return False
    return grant.subset is None or grant.subset.items() <= context.items()
