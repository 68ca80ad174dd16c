"""What a session carries besides its caller: policies that narrow it, tags that say more about it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
"""

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from pilvi.core.caller import Caller, SessionCredentials
from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied, NotBuilt, ValidationError
from pilvi.services.sts import limits, roles, types
from pilvi.services.sts.errors import InvalidParameterValue, MalformedPolicyDocument, PackedPolicyTooLarge

TAG = "aws:PrincipalTag/"
TRANSITIVE = "pilvi:TransitiveTagKeys"  # in a session's context: tags that the next role in a chain inherits

Keys = dict[str, str | list[str]]


def policies(ctx: Context, req: Mapping[str, Any], account: str) -> tuple[str, ...]:
    """Documents of the session policies that a request passes, without needless white space.

    Raises:
        MalformedPolicyDocument: the inline one is no policy.
        ValidationError: a managed one does not exist, or they are too many.
    """
    arns = [one.get("arn", "") for one in req.get("PolicyArns", [])]
    if len(arns) > limits.POLICY_ARNS_MAX:
        raise ValidationError(f"The number of PolicyArns must not be more than {limits.POLICY_ARNS_MAX}.")
    documents = []
    for policy_arn in arns:
        found = roles.managed_document(ctx, policy_arn, account)
        if found is None:
            raise ValidationError(f"The specified policy ARN {policy_arn} is invalid or does not exist.")
        documents.append(found)
    if "Policy" in req:
        problem = ctx.cloud.policy_problem(req["Policy"])
        if problem is not None:
            raise MalformedPolicyDocument(problem)
        documents.append(req["Policy"])
    return tuple(msgspec.json.format(document, indent=-1) for document in documents)


def tags(req: Mapping[str, Any]) -> dict[str, str]:
    """The session tags that a request passes.

    Raises:
        InvalidParameterValue: one key twice.
    """
    found: dict[str, str] = {}
    for tag in req.get("Tags", []):
        if tag["Key"].lower() in {known.lower() for known in found}:
            raise InvalidParameterValue("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        found[tag["Key"]] = tag["Value"]
    return found


def inherited(caller: Caller) -> dict[str, str]:
    """Transitive tags of the session that asks."""
    keys = caller.context.get(TRANSITIVE, [])
    values = {key: caller.context.get(TAG + key) for key in keys}
    return {key: value for key, value in values.items() if isinstance(value, str)}


def principal_tags(role_tags: Mapping[str, str], session_tags: Mapping[str, str]) -> Keys:
    """Condition keys of the tags; a session's tag takes the place of the role's, whatever the case of its key."""
    merged = {key.lower(): (key, value) for key, value in [*role_tags.items(), *session_tags.items()]}
    return {TAG + key: value for key, value in merged.values()}


def packed_percent(documents: Sequence[str], session_tags: Mapping[str, str]) -> int:
    """How much of the room for policies and tags a session takes, compressed.

    Raises:
        PackedPolicyTooLarge: more than there is.
    """
    if not documents and not session_tags:
        return 0
    packed = len(zlib.compress(msgspec.json.encode((documents, session_tags)), 9))
    percent = -(-100 * packed // limits.PACKED_BYTES_MAX)
    if percent > 100:
        raise PackedPolicyTooLarge(f"Packed size of session policies and tags consumes {percent}% of allotted space.")
    return percent


def credentials(made: SessionCredentials) -> types.Credentials:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret,
        "SessionToken": made.token,
        "Expiration": when(made.expires_ms),
    }


def when(ms: int) -> datetime:
    """STS tells times in whole seconds."""
    return datetime.fromtimestamp(ms // 1000, UTC)


def issued(now_ms: int) -> Keys:
    """Condition keys of every temporary credential."""
    return {
        "aws:TokenIssueTime": when(now_ms).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:MultiFactorAuthPresent": "false",
    }


def refuse_unbuilt(req: Mapping[str, Any]) -> None:
    """Raises NotBuilt for what would make another session than the one that is answered."""
    for member in ("ProvidedContexts", "MinimumSessionTokenSize"):
        if member in req:
            raise NotBuilt(f"sts: {member} is not built.")


def no_mfa(req: Mapping[str, Any]) -> None:
    """No device is registered with anyone, so no code is right."""
    if "SerialNumber" in req or "TokenCode" in req:
        raise AccessDenied(
            "MultiFactorAuthentication failed, unable to validate MFA code. Please verify your MFA serial number is "
            "valid and associated with this user."
        )
