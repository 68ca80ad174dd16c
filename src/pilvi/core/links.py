"""Links that carry their own permission: to download bytes of ours for a while, without an access key.

A link names a session (see Cloud.issue_session) whose caller has the blob as its `source`, and proves with the session's
secret that we made it. The secret itself is in no link, so a link opens what it names and signs nothing else.
"""

import hmac
from typing import Final
from urllib.parse import urlencode

from pilvi.core.caller import SessionCredentials

PATH: Final = "/_pilvi/blob"
SOURCE: Final = "blob:"


def source(blob: int) -> str:
    """The `source` of the caller that such a session stands for."""
    return f"{SOURCE}{blob}"


def url(endpoint: str, blob: int, session: SessionCredentials) -> str:
    """The link to a blob's bytes."""
    query = {"key": session.access_key_id, "proof": proof(session.secret, blob), "token": session.token}
    return f"{endpoint}{PATH}?{urlencode(query)}"


def proof(secret: str, blob: int) -> str:
    """What only somebody who knows the session's secret can say about a blob."""
    return hmac.digest(secret.encode(), f"pilvi link to {source(blob)}".encode(), "sha256").hex()
