"""What a bucket says about itself as a website."""

from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class Target(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a redirect leads.

    Attributes:
        host, protocol: "" for those of the request.
        status: 0 when nothing was said: 301.
        key: instead of the requested key; `prefix`: instead of the prefix that the rule is for. None: neither.
    """

    host: str = ""
    protocol: str = ""
    status: int = 0
    key: str | None = None
    prefix: str | None = None


class RoutingRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Requests for keys that begin with `prefix`, and that end in this `error` (an HTTP status; 0: any request).

    `prefix` is None when nothing was said of it: it is for every key.
    """

    target: Target
    prefix: str | None = None
    error: int = 0


class BucketWebsite(Record, frozen=True, omit_defaults=True):
    """One bucket's website; `Bucket.website` says that there is one.

    Attributes:
        index: what is appended to keys that are folders.
        error: key of the page that is shown when something is wrong, "" for none.
        everything: where all requests are sent; then there is nothing else.
    """

    spec: ClassVar[TableSpec] = TableSpec("s3_bucket_website", key=("bucket",))

    bucket: int
    index: str = ""
    error: str = ""
    everything: Target | None = None
    rules: tuple[RoutingRule, ...] = ()
