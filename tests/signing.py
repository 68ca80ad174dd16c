"""Requests signed by botocore's signer, as the edge would hand them on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pilvi.wire.http import Request

KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def sign(
    method: str,
    url: str,
    *,
    service: str = "s3",
    region: str = "eu-north-1",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    token: str | None = None,
    secret: str = SECRET,
    now: datetime = NOW,
    expires: int | None = None,
    key: str = KEY,
    payload: str = "",
) -> Request:
    """A request signed in its headers, or with `expires` in its query; `payload` replaces the hash of the body."""
    credentials = Credentials(key, secret, token)
    s3 = service == "s3"
    request = AWSRequest(method, url, headers=dict(headers or {}), data=body)
    request.context["payload_signing_enabled"] = True
    signer: Any
    if expires is not None:
        kind = botocore.auth.S3SigV4QueryAuth if s3 else botocore.auth.SigV4QueryAuth
        signer = kind(credentials, service, region, expires=expires)
    else:
        signer = (botocore.auth.S3SigV4Auth if s3 else botocore.auth.SigV4Auth)(credentials, service, region)
    if payload:
        signer.payload = lambda _: payload
    with patch.object(botocore.auth, "get_current_datetime", lambda: now.replace(tzinfo=None)):
        signer.add_auth(request)
    return received(request)


def received(request: AWSRequest) -> Request:
    """What arrives of a prepared request."""
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    headers = {
        name.lower(): value if isinstance(value, str) else value.decode("latin-1")
        for name, value in prepared.headers.items()
    }
    headers.setdefault("host", parts.netloc)
    body = prepared.body or b""
    return Request(prepared.method, parts.path or "/", parts.query, headers, body if isinstance(body, bytes) else b"")
