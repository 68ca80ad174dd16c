"""What Lambda remembers."""

from typing import ClassVar

import msgspec

from pilvi.state.store import Record, TableSpec


class Configuration(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a function runs: what a published version freezes.

    Attributes:
        code: blob id of the zip.
        state_id: another for every change of code or configuration; workers are kept by it.
        revision_id: another for every change that AWS counts as one, permissions included.
    """

    runtime: str
    handler: str
    role: str
    code: int
    code_sha256: str
    code_size: int
    architecture: str
    state_id: str
    revision_id: str
    modified_ms: int
    description: str = ""
    timeout_seconds: int = 3
    memory_mb: int = 128
    tmp_mb: int = 512
    environment: dict[str, str] = {}
    log_group: str = ""


class Function(Record, frozen=True):
    """A function: its $LATEST and what belongs to it as a whole."""

    spec: ClassVar[TableSpec] = TableSpec("lambda_function", key=("account", "region", "name"))

    account: str
    region: str
    name: str
    latest: Configuration
    last_version: int = 0
    tags: dict[str, str] = msgspec.field(default_factory=dict)

    def blobs(self) -> tuple[int, ...]:
        return (self.latest.code,)


class Version(Record, frozen=True):
    """A published version: it never changes, but for its permissions."""

    spec: ClassVar[TableSpec] = TableSpec("lambda_version", key=("account", "region", "name", "number"))

    account: str
    region: str
    name: str
    number: int
    configuration: Configuration

    def blobs(self) -> tuple[int, ...]:
        return (self.configuration.code,)


class Alias(Record, frozen=True):
    """A name for a version."""

    spec: ClassVar[TableSpec] = TableSpec("lambda_alias", key=("account", "region", "name", "alias"))

    account: str
    region: str
    name: str
    alias: str
    version: str
    revision_id: str
    description: str = ""


class ResourcePolicy(Record, frozen=True):
    """Who else may use a function ("" as qualifier), a version or an alias; `document` is the policy's JSON."""

    spec: ClassVar[TableSpec] = TableSpec("lambda_policy", key=("account", "region", "name", "qualifier"))

    account: str
    region: str
    name: str
    qualifier: str
    document: str


class EventConfig(Record, frozen=True):
    """How asynchronous invocations of a function, a version or an alias are retried."""

    spec: ClassVar[TableSpec] = TableSpec("lambda_event_config", key=("account", "region", "name", "qualifier"))

    account: str
    region: str
    name: str
    qualifier: str
    modified_ms: int
    retries: int | None = None
    age_seconds: int | None = None
    on_success: str = ""
    on_failure: str = ""


RECORDS: tuple[type[Record], ...] = (Function, Version, Alias, ResourcePolicy, EventConfig)
