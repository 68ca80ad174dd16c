"""Permissions boundaries of users and roles: the most that their other policies can give.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import Checks, operation
from pilvi.services.iam import entities, types
from pilvi.services.iam.changes import changes
from pilvi.services.iam.directory import boundary_of
from pilvi.services.iam.errors import NoSuchEntity
from pilvi.services.iam.records import Attachment


def put(ctx: Context, kind: str, identity: str, policy_arn: str) -> None:
    """Bounds an entity, instead of by what bounded it before."""
    entities.policy(ctx, policy_arn)
    remove(ctx, kind, identity)
    ctx.tx[Attachment].put(Attachment(ctx.account, policy_arn, "boundary", kind, identity))


def remove(ctx: Context, kind: str, identity: str) -> bool:
    """Whether there was one."""
    present = boundary_of(ctx.tx, ctx.account, kind, identity)
    return ctx.tx[Attachment].delete(ctx.account, present, "boundary", kind, identity)


def _check(kind: entities.Kind, action: str) -> Checks:
    """iam:PermissionsBoundary is the boundary asked for, or the one present when it is to be taken away."""
    bare = entities.on(kind, action)
    member = f"{kind.capitalize()}Name"

    def check(ctx: Context, req: Any) -> Any:
        policy_arn = req.get("PermissionsBoundary") or present_on(ctx, kind, req[member])
        context = {"iam:PermissionsBoundary": policy_arn} if policy_arn else {}
        return msgspec.structs.replace(bare(ctx, req), context=context)

    return check


def present_on(ctx: Context, kind: entities.Kind, name: str) -> str:
    """ARN of the boundary of a user or role by its name; "" for none, or nobody of that name."""
    try:
        found = entities.FIND[kind](ctx, name)
    except NoSuchEntity:
        return ""
    return boundary_of(ctx.tx, ctx.account, kind, found.id)


def _taken(ctx: Context, kind: str, entity: entities.Entity) -> None:
    if not remove(ctx, kind, entity.id):
        raise NoSuchEntity(f"The {kind} with name {entity.name} has no permissions boundary.")


@operation("PutUserPermissionsBoundary", check=_check("user", "PutUserPermissionsBoundary"))
@changes
def put_user_boundary(ctx: Context, req: types.PutUserPermissionsBoundaryRequest) -> None:
    put(ctx, "user", entities.user(ctx, req["UserName"]).id, req["PermissionsBoundary"])


@operation("DeleteUserPermissionsBoundary", check=_check("user", "DeleteUserPermissionsBoundary"))
@changes
def delete_user_boundary(ctx: Context, req: types.DeleteUserPermissionsBoundaryRequest) -> None:
    _taken(ctx, "user", entities.user(ctx, req["UserName"]))


@operation("PutRolePermissionsBoundary", check=_check("role", "PutRolePermissionsBoundary"))
@changes
def put_role_boundary(ctx: Context, req: types.PutRolePermissionsBoundaryRequest) -> None:
    put(ctx, "role", entities.role(ctx, req["RoleName"]).id, req["PermissionsBoundary"])


@operation("DeleteRolePermissionsBoundary", check=_check("role", "DeleteRolePermissionsBoundary"))
@changes
def delete_role_boundary(ctx: Context, req: types.DeleteRolePermissionsBoundaryRequest) -> None:
    _taken(ctx, "role", entities.role(ctx, req["RoleName"]))
