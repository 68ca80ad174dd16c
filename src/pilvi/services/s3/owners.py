"""Owners, and others who are granted something, as answers show them.

S3 showed names beside canonical ids until November 2025. Where buckets are made as they were before (the setting
s3_new_buckets), so are owners shown: the name is the account's number.
"""

from pilvi.core.accounts import account_of
from pilvi.core.context import Context
from pilvi.services.s3.names import owner_id
from pilvi.services.s3.types import Owner

CLASSIC = "classic"


def is_classic(ctx: Context) -> bool:
    """Whether what is new is as AWS made it until April 2023."""
    return ctx.cloud.setting("s3_new_buckets") == CLASSIC


def shown_owner(ctx: Context, account: str) -> Owner:
    """An account by its number."""
    return shown_canonical(ctx, owner_id(account))


def shown_canonical(ctx: Context, canonical: str) -> Owner:
    """An account by its canonical id."""
    if is_classic(ctx):
        return {"ID": canonical, "DisplayName": account_of(canonical)}
    return {"ID": canonical}
