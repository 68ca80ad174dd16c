"""The role that a function runs as.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html
"""

from typing import Any

from pilvi.core import arn
from pilvi.core import caller as callers
from pilvi.core.caller import Caller, Check
from pilvi.core.context import Context
from pilvi.core.effects import FunctionSpec
from pilvi.core.errors import AccessDenied, CloudError
from pilvi.services.lambda_ import limits
from pilvi.services.lambda_.errors import InvalidParameterValue

PRINCIPAL = "lambda.amazonaws.com"


def pass_check(role_arn: str) -> Check:
    """May the caller hand this role to Lambda?"""
    return Check("iam:PassRole", role_arn, context={"iam:PassedToService": PRINCIPAL})


def must_be_assumable(ctx: Context, role_arn: str, account: str, function_name: str) -> None:
    """The role exists in the function's account and trusts Lambda.

    Raises:
        AccessDenied: a role of another account.
        InvalidParameterValue: no such role, or its trust policy does not name Lambda.
    """
    if arn.parse(role_arn).account != account:
        raise AccessDenied("Cross-account pass role is not allowed.")
    try:
        _assume(ctx, role_arn, ctx.region, account, function_name)
    except CloudError as error:
        if error.status >= 500:
            raise
        raise InvalidParameterValue("The role defined for the function cannot be assumed by Lambda.") from None


def session(ctx: Context, spec: FunctionSpec) -> dict[str, Any]:
    """What STS answers to AssumeRole for a function's role: Credentials and AssumedRoleUser.

    Raises:
        CloudError: the role is gone, or no longer trusts Lambda.
    """
    return _assume(ctx, spec.role_arn, spec.region, spec.account, spec.name)


def caller(ctx: Context, spec: FunctionSpec) -> Caller:
    """The principal that a function acts as.

    Raises:
        CloudError: the role is gone, or no longer trusts Lambda.
    """
    user = session(ctx, spec)["AssumedRoleUser"]
    return Caller(
        kind="role",
        account=spec.account,
        arn=user["Arn"],
        user_id=user["AssumedRoleId"],
        identity_arn=spec.role_arn,
        session_expires_ms=ctx.now_ms + limits.ROLE_SESSION_SECONDS * 1000,
    )


def _assume(ctx: Context, role_arn: str, region: str, account: str, function_name: str) -> dict[str, Any]:
    request = {
        "RoleArn": role_arn,
        "RoleSessionName": function_name,
        "DurationSeconds": limits.ROLE_SESSION_SECONDS,
    }
    function = arn.make("lambda", region, account, f"function:{function_name}")
    lambda_itself = callers.service(PRINCIPAL, account, function)  # trust policies may name it as aws:SourceArn
    answer: dict[str, Any] = ctx.call("sts", "AssumeRole", request, caller=lambda_itself)
    return answer
