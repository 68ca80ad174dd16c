"""What STS must know of a role, asked of IAM with the authority of the role's account."""

from urllib.parse import unquote

import msgspec

from pilvi.core import arn
from pilvi.core import caller as callers
from pilvi.core.context import Context
from pilvi.core.errors import CloudError, ValidationError

NOBODY = '{"Version":"2012-10-17","Statement":[]}'  # the trust policy of a role that does not exist


class AssumableRole(msgspec.Struct, frozen=True):
    account: str
    name: str
    arn: str
    id: str
    trust: str
    session_seconds_max: int
    tags: dict[str, str]


def account_of(role_arn: str) -> str:
    """The account that a role's ARN names.

    Raises:
        ValidationError: it is no ARN.
    """
    try:
        return arn.parse(role_arn).account
    except ValueError:
        raise ValidationError(f"{role_arn} is invalid") from None


def find(ctx: Context, role_arn: str) -> AssumableRole | None:
    """The role with exactly this ARN, if there is one."""
    account = account_of(role_arn)
    resource = arn.parse(role_arn).resource
    if not resource.startswith("role/"):
        return None
    try:
        request = {"RoleName": resource.rpartition("/")[2]}
        found = ctx.call("iam", "GetRole", request, caller=callers.root(account))["Role"]
    except CloudError as error:
        if error.fault == "server":
            raise
        return None
    if found["Arn"] != role_arn:
        return None
    return AssumableRole(
        account=account,
        name=found["RoleName"],
        arn=role_arn,
        id=found["RoleId"],
        trust=unquote(found["AssumeRolePolicyDocument"]),
        session_seconds_max=found["MaxSessionDuration"],
        tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
    )


def managed_document(ctx: Context, policy_arn: str, account: str) -> str | None:
    """The document in force of a managed policy that the account can use."""
    as_root = callers.root(account)
    try:
        policy = ctx.call("iam", "GetPolicy", {"PolicyArn": policy_arn}, caller=as_root)["Policy"]
        wanted = {"PolicyArn": policy_arn, "VersionId": policy["DefaultVersionId"]}
        version = ctx.call("iam", "GetPolicyVersion", wanted, caller=as_root)["PolicyVersion"]
    except CloudError as error:
        if error.fault == "server":
            raise
        return None
    return unquote(version["Document"])
