"""Record types for the store's tests."""

from __future__ import annotations

from typing import ClassVar, Literal

from pilvi.state.store import Record, TableSpec


class Thing(Record, frozen=True):
    """Every kind of field: text, number and bytes in the key, flags and words in indexes, the rest in the document."""

    spec: ClassVar[TableSpec] = TableSpec(
        "test_thing",
        key=("place", "number", "tag"),
        indexes={"size": ("place", "size"), "state": ("open", "state")},
    )

    place: str
    number: int = 0
    tag: bytes = b""
    size: int = 0
    open: bool = False
    state: Literal["new", "old"] = "new"
    note: str | None = None
    labels: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    parts: tuple[int, ...] = ()
    raw: bytes = b""


class Word(Record, frozen=True):
    """Nothing but a key."""

    spec: ClassVar[TableSpec] = TableSpec("test_word", key=("text",))

    text: str


class Named(Record, frozen=True, kw_only=True):
    """Fields that insist on their names, the key not first."""

    spec: ClassVar[TableSpec] = TableSpec("test_named", key=("name",), indexes={"rank": ("rank",)})

    rank: int = 7
    title: str
    name: str
