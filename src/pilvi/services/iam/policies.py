"""Managed policies and their versions."""

from collections.abc import Iterator

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.iam import documents, entities, limits, tags, texts, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import DeleteConflict, EntityAlreadyExists, LimitExceeded, NoSuchEntity
from pilvi.services.iam.paging import page
from pilvi.services.iam.records import Attachment, ManagedPolicy, PolicyVersion, fold


@operation("CreatePolicy", check=entities.on_new("policy", "PolicyName", "CreatePolicy"))
@changes
def create_policy(ctx: Context, req: types.CreatePolicyRequest) -> types.CreatePolicyResponse:
    name = req["PolicyName"]
    given = tags.of_request(req)
    if ctx.tx[ManagedPolicy].get(ctx.account, fold(name)) is not None:
        raise EntityAlreadyExists(f"A policy called {name} already exists. Duplicate names are not allowed.")
    _document(ctx, req["PolicyDocument"])
    limits.within(limits.POLICIES, ctx.tx[ManagedPolicy].count(ctx.account) + 1)
    policy = ManagedPolicy(
        account=ctx.account,
        key=fold(name),
        name=name,
        path=req.get("Path", "/"),
        id=f"ANPA{ctx.ids.base32(17)}",
        created_ms=ctx.now_ms,
        updated_ms=ctx.now_ms,
        default_version=1,
        last_version=1,
        description=req.get("Description", ""),
        tags=given,
    )
    ctx.tx[ManagedPolicy].put(policy)
    ctx.tx[PolicyVersion].put(PolicyVersion(ctx.account, policy.key, 1, req["PolicyDocument"], ctx.now_ms))
    return {"Policy": views.whole_policy(ctx, policy)}


def _document(ctx: Context, document: str) -> None:
    texts.identity_policy(ctx, document)
    limits.within(limits.POLICY_CHARS, limits.written_chars(document))


@operation("GetPolicy", reads=True, check=entities.on_policy("GetPolicy"))
def get_policy(ctx: Context, req: types.GetPolicyRequest) -> types.GetPolicyResponse:
    return {"Policy": views.whole_policy(ctx, entities.policy(ctx, req["PolicyArn"]))}


@operation("ListPolicies", reads=True, check=entities.on_path("policy", "ListPolicies"))
def list_policies(ctx: Context, req: types.ListPoliciesRequest) -> types.ListPoliciesResponse:
    policies = sorted(_selected(ctx, req), key=lambda one: one.arn)
    found, paging = page(policies, lambda one: one.arn, req)
    return {"Policies": [views.policy(ctx, one) for one in found], **paging}


def _selected(ctx: Context, req: types.ListPoliciesRequest) -> Iterator[entities.AnyPolicy]:
    scope, prefix = req.get("Scope", "All"), req.get("PathPrefix", "/")
    used_as = {"PermissionsPolicy": "policy", "PermissionsBoundary": "boundary"}.get(req.get("PolicyUsageFilter", ""))
    aws: list[entities.AnyPolicy] = [] if scope == "Local" else list(documents.aws_policies().values())
    own = [] if scope == "AWS" else list(ctx.tx[ManagedPolicy].scan(ctx.account))
    for one in [*aws, *own]:
        if not one.path.startswith(prefix):
            continue
        if used_as is not None and not ctx.tx[Attachment].count(ctx.account, one.arn, used_as):
            continue
        if req.get("OnlyAttached") and not ctx.tx[Attachment].count(ctx.account, one.arn):
            continue
        yield one


@operation("DeletePolicy", check=entities.on_policy("DeletePolicy"))
@changes
def delete_policy(ctx: Context, req: types.DeletePolicyRequest) -> None:
    policy = entities.own_policy(ctx, req["PolicyArn"])
    if ctx.tx[Attachment].count(ctx.account, policy.arn):
        raise DeleteConflict("Cannot delete a policy attached to entities.")
    if ctx.tx[PolicyVersion].count(policy.account, policy.key) > 1:
        raise DeleteConflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy."
        )
    ctx.tx[PolicyVersion].delete(policy.account, policy.key, policy.default_version)
    ctx.tx[ManagedPolicy].delete(policy.account, policy.key)


@operation("CreatePolicyVersion", check=entities.on_policy("CreatePolicyVersion"))
@changes
def create_policy_version(ctx: Context, req: types.CreatePolicyVersionRequest) -> types.CreatePolicyVersionResponse:
    policy = entities.own_policy(ctx, req["PolicyArn"])
    _document(ctx, req["PolicyDocument"])
    if ctx.tx[PolicyVersion].count(policy.account, policy.key) >= limits.POLICY_VERSIONS_MAX:
        raise LimitExceeded(
            f"A managed policy can have up to {limits.POLICY_VERSIONS_MAX} versions. Before you create a new version, "
            "you must delete an existing version."
        )
    number = policy.last_version + 1
    default = number if req.get("SetAsDefault") else policy.default_version
    version = PolicyVersion(policy.account, policy.key, number, req["PolicyDocument"], ctx.now_ms)
    ctx.tx[PolicyVersion].put(version)
    ctx.tx[ManagedPolicy].put(
        msgspec.structs.replace(policy, last_version=number, default_version=default, updated_ms=ctx.now_ms)
    )
    return {"PolicyVersion": views.policy_version(version, default)}


@operation("GetPolicyVersion", reads=True, check=entities.on_policy("GetPolicyVersion"))
def get_policy_version(ctx: Context, req: types.GetPolicyVersionRequest) -> types.GetPolicyVersionResponse:
    policy = entities.policy(ctx, req["PolicyArn"])
    for version, default in versions(ctx, policy):
        if f"v{version.version}" == req["VersionId"]:
            shown = views.policy_version(version, default)
            return {"PolicyVersion": {"Document": views.encoded(version.document), **shown}}
    raise _no_version(req["PolicyArn"], req["VersionId"])


@operation("ListPolicyVersions", reads=True, check=entities.on_policy("ListPolicyVersions"))
def list_policy_versions(ctx: Context, req: types.ListPolicyVersionsRequest) -> types.ListPolicyVersionsResponse:
    """The newest first."""
    newest_first = reversed(list(versions(ctx, entities.policy(ctx, req["PolicyArn"]))))
    found, paging = page(newest_first, lambda one: f"{10**9 - one[0].version:010}", req)
    return {"Versions": [views.policy_version(*one) for one in found], **paging}


def versions(ctx: Context, policy: entities.AnyPolicy) -> Iterator[tuple[PolicyVersion, int]]:
    """Each version, oldest first, with the number of the one in force."""
    if isinstance(policy, documents.AwsPolicy):
        yield (
            PolicyVersion("aws", fold(policy.name), policy.version, policy.document, policy.created_ms),
            policy.version,
        )
        return
    for version in ctx.tx[PolicyVersion].scan(policy.account, policy.key):
        yield version, policy.default_version


def _own_version(ctx: Context, policy: ManagedPolicy, version_id: str) -> PolicyVersion:
    found = ctx.tx[PolicyVersion].get(policy.account, policy.key, int(version_id[1:].partition(".")[0]))
    if found is None or f"v{found.version}" != version_id:
        raise _no_version(policy.arn, version_id)
    return found


def _no_version(policy_arn: str, version_id: str) -> NoSuchEntity:
    return NoSuchEntity(f"Policy {policy_arn} version {version_id} does not exist or is not attachable.")


@operation("SetDefaultPolicyVersion", check=entities.on_policy("SetDefaultPolicyVersion"))
@changes
def set_default_policy_version(ctx: Context, req: types.SetDefaultPolicyVersionRequest) -> None:
    policy = entities.own_policy(ctx, req["PolicyArn"])
    version = _own_version(ctx, policy, req["VersionId"])
    ctx.tx[ManagedPolicy].put(msgspec.structs.replace(policy, default_version=version.version, updated_ms=ctx.now_ms))


@operation("DeletePolicyVersion", check=entities.on_policy("DeletePolicyVersion"))
@changes
def delete_policy_version(ctx: Context, req: types.DeletePolicyVersionRequest) -> None:
    policy = entities.own_policy(ctx, req["PolicyArn"])
    version = _own_version(ctx, policy, req["VersionId"])
    if version.version == policy.default_version:
        raise DeleteConflict("Cannot delete the default version of a policy.")
    ctx.tx[PolicyVersion].delete(version.account, version.policy, version.version)
    ctx.tx[ManagedPolicy].put(msgspec.structs.replace(policy, updated_ms=ctx.now_ms))
