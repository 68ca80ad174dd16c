"""ListObjectVersions: two tables in one order. In a bucket without versions every object has one, called null."""

from collections.abc import Iterator, Sequence
from heapq import merge
from typing import Any

import msgspec

from pilvi.core.caller import Check
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import Params, bucket_check, find_bucket
from pilvi.services.s3.conditions import when
from pilvi.services.s3.errors import invalid_argument
from pilvi.services.s3.listing.objects import (
    PAGE_MAX,
    check_texts,
    common_prefixes,
    contents,
    encoded,
    fields_of,
    list_conditions,
    page_size,
    tell_restored,
)
from pilvi.services.s3.listing.walk import Scan, after, walk
from pilvi.services.s3.objects import asked_version, find_version, rank_of, shown_version
from pilvi.services.s3.owners import shown_owner
from pilvi.services.s3.records import Bucket, OlderVersion, StoredObject
from pilvi.services.s3.types import DeleteMarkerEntry, ListObjectVersionsOutput, ListObjectVersionsRequest

_ENCODED = ("Delimiter", "KeyMarker", "NextKeyMarker", "Prefix")


class Entry(msgspec.Struct, frozen=True):
    """One line of the listing. Lines are ordered by key, and those of a key newest first."""

    key: str
    state: StoredObject
    latest: bool


class Behind(msgspec.Struct, frozen=True):
    """Where a page begins: behind the version of `rank` of a key, or (rank None) with the key's first."""

    key: str
    rank: int | None


def _check(ctx: Context, req: ListObjectVersionsRequest) -> Check:
    return bucket_check(ctx, find_bucket(ctx, req), "s3:ListBucketVersions", list_conditions(req))


@operation("ListObjectVersions", reads=True, check=_check, open=True)
def list_object_versions(ctx: Context, req: ListObjectVersionsRequest) -> ListObjectVersionsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""
    bucket = find_bucket(ctx, req)
    prefix, delimiter, marker = req.get("Prefix", ""), req.get("Delimiter", ""), req.get("KeyMarker", "")
    check_texts(prefix, delimiter, marker)
    most = page_size(req.get("MaxKeys", PAGE_MAX), "maxKeys")
    behind = _behind(ctx, bucket, req)
    begin = behind.key if behind else after(marker, prefix, delimiter) if marker else ""
    page = walk(_lines(ctx, bucket, behind), prefix=prefix, delimiter=delimiter, start=begin, most=most)
    result: dict[str, Any] = {
        "Name": bucket.name,
        "Prefix": prefix,
        "KeyMarker": marker,
        "VersionIdMarker": req.get("VersionIdMarker", ""),
        "MaxKeys": most,
        "IsTruncated": page.truncated,
        "Versions": _shown(ctx, req, bucket, page.entries),
        "DeleteMarkers": [_marker(ctx, bucket, entry) for entry in page.entries if entry.state.marker],
    }
    if delimiter:
        result["Delimiter"] = delimiter
        result["CommonPrefixes"] = common_prefixes(page.prefixes)
    if page.truncated:
        result["NextKeyMarker"] = page.last
        if page.entries and page.entries[-1].key == page.last:
            result["NextVersionIdMarker"] = shown_version(page.entries[-1].state)
    return encoded(req, result, _ENCODED)  # type: ignore[return-value]


def _behind(ctx: Context, bucket: Bucket, req: Params) -> Behind | None:
    """Where to go on among the versions of one key; None: not among them.

    The version of the marker may have gone since it was shown. Its id tells where it was; the null version's does not, so
    then the key is listed from its beginning: twice is better than not at all.
    """
    if "VersionIdMarker" not in req:
        return None
    key, asked = req.get("KeyMarker", ""), req["VersionIdMarker"]
    if asked and not key:
        raise invalid_argument(
            "A version-id marker cannot be specified without a key marker.", "version-id-marker", asked
        )
    if not asked:
        return None
    version = asked_version(asked)
    found = find_version(ctx, bucket, key, version)
    return Behind(key, found.rank if found else rank_of(version))


def _lines(ctx: Context, bucket: Bucket, behind: Behind | None) -> Scan[Entry]:
    objects, older = ctx.tx[StoredObject], ctx.tx[OlderVersion]
    last = behind.rank if behind else None

    def currents(start: str, end: str, limit: int | None) -> Iterator[Entry]:
        for row in objects.scan(bucket.id, start=start or None, end=end or None, limit=limit):
            if last is None or behind is None or row.key != behind.key or row.rank > last:
                yield Entry(row.key, row, latest=True)

    def olders(start: str, end: str, limit: int | None) -> Iterator[Entry]:
        if behind is not None and last is not None and start == behind.key:
            rows = older.scan(bucket.id, after=(start, last), end=end or None, limit=limit)
        else:
            rows = older.scan(bucket.id, start=start or None, end=end or None, limit=limit)
        for row in rows:
            yield Entry(row.key, row.state, latest=not row.superseded_ms)

    def scan(start: str, end: str, limit: int | None) -> Iterator[Entry]:
        enough = limit and limit + 1  # one current object may be behind us
        if not bucket.versioning:
            return currents(start, end, enough)
        return merge(currents(start, end, enough), olders(start, end, limit), key=_place)

    return scan


def _place(entry: Entry) -> tuple[str, int]:
    return entry.key, entry.state.rank


def _shown(ctx: Context, req: Params, bucket: Bucket, entries: list[Entry]) -> Sequence[dict[str, Any]]:
    objects = [entry for entry in entries if not entry.state.marker]
    states = [entry.state for entry in objects]
    fields = fields_of(states)
    listed = contents(ctx, fields, bucket)
    listed.columns["VersionId"] = [shown_version(state) for state in states]
    listed.columns["IsLatest"] = [entry.latest for entry in objects]
    return tell_restored(ctx, req, fields, listed)


def _marker(ctx: Context, bucket: Bucket, entry: Entry) -> DeleteMarkerEntry:
    return {
        "Key": entry.key,
        "VersionId": shown_version(entry.state),
        "IsLatest": entry.latest,
        "LastModified": when(entry.state.modified_ms),
        "Owner": shown_owner(ctx, bucket.account),
    }
