"""AssumeRole: the role's trust policy decides, like any resource's policy, who becomes a session of the role.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from collections.abc import Iterator, Mapping

import msgspec

from pilvi.core.caller import Caller, Check
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, ValidationError
from pilvi.core.operation import operation
from pilvi.services.sts import limits, roles, sessions, types
from pilvi.services.sts.errors import InvalidParameterValue


def _checks(ctx: Context, req: types.AssumeRoleRequest) -> list[Check]:
    """May the caller assume it, and tag the session, and name the source? For a missing role the answer is as for a
    role that trusts nobody, so strangers learn nothing.
    """
    if ctx.caller.kind == "root":
        raise AccessDenied("Roles may not be assumed by root accounts.")
    return list(_questions(req, roles.find(ctx, req["RoleArn"]), ctx.caller))


def _questions(req: types.AssumeRoleRequest, role: roles.AssumableRole | None, caller: Caller) -> Iterator[Check]:
    role_arn = req["RoleArn"]
    context = _context(req, role)
    question = Check(
        "sts:AssumeRole",
        role_arn,
        owner=roles.account_of(role_arn),
        policy=role.trust if role else roles.NOBODY,
        context=context,
    )
    yield question
    if req.get("Tags") or sessions.inherited(caller):
        yield msgspec.structs.replace(question, action="sts:TagSession")
    if "SourceIdentity" in req or "aws:SourceIdentity" in caller.context:
        yield msgspec.structs.replace(question, action="sts:SetSourceIdentity")


def _context(req: types.AssumeRoleRequest, role: roles.AssumableRole | None) -> sessions.Keys:
    tags = req.get("Tags", [])
    keys: sessions.Keys = {"sts:RoleSessionName": req["RoleSessionName"]}
    keys.update({f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags})
    keys.update({f"aws:ResourceTag/{key}": value for key, value in (role.tags if role else {}).items()})
    keys.update({f"iam:ResourceTag/{key}": value for key, value in (role.tags if role else {}).items()})
    if tags:
        keys["aws:TagKeys"] = [tag["Key"] for tag in tags]
    if "TransitiveTagKeys" in req:
        keys["sts:TransitiveTagKeys"] = list(req["TransitiveTagKeys"])
    if "ExternalId" in req:
        keys["sts:ExternalId"] = req["ExternalId"]
    if "SourceIdentity" in req:
        keys["sts:SourceIdentity"] = req["SourceIdentity"]
    return keys


@operation("AssumeRole", reads=True, check=_checks)
def assume_role(ctx: Context, req: types.AssumeRoleRequest) -> types.AssumeRoleResponse:
    role = roles.find(ctx, req["RoleArn"])
    if role is None:
        raise AccessDenied(f"User: {ctx.caller.arn} is not authorized to perform: sts:AssumeRole")
    sessions.refuse_unbuilt(req)
    sessions.no_mfa(req)
    seconds = _duration(ctx, req, role)
    documents = sessions.policies(ctx, req, role.account)
    tags, transitive = _session_tags(ctx, req)
    percent = sessions.packed_percent(documents, tags)
    caller = _session(ctx, req, role, documents, tags, transitive)
    answer: types.AssumeRoleResponse = {
        "Credentials": sessions.credentials(ctx.cloud.issue_session(caller, seconds, ctx.now_ms)),
        "AssumedRoleUser": {"AssumedRoleId": caller.user_id, "Arn": caller.arn},
    }
    if percent:
        answer["PackedPolicySize"] = percent
    if "aws:SourceIdentity" in caller.context:
        answer["SourceIdentity"] = str(caller.context["aws:SourceIdentity"])
    return answer


def _duration(ctx: Context, req: types.AssumeRoleRequest, role: roles.AssumableRole) -> int:
    seconds = req.get("DurationSeconds", limits.ROLE_SECONDS_DEFAULT)
    if seconds > role.session_seconds_max:
        raise ValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    if ctx.caller.kind == "role" and seconds > limits.CHAINED_SECONDS_MAX:
        raise ValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    return seconds


def _session_tags(ctx: Context, req: types.AssumeRoleRequest) -> tuple[dict[str, str], list[str]]:
    """The session's tags, those inherited along a chain among them, and the keys of those that go on to the next."""
    given, passed_on = sessions.tags(req), sessions.inherited(ctx.caller)
    if {key.lower() for key in given} & {key.lower() for key in passed_on}:
        raise InvalidParameterValue(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
            "from the calling session."
        )
    wanted = req.get("TransitiveTagKeys", [])
    if not {key.lower() for key in wanted} <= {key.lower() for key in given}:
        raise InvalidParameterValue("The specified transitive tag key must be included in the requested tags.")
    folded = {key.lower() for key in wanted}
    return {**passed_on, **given}, [*passed_on, *(key for key in given if key.lower() in folded)]


def _session(
    ctx: Context,
    req: types.AssumeRoleRequest,
    role: roles.AssumableRole,
    documents: tuple[str, ...],
    tags: Mapping[str, str],
    transitive: list[str],
) -> Caller:
    name = req["RoleSessionName"]
    keys: sessions.Keys = {**sessions.issued(ctx.now_ms), **sessions.principal_tags(role.tags, tags)}
    if transitive:
        keys[sessions.TRANSITIVE] = transitive
    source = ctx.caller.context.get("aws:SourceIdentity") or req.get("SourceIdentity")
    if source:
        keys["aws:SourceIdentity"] = source
    return Caller(
        kind="role",
        account=role.account,
        arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}",
        user_id=f"{role.id}:{name}",
        identity_arn=role.arn,
        session_policies=documents,
        context=keys,
    )
