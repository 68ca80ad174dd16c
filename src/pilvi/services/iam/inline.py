"""Inline policies: documents that are part of one user, group or role and go with it."""

from typing import Any

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.iam import entities, limits, texts, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import LimitExceeded, NoSuchEntity
from pilvi.services.iam.paging import page
from pilvi.services.iam.records import InlinePolicy, fold


def _put(ctx: Context, kind: entities.Kind, entity_name: str, name: str, document: str) -> None:
    entity = entities.FIND[kind](ctx, entity_name)
    texts.identity_policy(ctx, document)
    ctx.tx[InlinePolicy].put(InlinePolicy(ctx.account, kind, entity.id, fold(name), name, document))
    most = limits.INLINE_CHARS_MAX[kind]
    together = ctx.tx[InlinePolicy].scan(ctx.account, kind, entity.id)
    if sum(limits.written_chars(one.document) for one in together) > most:
        raise LimitExceeded(f"Maximum policy size of {most} bytes exceeded for {kind} {entity.name}")


def _get(ctx: Context, kind: entities.Kind, entity_name: str, name: str) -> tuple[entities.Entity, InlinePolicy]:
    entity = entities.FIND[kind](ctx, entity_name)
    found = ctx.tx[InlinePolicy].get(ctx.account, kind, entity.id, fold(name))
    if found is None:
        raise NoSuchEntity(f"The {kind} policy with name {name} cannot be found.")
    return entity, found


def _delete(ctx: Context, kind: entities.Kind, entity_name: str, name: str) -> None:
    _, found = _get(ctx, kind, entity_name, name)
    ctx.tx[InlinePolicy].delete(found.account, found.kind, found.entity, found.key)


def _listed(ctx: Context, kind: entities.Kind, req: Any) -> types.ListUserPoliciesResponse:
    """Also a group's and a role's answer: the shapes are the same."""
    entity = entities.FIND[kind](ctx, req[f"{kind.capitalize()}Name"])
    found, paging = page(ctx.tx[InlinePolicy].scan(ctx.account, kind, entity.id), lambda one: one.key, req)
    return {"PolicyNames": [one.name for one in found], **paging}


def details(ctx: Context, kind: entities.Kind, identity: str) -> list[types.PolicyDetail]:
    """Names and documents."""
    found = ctx.tx[InlinePolicy].scan(ctx.account, kind, identity)
    return [{"PolicyName": one.name, "PolicyDocument": views.encoded(one.document)} for one in found]


@operation("PutUserPolicy", check=entities.on("user", "PutUserPolicy"))
@changes
def put_user_policy(ctx: Context, req: types.PutUserPolicyRequest) -> None:
    _put(ctx, "user", req["UserName"], req["PolicyName"], req["PolicyDocument"])


@operation("PutGroupPolicy", check=entities.on("group", "PutGroupPolicy"))
@changes
def put_group_policy(ctx: Context, req: types.PutGroupPolicyRequest) -> None:
    _put(ctx, "group", req["GroupName"], req["PolicyName"], req["PolicyDocument"])


@operation("PutRolePolicy", check=entities.on("role", "PutRolePolicy"))
@changes
def put_role_policy(ctx: Context, req: types.PutRolePolicyRequest) -> None:
    _put(ctx, "role", req["RoleName"], req["PolicyName"], req["PolicyDocument"])


@operation("GetUserPolicy", reads=True, check=entities.on("user", "GetUserPolicy"))
def get_user_policy(ctx: Context, req: types.GetUserPolicyRequest) -> types.GetUserPolicyResponse:
    user, found = _get(ctx, "user", req["UserName"], req["PolicyName"])
    return {"UserName": user.name, "PolicyName": found.name, "PolicyDocument": views.encoded(found.document)}


@operation("GetGroupPolicy", reads=True, check=entities.on("group", "GetGroupPolicy"))
def get_group_policy(ctx: Context, req: types.GetGroupPolicyRequest) -> types.GetGroupPolicyResponse:
    group, found = _get(ctx, "group", req["GroupName"], req["PolicyName"])
    return {"GroupName": group.name, "PolicyName": found.name, "PolicyDocument": views.encoded(found.document)}


@operation("GetRolePolicy", reads=True, check=entities.on("role", "GetRolePolicy"))
def get_role_policy(ctx: Context, req: types.GetRolePolicyRequest) -> types.GetRolePolicyResponse:
    role, found = _get(ctx, "role", req["RoleName"], req["PolicyName"])
    return {"RoleName": role.name, "PolicyName": found.name, "PolicyDocument": views.encoded(found.document)}


@operation("DeleteUserPolicy", check=entities.on("user", "DeleteUserPolicy"))
@changes
def delete_user_policy(ctx: Context, req: types.DeleteUserPolicyRequest) -> None:
    _delete(ctx, "user", req["UserName"], req["PolicyName"])


@operation("DeleteGroupPolicy", check=entities.on("group", "DeleteGroupPolicy"))
@changes
def delete_group_policy(ctx: Context, req: types.DeleteGroupPolicyRequest) -> None:
    _delete(ctx, "group", req["GroupName"], req["PolicyName"])


@operation("DeleteRolePolicy", check=entities.on("role", "DeleteRolePolicy"))
@changes
def delete_role_policy(ctx: Context, req: types.DeleteRolePolicyRequest) -> None:
    _delete(ctx, "role", req["RoleName"], req["PolicyName"])


@operation("ListUserPolicies", reads=True, check=entities.on("user", "ListUserPolicies"))
def list_user_policies(ctx: Context, req: types.ListUserPoliciesRequest) -> types.ListUserPoliciesResponse:
    return _listed(ctx, "user", req)


@operation("ListGroupPolicies", reads=True, check=entities.on("group", "ListGroupPolicies"))
def list_group_policies(ctx: Context, req: types.ListGroupPoliciesRequest) -> types.ListGroupPoliciesResponse:
    return _listed(ctx, "group", req)


@operation("ListRolePolicies", reads=True, check=entities.on("role", "ListRolePolicies"))
def list_role_policies(ctx: Context, req: types.ListRolePoliciesRequest) -> types.ListRolePoliciesResponse:
    return _listed(ctx, "role", req)
