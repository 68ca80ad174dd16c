"""What others may do ahead of time: told after the commit, lost without harm."""

from typing import Final

from pilvi.core.context import Context

WARM: Final = "lambda.warm:"


def warm(ctx: Context, runtime: str) -> None:
    """A function of this runtime is there now, and may soon be invoked."""
    ctx.tx.notify(WARM + runtime)
