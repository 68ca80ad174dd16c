"""What is wrong with a policy document, in the words of IAM's MalformedPolicyDocument.

Validation is stricter than what the decision needs: a document that says something unintended is refused when it is
stored, so that a stored one always compiles.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from pilvi.identity.conditions import BadCondition, compile_condition
from pilvi.identity.documents import as_text, listed
from pilvi.identity.principals import KINDS

Use = Literal["identity", "resource", "trust"]

SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
VERSION = "Policy document must be version 2012-10-17 or greater."

_VERSIONS = frozenset({"2008-10-17", "2012-10-17"})
_DOCUMENT = frozenset({"Version", "Id", "Statement"})
_STATEMENT = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_SID = re.compile(r"[0-9A-Za-z]*")
_SID_FREE = re.compile(r"[0-9A-Za-z _\-./:]*")
_VENDOR = re.compile(r"[A-Za-z0-9-]+")
_ACTION = re.compile(r"[A-Za-z0-9*?_-]+")
_PRINCIPAL = re.compile(
    r"\*|\d{12}|A(?:IDA|ROA)[A-Z0-9]{12,124}"
    r"|arn:aws[a-z-]*:iam::\d{12}:(?:root|(?:user|role)/[\x21-\x7e]+)"
    r"|arn:aws[a-z-]*:sts::\d{12}:(?:assumed-role|federated-user)/[\x21-\x7e]+"
)
_SERVICE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?|\*")
_PARTITIONS = frozenset({"aws", "aws-cn", "aws-us-gov", "*"})
_TRUST_ACTIONS = frozenset(
    {"sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity", "sts:tagsession",
     "sts:setsourceidentity", "sts:setcontext", "sts:*", "*"}
)  # fmt: skip


def problem(document: str, use: Use) -> str | None:
    """The first thing wrong with a document, or None."""
    return next(_problems(document, use), None)


def _problems(document: str, use: Use) -> Iterator[str]:
    try:
        source = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        yield SYNTAX
        return
    if not isinstance(source, dict) or not source.keys() <= _DOCUMENT or "Statement" not in source:
        yield SYNTAX
        return
    if _repeats_a_name(document):
        yield SYNTAX
    version = source.get("Version", "2008-10-17")
    if not isinstance(version, str) or version not in _VERSIONS or not isinstance(source.get("Id", ""), str):
        yield SYNTAX
    elif use == "identity" and version != "2012-10-17":
        yield VERSION
    statements = listed(source["Statement"])
    if not statements or not all(isinstance(one, dict) for one in statements):
        yield SYNTAX
        return
    for statement in statements:
        yield from _statement(statement, use, variables=version == "2012-10-17")
    sids = [one["Sid"] for one in statements if one.get("Sid")]
    if len(sids) != len(set(sids)):
        yield "Statement IDs (SID) in a single policy must be unique."


def _repeats_a_name(document: str) -> bool:
    """JSON that names a member twice: decoders silently keep one of them, so the author's meaning is unknown."""
    depth_names: list[set[str]] = []
    for mark in re.finditer(r'"((?:[^"\\]|\\.)*)"(\s*:)?|([{}])', document):
        if mark[3] == "{":
            depth_names.append(set())
        elif mark[3] == "}":
            depth_names.pop()
        elif mark[2] and depth_names:
            if mark[1] in depth_names[-1]:
                return True
            depth_names[-1].add(mark[1])
    return False


def _statement(statement: Mapping[str, Any], use: Use, *, variables: bool) -> Iterator[str]:
    if not statement.keys() <= _STATEMENT:
        yield SYNTAX
    if "Effect" not in statement:
        yield "Missing required field Effect"
    elif not isinstance(statement["Effect"], str):
        yield SYNTAX
    elif statement["Effect"] not in {"Allow", "Deny"}:
        yield f"Invalid effect: {statement['Effect']}"
    yield from _sid(statement.get("Sid", ""), use)
    yield from _principals(statement, use)
    yield from _actions(statement, use)
    yield from _resources(statement, use)
    yield from _conditions(statement.get("Condition", {}), variables=variables)


def _sid(sid: object, use: Use) -> Iterator[str]:
    if not isinstance(sid, str):
        yield SYNTAX
    elif not (_SID if use == "identity" else _SID_FREE).fullmatch(sid):
        yield "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"


def _one_of(statement: Mapping[str, Any], name: str) -> tuple[str, Any] | None:
    """The element or its negation; SYNTAX is the caller's when both stand there."""
    for spelled in (name, f"Not{name}"):
        if spelled in statement:
            return spelled, statement[spelled]
    return None


def _texts(value: object) -> list[str] | None:
    """A text or a list of texts, as a list; None for anything else."""
    items = listed(value)
    return items if all(isinstance(item, str) for item in items) else None


def _actions(statement: Mapping[str, Any], use: Use) -> Iterator[str]:
    found = _one_of(statement, "Action")
    if found is None or not listed(found[1]):
        yield "Policy statement must contain actions."
        return
    actions = _texts(found[1])
    if actions is None or {"Action", "NotAction"} <= statement.keys():
        yield SYNTAX
        return
    for action in actions:
        if action == "*":
            continue
        vendor, colon, name = action.partition(":")
        if not colon or not name:
            yield "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        elif not _VENDOR.fullmatch(vendor):
            yield f"Vendor {vendor} is not valid"
        elif ":" in name:
            yield "Actions/Condition can contain only one colon."
        elif not _ACTION.fullmatch(name):
            yield SYNTAX
    if use == "trust" and found[0] == "Action" and not all(action.lower() in _TRUST_ACTIONS for action in actions):
        yield "AssumeRole policy may only specify STS AssumeRole actions."


def _resources(statement: Mapping[str, Any], use: Use) -> Iterator[str]:
    found = _one_of(statement, "Resource")
    if use == "trust":
        if found is not None:
            yield f"Has prohibited field {found[0]}"
        return
    if found is None or (use == "identity" and not listed(found[1])):
        yield "Policy statement must contain resources."
        return
    resources = _texts(found[1])
    if resources is None or {"Resource", "NotResource"} <= statement.keys():
        yield SYNTAX
        return
    for resource in resources:
        yield from _resource(resource)


def _resource(resource: str) -> Iterator[str]:
    if resource == "*":
        return
    scheme, _, rest = resource.partition(":")
    if scheme not in {"arn", "*"} or not rest:
        yield f'Resource {resource} must be in ARN format or "*".'
        return
    parts = resource.split(":", 5)
    if parts[1] not in _PARTITIONS and "*" not in parts[1]:
        yield f'Partition "{parts[1]}" is not valid for resource "{resource}".'
    elif len(parts) < 6 and not resource.endswith("*"):
        yield f'Resource {resource} must be in ARN format or "*".'
    elif len(parts) > 2 and parts[2] == "":
        yield f'Resource vendor must be fully qualified and cannot contain regexes for resource "{resource}".'


def _principals(statement: Mapping[str, Any], use: Use) -> Iterator[str]:
    found = _one_of(statement, "Principal")
    if use == "identity":
        if found is not None:
            yield "Policy document should not specify a principal."
        return
    if found is None:
        yield "Missing required field Principal"
        return
    name, element = found
    if use == "trust" and name == "NotPrincipal":
        yield "Has prohibited field NotPrincipal"
    if {"Principal", "NotPrincipal"} <= statement.keys():
        yield SYNTAX
    if element == "*":
        return
    if not isinstance(element, dict) or not element or not element.keys() <= KINDS:
        yield f'Invalid principal in policy: "{element}"' if isinstance(element, str) else SYNTAX
        return
    for kind, value in element.items():
        names = _texts(value)
        if not names:
            yield SYNTAX
            return
        for principal in names:
            pattern = {"AWS": _PRINCIPAL, "Service": _SERVICE}.get(kind)
            if pattern is not None and not pattern.fullmatch(principal):
                yield f'Invalid principal in policy: "{kind}":"{principal}"'


def _conditions(conditions: object, *, variables: bool) -> Iterator[str]:
    if not isinstance(conditions, dict):
        yield SYNTAX
        return
    for operator, keys in conditions.items():
        if not isinstance(keys, dict):
            yield SYNTAX
            return
        for key, wanted in keys.items():
            values = listed(wanted)
            if not all(isinstance(value, str | int | float) for value in values):
                yield SYNTAX
                return
            if ":" not in key:
                yield "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            try:
                compile_condition(operator, key, [as_text(value) for value in values], variables=variables)
            except BadCondition as bad:
                known = bad.args[0] != operator and bad.args[0] in {as_text(value) for value in values}
                yield LEGACY if known else f"Invalid Condition type : {operator}."
