"""The account's quotas and what it uses of them."""

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.lambda_ import limits
from pilvi.services.lambda_.records import Function, Version
from pilvi.services.lambda_.types import GetAccountSettingsRequest, GetAccountSettingsResponse


@operation("GetAccountSettings", reads=True, heavy=True)
def get_account_settings(ctx: Context, req: GetAccountSettingsRequest) -> GetAccountSettingsResponse:
    """https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html"""
    del req
    here = (ctx.account, ctx.region)
    functions = [one.latest.code_size for one in ctx.tx[Function].scan(*here)]
    versions = sum(one.configuration.code_size for one in ctx.tx[Version].scan(*here))
    return {
        "AccountLimit": {
            "TotalCodeSize": limits.ACCOUNT_CODE_BYTES_MAX,
            "CodeSizeUnzipped": limits.UNZIPPED_BYTES_MAX,
            "CodeSizeZipped": limits.ZIP_BYTES_MAX,
            "ConcurrentExecutions": limits.CONCURRENT_EXECUTIONS,
            "UnreservedConcurrentExecutions": limits.CONCURRENT_EXECUTIONS,
        },
        "AccountUsage": {"TotalCodeSize": sum(functions) + versions, "FunctionCount": len(functions)},
    }
