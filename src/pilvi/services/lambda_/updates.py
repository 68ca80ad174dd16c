"""New code and new configuration for $LATEST."""

from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.lambda_ import find, functions, hints, package, role, rules, versions, views
from pilvi.services.lambda_.errors import PreconditionFailed
from pilvi.services.lambda_.functions import on_function
from pilvi.services.lambda_.names import LATEST, FunctionId
from pilvi.services.lambda_.records import Configuration, Function
from pilvi.services.lambda_.types import (
    FunctionConfiguration,
    UpdateFunctionCodeRequest,
    UpdateFunctionConfigurationRequest,
)

_CODE_MEMBERS = frozenset(
    [
        "FunctionName",
        "ZipFile",
        "S3Bucket",
        "S3Key",
        "S3ObjectVersion",
        "S3ObjectStorageMode",
        "ImageUri",
        "SourceKMSKeyArn",
        "Architectures",
        "Publish",
        "DryRun",
        "RevisionId",
    ]
)


@operation("UpdateFunctionCode", check=on_function("UpdateFunctionCode"))
def update_function_code(ctx: Context, req: UpdateFunctionCodeRequest) -> FunctionConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionCode.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    rules.refuse_unknown(req, _CODE_MEMBERS)
    one = find.function(ctx, name)
    must_be_at(one.latest.revision_id, req.get("RevisionId"))
    code = package.receive(ctx, req, "UpdateFunctionCode")
    changed = msgspec.structs.replace(
        one.latest,
        code_sha256=code.sha256,
        code_size=code.size,
        architecture=rules.check_architecture(req.get("Architectures", [])),
    )
    if req.get("DryRun"):
        return views.configuration(name, find.Found(LATEST, changed))
    old = one.latest.code
    changed = msgspec.structs.replace(changed, code=ctx.tx.blobs.add(code.data))
    ctx.tx.blobs.release(old)
    return _keep(ctx, name, one, changed, publish=req.get("Publish", False))


def configuration_check(ctx: Context, req: Any) -> list[Check]:
    """A new role must be one that the caller may pass on."""
    first = on_function("UpdateFunctionConfiguration")(ctx, req)
    assert isinstance(first, Check)
    return [first, role.pass_check(req["Role"])] if "Role" in req else [first]


@operation("UpdateFunctionConfiguration", check=configuration_check)
def update_function_configuration(ctx: Context, req: UpdateFunctionConfigurationRequest) -> FunctionConfiguration:
    """https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html"""
    name = functions.own_unqualified(ctx, req["FunctionName"])
    rules.refuse_what_is_not_built(req)
    one = find.function(ctx, name)
    must_be_at(one.latest.revision_id, req.get("RevisionId"))
    if "Role" in req:
        role.must_be_assumable(ctx, req["Role"], name.account, name.name)
    return _keep(ctx, name, one, functions.merge(ctx, one.latest, req), publish=False)


def must_be_at(revision_id: str, wanted: str | None) -> None:
    """The caller saw the newest state, if it says what it saw.

    Raises:
        PreconditionFailed: it did not.
    """
    if wanted and wanted != revision_id:
        raise PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id"
        )


def _keep(
    ctx: Context, name: FunctionId, one: Function, changed: Configuration, *, publish: bool
) -> FunctionConfiguration:
    latest = msgspec.structs.replace(
        changed, state_id=ctx.ids.hex(16), revision_id=ctx.ids.uuid(), modified_ms=ctx.now_ms
    )
    one = msgspec.structs.replace(one, latest=latest)
    ctx.tx[Function].put(one)
    hints.warm(ctx, latest.runtime)
    if publish:
        return versions.publish(ctx, name, one)
    return views.configuration(name, find.Found(LATEST, latest))
