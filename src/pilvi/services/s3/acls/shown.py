"""Access control lists as answers show them."""

from collections.abc import Sequence

from pilvi.core.context import Context
from pilvi.services.s3.acls.parse import GROUPS, PERMISSIONS
from pilvi.services.s3.acls.rules import effective
from pilvi.services.s3.owners import shown_canonical
from pilvi.services.s3.records import Grant
from pilvi.services.s3.types import Grant as GrantShape
from pilvi.services.s3.types import Grantee

_URIS = {word: uri for uri, word in GROUPS.items()}
_PERMISSIONS = {word: name for name, word in PERMISSIONS.items()}


def grant_shapes(ctx: Context, grants: Sequence[Grant], owner: str) -> list[GrantShape]:
    """A stored list of something that the account `owner` owns; groups first."""
    meant = sorted(effective(grants, owner), key=lambda grant: grant.kind)
    return [_shape(ctx, grant) for grant in meant]


def _shape(ctx: Context, grant: Grant) -> GrantShape:
    permission = _PERMISSIONS[grant.permission]
    if grant.kind == "group":
        return {"Grantee": {"URI": _URIS[grant.who], "Type": "Group"}, "Permission": permission}
    grantee: Grantee = {"Type": "CanonicalUser", "ID": grant.who}
    shown = shown_canonical(ctx, grant.who)
    if "DisplayName" in shown:
        grantee["DisplayName"] = shown["DisplayName"]
    return {"Grantee": grantee, "Permission": permission}
