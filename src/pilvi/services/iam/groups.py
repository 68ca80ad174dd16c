"""Groups and who is in them."""

from collections.abc import Iterator

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.iam import entities, limits, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.directory import by_id
from pilvi.services.iam.errors import DeleteConflict, EntityAlreadyExists, NoSuchEntity
from pilvi.services.iam.paging import after_of, page
from pilvi.services.iam.records import Group, Membership, User, fold


@operation("CreateGroup", check=entities.on_new("group", "GroupName", "CreateGroup"))
@changes
def create_group(ctx: Context, req: types.CreateGroupRequest) -> types.CreateGroupResponse:
    name = req["GroupName"]
    _unused(ctx, name)
    limits.within(limits.GROUPS, ctx.tx[Group].count(ctx.account) + 1)
    group = Group(ctx.account, fold(name), name, req.get("Path", "/"), f"AGPA{ctx.ids.base32(17)}", ctx.now_ms)
    ctx.tx[Group].put(group)
    return {"Group": views.group(group)}


def _unused(ctx: Context, name: str) -> None:
    if ctx.tx[Group].get(ctx.account, fold(name)) is not None:
        raise EntityAlreadyExists(f"Group with name {name} already exists.")


@operation("GetGroup", reads=True, check=entities.on("group", "GetGroup"))
def get_group(ctx: Context, req: types.GetGroupRequest) -> types.GetGroupResponse:
    """The group and, in pieces, its users."""
    group = entities.group(ctx, req["GroupName"])
    users = sorted(members(ctx, group), key=lambda one: one.key)
    found, paging = page(users, lambda one: one.key, req)
    return {"Group": views.group(group), "Users": [views.user(one) for one in found], **paging}


def members(ctx: Context, group: Group) -> Iterator[User]:
    for one in ctx.tx[Membership].scan(ctx.account, group.id):
        user = by_id(ctx.tx, User, one.user)
        if user is not None:
            yield user


def groups_of(ctx: Context, user: User) -> list[Group]:
    """By name."""
    memberships = ctx.tx[Membership].scan(ctx.account, user.id, index="user")
    found = (by_id(ctx.tx, Group, one.group) for one in memberships)
    return sorted((group for group in found if group is not None), key=lambda one: one.key)


@operation("ListGroups", reads=True, check=entities.on_path("group", "ListGroups"))
def list_groups(ctx: Context, req: types.ListGroupsRequest) -> types.ListGroupsResponse:
    prefix = req.get("PathPrefix", "/")
    groups = (one for one in ctx.tx[Group].scan(ctx.account, after=after_of(req)) if one.path.startswith(prefix))
    found, paging = page(groups, lambda one: one.key, req)
    return {"Groups": [views.group(one) for one in found], **paging}


@operation("ListGroupsForUser", reads=True, check=entities.on("user", "ListGroupsForUser"))
def list_groups_for_user(ctx: Context, req: types.ListGroupsForUserRequest) -> types.ListGroupsForUserResponse:
    groups = groups_of(ctx, entities.user(ctx, req["UserName"]))
    found, paging = page(groups, lambda one: one.key, req)
    return {"Groups": [views.group(one) for one in found], **paging}


@operation("UpdateGroup", check=entities.on_renamed("group"))
@changes
def update_group(ctx: Context, req: types.UpdateGroupRequest) -> None:
    group = entities.group(ctx, req["GroupName"])
    name = req.get("NewGroupName", group.name)
    if fold(name) != group.key:
        _unused(ctx, name)
    ctx.tx[Group].delete(group.account, group.key)
    ctx.tx[Group].put(msgspec.structs.replace(group, key=fold(name), name=name, path=req.get("NewPath", group.path)))


@operation("DeleteGroup", check=entities.on("group", "DeleteGroup"))
@changes
def delete_group(ctx: Context, req: types.DeleteGroupRequest) -> None:
    group = entities.group(ctx, req["GroupName"])
    if ctx.tx[Membership].count(ctx.account, group.id):
        raise DeleteConflict("Cannot delete entity, must remove users from group first.")
    entities.must_have_no_policies(ctx, "group", group.id)
    ctx.tx[Group].delete(group.account, group.key)


@operation("AddUserToGroup", check=entities.on("group", "AddUserToGroup"))
@changes
def add_user_to_group(ctx: Context, req: types.AddUserToGroupRequest) -> None:
    """Adding a member again changes nothing."""
    group, user = entities.group(ctx, req["GroupName"]), entities.user(ctx, req["UserName"])
    if ctx.tx[Membership].add(Membership(ctx.account, group.id, user.id)):
        limits.within(limits.GROUPS_PER_USER, ctx.tx[Membership].count(ctx.account, user.id, index="user"))


@operation("RemoveUserFromGroup", check=entities.on("group", "RemoveUserFromGroup"))
@changes
def remove_user_from_group(ctx: Context, req: types.RemoveUserFromGroupRequest) -> None:
    group, user = entities.group(ctx, req["GroupName"]), entities.user(ctx, req["UserName"])
    if not ctx.tx[Membership].delete(ctx.account, group.id, user.id):
        raise NoSuchEntity(f"User {user.name} is not in group {group.name}.")
