"""Every change of IAM's records makes a new revision, so that the directory forgets what it remembered."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from pilvi.core.context import Context
from pilvi.services.iam.directory import REVISION
from pilvi.services.iam.records import Revision

Q = TypeVar("Q")
A = TypeVar("A")


def changes(operation: Callable[[Context, Q], A]) -> Callable[[Context, Q], A]:
    """Stands on every operation that writes."""

    @wraps(operation)
    def run(ctx: Context, req: Q) -> A:
        result = operation(ctx, req)
        ctx.tx[Revision].put(Revision(REVISION, ctx.ids.hex(32)))
        return result

    return run
