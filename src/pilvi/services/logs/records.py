"""What CloudWatch Logs remembers.

Groups and streams have numbers, so that the bulk of the data has short keys, and a name that is used again after a
deletion is another group: a deletion forgets the name at once and sweeps the rows behind it later.
"""

from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class LogGroup(Record, frozen=True):
    """A group; `sweep` is the outbox entry that drops its expired events, while it has a retention policy."""

    spec: ClassVar[TableSpec] = TableSpec("logs_group", key=("account", "region", "name"))

    account: str
    region: str
    name: str
    group_id: int
    created_ms: int
    retention_days: int = 0  # 0: for ever
    sweep: int = 0
    tags: dict[str, str] = msgspec.field(default_factory=dict)


class GroupSize(Record, frozen=True):
    """How many bytes of messages a group holds."""

    spec: ClassVar[TableSpec] = TableSpec("logs_group_size", key=("group_id",))

    group_id: int
    stored_bytes: int


class LogStream(Record, frozen=True):
    """A stream; the times of its events are 0 while it has none."""

    spec: ClassVar[TableSpec] = TableSpec(
        "logs_stream", key=("group_id", "name"), indexes={"recent": ("group_id", "last_event_ms")}
    )

    group_id: int
    name: str
    stream_id: int
    created_ms: int
    first_event_ms: int = 0
    last_event_ms: int = 0
    last_ingestion_ms: int = 0


class Chunk(Record, frozen=True):
    """Events that came together: (milliseconds, message) in order, at most CHUNK_SPAN_MS_MAX apart."""

    spec: ClassVar[TableSpec] = TableSpec(
        "logs_chunk", key=("stream_id", "first_ms", "chunk_id"), indexes={"group": ("group_id", "first_ms", "chunk_id")}
    )

    stream_id: int
    first_ms: int
    chunk_id: int
    group_id: int
    stream: str
    ingested_ms: int
    events: list[tuple[int, str]]


RECORDS: tuple[type[Record], ...] = (LogGroup, GroupSize, LogStream, Chunk)
