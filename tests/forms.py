"""HTML forms as a browser would post them, and their policies signed by hand, with either version of the signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from handmade import Signer

BOUNDARY = "----a-boundary-of-tests"


def posted(
    fields: Mapping[str, str], content: bytes | None = b"content", file_name: str = "cat.jpg"
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form; without content it has no file."""
    parts = [_part(f'name="{name}"', value.encode()) for name, value in fields.items()]
    if content is not None:
        parts.append(_part(f'name="file"; filename="{file_name}"\r\nContent-Type: image/jpeg', content))
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, body


def _part(names: str, value: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {names}\r\n\r\n".encode() + value + b"\r\n"


def document(*conditions: Any, seconds: float = 7_200, **more: Any) -> str:
    """A policy document that ends in so many seconds; `more` replaces its members (None: leaves out)."""
    ends = datetime.now(UTC) + timedelta(seconds=seconds)
    members = {"expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"), "conditions": list(conditions), **more}
    return json.dumps({name: value for name, value in members.items() if value is not None})


def signed_old(signer: Signer, policy: str) -> dict[str, str]:
    """The fields of a signature of version 2."""
    encoded = base64.b64encode(policy.encode())
    signature = hmac.digest(signer.secret.encode(), encoded, "sha1")
    return {
        "AWSAccessKeyId": signer.key,
        "policy": encoded.decode(),
        "signature": base64.b64encode(signature).decode(),
    }


def signing(signer: Signer) -> dict[str, str]:
    """The fields of version 4 that a policy must have conditions for."""
    stamp = signer.stamp
    return {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{signer.key}/{signer.scope(stamp)}",
        "x-amz-date": stamp,
    }


def signed(signer: Signer, *conditions: Any, seconds: float = 600) -> dict[str, str]:
    """The fields of a signature of version 4, over a policy with these conditions and its own."""
    own = signing(signer)
    policy = document(*conditions, *({name: value} for name, value in own.items()), seconds=seconds)
    encoded = base64.b64encode(policy.encode())
    signature = hmac.new(signer.signing_key(own["x-amz-date"]), encoded, hashlib.sha256).hexdigest()
    return {**own, "policy": encoded.decode(), "x-amz-signature": signature}
