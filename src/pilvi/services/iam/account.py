"""The account as a whole: its alias, its summary, everything in it at once."""

import re
from collections.abc import Iterator
from typing import Any

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.iam import attachments, documents, entities, groups, inline, limits, policies, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import EntityAlreadyExists, InvalidInput, NoSuchEntity
from pilvi.services.iam.paging import page
from pilvi.services.iam.records import (
    ROOT,
    AccessKey,
    Alias,
    Attachment,
    Group,
    InstanceProfile,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
)

_ALIAS = re.compile(r"(?!\d{12}$)[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]")


@operation("CreateAccountAlias", check=entities.on_account("CreateAccountAlias"))
@changes
def create_account_alias(ctx: Context, req: types.CreateAccountAliasRequest) -> None:
    """An account has one alias: a new one takes the place of the old one."""
    name = req["AccountAlias"]
    if not _ALIAS.fullmatch(name):
        raise InvalidInput(f"The account alias {name} is not valid.")
    if ctx.tx[Alias].get(name) is not None:
        raise EntityAlreadyExists(f"The account alias {name} already exists.")
    for present in list(ctx.tx[Alias].scan(ctx.account, index="account")):
        ctx.tx[Alias].delete(present.name)
    ctx.tx[Alias].put(Alias(name, ctx.account))


@operation("DeleteAccountAlias", check=entities.on_account("DeleteAccountAlias"))
@changes
def delete_account_alias(ctx: Context, req: types.DeleteAccountAliasRequest) -> None:
    found = ctx.tx[Alias].get(req["AccountAlias"])
    if found is None or found.account != ctx.account:
        raise NoSuchEntity(f"The account alias {req['AccountAlias']} cannot be found.")
    ctx.tx[Alias].delete(found.name)


@operation("ListAccountAliases", reads=True, check=entities.on_account("ListAccountAliases"))
def list_account_aliases(ctx: Context, req: types.ListAccountAliasesRequest) -> types.ListAccountAliasesResponse:
    found, paging = page(ctx.tx[Alias].scan(ctx.account, index="account"), lambda one: one.name, req)
    return {"AccountAliases": [one.name for one in found], **paging}


@operation("GetAccountSummary", reads=True, check=entities.on_account("GetAccountSummary"))
def get_account_summary(ctx: Context, _: dict[str, Any]) -> types.GetAccountSummaryResponse:
    """How much of what there is, and of each the quota."""
    tx, account = ctx.tx, ctx.account
    return {
        "SummaryMap": {
            "Users": tx[User].count(account),
            "UsersQuota": limits.USERS[1],
            "Groups": tx[Group].count(account),
            "GroupsQuota": limits.GROUPS[1],
            "Roles": tx[Role].count(account),
            "RolesQuota": limits.ROLES[1],
            "Policies": tx[ManagedPolicy].count(account),
            "PoliciesQuota": limits.POLICIES[1],
            "PolicySizeQuota": limits.POLICY_CHARS[1],
            "PolicyVersionsInUse": tx[PolicyVersion].count(account),
            "PolicyVersionsInUseQuota": 10_000,
            "VersionsPerPolicyQuota": limits.POLICY_VERSIONS_MAX,
            "InstanceProfiles": tx[InstanceProfile].count(account),
            "InstanceProfilesQuota": limits.INSTANCE_PROFILES[1],
            "GroupsPerUserQuota": limits.GROUPS_PER_USER[1],
            "AccessKeysPerUserQuota": limits.ACCESS_KEYS_PER_USER[1],
            "AccountAccessKeysPresent": int(tx[AccessKey].count(account, ROOT, index="user") > 0),
            "AttachedPoliciesPerUserQuota": limits.ATTACHED["user"][1],
            "AttachedPoliciesPerGroupQuota": limits.ATTACHED["group"][1],
            "AttachedPoliciesPerRoleQuota": limits.ATTACHED["role"][1],
            "AssumeRolePolicySizeQuota": limits.TRUST_CHARS[1],
            "UserPolicySizeQuota": limits.INLINE_CHARS_MAX["user"],
            "GroupPolicySizeQuota": limits.INLINE_CHARS_MAX["group"],
            "RolePolicySizeQuota": limits.INLINE_CHARS_MAX["role"],
        }
    }


@operation(
    "GetAccountAuthorizationDetails",
    reads=True,
    heavy=True,
    check=entities.on_account("GetAccountAuthorizationDetails"),
)
def get_account_authorization_details(
    ctx: Context, req: types.GetAccountAuthorizationDetailsRequest
) -> types.GetAccountAuthorizationDetailsResponse:
    """Users, groups, roles and policies, in this order, in pieces."""
    wanted = set(req.get("Filter") or ("User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"))
    found, paging = page(_everything(ctx, wanted), lambda one: one[0], req)
    records = [record for _, record in found]
    return {
        "UserDetailList": [_user(ctx, one) for one in records if isinstance(one, User)],
        "GroupDetailList": [_group(ctx, one) for one in records if isinstance(one, Group)],
        "RoleDetailList": [_role(ctx, one) for one in records if isinstance(one, Role)],
        "Policies": [_policy(ctx, one) for one in records if isinstance(one, ManagedPolicy | documents.AwsPolicy)],
        **paging,
    }


def _everything(ctx: Context, wanted: set[str]) -> Iterator[tuple[str, entities.Entity | entities.AnyPolicy]]:
    tx, account = ctx.tx, ctx.account
    if "User" in wanted:
        yield from ((f"1 {one.key}", one) for one in tx[User].scan(account))
    if "Group" in wanted:
        yield from ((f"2 {one.key}", one) for one in tx[Group].scan(account))
    if "Role" in wanted:
        yield from ((f"3 {one.key}", one) for one in tx[Role].scan(account))
    if "LocalManagedPolicy" in wanted:
        yield from ((f"4 {one.key}", one) for one in tx[ManagedPolicy].scan(account))
    if "AWSManagedPolicy" in wanted:  # those in use, as AWS shows them
        in_use = (one for one in documents.aws_policies().values() if tx[Attachment].count(account, one.arn))
        yield from ((f"5 {one.name}", one) for one in in_use)


def _user(ctx: Context, one: User) -> types.UserDetail:
    shown: types.UserDetail = {
        **views.whole_user(ctx, one),  # type: ignore[typeddict-item]  # the same members
        "GroupList": [group.name for group in groups.groups_of(ctx, one)],
        "AttachedManagedPolicies": attachments.attached(ctx, "user", one.id),
    }
    if written := inline.details(ctx, "user", one.id):
        shown["UserPolicyList"] = written
    return shown


def _group(ctx: Context, one: Group) -> types.GroupDetail:
    return {
        **views.group(one),
        "GroupPolicyList": inline.details(ctx, "group", one.id),
        "AttachedManagedPolicies": attachments.attached(ctx, "group", one.id),
    }


def _role(ctx: Context, one: Role) -> types.RoleDetail:
    profiles = ctx.tx[InstanceProfile].scan(ctx.account, one.id, index="role")
    shown: types.RoleDetail = {
        "Path": one.path,
        "RoleName": one.name,
        "RoleId": one.id,
        "Arn": one.arn,
        "CreateDate": views.when(one.created_ms),
        "AssumeRolePolicyDocument": views.encoded(one.trust),
        "InstanceProfileList": [views.instance_profile(ctx, profile) for profile in profiles],
        "RolePolicyList": inline.details(ctx, "role", one.id),
        "AttachedManagedPolicies": attachments.attached(ctx, "role", one.id),
        "Tags": views.tag_list(one.tags),
    }
    if bounds := views.boundary(ctx, "role", one.id):
        shown["PermissionsBoundary"] = bounds
    return shown


def _policy(ctx: Context, one: entities.AnyPolicy) -> types.ManagedPolicyDetail:
    shown = policies.versions(ctx, one)
    return {
        **views.policy(ctx, one),  # type: ignore[typeddict-unknown-key]  # the same members
        "PolicyVersionList": [
            {"Document": views.encoded(version.document), **views.policy_version(version, default)}
            for version, default in shown
        ],
    }
