"""Long-term access keys of users and of the account's root.

Without a UserName an operation is about the caller's own keys, which is the only way to the root's.
"""

import msgspec

from pilvi.core import arn
from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.core.operation import operation
from pilvi.services.iam import entities, limits, types, views
from pilvi.services.iam.changes import changes
from pilvi.services.iam.directory import by_id
from pilvi.services.iam.errors import NoSuchEntity
from pilvi.services.iam.paging import page
from pilvi.services.iam.records import ROOT, AccessKey, Use, User


def _owner(ctx: Context, name: str | None) -> tuple[str, str]:
    """Id and name of the user whose keys are meant; the root has no name and ROOT for an id."""
    if name is None and ctx.caller.kind == "root":
        return ROOT, ""
    user = entities.user(ctx, name if name is not None else entities.calling_user(ctx))
    return user.id, user.name


def _key(ctx: Context, name: str | None, access_key_id: str) -> AccessKey:
    owner, _ = _owner(ctx, name)
    found = ctx.tx[AccessKey].get(access_key_id)
    if found is None or (found.account, found.user) != (ctx.account, owner):
        raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found.")
    return found


@operation("CreateAccessKey", check=entities.on("user", "CreateAccessKey"))
@changes
def create_access_key(ctx: Context, req: types.CreateAccessKeyRequest) -> types.CreateAccessKeyResponse:
    """The only time that the secret is told."""
    owner, name = _owner(ctx, req.get("UserName"))
    limits.within(limits.ACCESS_KEYS_PER_USER, ctx.tx[AccessKey].count(ctx.account, owner, index="user") + 1)
    key = AccessKey(f"AKIA{ctx.ids.base32(16)}", ctx.account, owner, ctx.ids.base64(40), ctx.now_ms)
    ctx.tx[AccessKey].put(key)
    return {
        "AccessKey": {
            "UserName": name,
            "AccessKeyId": key.id,
            "Status": "Active",
            "SecretAccessKey": key.secret,
            "CreateDate": views.when(key.created_ms),
        }
    }


@operation("ListAccessKeys", reads=True, check=entities.on("user", "ListAccessKeys"))
def list_access_keys(ctx: Context, req: types.ListAccessKeysRequest) -> types.ListAccessKeysResponse:
    owner, name = _owner(ctx, req.get("UserName"))
    keys = sorted(ctx.tx[AccessKey].scan(ctx.account, owner, index="user"), key=lambda key: key.id)
    found, paging = page(keys, lambda key: key.id, req)
    return {"AccessKeyMetadata": [_metadata(key, name) for key in found], **paging}


def _metadata(key: AccessKey, name: str) -> types.AccessKeyMetadata:
    shown: types.AccessKeyMetadata = {
        "AccessKeyId": key.id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": views.when(key.created_ms),
    }
    if name:
        shown["UserName"] = name
    return shown


@operation("UpdateAccessKey", check=entities.on("user", "UpdateAccessKey"))
@changes
def update_access_key(ctx: Context, req: types.UpdateAccessKeyRequest) -> None:
    key = _key(ctx, req.get("UserName"), req["AccessKeyId"])
    ctx.tx[AccessKey].put(msgspec.structs.replace(key, active=req["Status"] == "Active"))


@operation("DeleteAccessKey", check=entities.on("user", "DeleteAccessKey"))
@changes
def delete_access_key(ctx: Context, req: types.DeleteAccessKeyRequest) -> None:
    key = _key(ctx, req.get("UserName"), req["AccessKeyId"])
    ctx.tx[AccessKey].delete(key.id)
    ctx.tx[Use].delete(key.id)


def _last_used_check(ctx: Context, req: types.GetAccessKeyLastUsedRequest) -> Check:
    """About the key's owner; a key that is not the account's is not told from one that is not there."""
    owner, _ = _owner_of(ctx, req["AccessKeyId"])
    return Check("iam:GetAccessKeyLastUsed", owner)


def _owner_of(ctx: Context, access_key_id: str) -> tuple[str, str]:
    """ARN and name of a key's owner."""
    key = ctx.tx[AccessKey].get(access_key_id)
    owner = by_id(ctx.tx, User, key.user) if key is not None and key.user != ROOT else None
    if key is None or key.account != ctx.account:
        raise AccessDenied(
            f"User: {ctx.caller.arn} is not authorized to perform: iam:GetAccessKeyLastUsed on resource: "
            f"access key {access_key_id}"
        )
    return (owner.arn, owner.name) if owner else (arn.make("iam", "", ctx.account, "root"), "")


@operation("GetAccessKeyLastUsed", reads=True, check=_last_used_check)
def get_access_key_last_used(
    ctx: Context, req: types.GetAccessKeyLastUsedRequest
) -> types.GetAccessKeyLastUsedResponse:
    _, name = _owner_of(ctx, req["AccessKeyId"])
    last = ctx.tx[Use].get(req["AccessKeyId"])
    answer: types.GetAccessKeyLastUsedResponse = {"AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    if last is not None:
        shown: types.AccessKeyLastUsed = {
            "LastUsedDate": views.when(last.at_ms),
            "ServiceName": last.service,
            "Region": last.region,
        }
        answer["AccessKeyLastUsed"] = shown
    if name:
        answer["UserName"] = name
    return answer
