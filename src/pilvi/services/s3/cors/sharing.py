"""What the edge asks before it lets a page see an answer."""

from collections.abc import Mapping

from pilvi.core.origins import Crossing
from pilvi.services.s3.cors import rules
from pilvi.services.s3.cors.records import BucketSharing
from pilvi.services.s3.errors import BadRequest, S3Error
from pilvi.services.s3.records import Bucket
from pilvi.state.store import Tx

Headers = list[tuple[str, str]]

HEADERS_MAX = 100
"""That a preflight may name: each is compared with each that the rules allow."""

_NOT_ALLOWED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
    "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."
)


class AccessForbidden(S3Error):
    """A preflight is refused."""

    code = "AccessForbidden"
    status = 403


class BucketsShare:
    """See Sharing."""

    def shared(self, tx: Tx, resource: Mapping[str, str], asked: Crossing) -> Headers:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/RESTOPTIONSobject.html"""
        if asked.preflight:
            _check(asked)
        name = resource["Bucket"]
        bucket = tx[Bucket].get(name) if name.isascii() else None
        if bucket is None:
            return _refuse(resource, asked, "CORSResponse: Bucket not found")
        found = tx[BucketSharing].get(bucket.id) if bucket.shares else None
        if found is None:
            return _refuse(resource, asked, "CORSResponse: CORS is not enabled for this bucket.")
        match = rules.matching(found.rules, asked)
        if match is None:
            return _refuse(resource, asked, _NOT_ALLOWED)
        return rules.answer(*match, asked)


def _check(asked: Crossing) -> None:
    if not asked.origin:
        raise BadRequest("Insufficient information. Origin request header needed.")
    if len(asked.headers) > HEADERS_MAX:
        raise BadRequest(f"Access-Control-Request-Headers names more than {HEADERS_MAX} headers.")
    if asked.method not in rules.METHODS:
        raise BadRequest(f"Invalid Access-Control-Request-Method: {asked.method or 'null'}")


def _refuse(resource: Mapping[str, str], asked: Crossing, text: str) -> Headers:
    """A preflight is told why; the answer to a page is simply not shared."""
    if not asked.preflight:
        return []
    kind = "OBJECT" if resource.get("Key") else "BUCKET"
    raise AccessForbidden(text, fields={"Method": asked.method, "ResourceType": kind})
