"""Finding users, groups, roles, instance profiles and policies, with AWS's words when they are not there."""

from collections.abc import Callable
from typing import Any, Literal

from pilvi.core import arn
from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import ValidationError
from pilvi.services.iam import documents
from pilvi.services.iam.errors import DeleteConflict, InvalidInput, NoSuchEntity
from pilvi.services.iam.records import (
    Attachment,
    Group,
    InlinePolicy,
    InstanceProfile,
    ManagedPolicy,
    Role,
    User,
    fold,
)

Kind = Literal["user", "group", "role"]
Entity = User | Group | Role
AnyPolicy = ManagedPolicy | documents.AwsPolicy


def user(ctx: Context, name: str) -> User:
    found = ctx.tx[User].get(ctx.account, fold(name))
    if found is None:
        raise NoSuchEntity(f"The user with name {name} cannot be found.")
    return found


def group(ctx: Context, name: str) -> Group:
    found = ctx.tx[Group].get(ctx.account, fold(name))
    if found is None:
        raise NoSuchEntity(f"The group with name {name} cannot be found.")
    return found


def role(ctx: Context, name: str) -> Role:
    found = ctx.tx[Role].get(ctx.account, fold(name))
    if found is None:
        raise NoSuchEntity(f"The role with name {name} cannot be found.")
    return found


def instance_profile(ctx: Context, name: str) -> InstanceProfile:
    found = ctx.tx[InstanceProfile].get(ctx.account, fold(name))
    if found is None:
        raise NoSuchEntity(f"Instance Profile {name} cannot be found.")
    return found


FIND: dict[Kind, Callable[[Context, str], Entity]] = {"user": user, "group": group, "role": role}


def must_have_no_policies(ctx: Context, kind: Kind, identity: str) -> None:
    """Raises DeleteConflict: an entity with policies is not deleted."""
    if ctx.tx[Attachment].count(ctx.account, kind, identity, "policy", index="entity"):
        raise DeleteConflict("Cannot delete entity, must detach all policies first.")
    if ctx.tx[InlinePolicy].count(ctx.account, kind, identity):
        raise DeleteConflict("Cannot delete entity, must delete policies first.")


def policy(ctx: Context, policy_arn: str) -> AnyPolicy:
    """A managed policy that this account can use: its own, or one of AWS's."""
    _policy_arn(policy_arn)
    found = usable_policy(ctx, policy_arn)
    if found is None:
        raise NoSuchEntity(f"Policy {policy_arn} was not found.")
    return found


def own_policy(ctx: Context, policy_arn: str) -> ManagedPolicy:
    """A managed policy that this account may change."""
    found = policy(ctx, policy_arn)
    if not isinstance(found, ManagedPolicy):
        raise InvalidInput("Cannot perform the operation on the protected policy of AWS.")
    return found


def usable_policy(ctx: Context, policy_arn: str) -> AnyPolicy | None:
    known = documents.aws_policies().get(policy_arn)
    if known is not None:
        return known
    found = documents.managed(ctx.tx, policy_arn)
    return found if found is not None and found.account == ctx.account else None


def _policy_arn(text: str) -> None:
    try:
        parsed = arn.parse(text)
    except ValueError:
        raise InvalidInput(f"ARN {text} is not valid.") from None
    if parsed.service != "iam" or not parsed.resource.startswith("policy/"):
        raise InvalidInput(f"ARN {text} is not valid.")


def calling_user(ctx: Context) -> str:
    """The name of the user who asks, for operations whose UserName may be left out."""
    if ctx.caller.kind != "user":
        raise ValidationError("Must specify userName when calling with non-User credentials")
    return ctx.caller.identity_arn.rpartition("/")[2]


def on(kind: Kind, action: str) -> Callable[[Context, Any], Check]:
    """The check of an operation on one existing entity, named in UserName, GroupName or RoleName.

    The ARN holds the entity's path. For a name that nobody has it is the one it would have at "/".
    """
    member = f"{kind.capitalize()}Name"

    def check(ctx: Context, req: Any) -> Check:
        return Check(f"iam:{action}", entity_arn(ctx, kind, req.get(member)))

    return check


def entity_arn(ctx: Context, kind: Kind, name: str | None) -> str:
    """The ARN to check; without a name the caller's own."""
    if name is None:
        return ctx.caller.identity_arn
    try:
        return FIND[kind](ctx, name).arn
    except NoSuchEntity:
        return arn.make("iam", "", ctx.account, f"{kind}/{name}")


def on_renamed(kind: Kind) -> Callable[[Context, Any], list[Check]]:
    """The check of UpdateUser and UpdateGroup: both what the entity is and what it becomes must be allowed."""
    word = kind.capitalize()
    action = f"iam:Update{word}"

    def check(ctx: Context, req: Any) -> list[Check]:
        present = entity_arn(ctx, kind, req[f"{word}Name"])
        new_name, new_path = req.get(f"New{word}Name"), req.get("NewPath")
        if new_name is None and new_path is None:
            return [Check(action, present)]
        path, _, name = present.partition(f":{kind}")[2].rpartition("/")
        future = f"{kind}{new_path or f'{path}/'}{new_name or name}"
        return [Check(action, present), Check(action, arn.make("iam", "", ctx.account, future))]

    return check


def on_new(kind: str, member: str, action: str) -> Callable[[Context, Any], Check]:
    """The check of an operation that makes something at a path."""

    def check(ctx: Context, req: Any) -> Check:
        context = tag_keys(req)
        if "PermissionsBoundary" in req:
            context["iam:PermissionsBoundary"] = req["PermissionsBoundary"]
        resource = arn.make("iam", "", ctx.account, f"{kind}{req.get('Path', '/')}{req[member]}")
        return Check(f"iam:{action}", resource, context=context)

    return check


def on_instance_profile(action: str) -> Callable[[Context, Any], Check]:
    def check(ctx: Context, req: Any) -> Check:
        name = req["InstanceProfileName"]
        found = ctx.tx[InstanceProfile].get(ctx.account, fold(name))
        resource = found.arn if found else arn.make("iam", "", ctx.account, f"instance-profile/{name}")
        return Check(f"iam:{action}", resource, context=tag_keys(req))

    return check


def on_policy(action: str) -> Callable[[Context, Any], Check]:
    def check(_: Context, req: Any) -> Check:
        return Check(f"iam:{action}", req["PolicyArn"], context=tag_keys(req))

    return check


def on_account(action: str) -> Callable[[Context, Any], Check]:
    """The check of an operation that has no resource."""
    return lambda _ctx, _req: Check(f"iam:{action}")


def on_path(kind: str, action: str) -> Callable[[Context, Any], Check]:
    """The check of a listing, whose resource is everything under the path prefix."""

    def check(ctx: Context, req: Any) -> Check:
        return Check(f"iam:{action}", arn.make("iam", "", ctx.account, f"{kind}{req.get('PathPrefix', '/')}"))

    return check


def tag_keys(req: Any) -> dict[str, str | list[str]]:
    """Condition keys about the tags that a request brings (aws:RequestTag, aws:TagKeys)."""
    tags = req.get("Tags", [])
    if not tags and "TagKeys" not in req:
        return {}
    keys: dict[str, str | list[str]] = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags}
    keys["aws:TagKeys"] = [tag["Key"] for tag in tags] or list(req.get("TagKeys", []))
    return keys
