"""What IAM keeps. Everything is global within an account.

Names are unique without regard to case but keep theirs, so a key holds the folded name (`fold`) and the record the name.
Records refer to users, groups and roles by their unique id, so a new name or path changes one record.
"""

from typing import ClassVar

import msgspec

from pilvi.core import arn
from pilvi.state.store import Record, TableSpec

ROOT = ""  # stands for the user id of access keys that belong to the account's root


def fold(name: str) -> str:
    """The form in which two names that IAM takes for the same are equal."""
    return name.lower()


class User(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("iam_user", key=("account", "key"), indexes={"id": ("id",)})

    account: str
    key: str
    name: str
    path: str
    id: str
    created_ms: int
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def arn(self) -> str:
        return arn.make("iam", "", self.account, f"user{self.path}{self.name}")


class Group(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("iam_group", key=("account", "key"), indexes={"id": ("id",)})

    account: str
    key: str
    name: str
    path: str
    id: str
    created_ms: int

    @property
    def arn(self) -> str:
        return arn.make("iam", "", self.account, f"group{self.path}{self.name}")


class Membership(Record, frozen=True):
    """A user in a group (both by their ids)."""

    spec: ClassVar[TableSpec] = TableSpec(
        "iam_membership", key=("account", "group", "user"), indexes={"user": ("account", "user", "group")}
    )

    account: str
    group: str
    user: str


class Role(Record, frozen=True):
    """A role; `trust` is the document that says who may assume it."""

    spec: ClassVar[TableSpec] = TableSpec("iam_role", key=("account", "key"), indexes={"id": ("id",)})

    account: str
    key: str
    name: str
    path: str
    id: str
    created_ms: int
    trust: str
    description: str = ""
    session_seconds_max: int = 3600
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def arn(self) -> str:
        return arn.make("iam", "", self.account, f"role{self.path}{self.name}")


class InstanceProfile(Record, frozen=True):
    """A container for at most one role (by its id, "" for none)."""

    spec: ClassVar[TableSpec] = TableSpec(
        "iam_instance_profile", key=("account", "key"), indexes={"role": ("account", "role")}
    )

    account: str
    key: str
    name: str
    path: str
    id: str
    created_ms: int
    role: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def arn(self) -> str:
        return arn.make("iam", "", self.account, f"instance-profile{self.path}{self.name}")


class ManagedPolicy(Record, frozen=True):
    """A customer's managed policy; its documents are PolicyVersions."""

    spec: ClassVar[TableSpec] = TableSpec("iam_policy", key=("account", "key"))

    account: str
    key: str
    name: str
    path: str
    id: str
    created_ms: int
    updated_ms: int
    default_version: int
    last_version: int
    description: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def arn(self) -> str:
        return arn.make("iam", "", self.account, f"policy{self.path}{self.name}")


class PolicyVersion(Record, frozen=True):
    spec: ClassVar[TableSpec] = TableSpec("iam_policy_version", key=("account", "policy", "version"))

    account: str
    policy: str
    version: int
    document: str
    created_ms: int


class Attachment(Record, frozen=True):
    """A managed policy attached to a user, group or role; or, with `usage` "boundary", bounding a user or role."""

    spec: ClassVar[TableSpec] = TableSpec(
        "iam_attachment",
        key=("account", "policy_arn", "usage", "kind", "entity"),
        indexes={"entity": ("account", "kind", "entity", "usage", "policy_arn")},
    )

    account: str
    policy_arn: str
    usage: str
    kind: str
    entity: str


class InlinePolicy(Record, frozen=True):
    """A document that is part of a user, group or role."""

    spec: ClassVar[TableSpec] = TableSpec("iam_inline_policy", key=("account", "kind", "entity", "key"))

    account: str
    kind: str
    entity: str
    key: str
    name: str
    document: str


class AccessKey(Record, frozen=True):
    """A long-term key of a user (by its id), or of the root (user "")."""

    spec: ClassVar[TableSpec] = TableSpec(
        "iam_access_key", key=("id",), indexes={"user": ("account", "user", "created_ms")}
    )

    id: str
    account: str
    user: str
    secret: str
    created_ms: int
    active: bool = True


class Use(Record, frozen=True):
    """When a long-term access key or a role (by its id) was last used. Written now and then, not with each request."""

    spec: ClassVar[TableSpec] = TableSpec("iam_use", key=("id",))

    id: str
    at_ms: int
    service: str
    region: str


class Alias(Record, frozen=True):
    """A name for an account, unique in the cloud."""

    spec: ClassVar[TableSpec] = TableSpec("iam_account_alias", key=("name",), indexes={"account": ("account",)})

    name: str
    account: str


class Revision(Record, frozen=True):
    """Changes with every change of anything above: what the directory remembers holds for one stamp only."""

    spec: ClassVar[TableSpec] = TableSpec("iam_revision", key=("name",), remembered=True)

    name: str
    stamp: str


RECORDS = (
    User, Group, Membership, Role, InstanceProfile, ManagedPolicy, PolicyVersion, Attachment, InlinePolicy, AccessKey,
    Use, Alias, Revision,
)  # fmt: skip
