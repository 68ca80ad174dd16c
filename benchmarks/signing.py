"""SigV4 for the client side, cheap enough to sign tens of thousands of URLs before a run."""

import hashlib
import hmac
import time
from urllib.parse import quote

KEY_ID = "PILVIBENCHKEY00000001"
SECRET = "a-secret-for-benchmarks-0123456789abcdef"  # of servers that live for seconds, on loopback
REGION = "us-east-1"


def _key(date: str, service: str) -> bytes:
    key = ("AWS4" + SECRET).encode()
    for part in (date, REGION, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _signature(stamp: str, scope: str, key: bytes, canonical: str) -> str:
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def presigned(
    method: str, host: str, paths: list[str], seconds: int = 3600, query: dict[str, str] | None = None
) -> list[str]:
    """Path and query of S3 requests that anyone may send for that long."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    key = _key(stamp[:8], "s3")
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{KEY_ID}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
        **(query or {}),
    }
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(parameters.items()))
    urls = []
    for path in paths:
        canonical = f"{method}\n{path}\n{text}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
        urls.append(f"{path}?{text}&X-Amz-Signature={_signature(stamp, scope, key, canonical)}")
    return urls


def signed(
    method: str, host: str, path: str, service: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """A whole HTTP/1.1 request, signed in its headers; it may be sent again and again for minutes."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{stamp[:8]}/{REGION}/{service}/aws4_request"
    payload = hashlib.sha256(body).hexdigest()
    fields = {"host": host, "x-amz-date": stamp, "x-amz-content-sha256": payload}
    fields |= {name.lower(): value for name, value in (headers or {}).items()}
    names = ";".join(sorted(fields))
    canonical_headers = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields))
    bare, _, query = path.partition("?")
    parameters = "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part))
    canonical = f"{method}\n{bare}\n{parameters}\n{canonical_headers}\n{names}\n{payload}"
    signature = _signature(stamp, scope, _key(stamp[:8], service), canonical)
    fields["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}content-length: {len(body)}\r\n\r\n".encode() + body
