"""IAM's records in AWS's shapes."""

from datetime import UTC, datetime
from urllib.parse import quote

from pilvi.core.context import Context
from pilvi.services.iam import types
from pilvi.services.iam.directory import boundary_of, by_id
from pilvi.services.iam.documents import AwsPolicy
from pilvi.services.iam.records import Attachment, Group, InstanceProfile, ManagedPolicy, PolicyVersion, Role, Use, User


def when(ms: int) -> datetime:
    """IAM tells times in whole seconds."""
    return datetime.fromtimestamp(ms // 1000, UTC)


def encoded(document: str) -> str:
    """Policy documents travel percent-encoded (RFC 3986)."""
    return quote(document, safe="")


def tag_list(tags: dict[str, str]) -> list[types.Tag]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def user(one: User) -> types.User:
    """As ListUsers shows it; `whole_user` adds tags and boundary."""
    return {
        "Path": one.path,
        "UserName": one.name,
        "UserId": one.id,
        "Arn": one.arn,
        "CreateDate": when(one.created_ms),
    }


def whole_user(ctx: Context, one: User) -> types.User:
    shown = user(one)
    if one.tags:
        shown["Tags"] = tag_list(one.tags)
    if bounds := boundary(ctx, "user", one.id):
        shown["PermissionsBoundary"] = bounds
    return shown


def boundary(ctx: Context, kind: str, identity: str) -> types.AttachedPermissionsBoundary | None:
    arn = boundary_of(ctx.tx, ctx.account, kind, identity)
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn} if arn else None


def group(one: Group) -> types.Group:
    return {
        "Path": one.path,
        "GroupName": one.name,
        "GroupId": one.id,
        "Arn": one.arn,
        "CreateDate": when(one.created_ms),
    }


def role(one: Role) -> types.Role:
    """As ListRoles shows it; `whole_role` adds tags and boundary."""
    shown: types.Role = {
        "Path": one.path,
        "RoleName": one.name,
        "RoleId": one.id,
        "Arn": one.arn,
        "CreateDate": when(one.created_ms),
        "AssumeRolePolicyDocument": encoded(one.trust),
        "MaxSessionDuration": one.session_seconds_max,
    }
    if one.description:
        shown["Description"] = one.description
    return shown


def whole_role(ctx: Context, one: Role) -> types.Role:
    shown = role(one)
    if one.tags:
        shown["Tags"] = tag_list(one.tags)
    if bounds := boundary(ctx, "role", one.id):
        shown["PermissionsBoundary"] = bounds
    last = ctx.tx[Use].get(one.id)
    shown["RoleLastUsed"] = {"LastUsedDate": when(last.at_ms), "Region": last.region} if last else {}
    return shown


def instance_profile(ctx: Context, one: InstanceProfile) -> types.InstanceProfile:
    held = by_id(ctx.tx, Role, one.role) if one.role else None
    shown: types.InstanceProfile = {
        "Path": one.path,
        "InstanceProfileName": one.name,
        "InstanceProfileId": one.id,
        "Arn": one.arn,
        "CreateDate": when(one.created_ms),
        "Roles": [role(held)] if held else [],
    }
    if one.tags:
        shown["Tags"] = tag_list(one.tags)
    return shown


def policy(ctx: Context, one: ManagedPolicy | AwsPolicy) -> types.Policy:
    """As ListPolicies shows it; `whole_policy` adds description and tags."""
    if isinstance(one, ManagedPolicy):
        default, updated_ms = one.default_version, one.updated_ms
    else:
        default, updated_ms = one.version, one.created_ms
    return {
        "PolicyName": one.name,
        "PolicyId": one.id,
        "Arn": one.arn,
        "Path": one.path,
        "DefaultVersionId": f"v{default}",
        "AttachmentCount": ctx.tx[Attachment].count(ctx.account, one.arn, "policy"),
        "PermissionsBoundaryUsageCount": ctx.tx[Attachment].count(ctx.account, one.arn, "boundary"),
        "IsAttachable": True,
        "CreateDate": when(one.created_ms),
        "UpdateDate": when(updated_ms),
    }


def whole_policy(ctx: Context, one: ManagedPolicy | AwsPolicy) -> types.Policy:
    shown = policy(ctx, one)
    if one.description:
        shown["Description"] = one.description
    shown["Tags"] = tag_list(one.tags) if isinstance(one, ManagedPolicy) else []
    return shown


def policy_version(one: PolicyVersion, default: int) -> types.PolicyVersion:
    """As ListPolicyVersions shows it; GetPolicyVersion adds the document."""
    return {
        "VersionId": f"v{one.version}",
        "IsDefaultVersion": one.version == default,
        "CreateDate": when(one.created_ms),
    }
