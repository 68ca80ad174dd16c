"""Where the access log of a bucket goes."""

from typing import ClassVar

from pilvi.services.s3.records import Grant
from pilvi.state.store import Record, TableSpec


class BucketLogging(Record, frozen=True, omit_defaults=True):
    """The logging of a bucket.

    Attributes:
        target: name of the bucket that gets the log.
        partition: "" (names say only when), "event" or "delivery": names say whose log it is, and the day of that.
        simple: whether the form of names was chosen expressly, for showing it again.
    """

    spec: ClassVar[TableSpec] = TableSpec("s3_bucket_logging", key=("bucket",))

    bucket: int
    target: str
    prefix: str = ""
    grants: tuple[Grant, ...] = ()
    partition: str = ""
    simple: bool = False


class LogLines(Record, frozen=True):
    """Lines about what happened without a request, until they are delivered with the others."""

    spec: ClassVar[TableSpec] = TableSpec("s3_access_log_lines", key=("bucket", "id"))

    bucket: int
    id: int
    name: str
    at_ms: int
    lines: tuple[str, ...]


RECORDS = (BucketLogging, LogLines)
