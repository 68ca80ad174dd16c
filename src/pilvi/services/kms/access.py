"""Who may: the questions that KMS's operations pose.

A key's policy is the root of authority over it: nobody is allowed what it neither allows nor leaves to the account's own
policies. Grants allow besides it, one principal each.

https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
https://docs.aws.amazon.com/kms/latest/developerguide/policy-conditions.html
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import Checks
from pilvi.services.kms import find, grants_held
from pilvi.services.kms.records import Key

Keys = dict[str, str | list[str]]
Find = Callable[[Context, str], Key]
More = Callable[[Mapping[str, Any]], Keys]


def on_key(operation: str, find_key: Find = find.own_key, more: More | None = None) -> Checks:
    """The check of an operation on the key that its KeyId names.

    Args:
        more: condition keys that the request itself brings.
    """

    def check(ctx: Context, req: Mapping[str, Any]) -> Check:
        key = find_key(ctx, req["KeyId"])
        return question(ctx, operation, key, req, more(req) if more else None)

    return check


def question(
    ctx: Context, operation: str, key: Key, req: Mapping[str, Any], more: Keys | None = None, *, given: str = "KeyId"
) -> Check:
    """May the caller do `operation` with this key?

    Args:
        given: the request's member that names the key.
    """
    context = _of_key(ctx, key)
    named = req.get(given, "")
    if "alias/" in named:
        context["kms:RequestAlias"] = named[named.index("alias/") :]
    bound: Mapping[str, str] = req.get(_CONTEXT_OF.get(operation, "EncryptionContext")) or {}
    for name, value in bound.items():
        context[f"kms:EncryptionContext:{name}"] = value
    if bound:
        context["kms:EncryptionContextKeys"] = list(bound)
    if more:
        context.update(more)
    return Check(
        f"kms:{operation}",
        key.arn,
        owner=key.account,
        policy=policy_of(key),
        context=context,
        grantees=grants_held.grantees(ctx, key, operation, bound) if key.grants else (),
        policy_decides=True,
    )


_CONTEXT_OF = {"ReEncryptFrom": "SourceEncryptionContext", "ReEncryptTo": "DestinationEncryptionContext"}


def _of_key(ctx: Context, key: Key) -> Keys:
    context = about(ctx)
    context["kms:KeySpec"] = context["kms:CustomerMasterKeySpec"] = key.kind
    context["kms:KeyUsage"] = context["kms:CustomerMasterKeyUsage"] = key.usage
    context["kms:KeyOrigin"] = "AWS_KMS"
    context["kms:MultiRegion"] = "false"
    if key.aliases:
        context["kms:ResourceAliases"] = list(key.aliases)
    for name, value in key.tags.items():
        context[f"aws:ResourceTag/{name}"] = value
    return context


def about(ctx: Context) -> Keys:
    """Condition keys of every question: the caller's account, and the service that asks on the caller's behalf."""
    context: Keys = {"kms:CallerAccount": ctx.account}
    service = ctx.request.service
    if service and service != "kms":
        context["kms:ViaService"] = f"{service}.{ctx.region}.amazonaws.com"
    return context


def of_tags(tags: Mapping[str, str]) -> Keys:
    """Condition keys of tags that a request brings."""
    context: Keys = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    if tags:
        context["aws:TagKeys"] = list(tags)
    return context


def of_algorithm(req: Mapping[str, Any], member: str = "EncryptionAlgorithm") -> Keys:
    """The condition key of the encryption algorithm that a request names."""
    return {"kms:EncryptionAlgorithm": req.get(member, "SYMMETRIC_DEFAULT")}


def policy_of(key: Key) -> str:
    return key.policy or default_policy(key.account)


@lru_cache(maxsize=1024)
def default_policy(account: str) -> str:
    """What a key has that was given no policy: it leaves everything to the account.

    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    document = {"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
