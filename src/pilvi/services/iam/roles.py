"""Roles and who may assume them."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.iam import boundaries, entities, limits, tags, texts, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import DeleteConflict, EntityAlreadyExists
from pilvi.services.iam.paging import after_of, page
from pilvi.services.iam.records import InstanceProfile, Role, Use, fold


@operation("CreateRole", check=entities.on_new("role", "RoleName", "CreateRole"))
@changes
def create_role(ctx: Context, req: types.CreateRoleRequest) -> types.CreateRoleResponse:
    name = req["RoleName"]
    given = tags.of_request(req)
    if ctx.tx[Role].get(ctx.account, fold(name)) is not None:
        raise EntityAlreadyExists(f"Role with name {name} already exists.")
    texts.trust_policy(ctx, req["AssumeRolePolicyDocument"])
    limits.within(limits.ROLES, ctx.tx[Role].count(ctx.account) + 1)
    role = Role(
        account=ctx.account,
        key=fold(name),
        name=name,
        path=req.get("Path", "/"),
        id=f"AROA{ctx.ids.base32(17)}",
        created_ms=ctx.now_ms,
        trust=req["AssumeRolePolicyDocument"],
        description=req.get("Description", ""),
        session_seconds_max=req.get("MaxSessionDuration", 3600),
        tags=given,
    )
    ctx.tx[Role].put(role)
    if "PermissionsBoundary" in req:
        boundaries.put(ctx, "role", role.id, req["PermissionsBoundary"])
    return {"Role": views.whole_role(ctx, role)}


@operation("GetRole", reads=True, check=entities.on("role", "GetRole"))
def get_role(ctx: Context, req: types.GetRoleRequest) -> types.GetRoleResponse:
    return {"Role": views.whole_role(ctx, entities.role(ctx, req["RoleName"]))}


@operation("ListRoles", reads=True, check=entities.on_path("role", "ListRoles"))
def list_roles(ctx: Context, req: types.ListRolesRequest) -> types.ListRolesResponse:
    prefix = req.get("PathPrefix", "/")
    roles = (one for one in ctx.tx[Role].scan(ctx.account, after=after_of(req)) if one.path.startswith(prefix))
    found, paging = page(roles, lambda one: one.key, req)
    return {"Roles": [views.role(one) for one in found], **paging}


@operation("UpdateRole", check=entities.on("role", "UpdateRole"))
@changes
def update_role(ctx: Context, req: types.UpdateRoleRequest) -> types.UpdateRoleResponse:
    role = entities.role(ctx, req["RoleName"])
    ctx.tx[Role].put(
        msgspec.structs.replace(
            role,
            description=req.get("Description", role.description),
            session_seconds_max=req.get("MaxSessionDuration", role.session_seconds_max),
        )
    )
    return {}


@operation("UpdateRoleDescription", check=entities.on("role", "UpdateRoleDescription"))
@changes
def update_role_description(
    ctx: Context, req: types.UpdateRoleDescriptionRequest
) -> types.UpdateRoleDescriptionResponse:
    role = msgspec.structs.replace(entities.role(ctx, req["RoleName"]), description=req["Description"])
    ctx.tx[Role].put(role)
    return {"Role": views.role(role)}


@operation("UpdateAssumeRolePolicy", check=entities.on("role", "UpdateAssumeRolePolicy"))
@changes
def update_assume_role_policy(ctx: Context, req: types.UpdateAssumeRolePolicyRequest) -> None:
    role = entities.role(ctx, req["RoleName"])
    texts.trust_policy(ctx, req["PolicyDocument"])
    ctx.tx[Role].put(msgspec.structs.replace(role, trust=req["PolicyDocument"]))


@operation("DeleteRole", check=entities.on("role", "DeleteRole"))
@changes
def delete_role(ctx: Context, req: types.DeleteRoleRequest) -> None:
    """Sessions of the role end with it."""
    role = entities.role(ctx, req["RoleName"])
    if ctx.tx[InstanceProfile].count(ctx.account, role.id, index="role"):
        raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
    entities.must_have_no_policies(ctx, "role", role.id)
    boundaries.remove(ctx, "role", role.id)
    ctx.tx[Role].delete(role.account, role.key)
    ctx.tx[Use].delete(role.id)
