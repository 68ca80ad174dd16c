"""Grant tokens. On AWS a grant is not known everywhere at once, and its token helps meanwhile; here it says nothing new.

https://docs.aws.amazon.com/kms/latest/developerguide/using-grant-token.html
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from pilvi.core.context import Context
from pilvi.services.kms.errors import InvalidGrantToken
from pilvi.services.kms.records import Grant


def of_grant(ctx: Context, key_id: str, grant_id: str) -> str:
    """The token of a grant."""
    name = f"{key_id}:{grant_id}".encode()
    return b64encode(_proof(ctx, name) + name).decode()


def read(ctx: Context, token: str) -> tuple[str, str]:
    """Ids of the key and the grant that a token is for.

    Raises:
        InvalidGrantToken: it is not one of ours.
    """
    try:
        raw = b64decode(token, validate=True)
    except ValueError:
        raise InvalidGrantToken("The grant token is not valid.") from None
    if not hmac.compare_digest(raw[:32], _proof(ctx, raw[32:])):
        raise InvalidGrantToken("The grant token is not valid.")
    key_id, _, grant_id = raw[32:].decode().partition(":")
    return key_id, grant_id


def accept(ctx: Context, req: Mapping[str, Any]) -> None:
    """Raises InvalidGrantToken: one of the request's tokens is not ours, or its grant is gone."""
    for token in req.get("GrantTokens") or ():
        if ctx.tx[Grant].get(*read(ctx, token)) is None:
            raise InvalidGrantToken("The grant token is not valid.")


def _proof(ctx: Context, name: bytes) -> bytes:
    return hmac.digest(ctx.cloud.secret("kms-grants"), name, "sha256")
