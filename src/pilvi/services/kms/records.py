"""What KMS remembers.

A key's material is a row of its own for each time it was rotated; nothing here is of use without the cloud's master key.
"""

from typing import ClassVar

import msgspec

from pilvi.core import arn
from pilvi.state.store import Record, TableSpec


class Key(Record, frozen=True):
    """A key, without its material.

    Attributes:
        kind: AWS's KeySpec.
        managed: the service that an AWS-managed key is for ("s3"); "" for a customer's own.
        version: of the material in use; `material_id` is AWS's name for it.
        policy: the key policy; "" is the default one.
        deletion_ms: when it will be deleted, 0 if it will not; `deletion` is the outbox entry that does it.
        rotation_days: 0 while it is not rotated by itself; `rotation` is the outbox entry that does it, at `rotates_ms`.
        aliases: their names, kept here too since policies ask for them.
        grants: how many there are.
    """

    spec: ClassVar[TableSpec] = TableSpec(
        "kms_key", key=("id",), indexes={"owner": ("account", "region")}, remembered=True
    )

    id: str
    account: str
    region: str
    created_ms: int
    kind: str
    usage: str
    material_id: str
    managed: str = ""
    version: int = 1
    description: str = ""
    enabled: bool = True
    policy: str = ""
    deletion_ms: int = 0
    deletion: int = 0
    rotation_days: int = 0
    rotates_ms: int = 0
    rotation: int = 0
    grants: int = 0
    aliases: list[str] = msgspec.field(default_factory=list)
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def arn(self) -> str:
        return arn.make("kms", self.region, self.account, f"key/{self.id}")

    @property
    def state(self) -> str:
        """AWS's KeyState."""
        if self.deletion_ms:
            return "PendingDeletion"
        return "Enabled" if self.enabled else "Disabled"


class Material(Record, frozen=True):
    """What one version of a key encrypts with.

    Attributes:
        wrapped: under the master key's secret for KMS: 32 bytes of a symmetric key; a private key as DER (PKCS #8).
        public: of a key pair, as DER (SubjectPublicKeyInfo).
        rotated: "AUTOMATIC" or "ON_DEMAND"; "" for the first one.
    """

    spec: ClassVar[TableSpec] = TableSpec("kms_material", key=("key_id", "version"), remembered=True)

    key_id: str
    version: int
    id: str
    created_ms: int
    wrapped: bytes
    public: bytes = b""
    rotated: str = ""


class Alias(Record, frozen=True):
    """Another name of a key; `name` begins with "alias/"."""

    spec: ClassVar[TableSpec] = TableSpec("kms_alias", key=("account", "region", "name"), remembered=True)

    account: str
    region: str
    name: str
    key_id: str
    created_ms: int
    updated_ms: int

    @property
    def arn(self) -> str:
        return arn.make("kms", self.region, self.account, self.name)


class Grant(Record, frozen=True):
    """Leave for one principal to do some operations with one key.

    Attributes:
        account, region: of the key.
        issuer: the account of who made it.
        grantee, retiring: ARN of a principal or name of a service; `retiring` may be "".
        equals, subset: what the encryption context must be, or hold.
        source: the resource that a service must be acting for.
    """

    spec: ClassVar[TableSpec] = TableSpec(
        "kms_grant",
        key=("key_id", "id"),
        indexes={"grantee": ("key_id", "grantee"), "retiring": ("account", "region", "retiring")},
    )

    key_id: str
    id: str
    account: str
    region: str
    grantee: str
    retiring: str
    created_ms: int
    issuer: str
    operations: list[str]
    name: str = ""
    equals: dict[str, str] | None = None
    subset: dict[str, str] | None = None
    source: str = ""


class MasterProof(Record, frozen=True):
    """What tells whether a master key is the one in use."""

    spec: ClassVar[TableSpec] = TableSpec("kms_master", key=("name",))

    name: str
    proof: bytes


RECORDS: tuple[type[Record], ...] = (Key, Material, Alias, Grant, MasterProof)
