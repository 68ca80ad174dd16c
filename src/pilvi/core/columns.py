"""A list of structures that all have the same members, kept as one list a member: what long listings answer with.

To read it is a sequence of dicts, as any list of structures in a result; each is made when it is asked for. The wire writes
a thousand of them column by column, without a dict.
"""

from collections.abc import Sequence
from typing import Any, overload


class Columns(Sequence[dict[str, Any]]):
    """Structures by their members' columns.

    Args:
        columns: at least one, all of the same length. A whole column may be exchanged.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, at: slice) -> "Columns": ...

    def __getitem__(self, at: int | slice) -> "dict[str, Any] | Columns":
        if isinstance(at, slice):
            return Columns({member: column[at] for member, column in self.columns.items()})
        return {member: column[at] for member, column in self.columns.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
