"""S3's door for HTML forms: an upload by POST to a bucket, with everything that a PUT says in headers in fields instead.

The fields are made into the headers of a PutObject and read as those; the answer is PutObject's too, in another envelope:
204, 200 with nothing, 201 with a document, or a redirect to a page of the form's choice.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from pilvi.core.errors import CloudError, MalformedRequest
from pilvi.wire import faults, multipart
from pilvi.wire.aws_s3 import S3Codec
from pilvi.wire.codec import Match
from pilvi.wire.doors import FORM_OPERATION
from pilvi.wire.http import Request, Response
from pilvi.wire.model import OperationModel, ServiceModel
from pilvi.wire.multipart import FormReader, MalformedForm, TooManyFields
from pilvi.wire.scalars import escape
from pilvi.wire.xmltext import PROLOG

_PUT: Final = "PutObject"
_RENAMED: Final = {"acl": "x-amz-acl"}
_HEADERS: Final = frozenset(
    {
        "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5", "content-type",
        "expires",
    }
)  # fmt: skip
_SIGNATURE: Final = frozenset(
    {"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature", "x-amz-tagging"}
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class FormCodec(S3Codec):
    """Forms in, PutObject's answers out."""

    unfolds = True

    def __init__(self, service: ServiceModel, protocol: str) -> None:  # noqa: ARG002 - forms speak as S3 does otherwise
        super().__init__(service, "rest-xml")

    def form_reader(self, request: Request) -> FormReader:
        """What takes the form's bytes.

        Raises:
            CloudError: PreconditionFailed, where the request is no form.
        """
        kind = request.headers.get("content-type", "")
        if not kind.lower().startswith("multipart/form-data"):
            raise _not_a_form()
        try:
            return FormReader(multipart.boundary_of(kind))
        except MalformedForm as error:
            raise problem(error) from None

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """PutObject's members, and the fields as they came in `Form`."""
        if request.form is None:
            raise _not_a_form()
        key = request.form.get("key", "")
        if not key:
            raise _no_field("key")
        put = Match(match.service, _PUT, match.protocol, {**match.params, "Key": key}, match.query)
        headers = dict(self._headers(request.form))
        shape = super().parse(put, replace(request, method="PUT", headers=headers))
        super().validate(_PUT, shape)
        return {**shape, "Form": request.form}

    def validate(self, operation: str, shape: Mapping[str, Any]) -> None:
        """`parse` has done it: what is validated are the members of PutObject."""

    def _headers(self, form: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """The headers of the PUT that would do the same. Text in headers is Latin-1 that stands for bytes."""
        for field, value in form.items():
            name = _RENAMED.get(field, field)
            if name in _HEADERS or (name.startswith("x-amz-") and name not in _SIGNATURE):
                if _CONTROL.search(value):
                    raise faults.named(MalformedRequest, "InvalidArgument", 400)(
                        f"The field {field} holds what no header can hold.", fields={"ArgumentName": field}
                    )
                yield name, value.strip().encode().decode("latin-1")
        if form.get("tagging"):
            yield "x-amz-tagging", self._tags(form["tagging"])

    def _tags(self, document: str) -> str:
        """The tags of a Tagging document, as a header has them."""
        labels = {"Bucket": "any", "Key": "any"}
        request = Request("PUT", "/any/any", "tagging", {}, document.encode())
        shape = super().parse(Match("s3", "PutObjectTagging", "rest-xml", labels), request)
        super().validate("PutObjectTagging", shape)
        tags = shape["Tagging"]["TagSet"]
        return "&".join(f"{quote(tag['Key'], safe='')}={quote(tag['Value'], safe='')}" for tag in tags)

    def streaming_input(self, operation: str) -> str:  # noqa: ARG002
        return "Body"

    def operation(self, name: str) -> OperationModel:
        """The checksums and limits of a form are PutObject's."""
        return super().operation(_PUT if name == FORM_OPERATION else name)

    def serialise(self, operation: str, result: dict[str, Any] | None, request_id: str) -> Response:  # noqa: ARG002
        """Status and envelope as the form wishes.

        Args:
            result: {"Put": PutObject's output, "Bucket", "Key", "Location", "Status": "200" | "201" | "204",
                "Redirect": a URL or ""}.
        """
        assert result is not None
        response = super().serialise(_PUT, result["Put"], request_id)
        target = _redirect(result) if result["Redirect"] else ""
        response.headers.append(("Location", target or result["Location"]))
        if target:
            response.status = 303
        else:
            response.status = int(result["Status"])
            if response.status == 201:
                _set_type(response, self.content_type)
                response.body = _document(result)
        return response


def _redirect(result: Mapping[str, Any]) -> str:
    """The page to go to, told what was stored; "" when the form names none that can be."""
    try:
        page = urlsplit(result["Redirect"])
    except ValueError:
        return ""
    if page.scheme not in ("http", "https") or not page.netloc or _CONTROL.search(result["Redirect"]):
        return ""
    told = (("bucket", result["Bucket"]), ("key", result["Key"]), ("etag", result["Put"]["ETag"]))
    query = "&".join([*filter(None, [page.query]), *(f"{name}={quote(value, safe='')}" for name, value in told)])
    return str(page._replace(query=query, fragment="").geturl())


def _document(result: Mapping[str, Any]) -> bytes:
    values = {"Location": result["Location"], "Bucket": result["Bucket"], "Key": result["Key"]}
    values["ETag"] = result["Put"]["ETag"]
    members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
    return f"{PROLOG}<PostResponse>{members}</PostResponse>".encode()


def _set_type(response: Response, kind: str) -> None:
    others = [(name, value) for name, value in response.headers if name.lower() != "content-type"]
    response.headers = [("Content-Type", kind), *others]


# -- errors --------------------------------------------------------------------------------------------------------------


def problem(error: MalformedForm | TooManyFields) -> CloudError:
    """What is wrong with a form's bytes, in S3's words."""
    if isinstance(error, TooManyFields):
        return faults.named(MalformedRequest, "MaxPostPreDataLengthExceededError", 400)(
            "Your POST request fields preceding the upload file were too large.",
            fields={"MaxPostPreDataLengthBytes": str(multipart.FIELDS_BYTES_MAX)},
        )
    return faults.named(MalformedRequest, "MalformedPOSTRequest", 400)(
        "The body of your POST request is not well-formed multipart/form-data."
    )


def no_file() -> CloudError:
    return faults.named(MalformedRequest, "InvalidArgument", 400)(
        "POST requires exactly one file upload per request.", fields={"ArgumentName": "file", "ArgumentValue": "0"}
    )


def _no_field(name: str) -> CloudError:
    return faults.named(MalformedRequest, "InvalidArgument", 400)(
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields.",
        fields={"ArgumentName": name, "ArgumentValue": ""},
    )


def _not_a_form() -> CloudError:
    return faults.named(MalformedRequest, "PreconditionFailed", 412)(
        "At least one of the pre-conditions you specified did not hold",
        fields={"Condition": "Bucket POST must be of the enclosure-type multipart/form-data"},
    )
