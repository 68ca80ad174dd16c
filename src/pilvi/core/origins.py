"""Pages of other origins: what a resource lets them ask, and see of the answer. https://fetch.spec.whatwg.org/#http-cors-protocol"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from pilvi.state.store import Tx


class Crossing(msgspec.Struct, frozen=True):
    """A page asks, or its browser asks beforehand whether it may.

    Attributes:
        method: of the request that is made or meant; "" when a preflight does not say.
        headers: names that the page means to send, in lower case (of a preflight).
    """

    origin: str
    method: str
    headers: tuple[str, ...] = ()
    preflight: bool = False


class Sharing(Protocol):
    """A service whose resources say themselves which pages may see them. Others share everything: nothing here rides on
    cookies, so a page needs a signature for whatever it asks.
    """

    def shared(self, tx: "Tx", resource: Mapping[str, str], asked: Crossing) -> list[tuple[str, str]]:
        """The headers that let the page see the answer; none when it may not.

        Args:
            resource: labels of the request's path: {"Bucket": "photos", "Key": "a/b"}.

        Raises:
            CloudError: a preflight is refused.
        """
