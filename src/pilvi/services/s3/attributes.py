"""What is stored beside the bytes: headers that are shown with them, the owner's metadata, tags, the storage class."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from pilvi.services.s3.access import refuse
from pilvi.services.s3.conditions import http_date
from pilvi.services.s3.errors import InvalidStorageClass, MetadataTooLarge
from pilvi.services.s3.locks.rules import LOCKING
from pilvi.services.s3.records import StoredObject, Upload
from pilvi.services.s3.tagging.tags import parse_header

Params = Mapping[str, Any]

METADATA_BYTES_MAX = 2048
# S3's member: our word
HEADERS = {
    "CacheControl": "cache_control",
    "ContentDisposition": "content_disposition",
    "ContentEncoding": "content_encoding",
    "ContentLanguage": "content_language",
    "ContentType": "content_type",
    "Expires": "expires",
    "WebsiteRedirectLocation": "redirect",
}
_SHOWN = {word: member for member, word in HEADERS.items()}
_OVERRIDES = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
    "ResponseExpires": "Expires",
}
OVERRIDES = frozenset(_OVERRIDES)
DEFAULT_TYPE = "binary/octet-stream"
_CLASSES = frozenset(
    {
        "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER",
        "DEEP_ARCHIVE",
    }
)  # fmt: skip
# Accepting one of these would promise what does not happen: events on holds, appending.
UNBUILT = frozenset(
    {
        "ObjectLockEventHold", "ObjectLockEventHoldDurationDays", "ObjectLockEventHoldDurationYears",
        "WriteOffsetBytes",
    }
)  # fmt: skip


class Attributes(msgspec.Struct, frozen=True):
    """What an upload says about the object it makes. `locking`: it says how it is to be locked, see `locks`."""

    headers: Mapping[str, str]
    metadata: Mapping[str, str]
    tags: Mapping[str, str]
    storage_class: str
    locking: bool = False


_NOTHING = Attributes({}, {}, {}, "")
_TELLING = frozenset({"Metadata", "StorageClass", "Tagging", *HEADERS, *LOCKING, *UNBUILT})


def attributes(req: Params) -> Attributes:
    """The attributes that a request's headers give to a new object.

    Raises:
        MetadataTooLarge, InvalidStorageClass, InvalidTag: what they ask for cannot be.
        NotBuilt: it can on S3, and not here.
    """
    if _TELLING.isdisjoint(req):
        return _NOTHING
    refuse(req, UNBUILT)
    return Attributes(
        headers=_headers(req),
        metadata=metadata(req["Metadata"]) if "Metadata" in req else {},
        tags=parse_header(req["Tagging"]) if "Tagging" in req else {},
        storage_class=storage_class(req["StorageClass"]) if "StorageClass" in req else "",
        locking=not LOCKING.isdisjoint(req),
    )


def _headers(req: Params) -> dict[str, str]:
    headers = {word: req[member] for member, word in HEADERS.items() if member in req}
    if "aws-chunked" in headers.get("content_encoding", ""):  # how the body came, not what it is
        codings = [coding.strip() for coding in headers.pop("content_encoding").split(",")]
        kept = ",".join(coding for coding in codings if coding not in ("aws-chunked", ""))
        if kept:
            headers["content_encoding"] = kept
    return headers


def metadata(given: Mapping[str, str]) -> dict[str, str]:
    """Raises MetadataTooLarge beyond S3's 2 KB of names and values."""
    size = sum(len(name.encode()) + len(value.encode()) for name, value in given.items())
    if size > METADATA_BYTES_MAX:
        raise MetadataTooLarge(fields={"Size": size, "MaxSizeAllowed": METADATA_BYTES_MAX})
    return {name.lower(): value for name, value in given.items()}


def storage_class(name: str) -> str:
    if name not in _CLASSES:
        raise InvalidStorageClass(fields={"StorageClassRequested": name})
    return "" if name == "STANDARD" else name


def shown(found: StoredObject, req: Params) -> dict[str, Any]:
    """The members of a GET's or HEAD's answer that describe the object, overrides of the request included."""
    headers = found.headers
    result: dict[str, Any] = {_SHOWN[word]: value for word, value in headers.items()}
    if "content_type" not in headers:
        result["ContentType"] = DEFAULT_TYPE
    if found.metadata:
        result["Metadata"] = found.metadata
    if found.tags:
        result["TagCount"] = len(found.tags)
    if found.storage_class:
        result["StorageClass"] = found.storage_class
    if found.replication:
        result["ReplicationStatus"] = found.replication.upper()
    if not OVERRIDES.isdisjoint(req):
        for member, target in _OVERRIDES.items():
            if member in req:
                value = req[member]
                result[target] = http_date(value) if isinstance(value, datetime) else value
    return result


def of(upload: Upload) -> Attributes:
    return Attributes(upload.headers, upload.metadata, upload.tags, upload.storage_class)
