"""Requests of which a service wants to know how they ended: its own log of them, after the answer.

An operation (or its check) leaves in `ctx.memo[WATCHED]` a dict of its own; when the request is answered the edge hands
both to whoever the composition root named. A request that nobody watches costs one look into a dict.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from pilvi.core.caller import Caller

if TYPE_CHECKING:
    from pilvi.state.store import Tx

WATCHED: Final = "watched"


class Answered(msgspec.Struct, frozen=True):
    """One request and its answer.

    Attributes:
        at_ms: when its headers were here.
        operation: AWS's name of it.
        shape: its parsed parameters; without those that could not be read.
        path, query: as they came.
        headers: of the request, names in lower case; `shown` those of the answer.
        signature: "SigV4", "SigV2" or ""; `presigned`: it stands in the query.
        size: how much of the answer's body was sent; `length` how much was announced.
        us: from its headers to the end of the answer; `own_us` from the end of its body to the beginning of the answer.
    """

    at_ms: int
    request_id: str
    operation: str
    shape: Mapping[str, Any]
    caller: Caller
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    peer: str
    secure: bool
    signature: str
    presigned: bool
    status: int
    error: str
    shown: list[tuple[str, str]]
    size: int
    length: int
    us: int
    own_us: int


class Watches(Protocol):
    """A service that wants to know of requests."""

    def refused(self, tx: "Tx", names: Mapping[str, str]) -> Mapping[Any, Any]:
        """Who wants to know of a request for what these names (labels of its path) name, though none of its operations
        has seen it; empty: nobody.
        """


Watcher = Callable[[Answered, Mapping[Any, Any]], None]


def nobody(_: Answered, __: Mapping[Any, Any]) -> None:
    """Nobody wants to know."""
