"""Who exists, for authentication and authorisation: asked on every request, so the answers are remembered.

They are remembered for one stamp of the Revision record, which every change of IAM's records replaces by one never used
before. A snapshot sees stamp and records of the same moment, so an answer is right for whoever sees its stamp, also when
the change that made the stamp is undone later.
"""

from typing import TYPE_CHECKING, TypeVar

from pilvi.core import caller as callers
from pilvi.core.caller import Caller, Credential
from pilvi.services.iam import documents
from pilvi.services.iam.records import (
    ROOT,
    AccessKey,
    Attachment,
    InlinePolicy,
    Membership,
    Revision,
    Role,
    User,
    fold,
)

if TYPE_CHECKING:
    from pilvi.state.store import Tx

REMEMBERED_MAX = 10_000
REVISION = "iam"

T = TypeVar("T")
Documents = tuple[list[str], str | None]


class _Memory:
    """Answers that hold for one stamp."""

    __slots__ = ("credentials", "ids", "policies", "stamp")

    def __init__(self, stamp: str) -> None:
        self.stamp = stamp
        self.credentials: dict[str, Credential] = {}
        self.policies: dict[str, Documents] = {}
        self.ids: dict[str, str] = {}


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
        found = known.get(caller.identity_arn)
        if found is None:
            found = _policies(tx, caller)
            _remember(known, caller.identity_arn, found)
        return found

    def exists(self, tx: "Tx", caller: Caller) -> bool:
        if caller.kind not in {"user", "role"}:
            return True
        known = self._at(tx).ids
        identity = known.get(caller.identity_arn)
        if identity is None:
            identity = _id(tx, caller)
            _remember(known, caller.identity_arn, identity)
        return identity == caller.user_id.partition(":")[0]

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
    user = tx[User].get(key.account, key.user)
    if user is None:
        return None
    return Credential(key.id, key.secret, user_caller(user, key.id), key.active)


def user_caller(user: User, access_key_id: str = "") -> Caller:
    """The caller that a user's key authenticates."""
    tags: dict[str, str | list[str]] = {f"aws:PrincipalTag/{name}": value for name, value in user.tags.items()}
    return Caller("user", user.account, user.arn, user.id, user.arn, access_key_id, context=tags)


def entity_of(caller: Caller) -> tuple[str, str]:
    """Kind and key of the user or role whose policies a caller carries."""
    return caller.kind, fold(caller.identity_arn.rpartition("/")[2])


def _id(tx: "Tx", caller: Caller) -> str:
    record: type[User | Role] = User if caller.kind == "user" else Role
    found = tx[record].get(caller.account, entity_of(caller)[1])
    return found.id if found is not None and found.arn == caller.identity_arn else ""


def _policies(tx: "Tx", caller: Caller) -> Documents:
    kind, key = entity_of(caller)
    entities = [(kind, key)]
    if kind == "user":
        entities += [("group", one.group) for one in tx[Membership].scan(caller.account, key, index="user")]
    found: list[str] = []
    for entity in entities:
        found += [one.document for one in tx[InlinePolicy].scan(caller.account, *entity)]
        attached = tx[Attachment].scan(caller.account, *entity, "policy", index="entity")
        found += [documents.default(tx, one.policy_arn) for one in attached]
    boundary = next(iter(tx[Attachment].scan(caller.account, kind, key, "boundary", index="entity")), None)
    return found, None if boundary is None else documents.default(tx, boundary.policy_arn)
