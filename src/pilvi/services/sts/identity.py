"""Who am I, and temporary credentials for oneself."""

import msgspec

from pilvi.core.context import Context
from pilvi.core.errors import AccessDenied
from pilvi.core.operation import operation
from pilvi.services.sts import limits, sessions, types


@operation("GetCallerIdentity", reads=True, check=lambda _ctx, _req: [])
def get_caller_identity(ctx: Context, _: types.GetCallerIdentityRequest) -> types.GetCallerIdentityResponse:
    """Needs no permission, not even one that a policy denies."""
    return {"UserId": ctx.caller.user_id, "Account": ctx.caller.account, "Arn": ctx.caller.arn}


@operation("GetSessionToken", reads=True, check=lambda _ctx, _req: [])
def get_session_token(ctx: Context, req: types.GetSessionTokenRequest) -> types.GetSessionTokenResponse:
    """The caller again, for a while: the same permissions, no more. Needs no permission."""
    caller = ctx.caller
    if caller.session_expires_ms or caller.kind not in {"user", "root"}:
        raise AccessDenied("Cannot call GetSessionToken with session credentials")
    sessions.refuse_unbuilt(req)
    sessions.no_mfa(req)
    seconds = req.get("DurationSeconds", limits.SESSION_SECONDS_DEFAULT)
    if caller.kind == "root":
        seconds = min(seconds, limits.ROOT_SESSION_SECONDS_MAX)
    keys: sessions.Keys = {**caller.context, **sessions.issued(ctx.now_ms)}
    session = msgspec.structs.replace(caller, context=keys)
    return {"Credentials": sessions.credentials(ctx.cloud.issue_session(session, seconds, ctx.now_ms))}
