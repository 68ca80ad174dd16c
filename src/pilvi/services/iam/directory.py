"""Who exists, for authentication and authorisation: asked on every request, so the answers are remembered.

They are remembered for one stamp of the Revision record, which every change of IAM's records replaces by one never used
before. A snapshot sees stamp and records of the same moment, so an answer is right for whoever sees its stamp, also when
the change that made the stamp is undone later.
"""

from typing import TYPE_CHECKING, TypeVar

from pilvi.core import caller as callers
from pilvi.core.caller import Caller, Credential, Uses
from pilvi.services.iam import documents
from pilvi.services.iam.records import (
    ROOT,
    AccessKey,
    Attachment,
    Group,
    InlinePolicy,
    Membership,
    Revision,
    Role,
    Use,
    User,
)

if TYPE_CHECKING:
    from pilvi.state.store import Tx

REMEMBERED_MAX = 10_000
REVISION = "iam"

T = TypeVar("T")
E = TypeVar("E", User, Group, Role)
Documents = tuple[list[str], str | None]


class _Memory:
    """Answers that hold for one stamp."""

    __slots__ = ("arns", "credentials", "policies", "stamp")

    def __init__(self, stamp: str) -> None:
        self.stamp = stamp
        self.credentials: dict[str, Credential] = {}
        self.policies: dict[str, Documents] = {}
        self.arns: dict[str, str] = {}


class IamDirectory:
    """core.operation.Directory over IAM's records."""

    def __init__(self) -> None:
        self._memory = _Memory("")

    def credential(self, tx: "Tx", access_key_id: str) -> Credential | None:
        known = self._at(tx).credentials
        found = known.get(access_key_id)
        if found is None:
            found = _credential(tx, access_key_id)
            if found is not None:  # what strangers guess must not push out what is asked often
                _remember(known, access_key_id, found)
        return found

    def policies(self, tx: "Tx", caller: Caller) -> Documents:
        known = self._at(tx).policies
        identity = id_of(caller)
        found = known.get(identity)
        if found is None:
            found = _policies(tx, caller)
            _remember(known, identity, found)
        return found

    def exists(self, tx: "Tx", caller: Caller) -> bool:
        if caller.kind not in {"user", "role"}:
            return True
        known = self._at(tx).arns
        identity = id_of(caller)
        arn = known.get(identity)
        if arn is None:
            arn = _arn(tx, caller)
            _remember(known, identity, arn)
        return arn == caller.identity_arn

    def has_account(self, tx: "Tx", account: str) -> bool:
        keys = tx[AccessKey].scan(account, index="user", limit=1)
        return any(
            True for found in (keys, tx[User].scan(account, limit=1), tx[Role].scan(account, limit=1)) for _ in found
        )

    def write_uses(self, tx: "Tx", uses: Uses) -> None:
        for identity, (at_ms, service, region) in uses.items():
            tx[Use].put(Use(identity, at_ms, service, region))

    def _at(self, tx: "Tx") -> _Memory:
        revision = tx[Revision].get(REVISION)
        stamp = revision.stamp if revision else ""
        memory = self._memory
        if memory.stamp != stamp or not stamp:
            memory = self._memory = _Memory(stamp)
        return memory


def _remember(known: dict[str, T], key: str, value: T) -> None:
    if len(known) >= REMEMBERED_MAX:
        known.clear()
    known[key] = value


def _credential(tx: "Tx", access_key_id: str) -> Credential | None:
    key = tx[AccessKey].get(access_key_id)
    if key is None:
        return None
    if key.user == ROOT:
        return Credential(key.id, key.secret, callers.root(key.account, key.id), key.active)
    user = by_id(tx, User, key.user)
    if user is None:
        return None
    return Credential(key.id, key.secret, user_caller(user, key.id), key.active)


def user_caller(user: User, access_key_id: str = "") -> Caller:
    """The caller that a user's key authenticates."""
    tags: dict[str, str | list[str]] = {f"aws:PrincipalTag/{name}": value for name, value in user.tags.items()}
    return Caller("user", user.account, user.arn, user.id, user.arn, access_key_id, context=tags)


def by_id(tx: "Tx", record: type[E], identity: str) -> E | None:
    """The user, group or role with this unique id."""
    return next(iter(tx[record].scan(identity, index="id", limit=1)), None)


def entity(tx: "Tx", kind: str, identity: str) -> User | Group | Role | None:
    """What an attachment or an inline policy belongs to."""
    if kind == "user":
        return by_id(tx, User, identity)
    return by_id(tx, Group, identity) if kind == "group" else by_id(tx, Role, identity)


def id_of(caller: Caller) -> str:
    """The unique id of the user or role whose policies a caller carries."""
    return caller.user_id.partition(":")[0]


def _arn(tx: "Tx", caller: Caller) -> str:
    found = by_id(tx, User, id_of(caller)) if caller.kind == "user" else by_id(tx, Role, id_of(caller))
    return "" if found is None else found.arn


def _policies(tx: "Tx", caller: Caller) -> Documents:
    account, kind, identity = caller.account, caller.kind, id_of(caller)
    entities: list[tuple[str, str]] = [(kind, identity)]
    if kind == "user":
        entities += [("group", one.group) for one in tx[Membership].scan(account, identity, index="user")]
    found: list[str] = []
    for entity in entities:
        found += [one.document for one in tx[InlinePolicy].scan(account, *entity)]
        attached = tx[Attachment].scan(account, *entity, "policy", index="entity")
        found += [documents.default(tx, one.policy_arn) for one in attached]
    boundary = boundary_of(tx, account, kind, identity)
    return found, documents.default(tx, boundary) if boundary else None


def boundary_of(tx: "Tx", account: str, kind: str, identity: str) -> str:
    """ARN of the permissions boundary of a user or role, "" for none."""
    found = next(iter(tx[Attachment].scan(account, kind, identity, "boundary", index="entity", limit=1)), None)
    return found.policy_arn if found else ""
