"""What object storage remembers.

Nothing here speaks S3's wire language: another protocol can reach the same buckets and objects. The current state of a
key is one `StoredObject` row, found by its primary key. Versions that are no longer current, and delete markers even where
they are the latest, are rows of `OlderVersion`, so that neither reading nor listing ever walks over them.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class PublicAccess(msgspec.Struct, frozen=True):
    """What a bucket refuses to the public (all of it, by default)."""

    block_acls: bool = True
    ignore_acls: bool = True
    block_policy: bool = True
    restrict: bool = True


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """One line of an access control list.

    Attributes:
        kind: of the grantee: "user" or "group".
        who: an account's canonical id, or the group: "everybody", "authenticated", "delivery".
        permission: "full", "read", "write", "read_acl", "write_acl".
    """

    kind: str
    who: str
    permission: str


class Retention(msgspec.Struct, frozen=True, omit_defaults=True):
    """How long new objects of a bucket are locked by default: `days` or `years`, in a "governance" or "compliance" mode."""

    mode: str
    days: int = 0
    years: int = 0


class Encryption(msgspec.Struct, frozen=True, omit_defaults=True):
    """How new objects of a bucket are encrypted unless their upload says otherwise.

    Attributes:
        kind: "s3" (a key of ours) or "kms".
        key: of KMS, as it was given; "" for the account's aws/s3.
        refuses_customer_keys: whether SSE-C is blocked.
    """

    kind: str
    key: str = ""
    bucket_key: bool = False
    refuses_customer_keys: bool = False


class Seal(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an object's bytes are encrypted. Its blobs are sealed under one data key; here is that key, wrapped.

    Attributes:
        kind: "s3", "kms" or "customer".
        wrapped: the data key, encrypted under a key that is not stored with it.
        key: ARN of the KMS key.
        context: KMS's encryption context as the client gave it (JSON text).
        proof: for a customer's key: its MD5 (base64), which answers show.
        managed: the KMS key is that of an account's alias/aws/s3.
    """

    kind: str
    wrapped: bytes
    key: str = ""
    context: str = ""
    bucket_key: bool = False
    proof: str = ""
    managed: bool = False


class Bucket(Record, frozen=True, omit_defaults=True):
    """A namespace of objects. Its name is unique in the whole cloud, `id` forever.

    Attributes:
        policy: the resource policy (JSON text), "" for none; `public`: whether it lets in everybody.
        public_access: None once the configuration was deleted.
        notifies: whether a BucketNotifications row exists; so `shares` (CORS), `website`, `logs` (of access), `ages`
            (lifecycle), `replicates`: requests look for those rows only where there are any.
        versioning: "" (never), "enabled" or "suspended".
        locks: whether objects can be locked; `retention` what new ones get.
        ownership: "" (the bucket's account owns everything), "preferred" or "writer"; then `acl` and the objects' count.
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
    shares: bool = False
    website: bool = False
    logs: bool = False
    ages: bool = False
    replicates: bool = False
    versioning: str = ""
    locks: bool = False
    retention: Retention | None = None
    encryption: Encryption | None = None
    ownership: str = ""
    acl: tuple[Grant, ...] = ()


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
        restored_until_ms: until when an object in an archive can be read.
        version: id of this version; "" is the one called null.
        rank: order of versions of a key: later ones have smaller ranks. 0 where the bucket had no versions.
        marker: it is a delete marker: the key has no object as long as this is the latest.
        lock: "governance" or "compliance" until `locked_until_ms`; `held`: by a legal hold; `hold_lifted`: a legal hold was
            said to be off, which answers show.
        owner: account that wrote it, where that is not the bucket's; `acl`: its grants, where ACLs count.
        seal: None when the bytes are stored as they came.
        replication: how the copying of it elsewhere stands: "", "pending", "completed", "failed"; "replica" for a copy.
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
    restored_until_ms: int = 0
    version: str = ""
    rank: int = 0
    marker: bool = False
    lock: str = ""
    locked_until_ms: int = 0
    held: bool = False
    hold_lifted: bool = False
    owner: str = ""
    acl: tuple[Grant, ...] = ()
    seal: Seal | None = None
    replication: str = ""

    def blobs(self) -> tuple[int, ...]:
        return (self.blob,) if self.blob and not self.layout else ()


class ObjectLine(Record, frozen=True, gc=False):
    """What a listing shows of a StoredObject."""

    spec: ClassVar[TableSpec] = TableSpec("s3_object", key=("bucket", "key"), view=True)

    bucket: int
    key: str
    size: int
    modified_ms: int
    etag: str
    checksum_kind: str = ""
    composite: bool = False
    storage_class: str = ""
    restored_until_ms: int = 0
    owner: str = ""


class OlderVersion(Record, frozen=True):
    """A version that is not (or not any more) the current state of its key, or a delete marker.

    Attributes:
        rank, version: of `state`, which is the version as it was when it was current.
        superseded_ms: when something took its place; 0 for a marker that is the latest.
    """

    spec: ClassVar[TableSpec] = TableSpec(
        "s3_older_version", key=("bucket", "key", "rank"), indexes={"version": ("bucket", "key", "version")}
    )

    bucket: int
    key: str
    rank: int
    version: str
    superseded_ms: int
    state: StoredObject

    def blobs(self) -> tuple[int, ...]:
        return self.state.blobs()


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

    def blobs(self) -> Iterable[int]:
        return (blob for piece in self.pieces for blob, _, _ in piece.runs)


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
    lock: str = ""
    locked_until_ms: int = 0
    held: bool = False
    hold_lifted: bool = False
    owner: str = ""
    acl: tuple[Grant, ...] = ()
    seal: Seal | None = None


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

    def blobs(self) -> Iterable[int]:
        return (blob for blob, _, _ in self.runs)


RECORDS = (Bucket, BucketTags, BucketNotifications, StoredObject, OlderVersion, Layout, Upload, UploadedPart)
