"""The policy simulator: what a user, group or role could do, or what given documents would allow.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import msgspec

from pilvi.core import arn
from pilvi.core.caller import Caller, Check, Supposition, Verdict
from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.iam import documents, entities, groups, types
from pilvi.services.iam.directory import boundary_of, user_caller
from pilvi.services.iam.errors import InvalidInput, NoSuchEntity
from pilvi.services.iam.paging import page
from pilvi.services.iam.records import Attachment, InlinePolicy, User

_NOT_BUILT = ("OrderedOrganizationPolicyInputList", "PolicyExclusionList", "ResourceHandlingOption")
_VARIABLE = re.compile(r"\$\{\s*([A-Za-z0-9-]+:[^{}, ]+)")


class Source(msgspec.Struct, frozen=True):
    """A document and where it comes from, in the simulator's words."""

    kind: str
    document: str


def _entity(ctx: Context, source_arn: str) -> tuple[entities.Kind, entities.Entity]:
    try:
        parsed = arn.parse(source_arn)
    except ValueError:
        raise InvalidInput(f"Invalid Entity Arn: {source_arn}") from None
    kind, _, name = parsed.resource.partition("/")
    if parsed.service != "iam" or parsed.account != ctx.account or kind not in entities.FIND:
        raise InvalidInput(f"Invalid Entity Arn: {source_arn} does not clearly define entity type and name.")
    found = entities.FIND[kind](ctx, name.rpartition("/")[2])
    if found.arn != source_arn:  # what is permitted is an ARN: another path or case names somebody else
        raise NoSuchEntity(f"Entity {source_arn} cannot be found.")
    return kind, found


def _sources(ctx: Context, kind: entities.Kind, entity: entities.Entity) -> Iterator[tuple[str, Source]]:
    """Documents of an entity and, for a user, of its groups."""
    for one in ctx.tx[InlinePolicy].scan(ctx.account, kind, entity.id):
        yield f"{kind}_{entity.name}_{one.name}", Source(kind, one.document)
    for attached in ctx.tx[Attachment].scan(ctx.account, kind, entity.id, "policy", index="entity"):
        managed_by = "aws-managed" if attached.policy_arn in documents.aws_policies() else "user-managed"
        yield attached.policy_arn.rpartition("/")[2], Source(managed_by, documents.default(ctx.tx, attached.policy_arn))
    if isinstance(entity, User):
        for group in groups.groups_of(ctx, entity):
            yield from _sources(ctx, "group", group)


def _given(ctx: Context, req: Mapping[str, Any]) -> dict[str, Source]:
    found = {}
    for number, document in enumerate(req.get("PolicyInputList", []), 1):
        _valid(ctx.cloud.policy_problem(document))
        found[f"PolicyInputList.{number}"] = Source("none", document)
    return found


def _valid(problem: str | None) -> None:
    if problem is not None:
        raise InvalidInput(f"Invalid Input {problem}")


@operation("SimulateCustomPolicy", reads=True, heavy=True, check=entities.on_account("SimulateCustomPolicy"))
def simulate_custom_policy(ctx: Context, req: types.SimulateCustomPolicyRequest) -> types.SimulatePolicyResponse:
    return _simulate(ctx, req, _given(ctx, req), _caller(ctx, req.get("CallerArn")), ())


@operation(
    "SimulatePrincipalPolicy",
    reads=True,
    heavy=True,
    check=lambda _, req: Check("iam:SimulatePrincipalPolicy", req["PolicySourceArn"]),
)
def simulate_principal_policy(ctx: Context, req: types.SimulatePrincipalPolicyRequest) -> types.SimulatePolicyResponse:
    kind, entity = _entity(ctx, req["PolicySourceArn"])
    bound_by = boundary_of(ctx.tx, ctx.account, kind, entity.id)
    boundary = (documents.default(ctx.tx, bound_by),) if bound_by else ()
    default = None if kind == "group" else req["PolicySourceArn"]
    sources = {**dict(_sources(ctx, kind, entity)), **_given(ctx, req)}
    return _simulate(ctx, req, sources, _caller(ctx, req.get("CallerArn", default)), boundary)


def _caller(ctx: Context, caller_arn: str | None) -> Caller | None:
    """The user or role that is supposed to ask."""
    if caller_arn is None:
        return None
    kind, entity = _entity(ctx, caller_arn)
    if kind == "group":  # a group asks nothing
        raise InvalidInput(f"Invalid Entity Arn: {caller_arn} is not a user or role.")
    if isinstance(entity, User):
        return user_caller(entity)
    return Caller("role", ctx.account, entity.arn, entity.id, entity.arn)


def _simulate(
    ctx: Context, req: Mapping[str, Any], sources: dict[str, Source], caller: Caller | None, boundary: tuple[str, ...]
) -> types.SimulatePolicyResponse:
    for name in _NOT_BUILT:
        if name in req:
            raise NotBuilt(f"{name} is not built.")
    if "ResourcePolicy" in req:
        _valid(ctx.cloud.policy_problem(req["ResourcePolicy"], resource_policy=True))
    bounds = tuple(req.get("PermissionsBoundaryPolicyInputList", boundary))
    for document in bounds:
        _valid(ctx.cloud.policy_problem(document))
    questions = enumerate(product(req["ActionNames"], req.get("ResourceArns") or ["*"]))
    asked, paging = page(questions, lambda one: f"{one[0]:08}", req)
    results = []
    for _, (action, resource) in asked:
        check = Check(action, resource, owner=_owner(ctx, req), policy=req.get("ResourcePolicy"))
        texts = {name: source.document for name, source in sources.items()}
        verdict = ctx.cloud.suppose(ctx, Supposition(caller, check, texts, bounds, _context(req)))
        results.append(_result(action, resource, verdict, sources))
    return {"EvaluationResults": results, **paging}


def _owner(ctx: Context, req: Mapping[str, Any]) -> str:
    """ResourceOwner is an account, or the ARN of its root."""
    text = req.get("ResourceOwner", ctx.account)
    owner: str = text.split(":")[4] if text.startswith("arn:") and text.count(":") >= 5 else text
    return owner


def _context(req: Mapping[str, Any]) -> dict[str, str | list[str]]:
    found: dict[str, str | list[str]] = {}
    for entry in req.get("ContextEntries", []):
        values = list(entry.get("ContextKeyValues", []))
        several = entry.get("ContextKeyType", "").endswith("List") or len(values) != 1
        found[entry.get("ContextKeyName", "")] = values if several else values[0]
    return found


def _result(action: str, resource: str, verdict: Verdict, sources: dict[str, Source]) -> types.EvaluationResult:
    result: types.EvaluationResult = {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": verdict.decision,
        "MatchedStatements": [_statement(name, sources) for name in verdict.matched],
        "MissingContextValues": list(verdict.missing),
    }
    if verdict.bounded is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": verdict.bounded}
    return result


def _statement(name: str, sources: dict[str, Source]) -> types.Statement:
    if not name:
        return {"SourcePolicyId": "ResourcePolicy", "SourcePolicyType": "resource"}
    return {"SourcePolicyId": name, "SourcePolicyType": sources[name].kind}


@operation("GetContextKeysForCustomPolicy", reads=True, check=entities.on_account("GetContextKeysForCustomPolicy"))
def get_context_keys_for_custom_policy(
    ctx: Context, req: types.GetContextKeysForCustomPolicyRequest
) -> types.GetContextKeysForPolicyResponse:
    return {"ContextKeyNames": _keys(_given(ctx, req).values())}


@operation(
    "GetContextKeysForPrincipalPolicy",
    reads=True,
    check=lambda _, req: Check("iam:GetContextKeysForPrincipalPolicy", req["PolicySourceArn"]),
)
def get_context_keys_for_principal_policy(
    ctx: Context, req: types.GetContextKeysForPrincipalPolicyRequest
) -> types.GetContextKeysForPolicyResponse:
    kind, entity = _entity(ctx, req["PolicySourceArn"])
    sources = {**dict(_sources(ctx, kind, entity)), **_given(ctx, req)}
    return {"ContextKeyNames": _keys(sources.values())}


def _keys(sources: Any) -> list[str]:
    """Keys of conditions and of variables, each once."""
    found: dict[str, None] = {}
    for source in sources:
        statements = msgspec.json.decode(source.document)["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            for keys in statement.get("Condition", {}).values():
                found.update(dict.fromkeys(keys))
        found.update(dict.fromkeys(_VARIABLE.findall(source.document)))
    return list(found)
