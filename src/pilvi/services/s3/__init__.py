"""Amazon S3: objects in buckets."""

from pilvi.core.operation import service
from pilvi.services.s3 import (
    buckets,
    complete,
    copy,
    delete,
    get,
    inspect,
    listing,
    notifications,
    owners,
    parts,
    policies,
    put,
    tagging,
    unset,
    uploads,
    versions,
)
from pilvi.services.s3.records import RECORDS

SERVICE = service(
    "s3",
    [
        buckets,
        complete,
        copy,
        delete,
        get,
        inspect,
        listing,
        notifications,
        owners,
        parts,
        policies,
        put,
        tagging,
        unset,
        uploads,
        versions,
    ],
    RECORDS,
)
