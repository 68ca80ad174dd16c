"""What exists before anyone can ask: the account's root key, and users that the operator names at start."""

import hashlib
from typing import TYPE_CHECKING

from pilvi.core.clock import Ids
from pilvi.services.iam.directory import REVISION
from pilvi.services.iam.records import ROOT, AccessKey, Attachment, Revision, User, fold

if TYPE_CHECKING:
    from pilvi.state.store import Tx

FULL_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"


def seed_root_key(tx: "Tx", account: str, access_key_id: str, secret: str, now_ms: int) -> None:
    """Makes the root key of an account, or gives it this secret. Changes nothing when it is there already."""
    _seed_key(tx, account, ROOT, access_key_id, secret, now_ms)


def seed_user(tx: "Tx", ids: Ids, account: str, name: str, access_key_id: str, secret: str, now_ms: int) -> None:
    """Makes a user with full access and this key; an existing user keeps its policies and gets the key."""
    user = tx[User].get(account, fold(name))
    if user is None:
        user = User(account, fold(name), name, "/", f"AIDA{ids.base32(17)}", now_ms)
        tx[User].put(user)
        tx[Attachment].put(Attachment(account, FULL_ACCESS, "policy", "user", user.id))
    _seed_key(tx, account, user.id, access_key_id, secret, now_ms)


def _seed_key(tx: "Tx", account: str, user: str, access_key_id: str, secret: str, now_ms: int) -> None:
    known = tx[AccessKey].get(access_key_id)
    if known is not None and (known.account, known.user, known.secret, known.active) == (account, user, secret, True):
        return
    tx[AccessKey].put(AccessKey(access_key_id, account, user, secret, now_ms))
    before = tx[Revision].get(REVISION)
    change = f"{before.stamp if before else ''} {account} {user} {access_key_id} {secret}"
    tx[Revision].put(Revision(REVISION, hashlib.sha256(change.encode()).hexdigest()))
