"""Tags of users, roles, policies and instance profiles: keys differ without regard to case, and keep theirs.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from pilvi.core.context import Context
from pilvi.core.operation import Checks, operation
from pilvi.services.iam import entities, limits, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.errors import InvalidInput
from pilvi.services.iam.paging import page
from pilvi.services.iam.records import InstanceProfile, ManagedPolicy, Role, User

Tagged = TypeVar("Tagged", User, Role, ManagedPolicy, InstanceProfile)


def of_request(req: Mapping[str, Any]) -> dict[str, str]:
    """The tags that a creating request brings.

    Raises:
        InvalidInput: one key twice, or a key reserved for AWS.
    """
    found: dict[str, str] = {}
    for tag in req.get("Tags", []):
        key = tag["Key"]
        if key.lower() in {known.lower() for known in found}:
            raise InvalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        _not_reserved(key)
        found[key] = tag["Value"]
    return found


def _not_reserved(key: str) -> None:
    if key.lower().startswith("aws:"):
        raise InvalidInput("aws: prefixed tag key names are not allowed for external use.")


def _tagged(ctx: Context, one: Tagged, kind: str, req: Mapping[str, Any]) -> None:
    merged = dict(one.tags)
    for key, value in of_request(req).items():
        merged.pop(_spelled(merged, key) or key, None)
        merged[key] = value
    limits.within(limits.TAGS[kind], len(merged))
    ctx.tx[type(one)].put(msgspec.structs.replace(one, tags=merged))


def _untagged(ctx: Context, one: Tagged, keys: Iterable[str]) -> None:
    left = dict(one.tags)
    for key in keys:
        _not_reserved(key)
        left.pop(_spelled(left, key) or key, None)
    ctx.tx[type(one)].put(msgspec.structs.replace(one, tags=left))


def _spelled(tags: Mapping[str, str], key: str) -> str | None:
    return next((known for known in tags if known.lower() == key.lower()), None)


def _listed(tags: Mapping[str, str], req: Mapping[str, Any]) -> types.ListUserTagsResponse:
    """Also the answer for roles, policies and instance profiles: the shapes are the same."""
    found, paging = page(sorted(tags), lambda key: key, req)
    return {"Tags": views.tag_list({key: tags[key] for key in found}), **paging}


def _tagging(kind: entities.Kind, action: str) -> Checks:
    bare = entities.on(kind, action)
    return lambda ctx, req: msgspec.structs.replace(bare(ctx, req), context=entities.tag_keys(req))


@operation("TagUser", check=_tagging("user", "TagUser"))
@changes
def tag_user(ctx: Context, req: types.TagUserRequest) -> None:
    _tagged(ctx, entities.user(ctx, req["UserName"]), "user", req)


@operation("UntagUser", check=_tagging("user", "UntagUser"))
@changes
def untag_user(ctx: Context, req: types.UntagUserRequest) -> None:
    _untagged(ctx, entities.user(ctx, req["UserName"]), req["TagKeys"])


@operation("ListUserTags", reads=True, check=entities.on("user", "ListUserTags"))
def list_user_tags(ctx: Context, req: types.ListUserTagsRequest) -> types.ListUserTagsResponse:
    return _listed(entities.user(ctx, req["UserName"]).tags, req)


@operation("TagRole", check=_tagging("role", "TagRole"))
@changes
def tag_role(ctx: Context, req: types.TagRoleRequest) -> None:
    _tagged(ctx, entities.role(ctx, req["RoleName"]), "role", req)


@operation("UntagRole", check=_tagging("role", "UntagRole"))
@changes
def untag_role(ctx: Context, req: types.UntagRoleRequest) -> None:
    _untagged(ctx, entities.role(ctx, req["RoleName"]), req["TagKeys"])


@operation("ListRoleTags", reads=True, check=entities.on("role", "ListRoleTags"))
def list_role_tags(ctx: Context, req: types.ListRoleTagsRequest) -> types.ListRoleTagsResponse:
    return _listed(entities.role(ctx, req["RoleName"]).tags, req)


@operation("TagPolicy", check=entities.on_policy("TagPolicy"))
@changes
def tag_policy(ctx: Context, req: types.TagPolicyRequest) -> None:
    _tagged(ctx, entities.own_policy(ctx, req["PolicyArn"]), "policy", req)


@operation("UntagPolicy", check=entities.on_policy("UntagPolicy"))
@changes
def untag_policy(ctx: Context, req: types.UntagPolicyRequest) -> None:
    _untagged(ctx, entities.own_policy(ctx, req["PolicyArn"]), req["TagKeys"])


@operation("ListPolicyTags", reads=True, check=entities.on_policy("ListPolicyTags"))
def list_policy_tags(ctx: Context, req: types.ListPolicyTagsRequest) -> types.ListPolicyTagsResponse:
    policy = entities.policy(ctx, req["PolicyArn"])
    return _listed(policy.tags if isinstance(policy, ManagedPolicy) else {}, req)


@operation("TagInstanceProfile", check=entities.on_instance_profile("TagInstanceProfile"))
@changes
def tag_instance_profile(ctx: Context, req: types.TagInstanceProfileRequest) -> None:
    _tagged(ctx, entities.instance_profile(ctx, req["InstanceProfileName"]), "instance profile", req)


@operation("UntagInstanceProfile", check=entities.on_instance_profile("UntagInstanceProfile"))
@changes
def untag_instance_profile(ctx: Context, req: types.UntagInstanceProfileRequest) -> None:
    _untagged(ctx, entities.instance_profile(ctx, req["InstanceProfileName"]), req["TagKeys"])


@operation("ListInstanceProfileTags", reads=True, check=entities.on_instance_profile("ListInstanceProfileTags"))
def list_instance_profile_tags(
    ctx: Context, req: types.ListInstanceProfileTagsRequest
) -> types.ListInstanceProfileTagsResponse:
    return _listed(entities.instance_profile(ctx, req["InstanceProfileName"]).tags, req)
