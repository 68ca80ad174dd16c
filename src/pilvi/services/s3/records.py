"""What object storage remembers.

Nothing here speaks S3's wire language: another protocol can reach the same buckets and objects. The current state of a
key is one `StoredObject` row, found by its primary key; versions that are no longer current will be rows of a table of
their own, so that neither reading nor listing ever walks over them.
"""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class PublicAccess(msgspec.Struct, frozen=True):
    """What a bucket refuses to the public (all of it, by default)."""

    block_acls: bool = True
    ignore_acls: bool = True
    block_policy: bool = True
    restrict: bool = True


class Bucket(Record, frozen=True, omit_defaults=True):
    """A namespace of objects. Its name is unique in the whole cloud, `id` forever.

    Attributes:
        policy: the resource policy (JSON text), "" for none; `public`: whether it lets in everybody.
        public_access: None once the configuration was deleted.
        notifies: whether a BucketNotifications row exists.
    """

    spec: ClassVar[TableSpec] = TableSpec(
        "s3_bucket", key=("name",), indexes={"account": ("account",)}, remembered=True
    )

    name: str
    account: str
    id: int
    region: str
    created_ms: int
    policy: str = ""
    public: bool = False
    public_access: PublicAccess | None = PublicAccess()
    notifies: bool = False


class BucketTags(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("s3_bucket_tags", key=("bucket",))

    bucket: int
    tags: dict[str, str]


class NotificationRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which changes of which keys are told to whom.

    Attributes:
        kind: of the target: "function".
        events: names with or without a trailing wildcard, "ObjectCreated:*".
        filters: rule names as they were given ("prefix", "Prefix", ...), for showing them again.
    """

    id: str
    kind: str
    target: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    filters: tuple[tuple[str, str], ...] | None = None


class BucketNotifications(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("s3_bucket_notifications", key=("bucket",))

    bucket: int
    rules: tuple[NotificationRule, ...]


class StoredObject(Record, frozen=True, omit_defaults=True):
    """The current state of a key.

    Attributes:
        etag: without quotes.
        blob: its bytes, when they are one piece; `layout` (another row) when they were uploaded in `parts` pieces.
        checksum: base64 text as it is shown; `checksum_kind` its algorithm ("crc64nvme"), `composite` whether it is a
            checksum of checksums.
        headers: what is shown with the bytes: content_type, cache_control, content_disposition, content_encoding,
            content_language, expires, redirect.
        metadata: the owner's own, names in lower case.
        storage_class: "" is the standard one.
    """

    spec: ClassVar[TableSpec] = TableSpec("s3_object", key=("bucket", "key"))

    bucket: int
    key: str
    size: int
    modified_ms: int
    etag: str
    blob: int = 0
    layout: int = 0
    parts: int = 0
    checksum: str = ""
    checksum_kind: str = ""
    composite: bool = False
    headers: Mapping[str, str] = {}
    metadata: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    storage_class: str = ""


Run = tuple[int, int, int]
"""Bytes that lie together: blob, offset in it, length. Each run holds one reference to its blob."""


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """One part of an object that was uploaded in parts. Most are one run; those copied out of objects may be several."""

    number: int
    size: int
    etag: str
    checksum: str
    runs: tuple[Run, ...]


class Layout(Record, frozen=True):
    """The pieces of an object, in order. `upload` is the upload that made it, "" for a copy."""

    spec: ClassVar[TableSpec] = TableSpec("s3_layout", key=("id",))

    id: int
    upload: str
    pieces: tuple[Piece, ...]


class Upload(Record, frozen=True, omit_defaults=True):
    """An upload in parts that was begun and neither completed nor aborted. Ids grow with time.

    Attributes:
        initiator: canonical id or ARN of who began it.
        chosen: whether the client chose the checksum (otherwise it is ours, and parts need not carry one).
    """

    spec: ClassVar[TableSpec] = TableSpec("s3_upload", key=("bucket", "key", "id"))

    bucket: int
    key: str
    id: str
    initiated_ms: int
    initiator: str
    checksum_kind: str
    composite: bool = False
    chosen: bool = False
    headers: Mapping[str, str] = {}
    metadata: Mapping[str, str] = {}
    tags: Mapping[str, str] = {}
    storage_class: str = ""


class UploadedPart(Record, frozen=True):
    """A part that waits for its upload's completion."""

    spec: ClassVar[TableSpec] = TableSpec("s3_uploaded_part", key=("upload", "number"))

    upload: str
    number: int
    size: int
    etag: str
    checksum: str
    runs: tuple[Run, ...]
    modified_ms: int


RECORDS = (Bucket, BucketTags, BucketNotifications, StoredObject, Layout, Upload, UploadedPart)
