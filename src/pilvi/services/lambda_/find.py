"""From a name to what is stored under it."""

from typing import NamedTuple

from pilvi.core.context import Context
from pilvi.core.effects import FunctionSpec
from pilvi.services.lambda_.names import LATEST, FunctionId
from pilvi.services.lambda_.records import Alias, Configuration, Function, Version

NUMBER_DIGITS_MAX = 18  # a version's number fits a column


class Found(NamedTuple):
    """A version of a function; `version` is "$LATEST" or its number."""

    version: str
    configuration: Configuration


def function(ctx: Context, name: FunctionId) -> Function:
    """The function as a whole.

    Raises:
        ResourceNotFound: there is none.
    """
    found = ctx.tx[Function].get(*name.key)
    if found is None:
        raise name.not_found()
    return found


def version(ctx: Context, name: FunctionId) -> Found:
    """The version that a name and its qualifier address, through an alias if it is one.

    Raises:
        ResourceNotFound: there is no such function, version or alias.
    """
    wanted = name.qualifier
    if wanted not in {"", LATEST} and not wanted.isdigit():
        alias = ctx.tx[Alias].get(*name.key, wanted)
        if alias is None:
            raise name.not_found()
        wanted = alias.version
    if wanted in {"", LATEST}:
        return Found(LATEST, function(ctx, name).latest)
    found = ctx.tx[Version].get(*name.key, number(wanted))
    if found is None:
        raise name.not_found()
    return Found(str(found.number), found.configuration)


def number(text: str) -> int:
    """The number of a version; 0, which none has, for one that is too long to be any."""
    return int(text) if len(text) <= NUMBER_DIGITS_MAX else 0


def spec_of(name: FunctionId, found: Found) -> FunctionSpec:
    """What the runtime needs to run it."""
    c = found.configuration
    return FunctionSpec(
        key=c.state_id,
        arn=name.arn,
        account=name.account,
        region=name.region,
        name=name.name,
        version=found.version,
        runtime=c.runtime,
        handler=c.handler,
        code=c.code,
        code_sha256=c.code_sha256,
        role_arn=c.role,
        timeout_seconds=c.timeout_seconds,
        memory_mb=c.memory_mb,
        tmp_mb=c.tmp_mb,
        environment=c.environment,
        log_group=c.log_group or f"/aws/lambda/{name.name}",
    )
