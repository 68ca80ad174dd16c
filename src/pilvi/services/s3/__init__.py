"""Amazon S3: objects in buckets."""

from pilvi.core.operation import service
from pilvi.services.s3 import buckets, delete, get, listing, put
from pilvi.services.s3.records import RECORDS

SERVICE = service("s3", [buckets, delete, get, listing, put], RECORDS)
