"""What holds for stored keys, for `pilvi check`: each has its material, the material opens, and names find their key."""

from collections.abc import Iterator

from pilvi.core.context import Context
from pilvi.core.errors import CloudError
from pilvi.core.inspection import Inspector
from pilvi.core.sealing import SealBroken
from pilvi.services.kms import materials
from pilvi.services.kms.records import Alias, Grant, Key, Material

_KEYLESS = "belongs to a key that does not exist"


class KeyInspector(Inspector[Key]):
    """A key. One whose deletion has begun has lost its material already."""

    record = Key

    def title(self, ctx: Context, record: Key) -> str:
        return record.arn

    def problems(self, ctx: Context, record: Key) -> Iterator[str]:
        going = record.deletion_ms and record.deletion_ms <= ctx.now_ms
        if not record.managed and not going and ctx.tx[Material].get(record.id, record.version) is None:
            yield "has lost the material that it encrypts with"
        for name in record.aliases if not record.managed else ():
            alias = ctx.tx[Alias].get(record.account, record.region, name)
            if alias is None or alias.key_id != record.id:
                yield f"has an alias that is not its own: {name}"


class MaterialInspector(Inspector[Material]):
    """A version of a key's material."""

    record = Material

    def title(self, ctx: Context, record: Material) -> str:
        return f"{_name(ctx, record.key_id)} version {record.version}"

    def problems(self, ctx: Context, record: Material) -> Iterator[str]:
        if ctx.tx[Key].get(record.key_id) is None:
            yield _KEYLESS

    def contents(self, ctx: Context, record: Material) -> Iterator[str]:
        try:
            materials.opened(ctx, record)
        except CloudError:  # the master key is not here
            return
        except SealBroken:
            yield "is not what was wrapped: nothing that it encrypted can be opened"


class AliasInspector(Inspector[Alias]):
    """Another name of a key."""

    record = Alias

    def title(self, ctx: Context, record: Alias) -> str:
        return record.arn

    def problems(self, ctx: Context, record: Alias) -> Iterator[str]:
        if ctx.tx[Key].get(record.key_id) is None:
            yield _KEYLESS


class GrantInspector(Inspector[Grant]):
    """A grant."""

    record = Grant

    def title(self, ctx: Context, record: Grant) -> str:
        return f"grant {record.id} of {_name(ctx, record.key_id)}"

    def problems(self, ctx: Context, record: Grant) -> Iterator[str]:
        if ctx.tx[Key].get(record.key_id) is None:
            yield _KEYLESS


def _name(ctx: Context, key_id: str) -> str:
    key = ctx.tx[Key].get(key_id)
    return f"key {key_id}" if key is None else key.arn


INSPECTORS = (KeyInspector(), MaterialInspector(), AliasInspector(), GrantInspector())
