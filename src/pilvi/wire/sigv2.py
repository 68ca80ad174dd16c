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
        "abac", "accelerate", "acl", "analytics", "annotation", "annotationName", "attributes", "cors", "defaultObjectAcl",
        "delete", "encryption", "inventory", "intelligent-tiering", "lifecycle", "location", "logging",
        "metadataAnnotationTable", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable",
        "metadataTable", "metrics", "notification", "object-lock", "ownershipControls", "partNumber", "policy",
        "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "response-cache-control",
        "response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type",
        "response-expires", "restore", "retention", "legal-hold", "select", "select-type", "session", "tagging", "torrent",
        "uploadId", "uploads", "versionId", "versioning", "versions", "website",
    }
)  # fmt: skip
"""What the signature covers of the query: at least all that makes a request another operation."""


def query_values(query: str) -> dict[str, str]:
    """Names and values of a query string, decoded; the last of a repeated name."""
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        found[unquote(name)] = unquote(value.replace("+", " "))
    return found


def string_to_sign(request: Request, bucket: str, moment: str, token: str = "") -> str:
    """What the signature covers.

    Args:
        bucket: of a virtual-host request, "" when it stands in the path.
        moment: the Date header, "" when X-Amz-Date replaces it, or the Expires parameter of a presigned URL.
        token: the session token in the query of a presigned URL, which is signed as the header would be.
    """
    headers = request.headers
    covered = {name: value.strip() for name, value in headers.items() if name.startswith("x-amz-")}
    if token:
        covered["x-amz-security-token"] = token
    amz = "".join(f"{name}:{covered[name]}\n" for name in sorted(covered))
    head = f"{request.method}\n{headers.get('content-md5', '')}\n{headers.get('content-type', '')}\n{moment}\n"
    return f"{head}{amz}{_resource(request, bucket)}"


def matches(secret: str, text: str, signature: str) -> bool:
    """Compares in constant time."""
    expected = base64.b64encode(hmac.digest(secret.encode(), text.encode("latin-1"), "sha1"))
    return hmac.compare_digest(expected, signature.encode())


def _resource(request: Request, bucket: str) -> str:
    # Latin-1 stands for bytes here, as in headers: what is signed is what was sent, whatever text it encodes.
    path = f"/{bucket}{request.path}" if bucket else request.path
    if path.count("/") == 1 and path != "/":
        path += "/"  # a bucket is signed with its slash, sent or not
    sent = [part.partition("=") for part in request.query.split("&")]
    kept = sorted((name, value) for raw, _, value in sent if (name := unquote(raw)) in SUBRESOURCES)
    text = _joined([(name, unquote(value, encoding="latin-1")) for name, value in kept])
    if sum(part.partition("=")[0] in SUBRESOURCES for part in text.split("&")) > len(kept):
        text = _joined(kept)  # decoded, a value would pass for another subresource
    return f"{path}?{text}" if kept else path


def _joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join([f"{name}={value}" if value else name for name, value in pairs])
