"""S3: rest-xml, with habits from before there were models.

Roots of documents have names that the model does not tell, errors have no namespace and no wrapper, GetBucketLocation
answers bare text, timestamps always have milliseconds, and dates of conditions that cannot be read are ignored.

https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from pilvi.core.errors import CloudError, MalformedRequest
from pilvi.wire import faults
from pilvi.wire.aws_query import error_fields
from pilvi.wire.aws_rest import RestXmlCodec
from pilvi.wire.codec import UNREADABLE, Match, Parser, Serialiser
from pilvi.wire.http import Headers, Request, Response
from pilvi.wire.model import OperationModel, Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed, escape
from pilvi.wire.validate import Validator
from pilvi.wire.xmltext import PROLOG, local, parse

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ENCRYPTION = "x-amz-server-side-encryption"
MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"

LISTS = frozenset({"PutBucketAcl", "PutObjectAcl"})
"""Operations with an access control list in the body: one that cannot be read has a code of its own."""

# Root elements where the model's shape has another name. https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectLegalHold": "LegalHold",
    "GetObjectRetention": "Retention",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsOutput",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "UploadPartCopy": "CopyPartResult",
}


class MalformedDocument(Malformed):
    """What cannot be read is a document, not a header or a parameter."""


class S3Codec(RestXmlCodec):
    """S3 in rest-xml."""

    request_id_header = "x-amz-request-id"
    namespace = NAMESPACE
    millis = True

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        super().__init__(service, protocol)
        self._validator = Validator(_bodies_alone(service), lambda _: malformed_xml())

    def compile_parser(self, operation: OperationModel) -> Parser:
        parse = super().compile_parser(operation)
        return _reading(parse) if operation.name in {"GetObject", "HeadObject"} else parse

    def compile_serialiser(self, operation: OperationModel) -> Serialiser:
        if operation.name == "GetBucketLocation":
            return self._serialise_location
        if operation.name == "PutBucketPolicy":
            return self._serialise_nothing
        serialise = super().compile_serialiser(operation)
        if operation.name == "RestoreObject":
            return _begun(serialise)
        return _partial(serialise) if operation.name in {"GetObject", "HeadObject"} else serialise

    def _serialise_nothing(self, result: dict[str, Any], request_id: str) -> Response:  # noqa: ARG002
        """An answer without content, where the model does not tell of its status."""
        return Response(204, self.headers("", request_id))

    def _serialise_location(self, result: dict[str, Any], request_id: str) -> Response:
        """<LocationConstraint>eu-west-1</LocationConstraint>; an empty element means us-east-1."""
        text = escape(result.get("LocationConstraint", ""))
        body = f"{PROLOG}<LocationConstraint{NAMESPACE}>{text}</LocationConstraint>"
        return Response(200, self.headers(self.content_type, request_id), body.encode())

    def root_name(self, operation: OperationModel) -> str:
        return ROOTS.get(operation.name) or super().root_name(operation)

    def payload_root(self, operation: OperationModel, member: str, ref: Ref) -> str:
        return ROOTS.get(operation.name) or super().payload_root(operation, member, ref)

    def output_type(self, operation: OperationModel, shape: Shape) -> str:
        if operation.name == "GetBucketPolicy":
            return "application/json"
        if self.is_streaming(shape):
            return "binary/octet-stream"
        return super().output_type(operation, shape)

    def answers_type(self, operation: OperationModel) -> bool:  # noqa: ARG002
        return False

    def payload_reader(self, ref: Ref) -> Callable[[bytes], Any]:
        expected = ref.location_name
        read = self.source.function(self.reader.of(ref))

        def read_payload(body: bytes) -> Any:
            try:
                root = parse(body)
                if expected and local(root.tag) != expected:
                    raise Malformed(f"the root is not {expected}")
                return read(root)
            except UNREADABLE as error:
                raise MalformedDocument(str(error)) from error

        return read_payload

    def header_reader(self, wire: str, ref: Ref) -> str:
        name = super().header_reader(wire, ref)
        return "take_lenient_date" if name == "take_rfc822" and "if-" in wire else name

    def malformed(self, error: Exception) -> CloudError:
        """What cannot be read in a body is MalformedXML; in a header or the query string, InvalidArgument."""
        if isinstance(error, MalformedDocument):
            return malformed_xml()
        return faults.named(MalformedRequest, "InvalidArgument", 400)(str(error))

    def headers(self, content_type: str, request_id: str) -> Headers:
        return [*super().headers(content_type, request_id), ("x-amz-id-2", host_id(request_id))]

    def headers_text(self) -> str:
        return f'{super().headers_text()[:-1]}, ("x-amz-id-2", "pilvi/" + request_id)]'

    def render(self, error: CloudError, operation: str | None, request_id: str) -> Response:
        code, status = faults.code_and_status(error, self.service.name, self.protocol)
        if code == "MalformedXML" and operation in LISTS:
            code = "MalformedACLError"
        headers = self.headers(self.content_type, request_id)
        if status == 304 or (operation or "").startswith("Head"):
            return Response(status, headers[1:] if status == 304 else headers)
        members = error_fields(error, self.modelled.get(code), self.writer, self.source)
        body = (
            f"{PROLOG}<Error><Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>{members}"
            f"<RequestId>{escape(request_id)}</RequestId><HostId>{host_id(request_id)}</HostId></Error>"
        )
        return Response(status, headers, body.encode())


def _partial(serialise: Serialiser) -> Serialiser:
    """An answer with a part of an object has a status of its own, which the model does not tell."""

    def serialise_part(result: dict[str, Any], request_id: str) -> Response:
        response = serialise(result, request_id)
        if "ContentRange" in result:
            response.status = 206
        return response

    return serialise_part


def _reading(parse: Parser) -> Parser:
    """How an object is encrypted is said when it is written. Who says it in reading is refused, though no member has it."""

    def parse_reading(match: Match, request: Request) -> dict[str, Any]:
        if ENCRYPTION in request.headers:
            raise faults.named(MalformedRequest, "InvalidArgument", 400)(
                f"{ENCRYPTION} header is not supported for this operation.",
                fields={"ArgumentName": ENCRYPTION, "ArgumentValue": request.headers[ENCRYPTION]},
            )
        return parse(match, request)

    return parse_reading


def _begun(serialise: Serialiser) -> Serialiser:
    """What begins is 202 Accepted; asked again it is 200. The model tells of neither."""

    def serialise_begun(result: dict[str, Any], request_id: str) -> Response:
        response = serialise({name: value for name, value in result.items() if name != "Begins"}, request_id)
        if "Begins" in result:
            response.status = 202
        return response

    return serialise_begun


def malformed_xml() -> CloudError:
    return faults.named(MalformedRequest, "MalformedXML", 400)(MALFORMED)


def _bodies_alone(service: ServiceModel) -> ServiceModel:
    """The model with the constraints that S3 answers with MalformedXML: what must be in a body.

    For what stands elsewhere, and for values out of range, each operation has codes of its own.
    """
    shapes = {}
    for name, shape in service.shapes.items():
        required = tuple(member for member in shape.required if not shape.members[member].location)
        shapes[name] = replace(shape, enum=(), min=None, max=None, pattern="", required=required)
    return replace(service, shapes=shapes)


def host_id(request_id: str) -> str:
    """The second half of what names a request; on AWS it is opaque, here it is derived from the first."""
    return f"pilvi/{request_id}"
