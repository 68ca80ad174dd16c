"""Resource policies: who else may use a function.

https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

import re
from typing import Any

import msgspec

from pilvi.core import arn
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.lambda_ import find, limits, names
from pilvi.services.lambda_.errors import (
    InvalidParameterValue,
    PolicyLengthExceeded,
    ResourceConflict,
    ResourceNotFound,
)
from pilvi.services.lambda_.functions import on_function
from pilvi.services.lambda_.names import LATEST, FunctionId
from pilvi.services.lambda_.records import Alias, Function, ResourcePolicy, Version
from pilvi.services.lambda_.types import (
    AddPermissionRequest,
    AddPermissionResponse,
    GetPolicyRequest,
    GetPolicyResponse,
    RemovePermissionRequest,
)
from pilvi.services.lambda_.updates import must_be_at

Statement = dict[str, Any]
NO_POLICY = "The resource you requested does not exist."
_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(
    r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal|alexa\.com)|[a-z0-9-]+\.[a-z0-9.-]+"
)


@operation("AddPermission", check=on_function("AddPermission"))
def add_permission(ctx: Context, req: AddPermissionRequest) -> AddPermissionResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_AddPermission.html"""
    for member in ("FunctionUrlAuthType", "InvokedViaFunctionUrl", "EventSourceToken"):
        if member in req:
            raise NotBuilt(f"lambda: {member} is not built.")
    name = _subject(ctx, req)
    must_be_at(revision_id(ctx, name), req.get("RevisionId"))
    statements = _statements(ctx, name)
    if any(one["Sid"] == req["StatementId"] for one in statements):
        raise ResourceConflict(
            f"The statement id ({req['StatementId']}) provided already exists. Please provide a new statement id, or "
            "remove the existing statement."
        )
    statement = form_statement(req, name.arn)
    _keep(ctx, name, [*statements, statement])
    return {"Statement": _text(statement)}


@operation("RemovePermission", check=on_function("RemovePermission"))
def remove_permission(ctx: Context, req: RemovePermissionRequest) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_RemovePermission.html"""
    name = _subject(ctx, req)
    statements = _statements(ctx, name)
    if not statements:
        raise ResourceNotFound("No policy is associated with the given resource.")
    must_be_at(revision_id(ctx, name), req.get("RevisionId"))
    left = [one for one in statements if one["Sid"] != req["StatementId"]]
    if len(left) == len(statements):
        raise ResourceNotFound(f"Statement {req['StatementId']} is not found in resource policy.")
    _keep(ctx, name, left)


@operation("GetPolicy", reads=True, check=on_function("GetPolicy"))
def get_policy(ctx: Context, req: GetPolicyRequest) -> GetPolicyResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetPolicy.html"""
    name = _subject(ctx, req)
    policy = ctx.tx[ResourcePolicy].get(*name.key, name.policy_qualifier)
    if policy is None:
        raise ResourceNotFound(NO_POLICY)
    return {"Policy": policy.document, "RevisionId": revision_id(ctx, name)}


def form_statement(req: AddPermissionRequest, resource: str) -> Statement:
    """The policy statement that AWS makes of a permission.

    Raises:
        InvalidParameterValue: a principal that is neither an account, an ARN, a service nor everybody; an action of
            another service.
    """
    action = req["Action"]
    if not action.startswith("lambda:") and action != "*":
        raise InvalidParameterValue(f"Provided action {action} is not an action of Lambda.")
    conditions: dict[str, dict[str, str]] = {}
    if req.get("SourceAccount"):
        conditions.setdefault("StringEquals", {})["AWS:SourceAccount"] = req["SourceAccount"]
    if req.get("PrincipalOrgID"):
        conditions.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = req["PrincipalOrgID"]
    if req.get("SourceArn"):
        conditions["ArnLike"] = {"AWS:SourceArn": req["SourceArn"]}
    statement: Statement = {
        "Sid": req["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(req["Principal"]),
        "Action": action,
        "Resource": resource,
    }
    if conditions:
        statement["Condition"] = conditions
    return statement


def _principal(text: str) -> str | dict[str, str]:
    if text == "*":
        return "*"
    if _ACCOUNT.fullmatch(text):
        return {"AWS": arn.make("iam", "", text, "root")}
    if text.startswith("arn:"):
        return {"AWS": text}
    if _SERVICE.fullmatch(text):
        return {"Service": text}
    raise InvalidParameterValue("The provided principal was invalid. Please check the principal and try again.")


def _subject(ctx: Context, req: Any) -> FunctionId:
    """The function, version or alias that a policy belongs to; it exists.

    Raises:
        InvalidParameterValue: $LATEST, which shares the function's.
        ResourceNotFound: it does not exist.
    """
    name = names.parse(ctx, req["FunctionName"], req.get("Qualifier"))
    if name.qualifier == LATEST:
        raise InvalidParameterValue("We currently do not support adding policies for $LATEST.")
    find.version(ctx, name)
    return name


def revision_id(ctx: Context, name: FunctionId) -> str:
    """The revision of what a name addresses: a policy has none of its own."""
    alias = ctx.tx[Alias].get(*name.key, name.qualifier) if name.qualifier else None
    return alias.revision_id if alias else find.version(ctx, name).configuration.revision_id


def _statements(ctx: Context, name: FunctionId) -> list[Statement]:
    policy = ctx.tx[ResourcePolicy].get(*name.key, name.policy_qualifier)
    found: list[Statement] = msgspec.json.decode(policy.document)["Statement"] if policy else []
    return found


def _keep(ctx: Context, name: FunctionId, statements: list[Statement]) -> None:
    if statements:
        document = _text({"Version": "2012-10-17", "Id": "default", "Statement": statements})
        if len(document) > limits.POLICY_BYTES_MAX:
            raise PolicyLengthExceeded(
                f"The final policy size ({len(document)}) is bigger than the limit ({limits.POLICY_BYTES_MAX})."
            )
        ctx.tx[ResourcePolicy].put(ResourcePolicy(*name.key, name.policy_qualifier, document))
    else:
        ctx.tx[ResourcePolicy].delete(*name.key, name.policy_qualifier)
    _revise(ctx, name)


def _revise(ctx: Context, name: FunctionId) -> None:
    """A change of permissions is a new revision, and no reason to start new workers."""
    new = ctx.ids.uuid()
    if not name.qualifier:
        one = find.function(ctx, name)
        latest = msgspec.structs.replace(one.latest, revision_id=new)
        ctx.tx[Function].put(msgspec.structs.replace(one, latest=latest))
    elif name.qualifier.isdigit():
        version = ctx.tx[Version].get(*name.key, find.number(name.qualifier))
        assert version is not None
        configuration = msgspec.structs.replace(version.configuration, revision_id=new)
        ctx.tx[Version].put(msgspec.structs.replace(version, configuration=configuration))
    else:
        alias = ctx.tx[Alias].get(*name.key, name.qualifier)
        assert alias is not None
        ctx.tx[Alias].put(msgspec.structs.replace(alias, revision_id=new))


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
