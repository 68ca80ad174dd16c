"""Published versions: frozen copies of $LATEST.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html
"""

import msgspec

from pilvi.core.context import Context
from pilvi.services.lambda_ import find, views
from pilvi.services.lambda_.errors import InvalidParameterValue, ResourceConflict
from pilvi.services.lambda_.find import Found
from pilvi.services.lambda_.names import LATEST, FunctionId
from pilvi.services.lambda_.records import Alias, EventConfig, Function, ResourcePolicy, Version
from pilvi.services.lambda_.types import FunctionConfiguration


def publish(ctx: Context, name: FunctionId, one: Function, description: str | None = None) -> FunctionConfiguration:
    """The next version, or the last one when nothing changed since it was published."""
    last = ctx.tx[Version].get(*name.key, one.last_version) if one.last_version else None
    if last is not None and _same(last, one):
        return views.configuration(name, Found(str(last.number), last.configuration))
    frozen = msgspec.structs.replace(
        one.latest,
        description=one.latest.description if description is None else description,
        state_id=ctx.ids.hex(16),
        revision_id=ctx.ids.uuid(),
        modified_ms=ctx.now_ms,
    )
    number = one.last_version + 1
    ctx.tx.blobs.share(frozen.code)
    ctx.tx[Version].put(Version(*name.key, number, frozen))
    ctx.tx[Function].put(msgspec.structs.replace(one, last_version=number))
    return views.configuration(name, Found(str(number), frozen))


def _same(last: Version, one: Function) -> bool:
    """Whether $LATEST differs from a version in nothing that a version keeps."""
    unlike = {"state_id": "", "revision_id": "", "modified_ms": 0, "description": "", "code": 0}
    left = msgspec.structs.replace(last.configuration, **unlike)
    return left == msgspec.structs.replace(one.latest, **unlike)


def listed(ctx: Context, name: FunctionId) -> list[FunctionConfiguration]:
    """All published versions, oldest first."""
    return [shown(name, version) for version in ctx.tx[Version].scan(*name.key)]


def shown(name: FunctionId, version: Version) -> FunctionConfiguration:
    """A version as it stands in a list."""
    return views.configuration(name, Found(str(version.number), version.configuration), with_status=False)


def number_of(marker: str | None) -> int | None:
    """The version that a list goes on after.

    Raises:
        InvalidParameterValue: not one of our markers.
    """
    if marker is None:
        return None
    if not marker.isascii() or not marker.isdigit() or len(marker) > find.NUMBER_DIGITS_MAX:
        raise InvalidParameterValue("The specified marker is invalid.")
    return int(marker)


def delete(ctx: Context, name: FunctionId) -> None:
    """Removes one published version. A version that is not there is no error, as on AWS.

    Raises:
        InvalidParameterValue: $LATEST, or an alias.
        ResourceConflict: an alias points to it.
    """
    if name.qualifier == LATEST:
        raise InvalidParameterValue("$LATEST version cannot be deleted without deleting the function.")
    if not name.qualifier.isdigit():
        raise InvalidParameterValue("Deletion of aliases is not currently supported.")
    for alias in ctx.tx[Alias].scan(*name.key):
        if alias.version == name.qualifier:
            raise ResourceConflict(
                f"Version {name.arn} cannot be deleted because it is referenced by the alias {alias.alias}."
            )
    version = ctx.tx[Version].get(*name.key, find.number(name.qualifier))
    if version is not None:
        ctx.tx[Version].delete(*name.key, version.number)
        ctx.tx[ResourcePolicy].delete(*name.key, str(version.number))
        ctx.tx[EventConfig].delete(*name.key, str(version.number))
        ctx.tx.blobs.release(version.configuration.code)
