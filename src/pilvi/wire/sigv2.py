"""AWS Signature Version 2 for S3: what boto3 still makes by default when it presigns a URL for us-east-1.

    string to sign   method | Content-MD5 | Content-Type | date or expiry | x-amz- headers | /bucket/key?subresources
    signature        base64(HMAC-SHA1(secret, string to sign))

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

import base64
import hmac
from typing import Final
from urllib.parse import unquote

from pilvi.wire.http import Request

SUBRESOURCES: Final = frozenset(
    {
        "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "encryption", "inventory",
        "intelligent-tiering", "lifecycle", "location", "logging", "metrics", "notification", "object-lock",
        "ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment",
        "response-cache-control", "response-content-disposition", "response-content-encoding", "response-content-language",
        "response-content-type", "response-expires", "restore", "retention", "legal-hold", "select", "select-type",
        "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip


def query_values(query: str) -> dict[str, str]:
    """Names and values of a query string, decoded; the last of a repeated name."""
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        found[unquote(name)] = unquote(value.replace("+", " "))
    return found


def string_to_sign(request: Request, bucket: str, moment: str) -> str:
    """What the signature covers.

    Args:
        bucket: of a virtual-host request, "" when it stands in the path.
        moment: the Date header, "" when X-Amz-Date replaces it, or the Expires parameter of a presigned URL.
    """
    headers = request.headers
    amz = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers) if name.startswith("x-amz-"))
    head = f"{request.method}\n{headers.get('content-md5', '')}\n{headers.get('content-type', '')}\n{moment}\n"
    return f"{head}{amz}{_resource(request, bucket)}"


def matches(secret: str, text: str, signature: str) -> bool:
    """Compares in constant time."""
    expected = base64.b64encode(hmac.digest(secret.encode(), text.encode("latin-1"), "sha1"))
    return hmac.compare_digest(expected, signature.encode())


def _resource(request: Request, bucket: str) -> str:
    # Latin-1 stands for bytes here, as in headers: what is signed is what was sent, whatever text it encodes.
    path = f"/{bucket}{request.path}" if bucket else request.path
    kept = []
    for part in request.query.split("&"):
        name, equals, value = part.partition("=")
        if unquote(name) in SUBRESOURCES:
            kept.append((unquote(name), f"={unquote(value, encoding='latin-1')}" if equals and value else ""))
    kept.sort()
    return path + ("?" + "&".join(name + value for name, value in kept) if kept else "")
