"""What of a bucket is replicated, and where to."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which versions go to which bucket, and as what.

    None stands for what was not said; a switch that was said is on or off.

    Attributes:
        form: how the condition was written: "old" (a prefix, the first version of these rules), "one", "all" (and).
        destination: a bucket's name; `account` whose it must be, if that was said.
        markers: whether delete markers go along.
        kms: whether objects under a key of KMS do; their replicas are under `key`.
        modifications: whether changes to replicas are carried back.
        storage_class: of replicas, "" for their source's.
        takes_over: replicas belong to the destination's account.
        minutes: within which a replica is promised; `threshold` after how many a delay is told.
    """

    id: str
    enabled: bool
    form: str
    destination: str
    prefix: str | None = None
    tags: Mapping[str, str] = {}
    priority: int | None = None
    account: str = ""
    markers: bool | None = None
    existing: bool | None = None
    kms: bool | None = None
    key: str = ""
    modifications: bool | None = None
    storage_class: str = ""
    takes_over: bool = False
    timed: bool | None = None
    minutes: int = 0
    measured: bool | None = None
    threshold: int = 0


class Replication(Record, frozen=True):
    """The replication of a bucket. `role` is who carries it out."""

    spec: ClassVar[TableSpec] = TableSpec("s3_replication", key=("bucket",))

    bucket: int
    role: str
    rules: tuple[Rule, ...]
