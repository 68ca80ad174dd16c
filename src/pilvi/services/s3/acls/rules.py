"""Which action needs which permission, and whether a list of grants gives it. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
"""

from collections.abc import Sequence

from pilvi.core.accounts import ANONYMOUS_ID, canonical_id
from pilvi.core.caller import Caller
from pilvi.services.s3.records import Grant

EVERYBODY, AUTHENTICATED, DELIVERY = "everybody", "authenticated", "delivery"
PUBLIC = frozenset({EVERYBODY, AUTHENTICATED})
NO_GRANTS = (Grant("nobody", "", ""),)
"""A list without a single grant, told apart from (), the usual one."""

BUCKET_ACTIONS = {
    "s3:ListBucket": "read",
    "s3:ListBucketVersions": "read",
    "s3:ListBucketMultipartUploads": "read",
    "s3:PutObject": "write",
    "s3:GetBucketAcl": "read_acl",
    "s3:PutBucketAcl": "write_acl",
}
OBJECT_ACTIONS = {
    "s3:GetObject": "read",
    "s3:GetObjectVersion": "read",
    "s3:GetObjectAcl": "read_acl",
    "s3:GetObjectVersionAcl": "read_acl",
    "s3:PutObjectAcl": "write_acl",
    "s3:PutObjectVersionAcl": "write_acl",
}
OF_OBJECT_OWNER = frozenset(
    {*OBJECT_ACTIONS, "s3:GetObjectAttributes", "s3:GetObjectVersionAttributes", "s3:GetObjectTorrent"}
)
"""What an object's owner decides. All else that is done to objects (tags too) is for the bucket's owner to decide."""

_LOG_DELIVERY = frozenset({"logging.s3.amazonaws.com", "delivery.logs.amazonaws.com"})


def effective(grants: Sequence[Grant], owner: str) -> Sequence[Grant]:
    """The grants as they are meant, with the usual list written out. `owner`: the owning account."""
    if not grants:
        return (full_control(owner),)
    return () if tuple(grants) == NO_GRANTS else grants


def full_control(account: str) -> Grant:
    return Grant("user", canonical_id(account), "full")


def stored(grants: Sequence[Grant], owner: str) -> tuple[Grant, ...]:
    """The opposite of `effective`."""
    if not grants:
        return NO_GRANTS
    return () if tuple(grants) == (full_control(owner),) else tuple(grants)


def is_public(grants: Sequence[Grant]) -> bool:
    """What the anonymous are given under their canonical id, everybody is given."""
    return any(grant.who in PUBLIC if grant.kind == "group" else grant.who == ANONYMOUS_ID for grant in grants)


def reaches_others(grants: Sequence[Grant], owner: str) -> bool:
    """Whether anyone but the owning account is given anything."""
    own = canonical_id(owner)
    return any(grant.kind == "group" or (grant.kind == "user" and grant.who != own) for grant in grants)


def gives(grants: Sequence[Grant], permission: str, caller: Caller, owner: str, *, public: bool) -> bool:
    """Whether a stored list gives the caller a permission.

    Args:
        owner: the owning account. What a list gives to it is for the account's own policies to give.
        public: whether grants to everybody count.
    """
    return any(
        grant.permission in ("full", permission) and _means(grant, caller, owner, public=public) for grant in grants
    )


def _means(grant: Grant, caller: Caller, owner: str, *, public: bool) -> bool:
    if caller.kind == "anonymous" and not public:
        return False
    if grant.kind == "user":
        stranger = caller.kind != "service" and caller.account != owner
        return stranger and grant.who == canonical_id(caller.account)
    if grant.who == DELIVERY:
        return caller.kind == "service" and caller.arn in _LOG_DELIVERY
    if not public or caller.kind == "service":
        return False
    return grant.who == EVERYBODY or (grant.who == AUTHENTICATED and caller.kind != "anonymous")
