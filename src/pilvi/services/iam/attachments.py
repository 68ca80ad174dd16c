"""Managed policies attached to users, groups and roles."""

from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import Checks, operation
from pilvi.services.iam import boundaries, directory, entities, limits, types
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import NoSuchEntity
from pilvi.services.iam.paging import page
from pilvi.services.iam.records import Attachment, Group, Role, User


def _check(kind: entities.Kind, action: str) -> Checks:
    """The question with the keys iam:PolicyARN and iam:PermissionsBoundary."""
    bare = entities.on(kind, action)
    member = f"{kind.capitalize()}Name"

    def check(ctx: Context, req: Any) -> Any:
        context = {"iam:PolicyARN": req["PolicyArn"]}
        if kind != "group" and (bounded := boundaries.present_on(ctx, kind, req[member])):
            context["iam:PermissionsBoundary"] = bounded
        return msgspec.structs.replace(bare(ctx, req), context=context)

    return check


def _attach(ctx: Context, kind: entities.Kind, name: str, policy_arn: str) -> None:
    """Attaching again changes nothing."""
    entity = entities.FIND[kind](ctx, name)
    try:
        policy = entities.policy(ctx, policy_arn)
    except NoSuchEntity:
        raise NoSuchEntity(f"Policy {policy_arn} does not exist or is not attachable.") from None
    if ctx.tx[Attachment].add(Attachment(ctx.account, policy.arn, "policy", kind, entity.id)):
        count = ctx.tx[Attachment].count(ctx.account, kind, entity.id, "policy", index="entity")
        limits.within(limits.ATTACHED[kind], count)


def _detach(ctx: Context, kind: entities.Kind, name: str, policy_arn: str) -> None:
    entity = entities.FIND[kind](ctx, name)
    if not ctx.tx[Attachment].delete(ctx.account, policy_arn, "policy", kind, entity.id):
        raise NoSuchEntity(f"Policy {policy_arn} was not found.")


def attached(ctx: Context, kind: entities.Kind, identity: str) -> list[types.AttachedPolicy]:
    """By name."""
    found = ctx.tx[Attachment].scan(ctx.account, kind, identity, "policy", index="entity")
    arns = sorted((one.policy_arn for one in found), key=lambda arn: (arn.rpartition("/")[2], arn))
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]


def _listed(ctx: Context, kind: entities.Kind, req: Any) -> types.ListAttachedUserPoliciesResponse:
    """Also a group's and a role's answer: the shapes are the same."""
    entity = entities.FIND[kind](ctx, req[f"{kind.capitalize()}Name"])
    prefix = f"policy{req.get('PathPrefix', '/')}"
    policies = [one for one in attached(ctx, kind, entity.id) if one["PolicyArn"].split(":", 5)[5].startswith(prefix)]
    found, paging = page(policies, lambda one: f"{one['PolicyName']} {one['PolicyArn']}", req)
    return {"AttachedPolicies": found, **paging}


@operation("AttachUserPolicy", check=_check("user", "AttachUserPolicy"))
@changes
def attach_user_policy(ctx: Context, req: types.AttachUserPolicyRequest) -> None:
    _attach(ctx, "user", req["UserName"], req["PolicyArn"])


@operation("AttachGroupPolicy", check=_check("group", "AttachGroupPolicy"))
@changes
def attach_group_policy(ctx: Context, req: types.AttachGroupPolicyRequest) -> None:
    _attach(ctx, "group", req["GroupName"], req["PolicyArn"])


@operation("AttachRolePolicy", check=_check("role", "AttachRolePolicy"))
@changes
def attach_role_policy(ctx: Context, req: types.AttachRolePolicyRequest) -> None:
    _attach(ctx, "role", req["RoleName"], req["PolicyArn"])


@operation("DetachUserPolicy", check=_check("user", "DetachUserPolicy"))
@changes
def detach_user_policy(ctx: Context, req: types.DetachUserPolicyRequest) -> None:
    _detach(ctx, "user", req["UserName"], req["PolicyArn"])


@operation("DetachGroupPolicy", check=_check("group", "DetachGroupPolicy"))
@changes
def detach_group_policy(ctx: Context, req: types.DetachGroupPolicyRequest) -> None:
    _detach(ctx, "group", req["GroupName"], req["PolicyArn"])


@operation("DetachRolePolicy", check=_check("role", "DetachRolePolicy"))
@changes
def detach_role_policy(ctx: Context, req: types.DetachRolePolicyRequest) -> None:
    _detach(ctx, "role", req["RoleName"], req["PolicyArn"])


@operation("ListAttachedUserPolicies", reads=True, check=entities.on("user", "ListAttachedUserPolicies"))
def list_attached_user_policies(
    ctx: Context, req: types.ListAttachedUserPoliciesRequest
) -> types.ListAttachedUserPoliciesResponse:
    return _listed(ctx, "user", req)


@operation("ListAttachedGroupPolicies", reads=True, check=entities.on("group", "ListAttachedGroupPolicies"))
def list_attached_group_policies(
    ctx: Context, req: types.ListAttachedGroupPoliciesRequest
) -> types.ListAttachedGroupPoliciesResponse:
    return _listed(ctx, "group", req)


@operation("ListAttachedRolePolicies", reads=True, check=entities.on("role", "ListAttachedRolePolicies"))
def list_attached_role_policies(
    ctx: Context, req: types.ListAttachedRolePoliciesRequest
) -> types.ListAttachedRolePoliciesResponse:
    return _listed(ctx, "role", req)


@operation("ListEntitiesForPolicy", reads=True, check=entities.on_policy("ListEntitiesForPolicy"))
def list_entities_for_policy(
    ctx: Context, req: types.ListEntitiesForPolicyRequest
) -> types.ListEntitiesForPolicyResponse:
    policy = entities.policy(ctx, req["PolicyArn"])
    usage = {"PermissionsPolicy": ("policy",), "PermissionsBoundary": ("boundary",)}.get(
        req.get("PolicyUsageFilter", "")
    )
    wanted = req.get("EntityFilter")
    using: dict[str, User | Group | Role] = {}
    for one in ctx.tx[Attachment].scan(ctx.account, policy.arn):
        entity = directory.entity(ctx.tx, one.kind, one.entity)
        if usage is not None and one.usage not in usage:
            continue
        if wanted is not None and wanted.lower() != one.kind:
            continue
        if entity is not None and entity.path.startswith(req.get("PathPrefix", "/")):
            using[f"{one.kind} {entity.key}"] = entity
    found, paging = page(sorted(using), lambda key: key, req)
    entities_found = [using[key] for key in found]
    return {
        "PolicyGroups": [
            {"GroupName": one.name, "GroupId": one.id} for one in entities_found if isinstance(one, Group)
        ],
        "PolicyUsers": [{"UserName": one.name, "UserId": one.id} for one in entities_found if isinstance(one, User)],
        "PolicyRoles": [{"RoleName": one.name, "RoleId": one.id} for one in entities_found if isinstance(one, Role)],
        **paging,
    }
