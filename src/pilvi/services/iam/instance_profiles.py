"""Instance profiles: how a role comes to an instance. Each holds at most one role."""

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.iam import entities, limits, tags, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from pilvi.services.iam.paging import after_of, page
from pilvi.services.iam.records import InstanceProfile, fold


@operation(
    "CreateInstanceProfile",
    check=entities.on_new("instance-profile", "InstanceProfileName", "CreateInstanceProfile"),
)
@changes
def create_instance_profile(
    ctx: Context, req: types.CreateInstanceProfileRequest
) -> types.CreateInstanceProfileResponse:
    name = req["InstanceProfileName"]
    given = tags.of_request(req)
    if ctx.tx[InstanceProfile].get(ctx.account, fold(name)) is not None:
        raise EntityAlreadyExists(f"Instance Profile {name} already exists.")
    limits.within(limits.INSTANCE_PROFILES, ctx.tx[InstanceProfile].count(ctx.account) + 1)
    profile = InstanceProfile(
        ctx.account, fold(name), name, req.get("Path", "/"), f"AIPA{ctx.ids.base32(17)}", ctx.now_ms, tags=given
    )
    ctx.tx[InstanceProfile].put(profile)
    return {"InstanceProfile": views.instance_profile(ctx, profile)}


@operation("GetInstanceProfile", reads=True, check=entities.on_instance_profile("GetInstanceProfile"))
def get_instance_profile(ctx: Context, req: types.GetInstanceProfileRequest) -> types.GetInstanceProfileResponse:
    profile = entities.instance_profile(ctx, req["InstanceProfileName"])
    return {"InstanceProfile": views.instance_profile(ctx, profile)}


@operation("ListInstanceProfiles", reads=True, check=entities.on_path("instance-profile", "ListInstanceProfiles"))
def list_instance_profiles(ctx: Context, req: types.ListInstanceProfilesRequest) -> types.ListInstanceProfilesResponse:
    prefix = req.get("PathPrefix", "/")
    profiles = ctx.tx[InstanceProfile].scan(ctx.account, after=after_of(req))
    found, paging = page((one for one in profiles if one.path.startswith(prefix)), lambda one: one.key, req)
    return {"InstanceProfiles": [views.instance_profile(ctx, one) for one in found], **paging}


@operation("ListInstanceProfilesForRole", reads=True, check=entities.on("role", "ListInstanceProfilesForRole"))
def list_instance_profiles_for_role(
    ctx: Context, req: types.ListInstanceProfilesForRoleRequest
) -> types.ListInstanceProfilesForRoleResponse:
    role = entities.role(ctx, req["RoleName"])
    profiles = sorted(ctx.tx[InstanceProfile].scan(ctx.account, role.id, index="role"), key=lambda one: one.key)
    found, paging = page(profiles, lambda one: one.key, req)
    return {"InstanceProfiles": [views.instance_profile(ctx, one) for one in found], **paging}


def _add_checks(ctx: Context, req: types.AddRoleToInstanceProfileRequest) -> list[Check]:
    """The role is handed to whatever runs with the profile, so the caller must be allowed to pass it."""
    passed = entities.entity_arn(ctx, "role", req["RoleName"])
    return [
        entities.on_instance_profile("AddRoleToInstanceProfile")(ctx, req),
        Check("iam:PassRole", passed, context={"iam:PassedToService": "ec2.amazonaws.com"}),
    ]


@operation("AddRoleToInstanceProfile", check=_add_checks)
@changes
def add_role_to_instance_profile(ctx: Context, req: types.AddRoleToInstanceProfileRequest) -> None:
    profile = entities.instance_profile(ctx, req["InstanceProfileName"])
    role = entities.role(ctx, req["RoleName"])
    limits.within(limits.ROLES_PER_INSTANCE_PROFILE, 2 if profile.role else 1)
    ctx.tx[InstanceProfile].put(msgspec.structs.replace(profile, role=role.id))


@operation("RemoveRoleFromInstanceProfile", check=entities.on_instance_profile("RemoveRoleFromInstanceProfile"))
@changes
def remove_role_from_instance_profile(ctx: Context, req: types.RemoveRoleFromInstanceProfileRequest) -> None:
    profile = entities.instance_profile(ctx, req["InstanceProfileName"])
    role = entities.role(ctx, req["RoleName"])
    if profile.role != role.id:
        raise NoSuchEntity(f"Role {role.name} is not in instance profile {profile.name}.")
    ctx.tx[InstanceProfile].put(msgspec.structs.replace(profile, role=""))


@operation("DeleteInstanceProfile", check=entities.on_instance_profile("DeleteInstanceProfile"))
@changes
def delete_instance_profile(ctx: Context, req: types.DeleteInstanceProfileRequest) -> None:
    profile = entities.instance_profile(ctx, req["InstanceProfileName"])
    if profile.role:
        raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
    ctx.tx[InstanceProfile].delete(profile.account, profile.key)
