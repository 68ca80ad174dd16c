"""ListObjects and ListObjectsV2."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from pilvi.core.caller import Check
from pilvi.core.columns import Columns
from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import Conditions, Params, bucket_check, find_bucket
from pilvi.services.s3.checksums import NAMES
from pilvi.services.s3.conditions import when, whens
from pilvi.services.s3.errors import InvalidURI, invalid_argument
from pilvi.services.s3.listing.marks import decode_mark, encode_mark
from pilvi.services.s3.listing.walk import after, walk
from pilvi.services.s3.names import successor
from pilvi.services.s3.owners import shown_owner
from pilvi.services.s3.records import Bucket, ObjectLine, StoredObject
from pilvi.services.s3.types import (
    CommonPrefix,
    ListObjectsOutput,
    ListObjectsRequest,
    ListObjectsV2Output,
    ListObjectsV2Request,
    Owner,
)

Listed = Sequence[dict[str, Any]]
Fields = dict[str, list[Any]]
PAGE_MAX = 1000
_FIELDS = tuple(name for name in ObjectLine.__struct_fields__ if name != "bucket")
_INT_MAX = 2**31 - 1
_TYPES = ("FULL_OBJECT", "COMPOSITE")
_ALGORITHMS = {kind: [name] for kind, name in NAMES.items()}
_ENCODED = ("Delimiter", "Prefix", "StartAfter")
_ENCODED_V1 = ("Delimiter", "Marker", "NextMarker")
_SAFE = re.compile(r"[A-Za-z0-9_.~/*-]*")  # what _quote leaves as it is
_UNSAYABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # in XML 1.0


def list_check(ctx: Context, req: Params) -> Check:
    return bucket_check(ctx, find_bucket(ctx, req), "s3:ListBucket", list_conditions(req))


def list_conditions(req: Params) -> Conditions:
    """What a policy can know of a listing."""
    conditions: Conditions = {}
    if "Prefix" in req:
        conditions["s3:prefix"] = req["Prefix"]
    if "Delimiter" in req:
        conditions["s3:delimiter"] = req["Delimiter"]
    if "MaxKeys" in req:
        conditions["s3:max-keys"] = str(req["MaxKeys"])
    return conditions


@operation("ListObjectsV2", reads=True, check=list_check, open=True)
def list_objects_v2(ctx: Context, req: ListObjectsV2Request) -> ListObjectsV2Output:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
    bucket = find_bucket(ctx, req)
    last = req.get("StartAfter", "")
    if req.get("ContinuationToken"):
        last = decode_mark(req["ContinuationToken"])
    page, result = list_page(ctx, bucket, req, last)
    result["KeyCount"] = page.count
    for member in ("StartAfter", "ContinuationToken"):
        if member in req:
            result[member] = req[member]
    if page.truncated:
        result["NextContinuationToken"] = encode_mark(page.last)
    entries = contents(ctx, page.fields, bucket if req.get("FetchOwner", False) else None)
    result["Contents"] = tell_restored(ctx, req, page.fields, entries)
    return encoded(req, result, _ENCODED)  # type: ignore[return-value]


@operation("ListObjects", reads=True, check=list_check, open=True)
def list_objects(ctx: Context, req: ListObjectsRequest) -> ListObjectsOutput:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html"""
    bucket = find_bucket(ctx, req)
    page, result = list_page(ctx, bucket, req, req.get("Marker", ""))
    result["Marker"] = req.get("Marker", "")
    names: tuple[str, ...] = (
        _ENCODED_V1  # SDKs take the prefix of this version as it is, so it is encoded only where it must be
    )
    if _UNSAYABLE.search(result["Prefix"]):
        names = (*names, "Prefix")
    if page.truncated and req.get("Delimiter"):
        result["NextMarker"] = page.last
    result["Contents"] = tell_restored(ctx, req, page.fields, contents(ctx, page.fields, bucket))
    return encoded(req, result, names)  # type: ignore[return-value]


class Lines(msgspec.Struct, frozen=True):
    """What one answer shows: objects, field by field, and common prefixes.

    Attributes:
        last: the last key or common prefix shown, whichever is greater; "" when nothing is.
    """

    fields: Fields
    prefixes: list[str]
    truncated: bool
    last: str

    @property
    def count(self) -> int:
        return len(self.fields["key"]) + len(self.prefixes)


def list_page(ctx: Context, bucket: Bucket, req: Params, last: str) -> tuple[Lines, dict[str, Any]]:
    """One page behind `last`, and the members that both versions of the answer have."""
    prefix, delimiter = req.get("Prefix", ""), req.get("Delimiter", "")
    check_texts(prefix, delimiter, last)
    most = page_size(req.get("MaxKeys", PAGE_MAX), "maxKeys")
    begin = after(last, prefix, delimiter) if last else ""
    if delimiter:
        page = _folded(ctx, bucket, prefix, delimiter, begin, most)
    else:
        page = _flat(ctx, bucket, prefix, begin, most)
    result: dict[str, Any] = {
        "Name": bucket.name, "Prefix": prefix, "MaxKeys": most, "IsTruncated": page.truncated,
    }  # fmt: skip
    if delimiter:
        result["Delimiter"] = delimiter
        result["CommonPrefixes"] = common_prefixes(page.prefixes)
    return page, result


def _flat(ctx: Context, bucket: Bucket, prefix: str, begin: str, most: int) -> Lines:
    """Keys one after the other need not be looked at one by one."""
    start, end = max(begin, prefix), successor(prefix)
    limit = 0 if most == 0 or (end and start >= end) else most + 1
    fields = ctx.tx[ObjectLine].columns(bucket.id, start=start or None, end=end or None, limit=limit)
    truncated = len(fields["key"]) > most and limit > 0
    if truncated:
        for column in fields.values():
            column.pop()
    keys = fields["key"]
    return Lines(fields, [], truncated, keys[-1] if keys else "")


def _folded(ctx: Context, bucket: Bucket, prefix: str, delimiter: str, begin: str, most: int) -> Lines:
    objects = ctx.tx[ObjectLine]

    def scan(start: str, end: str, limit: int | None) -> Iterator[ObjectLine]:
        return objects.scan(bucket.id, start=start or None, end=end or None, limit=limit)

    page = walk(scan, prefix=prefix, delimiter=delimiter, start=begin, most=most)
    return Lines(fields_of(page.entries), page.prefixes, page.truncated, page.last)


def fields_of(rows: Sequence[ObjectLine | StoredObject]) -> Fields:
    """What is shown of these, field by field."""
    return {name: [getattr(row, name) for row in rows] for name in _FIELDS}


def contents(ctx: Context, fields: Fields, owned_by: Bucket | None) -> Columns:
    """A thousand of these make up most of a listing's cost: columns, and nothing is made that can be shared."""
    columns: dict[str, list[Any]] = {
        "Key": fields["key"],
        "LastModified": whens(fields["modified_ms"]),
        "ETag": [f'"{etag}"' for etag in fields["etag"]],
        "ChecksumAlgorithm": [_ALGORITHMS[kind] for kind in fields["checksum_kind"]],
        "ChecksumType": [_TYPES[composite] for composite in fields["composite"]],
        "Size": fields["size"],
        "StorageClass": [name or "STANDARD" for name in fields["storage_class"]],
    }
    if owned_by is not None:
        columns["Owner"] = _owners(ctx, fields["owner"], owned_by)
    return Columns(columns)


def _owners(ctx: Context, owners: list[str], bucket: Bucket) -> list[Owner]:
    owner = shown_owner(ctx, bucket.account)
    if not bucket.ownership:
        return [owner] * len(owners)
    return [shown_owner(ctx, account) if account else owner for account in owners]


def tell_restored(ctx: Context, req: Params, fields: Fields, entries: Listed) -> Sequence[dict[str, Any]]:
    """The same listing, with until when archived objects can be read, where that is asked for."""
    if "RestoreStatus" not in req.get("OptionalObjectAttributes", ()):
        return entries
    told = list(entries)
    for entry, until_ms in zip(told, fields["restored_until_ms"], strict=True):
        if until_ms > ctx.now_ms:
            entry["RestoreStatus"] = {"IsRestoreInProgress": False, "RestoreExpiryDate": when(until_ms)}
    return told


def common_prefixes(prefixes: list[str]) -> list[CommonPrefix]:
    return [{"Prefix": prefix} for prefix in prefixes]


def page_size(asked: int, word: str) -> int:
    """What a listing shows at most. Raises InvalidArgument outside of S3's range."""
    if not 0 <= asked <= _INT_MAX:
        raise invalid_argument(f"Argument {word} must be an integer between 0 and {_INT_MAX}", word, asked)
    return min(asked, PAGE_MAX)


def check_texts(*texts: str) -> None:
    """Raises InvalidURI for parameters that are no UTF-8 (lone surrogates), which no key can be compared with."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidURI from None


def encoded(req: Params, result: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The same result, percent-encoded when the request wants that: XML cannot carry every character.

    Args:
        names: members of the result itself that are encoded, beside the keys and common prefixes in its lists.

    Raises:
        InvalidArgument: another encoding than url.
    """
    wanted = req.get("EncodingType")
    if wanted is None:
        return result
    if wanted != "url":
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", wanted)
    result["EncodingType"] = "url"
    for member in names:
        if member in result:
            result[member] = _quote(result[member])
    for member in ("Contents", "Versions", "DeleteMarkers", "Uploads"):
        listed = result.get(member, ())
        if isinstance(listed, Columns):
            listed.columns["Key"] = _quoted(listed.columns["Key"])
        else:
            for entry in listed:
                entry["Key"] = _quote(entry["Key"])
    for common in result.get("CommonPrefixes", ()):
        common["Prefix"] = _quote(common["Prefix"])
    return result


def _quoted(texts: list[str]) -> list[str]:
    """Most keys need no quoting: one look at all of them costs less than a thousand."""
    return texts if _SAFE.fullmatch("".join(texts)) else [_quote(text) for text in texts]


def _quote(text: str) -> str:
    return quote(text, safe="/*")
