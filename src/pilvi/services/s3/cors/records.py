"""What a bucket says about pages of other origins."""

from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class SharingRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which pages may do what.

    Attributes:
        origins, headers: texts with at most one "*", which stands for any characters; header names as they were given.
        shows: names of the answer's headers that the page may read.
        max_age_seconds: how long a browser may remember it; -1 when nothing was said.
    """

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    max_age_seconds: int = -1
    id: str | None = None


class BucketSharing(Record, frozen=True):
    """The rules of one bucket; `Bucket.shares` says that there are some."""

    spec: ClassVar[TableSpec] = TableSpec("s3_bucket_sharing", key=("bucket",))

    bucket: int
    rules: tuple[SharingRule, ...]
