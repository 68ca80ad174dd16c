"""Key policies. A key has exactly one, called "default".

https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.kms import access, find, limits, paging
from pilvi.services.kms.errors import LimitExceeded, MalformedPolicyDocument, NotFound
from pilvi.services.kms.records import Key
from pilvi.services.kms.types import (
    GetKeyPolicyRequest,
    GetKeyPolicyResponse,
    ListKeyPoliciesRequest,
    ListKeyPoliciesResponse,
    PutKeyPolicyRequest,
)

DEFAULT = "default"


def accept(ctx: Context, key: Key, policy: str, *, safe: bool) -> None:
    """Whether a document can become the key's policy.

    Args:
        safe: whoever asks must be able to change it again.

    Raises:
        MalformedPolicyDocument, LimitExceeded: it cannot.
    """
    if len(policy.encode()) > limits.POLICY_BYTES_MAX:
        raise LimitExceeded(f"A key policy can have at most {limits.POLICY_BYTES_MAX} bytes.")
    problem = ctx.cloud.policy_problem(policy, resource_policy=True)
    if problem is not None:
        raise MalformedPolicyDocument(problem)
    changed = msgspec.structs.replace(key, policy=policy)
    if safe and not ctx.may(access.question(ctx, "PutKeyPolicy", changed, {})):
        raise MalformedPolicyDocument("The new key policy will not allow you to update the key policy in the future.")


def _bypass(req: Mapping[str, Any]) -> access.Keys:
    return {"kms:BypassPolicyLockoutSafetyCheck": "true" if req.get("BypassPolicyLockoutSafetyCheck") else "false"}


@operation("PutKeyPolicy", check=access.on_key("PutKeyPolicy", more=_bypass))
def put_key_policy(ctx: Context, req: PutKeyPolicyRequest) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html"""
    key = find.own_key(ctx, req["KeyId"])
    _is_default(req)
    accept(ctx, key, req["Policy"], safe=not req.get("BypassPolicyLockoutSafetyCheck"))
    ctx.tx[Key].put(msgspec.structs.replace(key, policy=req["Policy"]))


@operation("GetKeyPolicy", reads=True, check=access.on_key("GetKeyPolicy"))
def get_key_policy(ctx: Context, req: GetKeyPolicyRequest) -> GetKeyPolicyResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyPolicy.html"""
    key = find.own_key(ctx, req["KeyId"])
    _is_default(req)
    return {"Policy": access.policy_of(key), "PolicyName": DEFAULT}


def _is_default(req: Mapping[str, Any]) -> None:
    if req.get("PolicyName", DEFAULT) != DEFAULT:
        raise NotFound("No such policy exists")


@operation("ListKeyPolicies", reads=True, check=access.on_key("ListKeyPolicies"))
def list_key_policies(ctx: Context, req: ListKeyPoliciesRequest) -> ListKeyPoliciesResponse:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_ListKeyPolicies.html"""
    find.own_key(ctx, req["KeyId"])
    found, rest = paging.page([DEFAULT], str, req)
    return {"PolicyNames": found, **rest}
