"""REST: members travel in the path, the query string, headers and the body, which is JSON or XML.

https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html

For each operation two functions are generated. Both walk what is there (the headers of the request, the members of the
result) and look up in a table where it belongs, for operations have many optional members and use few of them.
"""

from collections.abc import Callable
from typing import Any

from pilvi.core.effects import Staged
from pilvi.core.errors import CloudError
from pilvi.wire import eventstream, faults, headers
from pilvi.wire.aws_json import EVENT_STREAM, JsonCodec, message_member
from pilvi.wire.aws_query import error_fields, error_response
from pilvi.wire.codec import Codec, Parser, Serialiser
from pilvi.wire.http import Headers, Response
from pilvi.wire.model import OperationModel, Ref, ServiceModel, Shape
from pilvi.wire.scalars import encode_json
from pilvi.wire.xmlnames import ANSWERED_ELSEWHERE, namespace_attribute
from pilvi.wire.xmlread import XmlReader
from pilvi.wire.xmltext import PROLOG, parse
from pilvi.wire.xmlwrite import XmlWriter

PAYLOAD_TYPES = {"blob": "application/octet-stream", "string": "text/plain"}

PARSE = """
def {name}(match, request):
    out = {{}}
{labels}{query}{headers}{body}    return out
"""
PARSE_LABEL = "    out[{member!r}] = {read}(match.params[{label!r}])\n"
PARSE_QUERY = """    for name, text in match.query:
        place = {table}.get(name)
        if place is not None:
            member, many, read = place
            if many:
                out.setdefault(member, []).append(read(text))
            else:
                out[member] = read(text)
"""
PARSE_QUERY_MAP = """    for name, text in match.query:
        if name not in {taken}:
            out.setdefault({member!r}, {{}}){add}
"""
PARSE_HEADERS = """    for name, text in request.headers.items():
        place = {table}.get(name)
        if place is not None:
            value = place[1](text)
            if value is not None:
                out[place[0]] = value
"""
PARSE_PREFIX = """        {choice} name.startswith({prefix!r}):
            out.setdefault({member!r}, {{}})[name[{length}:]] = text
"""

SERIALISE = """
def {name}(result, request_id):
    status = {status}
    length = None
    payload = None
    content_type = ("Content-Type", {content_type!r})
    headers = {headers}
    body = {{}}
    for member, value in result.items():
        kind, wire, write = {table}[member]
        if kind == 1:
            headers.append((wire, write(value)))
        elif kind == 0:
            body[{body_key}] = {body_value}
        elif kind == 2:
            for key, text in value.items():
                headers.append((wire + key, write(text)))
        elif kind == 3:
            payload = value
        elif kind == 4:
            length = value
        elif kind == 5:
            headers[0] = (wire, write(value))
        elif kind == 7:
            status = value
        elif value:
            headers.append((wire, write(value)))
{finish}
"""
FINISH_HEAD = """    if headers[0] is content_type:
        del headers[0]
    return Response(status, headers, b'', length)"""
FINISH_EMPTY = "    return Response(status, headers)"
FINISH_NOTHING = """    del headers[0]
    return Response(status, headers)"""
FINISH_PAYLOAD = """    if payload is None:
        del headers[0]
        return Response(status, headers)
    return Response(status, headers, {body})"""
BODY, HEADER, PREFIX, PAYLOAD, LENGTH, CONTENT_TYPE, LIST_HEADER, STATUS = range(8)


class RestCodec(Codec):
    """What rest-json and rest-xml share: everything but the body."""

    content_type = ""

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        super().__init__(service, protocol)
        self.modelled = faults.Modelled(service)
        self.source.scope.update({"Response": Response, "Staged": Staged})

    # -- requests ----------------------------------------------------------------------------------------------------

    def compile_parser(self, operation: OperationModel) -> Parser:
        if operation.input is None:
            return lambda *_: {}
        shape = self.service.shape(operation.input)
        name = self.source.unused(f"parse_{operation.name}")
        self.source.define(
            PARSE.format(
                name=name,
                labels=self._parse_labels(shape),
                query=self._parse_query(shape, name),
                headers=self._parse_headers(shape, name),
                body=self._parse_body(operation, shape, name),
            )
        )
        return self.source.function(name)

    def _located(self, shape: Shape, location: str) -> list[tuple[str, Ref]]:
        return [(member, ref) for member, ref in shape.members.items() if ref.location == location]

    def _parse_labels(self, shape: Shape) -> str:
        return "".join(
            PARSE_LABEL.format(
                member=member,
                read=self._named(headers.reader(ref, self.service.shape(ref), "iso8601")),
                label=ref.location_name or member,
            )
            for member, ref in self._located(shape, "uri")
        )

    def _parse_query(self, shape: Shape, name: str) -> str:
        places: dict[str, str] = {}
        rest = ""
        for member, ref in self._located(shape, "querystring"):
            target = self.service.shape(ref)
            if target.type == "map":
                many = self.service.shape(target.value).type == "list"
                rest += PARSE_QUERY_MAP.format(
                    taken=f"{name}_query",
                    member=member,
                    add=".setdefault(name, []).append(text)" if many else ".setdefault(name, text)",
                )
                continue
            many = target.type == "list"
            item = target.member if many else ref
            read = self._named(headers.reader(item, self.service.shape(item), "iso8601"))
            places[ref.location_name or member] = f"({member!r}, {many}, {read})"
        if not places and not rest:
            return ""
        self.source.table(f"{name}_query", places)
        return (PARSE_QUERY.format(table=f"{name}_query") if places else "") + rest

    def _parse_headers(self, shape: Shape, name: str) -> str:
        places: dict[str, str] = {}
        for member, ref in self._located(shape, "header"):
            wire = (ref.location_name or member).lower()
            read = self._named(self.header_reader(wire, ref))
            places[wire] = f"({member!r}, {read})"
        prefixes = self._located(shape, "headers")
        if not places and not prefixes:
            return ""
        self.source.table(f"{name}_headers", places)
        text = PARSE_HEADERS.format(table=f"{name}_headers")
        for number, (member, ref) in enumerate(prefixes):
            prefix = ref.location_name.lower()
            choice = "if" if number else "elif"
            text += PARSE_PREFIX.format(choice=choice, prefix=prefix, member=member, length=len(prefix))
        return text

    def header_reader(self, wire: str, ref: Ref) -> str:  # noqa: ARG002 - for subclasses
        return headers.header_reader(self.service, ref)

    def _named(self, function: str) -> str:
        """Makes one of the functions for headers usable in generated text."""
        self.source.scope[function] = headers.FUNCTIONS[function]
        return function

    def _parse_body(self, operation: OperationModel, shape: Shape, name: str) -> str:
        if shape.payload:
            return self._parse_payload(shape, name)
        if not any(self._in_body(ref) for ref in shape.members.values()):
            return ""
        read = self.source.constant(f"{name}_body", self.read_body(operation, shape))
        return f"    if request.body:\n        out.update({read}(request.body))\n"

    def _parse_payload(self, shape: Shape, name: str) -> str:
        member = shape.payload
        ref = shape.members[member]
        target = self.service.shape(ref)
        if self.is_streaming(shape):
            value = "Staged(size=len(request.body), digests={}, data=request.body)"
        elif target.type == "blob":
            value = "request.body"
        elif target.type == "string":
            value = "request.body.decode()"
        elif target.eventstream:
            reader = self.event_reader(ref)
            read = self.source.constant(f"{name}_body", lambda body: reader.events(eventstream.decode(body)))
            value = f"{read}(request.body)"
        else:
            value = f"{self.source.constant(f'{name}_body', self.payload_reader(ref))}(request.body)"
        return f"    if request.body:\n        out[{member!r}] = {value}\n"

    def _in_body(self, ref: Ref) -> bool:
        return ref.location not in {"uri", "querystring", "header", "headers"}

    # -- responses ---------------------------------------------------------------------------------------------------

    def compile_serialiser(self, operation: OperationModel) -> Serialiser:
        shape = self.service.shape(operation.output) if operation.output else Shape()
        name = self.source.unused(f"serialise_{operation.name}")
        table = self.source.unused(f"{name}_members")
        self.source.table(table, {member: self._place(ref, member, shape) for member, ref in shape.members.items()})
        key, value = self.body_entry()
        self.source.define(
            SERIALISE.format(
                name=name,
                status=operation.http.response_code,
                content_type=self.output_type(operation, shape),
                headers=self.headers_text(),
                table=table,
                body_key=key,
                body_value=value,
                finish=self._finish(operation, shape, name),
            )
        )
        return self.source.function(name)

    def headers_text(self) -> str:
        """The headers that every answer begins with, as text; the content type comes first."""
        return f"[content_type, ({self.request_id_header!r}, request_id)]"

    def _place(self, ref: Ref, member: str, shape: Shape) -> str:
        """Where a member of the output goes, as the text of (kind, name on the wire, function)."""
        wire = ref.location_name or member
        if member == shape.payload:
            return f"({PAYLOAD}, '', None)"
        if ref.location == "header":
            write = self._named(headers.header_writer(self.service, ref))
            if wire.lower() == "content-length":
                return f"({LENGTH}, '', None)"
            kinds = {"content-type": CONTENT_TYPE}
            kind = LIST_HEADER if self.service.shape(ref).type == "list" else kinds.get(wire.lower(), HEADER)
            return f"({kind}, {wire!r}, {write})"
        if ref.location == "headers":
            return f"({PREFIX}, {ref.location_name!r}, {self._named('put_text')})"
        if ref.location == "statusCode":
            return f"({STATUS}, '', None)"
        return f"({BODY}, {self.body_place(ref, member)})"

    def output_type(self, operation: OperationModel, shape: Shape) -> str:  # noqa: ARG002
        if not shape.payload:
            return self.content_type
        target = self.service.shape(shape.members[shape.payload])
        if target.eventstream:
            return EVENT_STREAM
        return PAYLOAD_TYPES.get(target.type, self.content_type)

    def _finish(self, operation: OperationModel, shape: Shape, name: str) -> str:
        """The end of a serialiser: makes the body and returns the response."""
        if operation.http.method == "HEAD":
            return FINISH_HEAD
        if shape.payload:
            return FINISH_PAYLOAD.format(body=self._payload_text(operation, shape, name))
        if not self.answers_body(operation, shape):
            return FINISH_EMPTY if self.answers_type(operation) else FINISH_NOTHING
        write = self.source.constant(f"{name}_body", self.write_body(operation, shape))
        return f"    return Response(status, headers, {write}(body))"

    def _payload_text(self, operation: OperationModel, shape: Shape, name: str) -> str:
        ref = shape.members[shape.payload]
        target = self.service.shape(ref)
        if target.type == "blob":
            return "payload"
        if target.type == "string":
            return "payload.encode()"
        if target.eventstream:
            return f"{self.source.constant(f'{name}_body', self.event_writer(ref).frames)}(payload)"
        return f"{self.source.constant(f'{name}_body', self.write_payload(operation, shape.payload, ref))}(payload)"

    def answers_body(self, operation: OperationModel, shape: Shape) -> bool:
        """Whether the members without a location make a body, be it an empty one."""
        raise NotImplementedError

    def answers_type(self, operation: OperationModel) -> bool:  # noqa: ARG002 - for subclasses
        """Whether an answer without a body has a Content-Type nevertheless."""
        return False

    # -- for subclasses ----------------------------------------------------------------------------------------------

    def read_body(self, operation: OperationModel, shape: Shape) -> Callable[[bytes], dict[str, Any]]:
        """How the members without a location are read from the body."""
        raise NotImplementedError

    def write_body(self, operation: OperationModel, shape: Shape) -> Callable[[dict[str, Any]], bytes]:
        """How the members without a location, gathered in a dict, become the body."""
        raise NotImplementedError

    def write_payload(self, operation: OperationModel, member: str, ref: Ref) -> Callable[[Any], bytes]:  # noqa: ARG002
        """How a structure that is an output's payload becomes the body."""
        return self.payload_writer(ref)

    def body_entry(self) -> tuple[str, str]:
        """Key and value, as text, under which the serialiser gathers a member (`member`, `wire`, `write`, `value`)."""
        raise NotImplementedError

    def body_place(self, ref: Ref, member: str) -> str:
        """Name on the wire and function, as text, of a member in the body."""
        raise NotImplementedError

    def error_headers(self, found: tuple[str, Shape] | None, error: CloudError) -> Headers:
        """Members of an error's shape that travel in headers."""
        if found is None:
            return []
        placed = [
            (ref.location_name or member, headers.header_writer(self.service, ref), error.fields[member])
            for member, ref in found[1].members.items()
            if ref.location == "header" and member in error.fields
        ]
        return [(name, headers.FUNCTIONS[write](value)) for name, write, value in placed]


class RestJsonCodec(RestCodec, JsonCodec):
    """One service in rest-json."""

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        super().__init__(service, protocol)
        self.content_type = "application/json"

    def output_type(self, operation: OperationModel, shape: Shape) -> str:
        if self.service.name == "lambda" and operation.name == "Invoke":
            return self.content_type  # what a function answers is JSON
        return super().output_type(operation, shape)

    def read_body(self, operation: OperationModel, shape: Shape) -> Callable[[bytes], dict[str, Any]]:
        inner = Shape(members={name: ref for name, ref in shape.members.items() if self._in_body(ref)})
        name = self.source.unused(f"read_body_{operation.name}")
        self.reader.structure(name, inner)
        read = self.source.function(name)
        return lambda body: read(self.decode(body))

    def write_body(self, operation: OperationModel, shape: Shape) -> Callable[[dict[str, Any]], bytes]:  # noqa: ARG002
        return encode_json

    def answers_body(self, operation: OperationModel, shape: Shape) -> bool:  # noqa: ARG002 - {} is a body too
        return operation.http.response_code != 204 and operation.output is not None

    def body_entry(self) -> tuple[str, str]:
        return "wire", "value if write is None else write(value)"

    def body_place(self, ref: Ref, member: str) -> str:
        return f"{ref.location_name or member!r}, {self.writer.of(ref) or None}"

    def render(self, error: CloudError, operation: str | None, request_id: str) -> Response:  # noqa: ARG002
        code, status = faults.code_and_status(error, self.service.name, self.protocol)
        found = self.modelled.get(code)
        in_headers = self.error_headers(found, error)
        if found is None:
            members = {self._message_name(): error.message, **error.fields}
        else:
            members = self._modelled_members(error, found)
        response = Response(status, self.headers(self.content_type, request_id), encode_json(members))
        response.headers.append(("x-amzn-ErrorType", code))
        response.headers.extend(in_headers)
        return response

    def _modelled_members(self, error: CloudError, found: tuple[str, Shape]) -> dict[str, Any]:
        members = {
            name: value
            for name, value in error.fields.items()
            if name not in found[1].members or found[1].members[name].location not in ANSWERED_ELSEWHERE
        }
        if self.service.name == "lambda" and "Type" in found[1].members:
            members = {"Type": "Service" if error.fault == "server" else "User", **members}
        if error.message or message_member(found[1]) in found[1].members:
            members[message_member(found[1])] = error.message
        return self.write_members(found[0], members)

    def _message_name(self) -> str:
        return "Message" if self.service.name == "lambda" else "message"


class RestXmlCodec(RestCodec):
    """One service in rest-xml."""

    content_type = "application/xml"
    event_content_type = "text/xml"
    namespace = ""
    millis = False

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        super().__init__(service, protocol)
        self.reader = XmlReader(service, self.source)
        self.writer = XmlWriter(service, self.source, millis=self.millis)
        self.namespace = self.namespace or namespace_attribute(service.metadata.xml_namespace)

    def payload_reader(self, ref: Ref) -> Callable[[bytes], Any]:
        read = self.source.function(self.reader.of(ref))
        return lambda body: read(parse(body))

    def payload_writer(self, ref: Ref) -> Callable[[Any], bytes]:
        shape = self.service.shape(ref)
        return self.root_writer(ref.location_name or shape.location_name or ref.shape, ref)

    def payload_root(self, operation: OperationModel, member: str, ref: Ref) -> str:  # noqa: ARG002 - for subclasses
        """The root element of an output's payload: the member's name if it was given one, else the shape's."""
        own = ref.location_name if ref.location_name != member else ""
        return own or self.service.shape(ref).location_name or ref.shape

    def root_writer(self, name: str, ref: Ref) -> Callable[[Any], bytes]:
        """A document whose root element has this name."""
        shape = self.service.shape(ref)
        namespace = namespace_attribute(ref.xml_namespace or shape.xml_namespace) or self.namespace
        function = self.source.unused(f"write_root_{ref.shape}")
        attributes = self.writer.attributes(shape, "value")
        self.source.define(
            f"def {function}(value):\n"
            f'    return f"{_quoted(PROLOG)}<{name}{_quoted(namespace)}{attributes}>{{{self.writer.of(ref)}(value)}}</{name}>"'
            ".encode()"
        )
        return self.source.function(function)

    def read_body(self, operation: OperationModel, shape: Shape) -> Callable[[bytes], dict[str, Any]]:
        inner = Shape(members={name: ref for name, ref in shape.members.items() if self._in_body(ref)})
        name = self.source.unused(f"read_body_{operation.name}")
        self.reader.structure(name, inner)
        read = self.source.function(name)
        return lambda body: read(parse(body))

    def write_body(self, operation: OperationModel, shape: Shape) -> Callable[[dict[str, Any]], bytes]:  # noqa: ARG002
        assert operation.output is not None, "an operation that answers a body has an output"
        return self.root_writer(self.root_name(operation), operation.output)

    def root_name(self, operation: OperationModel) -> str:
        assert operation.output is not None, "an operation that answers a body has an output"
        shape = self.service.shape(operation.output)
        return operation.output.location_name or shape.location_name or operation.output.shape

    def answers_body(self, operation: OperationModel, shape: Shape) -> bool:
        inside = any(ref.location not in ANSWERED_ELSEWHERE for ref in shape.members.values())
        return inside and operation.http.response_code != 204

    def answers_type(self, operation: OperationModel) -> bool:
        return operation.output is not None

    def write_payload(self, operation: OperationModel, member: str, ref: Ref) -> Callable[[Any], bytes]:
        return self.root_writer(self.payload_root(operation, member, ref), ref)

    def body_entry(self) -> tuple[str, str]:
        return "member", "value"

    def body_place(self, ref: Ref, member: str) -> str:  # noqa: ARG002 - the writer of the whole structure knows
        return "'', None"

    def render(self, error: CloudError, operation: str | None, request_id: str) -> Response:  # noqa: ARG002
        code, status = faults.code_and_status(error, self.service.name, self.protocol)
        found = self.modelled.get(code)
        members = error_fields(error, found, self.writer, self.source)
        body = PROLOG + error_response(self.namespace, error, code, members, request_id)
        response = Response(status, self.headers(self.content_type, request_id), body.encode())
        response.headers.extend(self.error_headers(found, error))
        return response


def _quoted(text: str) -> str:
    """Text inside the quotes of generated source."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
