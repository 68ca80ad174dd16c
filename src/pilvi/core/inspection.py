"""How a service lets its records be checked: what `pilvi check` asks it about each of them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

if TYPE_CHECKING:
    from pilvi.core.context import Context
    from pilvi.state.store import Record

R = TypeVar("R", bound="Record")


class Inspector(Generic[R]):
    """Knows the records of one type. Everything is asked on a snapshot: nothing can be changed.

    Attributes:
        record: the type.
    """

    record: ClassVar["type[Record]"]

    def title(self, ctx: "Context", record: R) -> str:
        """How its owner would call it: "s3://photos/cat.jpg"."""
        raise NotImplementedError

    def reaches(self, ctx: "Context", record: R) -> Iterable[int]:
        """Blobs without which it is damaged; also those that other records hold for it."""
        return record.blobs()

    def problems(self, ctx: "Context", record: R) -> Iterable[str]:
        """Sentences: what contradicts other records. A few point reads at most: there may be 10,000,000 of them."""
        return ()

    def contents(self, ctx: "Context", record: R) -> Iterable[str]:
        """Sentences: how its bytes differ from what it says of them. Reads them all.

        Raises:
            BlobDamaged, KeyError: a blob cannot be read; that is reported elsewhere.
        """
        return ()
