"""What every protocol's codec is: requests to typed values, typed values and errors to responses.

A codec belongs to one service in one protocol. It compiles a parser and a serialiser for an operation when that
operation is first used.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from pilvi.core.errors import CloudError, MalformedRequest
from pilvi.wire import faults, validate
from pilvi.wire.compile import Source
from pilvi.wire.compression import plain_body
from pilvi.wire.events import EventReader, EventWriter
from pilvi.wire.http import Headers, Request, Response
from pilvi.wire.model import OperationModel, Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed


class Match(msgspec.Struct, frozen=True):
    """Where a request goes.

    Attributes:
        params: labels of the URI template by their names, percent-decoded.
        query: the query string's names and values in order, decoded.
    """

    service: str
    operation: str
    protocol: str
    params: Mapping[str, str] = {}
    query: tuple[tuple[str, str], ...] = ()


Parser = Callable[[Match, Request], dict[str, Any]]
Serialiser = Callable[[dict[str, Any], str], Response]

UNREADABLE = (Malformed, msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Codec:
    """One service in one protocol.

    A subclass implements `compile_parser`, `compile_serialiser` and `render`.

    Attributes:
        unfolds: a request's streaming body begins with what others have in their headers.
        signed: signatures count; else all requests are the public's.
    """

    unfolds: ClassVar[bool] = False
    signed: ClassVar[bool] = True
    request_id_header: ClassVar[str] = "x-amzn-requestid"

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        self.service = service
        self.protocol = protocol
        self.source = Source(f"{service.name} {protocol}")
        self._parsers: dict[str, Parser] = {}
        self._serialisers: dict[str, Serialiser] = {}
        self._validator = validate.Validator(service)

    def parse(self, match: Match, request: Request) -> dict[str, Any]:
        """The operation's input. A streaming payload is not in it: the edge adds it once it is received.

        Raises:
            MalformedRequest: with the code that this protocol and service give to it.
        """
        parser = self._parsers.get(match.operation)
        if parser is None:
            parser = self._parsers[match.operation] = self._parser(self.operation(match.operation))
        try:
            return parser(match, request)
        except UNREADABLE as error:
            raise self.malformed(error) from None

    def _parser(self, operation: OperationModel) -> Parser:
        parse = self.compile_parser(operation)
        if operation.requestcompression is None:
            return parse
        return lambda match, request: parse(match, replace(request, body=plain_body(request)))

    def serialise(self, operation: str, result: dict[str, Any] | None, request_id: str) -> Response:
        """The answer with the operation's output."""
        serialiser = self._serialisers.get(operation)
        if serialiser is None:
            serialiser = self._serialisers[operation] = self.compile_serialiser(self.operation(operation))
        return serialiser(result or {}, request_id)

    def validate(self, operation: str, shape: Mapping[str, Any]) -> None:
        """Holds an input against the model's constraints.

        Raises:
            CloudError: ValidationError or what the service says instead, naming every broken constraint.
        """
        self._validator.validate(operation, shape)

    def error(self, error: CloudError, operation: str | None, request_id: str) -> Response:
        """The answer to a request that failed."""
        response = self.render(error, operation, request_id)
        response.headers.extend(error.headers.items())
        return response

    def streaming_input(self, operation: str) -> str:
        """The member that takes the streaming request body ("" when there is none)."""
        model = self.operation(operation)
        if model.input is None:
            return ""
        shape = self.service.shape(model.input)
        return shape.payload if self.is_streaming(shape) else ""

    def is_streaming(self, shape: Shape) -> bool:
        """Whether an input's or output's payload is a stream of bytes."""
        if not shape.payload:
            return False
        ref = shape.members[shape.payload]
        target = self.service.shape(ref)
        return target.type == "blob" and (ref.streaming or target.streaming)

    # -- for subclasses ----------------------------------------------------------------------------------------------

    def compile_parser(self, operation: OperationModel) -> Parser:
        raise NotImplementedError

    def compile_serialiser(self, operation: OperationModel) -> Serialiser:
        raise NotImplementedError

    def render(self, error: CloudError, operation: str | None, request_id: str) -> Response:
        raise NotImplementedError

    def malformed(self, error: Exception) -> CloudError:
        """The client's error for bytes that are not what the protocol describes."""
        text = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return faults.named(MalformedRequest, faults.malformed_code(self.service.name, self.protocol), 400)(text)

    # -- event streams -----------------------------------------------------------------------------------------------

    event_content_type: ClassVar[str] = ""

    def payload_writer(self, ref: Ref) -> Callable[[Any], bytes]:
        """How a structure is written as the payload of an event."""
        raise NotImplementedError

    def payload_reader(self, ref: Ref) -> Callable[[bytes], Any]:
        """How a structure is read from the payload of an event."""
        raise NotImplementedError

    def event_writer(self, ref: Ref) -> EventWriter:
        return EventWriter(self.service, ref, self.payload_writer, self.event_content_type)

    def event_reader(self, ref: Ref) -> EventReader:
        return EventReader(self.service, ref, self.payload_reader)

    # ----------------------------------------------------------------------------------------------------------------

    def operation(self, name: str) -> OperationModel:
        return self.service.operations[name]

    def headers(self, content_type: str, request_id: str) -> Headers:
        return [("Content-Type", content_type), (self.request_id_header, request_id)]

    def event_stream(self, ref: Ref | None) -> str:
        """The member of an input or output that is a stream of events ("" when there is none)."""
        if ref is None:
            return ""
        members = self.service.shape(ref).members
        return next((name for name, inner in members.items() if self.service.shape(inner).eventstream), "")
