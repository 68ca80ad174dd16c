"""AWS JSON 1.0 and 1.1: POST / with X-Amz-Target, the whole input and the whole output as one JSON object.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from pilvi.core.errors import CloudError
from pilvi.wire import events, eventstream, faults
from pilvi.wire.codec import Codec, Match, Parser, Serialiser
from pilvi.wire.eventstream import Frame
from pilvi.wire.http import Request, Response
from pilvi.wire.model import OperationModel, Ref, ServiceModel, Shape
from pilvi.wire.scalars import encode_json
from pilvi.wire.values import ValueReader, ValueWriter

decode_json = msgspec.json.Decoder().decode
EVENT_STREAM = "application/vnd.amazon.eventstream"

# Services that write the full name of an error's shape. Faults of the framework under them have its names.
NAMESPACES = {"dynamodb": "com.amazonaws.dynamodb.v20120810#", "sqs": "com.amazonaws.sqs#"}
FRAMEWORK = "com.amazon.coral.service#"
VALIDATION = "com.amazon.coral.validate#ValidationException"


class JsonCodec(Codec):
    """One service in AWS JSON."""

    event_content_type = "application/json"
    empty: ClassVar[bytes] = b"{}"

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        super().__init__(service, protocol)
        self.reader = ValueReader(service, self.source)
        self.writer = ValueWriter(service, self.source)
        self.modelled = faults.Modelled(service)
        self.content_type = f"application/x-amz-json-{service.metadata.json_version}"

    def compile_parser(self, operation: OperationModel) -> Parser:
        if operation.input is None:
            return self._parse_nothing
        if self.event_stream(operation.input):
            return self._stream_parser(operation.input)
        read, empty = self.payload_reader(operation.input), self.empty

        def parse(_: Match, request: Request) -> dict[str, Any]:
            return read(request.body or empty)  # type: ignore[no-any-return]

        return parse

    def _parse_nothing(self, _: Match, request: Request) -> dict[str, Any]:
        """The parser of an operation without input; what is sent must still be readable."""
        if request.body:
            self.decode(request.body)
        return {}

    def _stream_parser(self, ref: Ref) -> Parser:
        """The first frame may be an initial-request with the members beside the stream."""
        member = self.event_stream(ref)
        reader = self.event_reader(self.service.shape(ref).members[member])
        read, empty = self.payload_reader(ref), self.empty

        def parse(_: Match, request: Request) -> dict[str, Any]:
            frames = list(eventstream.decode(request.body))
            initial = _initial_request(frames)
            return {**read(initial or empty), member: reader.events(frames)}

        return parse

    def compile_serialiser(self, operation: OperationModel) -> Serialiser:
        if operation.output is None:
            return lambda _, request_id: self.answer_nothing(request_id)
        if self.event_stream(operation.output):
            return self._stream_serialiser(operation.output)
        write = self.payload_writer(operation.output)

        def serialise(result: dict[str, Any], request_id: str) -> Response:
            return Response(200, self.headers(self.content_type, request_id), write(result))

        return serialise

    def answer_nothing(self, request_id: str) -> Response:
        """The answer of an operation without output."""
        return Response(200, self.headers(self.content_type, request_id), self.empty)

    def _stream_serialiser(self, ref: Ref) -> Serialiser:
        member = self.event_stream(ref)
        writer = self.event_writer(self.service.shape(ref).members[member])
        write = self.payload_writer(ref)

        def serialise(result: dict[str, Any], request_id: str) -> Response:
            rest = {name: value for name, value in result.items() if name != member}
            first = events.initial_response(write(rest), self.event_content_type)
            body = first + writer.frames(result.get(member, ()))
            return Response(200, self.headers(EVENT_STREAM, request_id), body)

        return serialise

    def payload_reader(self, ref: Ref) -> Callable[[bytes], Any]:
        read = self.source.function(self.reader.of(ref))
        return lambda body: read(decode_json(body))

    def payload_writer(self, ref: Ref) -> Callable[[Any], bytes]:
        name = self.writer.of(ref)
        if not name:
            return encode_json
        write = self.source.function(name)
        return lambda value: encode_json(write(value))

    def render(self, error: CloudError, operation: str | None, request_id: str) -> Response:  # noqa: ARG002
        code, status = faults.code_and_status(error, self.service.name, self.protocol)
        found = self.modelled.get(code)
        body = {"__type": self.type_name(code, found), **self.error_members(error, found)}
        response = Response(status, self.headers(self.content_type, request_id), self.encode(body))
        if self.service.query_compatible:
            name = self.modelled.query_code(*found) if found else code
            kind = "Receiver" if error.fault == "server" else "Sender"
            response.headers.append(("x-amzn-query-error", f"{name};{kind}"))
        return response

    def type_name(self, code: str, found: tuple[str, Shape] | None) -> str:
        namespace = NAMESPACES.get(self.service.name, "")
        if found is not None:
            return namespace + found[0]
        if not namespace:
            return code
        return VALIDATION if code == "ValidationException" else FRAMEWORK + code

    def error_members(self, error: CloudError, found: tuple[str, Shape] | None) -> dict[str, Any]:
        """The members of an error's shape; the message under the name that the shape gives it."""
        if found is None:
            return {"message": error.message, **error.fields}
        members: dict[str, Any] = {}
        if error.message or message_member(found[1]) in found[1].members:
            members[message_member(found[1])] = error.message
        return self.write_members(found[0], members | dict(error.fields))

    def write_members(self, shape: str, members: dict[str, Any]) -> dict[str, Any]:
        name = self.writer.of(Ref(shape=shape))
        known = self.service.shapes[shape].members
        own = {member: value for member, value in members.items() if member in known}
        other = {member: value for member, value in members.items() if member not in known}
        return {**(self.source.function(name)(own) if name else own), **other}

    def encode(self, body: dict[str, Any]) -> bytes:
        return encode_json(body)

    def decode(self, body: bytes) -> Any:
        return decode_json(body)


def message_member(shape: Shape) -> str:
    """How an error's shape spells its message: message or Message."""
    return next((name for name in shape.members if name.lower() in {"message", "errormessage"}), "message")


def _initial_request(frames: list[Frame]) -> bytes:
    """Takes the initial-request off a list of frames; its payload."""
    if frames:
        first = eventstream.unwrap(frames[0])
        if first is not None and first.headers.get(":event-type") == "initial-request":
            del frames[0]
            return first.payload
    return b""
