"""What others may do ahead of time: told after the commit, lost without harm."""

from typing import TYPE_CHECKING, Final

from pilvi.core.context import Context
from pilvi.services.lambda_.records import Function

if TYPE_CHECKING:
    from pilvi.state.store import Tx

WARM: Final = "lambda.warm:"
LOOKED_AT_MAX: Final = 100  # functions; more have hardly more runtimes


def warm(ctx: Context, runtime: str) -> None:
    """A function of this runtime is there now, and may soon be invoked."""
    ctx.tx.notify(WARM + runtime)


def runtimes_in_use(tx: "Tx") -> set[str]:
    """Runtimes of functions that are there from before."""
    return {function.latest.runtime for function in tx[Function].scan(limit=LOOKED_AT_MAX)}
