"""S3's door for browsers: a bucket as a website. Paths in, pages out, and errors as pages too.

Nobody signs here: whoever asks is the public. https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html
"""

import re
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any, Final

from msgspec.structs import replace

from pilvi.core.errors import CloudError, MalformedRequest
from pilvi.wire import faults, forms
from pilvi.wire.aws_s3 import S3Codec, host_id
from pilvi.wire.codec import Match
from pilvi.wire.http import Request, Response
from pilvi.wire.model import ServiceModel
from pilvi.wire.scalars import Malformed

HTML: Final = "text/html; charset=utf-8"
_GET: Final = "GetObject"
_HEADERS: Final = ("if-match", "if-modified-since", "if-none-match", "if-unmodified-since", "range")
_UNFIT: Final = re.compile(r"[^\x21-\x7e]")


class WebsiteCodec(S3Codec):
    """GetObject's members in, GetObject's answers out, for those who know neither."""

    signed = False

    def __init__(self, service: ServiceModel, protocol: str) -> None:  # noqa: ARG002 - errors have S3's codes
        super().__init__(service, "rest-xml")

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """What GetObject understands of a browser's request, with `Method`, and `Query` as it came."""
        try:
            labels = {**match.params, "Key": forms.decode_label(request.path[1:])}
        except Malformed:
            raise faults.named(MalformedRequest, "InvalidURI", 400)("Couldn't parse the specified URI.") from None
        headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        get = Match(match.service, _GET, match.protocol, labels)
        shape = super().parse(get, replace(request, method="GET", query="", headers=headers, body=b""))
        return {**shape, "Method": request.method, "Query": request.query}

    def validate(self, operation: str, shape: Mapping[str, Any]) -> None:
        """Any path is a key."""

    def serialise(self, operation: str, result: dict[str, Any] | None, request_id: str) -> Response:  # noqa: ARG002
        """A redirect, an object, or an object that is shown instead of an error."""
        assert result is not None
        if "Location" in result:
            headers = [*self.headers("", request_id)[1:], ("Location", _UNFIT.sub("", result["Location"]))]
            return Response(result["Status"], headers)
        response = super().serialise(_GET, result["Output"], request_id)
        if "Error" in result:
            response.status = result["Status"]
            response.headers += self._told(result["Error"])
        return response

    def render(self, error: CloudError, operation: str | None, request_id: str) -> Response:  # noqa: ARG002
        """An error as a page."""
        code, status = faults.code_and_status(error, self.service.name, self.protocol)
        headers = [*self.headers(HTML, request_id), *self._told(error)]
        if status == 304:
            return Response(status, headers[1:])
        return Response(status, headers, _page(code, status, error, request_id).encode())

    def _told(self, error: CloudError) -> list[tuple[str, str]]:
        """What programs can read of an error, in headers."""
        code, status = faults.code_and_status(error, self.service.name, self.protocol)
        if status == 304:
            return []
        told = [("x-amz-error-code", code), ("x-amz-error-message", error.message)]
        if "Key" in error.fields:
            told.append(("x-amz-error-detail-Key", _safe(str(error.fields["Key"]))))
        return told


def _safe(text: str) -> str:
    """Text that a header can hold."""
    return _UNFIT.sub("?", text)


def _page(code: str, status: int, error: CloudError, request_id: str) -> str:
    title = f"{status} {HTTPStatus(status).phrase}"
    items = _items(code, error) + f"<li>RequestId: {request_id}</li>\n<li>HostId: {host_id(request_id)}</li>\n"
    body = f"<h1>{title}</h1>\n<ul>\n{items}</ul>\n"
    inner = error.fields.get("ErrorDocument")
    if isinstance(inner, CloudError):
        key = error.fields["ErrorDocumentKey"]
        body += (
            "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n"
            f"<ul>\n{_items(inner.code, inner, Key=str(key))}</ul>\n"
        )
    return f"<html>\n<head><title>{title}</title></head>\n<body>\n{body}<hr/>\n</body>\n</html>\n"


def _items(code: str, error: CloudError, **more: str) -> str:
    fields = {name: value for name, value in error.fields.items() if not name.startswith("ErrorDocument")}
    told = {"Code": code, "Message": error.message, **fields, **more}
    return "".join(f"<li>{escape(name)}: {escape(str(value))}</li>\n" for name, value in told.items())
