"""What holds for stored functions, for `pilvi check`: their code is what it was, and what names a version finds one."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from pilvi.core.context import Context
from pilvi.core.inspection import Inspector
from pilvi.services.lambda_.records import Alias, Configuration, Function, Version

LATEST = "$LATEST"


class FunctionInspector(Inspector[Function]):
    """A function's latest state."""

    record = Function

    def title(self, ctx: Context, record: Function) -> str:
        return _name(record)

    def problems(self, ctx: Context, record: Function) -> Iterator[str]:
        yield from _size(ctx, record.latest)

    def contents(self, ctx: Context, record: Function) -> Iterator[str]:
        yield from _code(ctx, record.latest)


class VersionInspector(Inspector[Version]):
    """A published version."""

    record = Version

    def title(self, ctx: Context, record: Version) -> str:
        return f"{_name(record)}:{record.number}"

    def problems(self, ctx: Context, record: Version) -> Iterator[str]:
        if ctx.tx[Function].get(record.account, record.region, record.name) is None:
            yield "is a version of a function that does not exist"
        yield from _size(ctx, record.configuration)

    def contents(self, ctx: Context, record: Version) -> Iterator[str]:
        yield from _code(ctx, record.configuration)


class AliasInspector(Inspector[Alias]):
    """A name for a version."""

    record = Alias

    def title(self, ctx: Context, record: Alias) -> str:
        return f"{_name(record)}:{record.alias}"

    def problems(self, ctx: Context, record: Alias) -> Iterator[str]:
        at = (record.account, record.region, record.name)
        known = record.version == LATEST or (
            record.version.isdigit() and ctx.tx[Version].get(*at, int(record.version)) is not None
        )
        if not known:
            yield f"names version {record.version}, which does not exist"


INSPECTORS: tuple[Inspector[Any], ...] = (FunctionInspector(), VersionInspector(), AliasInspector())


def _name(record: Function | Version | Alias) -> str:
    return f"function {record.account}:{record.region}:{record.name}"


def _size(ctx: Context, found: Configuration) -> Iterator[str]:
    try:
        size = ctx.tx.blobs.size(found.code)
    except KeyError:  # found elsewhere
        return
    if size != found.code_size:
        yield f"its code should have {found.code_size} bytes, and has {size}"


def _code(ctx: Context, found: Configuration) -> Iterator[str]:
    digest = hashlib.sha256(ctx.tx.blobs.read(found.code)).digest()
    if b64encode(digest).decode() != found.code_sha256:
        yield "its code does not have its SHA-256"
