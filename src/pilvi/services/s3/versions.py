"""ListObjectVersions. Without versions every object has one, called null, and it is the latest."""

from typing import Any

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import bucket_check, find_bucket
from pilvi.services.s3.errors import invalid_argument
from pilvi.services.s3.listing import contents, encoded, list_conditions, list_page
from pilvi.services.s3.types import ListObjectVersionsOutput, ListObjectVersionsRequest

_ENCODED = ("Delimiter", "KeyMarker", "NextKeyMarker", "Prefix")


def _check(ctx: Context, req: ListObjectVersionsRequest) -> Check:
    return bucket_check(ctx, find_bucket(ctx, req), "s3:ListBucketVersions", list_conditions(req))


@operation("ListObjectVersions", reads=True, check=_check, open=True)
def list_object_versions(ctx: Context, req: ListObjectVersionsRequest) -> ListObjectVersionsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""
    bucket = find_bucket(ctx, req)
    marker, version_marker = req.get("KeyMarker", ""), req.get("VersionIdMarker", "")
    if version_marker and not marker:
        raise invalid_argument(
            "A version-id marker cannot be specified without a key marker.", "version-id-marker", version_marker
        )
    page, result = list_page(ctx, bucket, req, marker)
    result["KeyMarker"], result["VersionIdMarker"] = marker, version_marker
    versions: list[Any] = contents(page.entries, bucket)
    for version in versions:
        version["VersionId"] = "null"
        version["IsLatest"] = True
    result["Versions"] = versions
    if page.truncated:
        result["NextKeyMarker"] = page.last
        if page.entries and page.entries[-1].key == page.last:
            result["NextVersionIdMarker"] = "null"
    return encoded(req, result, _ENCODED)  # type: ignore[return-value]
