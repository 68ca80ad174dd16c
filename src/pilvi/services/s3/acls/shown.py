"""Access control lists as answers show them."""

from collections.abc import Sequence

from pilvi.services.s3.acls.parse import GROUPS, PERMISSIONS
from pilvi.services.s3.acls.rules import effective
from pilvi.services.s3.names import owner_id
from pilvi.services.s3.records import Grant
from pilvi.services.s3.types import Grant as GrantShape
from pilvi.services.s3.types import Owner

_URIS = {word: uri for uri, word in GROUPS.items()}
_PERMISSIONS = {word: name for name, word in PERMISSIONS.items()}


def owner_shape(account: str) -> Owner:
    return {"ID": owner_id(account)}


def grant_shapes(grants: Sequence[Grant], owner: str) -> list[GrantShape]:
    """A stored list of something that the account `owner` owns; groups first."""
    meant = sorted(effective(grants, owner), key=lambda grant: grant.kind)
    return [_shape(grant) for grant in meant]


def _shape(grant: Grant) -> GrantShape:
    permission = _PERMISSIONS[grant.permission]
    if grant.kind == "group":
        return {"Grantee": {"URI": _URIS[grant.who], "Type": "Group"}, "Permission": permission}
    return {"Grantee": {"ID": grant.who, "Type": "CanonicalUser"}, "Permission": permission}
