"""Users."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.iam import boundaries, entities, limits, tags, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import DeleteConflict, EntityAlreadyExists
from pilvi.services.iam.paging import after_of, page
from pilvi.services.iam.records import ROOT, AccessKey, Membership, User, fold


@operation("CreateUser", check=entities.on_new("user", "UserName", "CreateUser"))
@changes
def create_user(ctx: Context, req: types.CreateUserRequest) -> types.CreateUserResponse:
    name = req["UserName"]
    given = tags.of_request(req)
    _unused(ctx, name)
    limits.within(limits.USERS, ctx.tx[User].count(ctx.account) + 1)
    user = User(
        ctx.account, fold(name), name, req.get("Path", "/"), f"AIDA{ctx.ids.base32(17)}", ctx.now_ms, tags=given
    )
    ctx.tx[User].put(user)
    if "PermissionsBoundary" in req:
        boundaries.put(ctx, "user", user.id, req["PermissionsBoundary"])
    return {"User": views.whole_user(ctx, user)}


def _unused(ctx: Context, name: str) -> None:
    if ctx.tx[User].get(ctx.account, fold(name)) is not None:
        raise EntityAlreadyExists(f"User with name {name} already exists.")


@operation("GetUser", reads=True, check=entities.on("user", "GetUser"))
def get_user(ctx: Context, req: types.GetUserRequest) -> types.GetUserResponse:
    """Without a name: the caller; the account's root is shown without a user name."""
    if "UserName" not in req and ctx.caller.kind == "root":
        return {"User": _root(ctx)}
    return {"User": views.whole_user(ctx, entities.user(ctx, req.get("UserName") or entities.calling_user(ctx)))}


def _root(ctx: Context) -> types.User:
    keys = ctx.tx[AccessKey].scan(ctx.account, ROOT, index="user", limit=1)
    return {  # type: ignore[typeddict-item]  # AWS leaves UserName out here, though its model requires it
        "Path": "/",
        "UserId": ctx.account,
        "Arn": ctx.caller.arn,
        "CreateDate": views.when(next((key.created_ms for key in keys), ctx.now_ms)),
    }


@operation("ListUsers", reads=True, check=entities.on_path("user", "ListUsers"))
def list_users(ctx: Context, req: types.ListUsersRequest) -> types.ListUsersResponse:
    prefix = req.get("PathPrefix", "/")
    users = (one for one in ctx.tx[User].scan(ctx.account, after=after_of(req)) if one.path.startswith(prefix))
    found, paging = page(users, lambda one: one.key, req)
    return {"Users": [views.user(one) for one in found], **paging}


@operation("UpdateUser", check=entities.on_renamed("user"))
@changes
def update_user(ctx: Context, req: types.UpdateUserRequest) -> None:
    user = entities.user(ctx, req["UserName"])
    name = req.get("NewUserName", user.name)
    if fold(name) != user.key:
        _unused(ctx, name)
    ctx.tx[User].delete(user.account, user.key)
    ctx.tx[User].put(msgspec.structs.replace(user, key=fold(name), name=name, path=req.get("NewPath", user.path)))


@operation("DeleteUser", check=entities.on("user", "DeleteUser"))
@changes
def delete_user(ctx: Context, req: types.DeleteUserRequest) -> None:
    user = entities.user(ctx, req["UserName"])
    if ctx.tx[Membership].count(ctx.account, user.id, index="user"):
        raise DeleteConflict("Cannot delete entity, must remove users from group first.")
    if ctx.tx[AccessKey].count(ctx.account, user.id, index="user"):
        raise DeleteConflict("Cannot delete entity, must delete access keys first.")
    entities.must_have_no_policies(ctx, "user", user.id)
    boundaries.remove(ctx, "user", user.id)
    ctx.tx[User].delete(user.account, user.key)
