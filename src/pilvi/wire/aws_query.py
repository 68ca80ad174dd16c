"""The query protocol and EC2's variant of it: a form comes in (Action, Version, members by dotted names), XML goes out.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
"""

from collections.abc import Callable
from typing import Any

from pilvi.core.errors import CloudError
from pilvi.wire import faults, forms, scalars
from pilvi.wire.codec import Codec, Match, Parser, Serialiser
from pilvi.wire.compile import Shapes, Source
from pilvi.wire.http import Request, Response
from pilvi.wire.model import OperationModel, Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed, escape
from pilvi.wire.xmlnames import is_flat, namespace_attribute
from pilvi.wire.xmltext import PROLOG
from pilvi.wire.xmlwrite import XmlWriter

INDEX_DIGITS_MAX = 9


class FormReader(Shapes):
    """Generates functions that read a value from the tree of a form's names."""

    def __init__(self, service: ServiceModel, source: Source, *, ec2: bool) -> None:
        super().__init__(service, source, "read")
        self.ec2 = ec2
        source.scope.update(FORM_LEAVES)

    def leaf(self, ref: Ref, shape: Shape) -> str:
        if shape.document:
            return "read_document"
        if shape.type == "timestamp":
            return f"read_{ref.timestamp_format or shape.timestamp_format or 'iso8601'}".lower()
        return f"read_{shape.type}"

    def structure(self, name: str, shape: Shape) -> None:
        places = {
            wire: f"({member!r}, {self._function(inner)})"
            for member, inner in shape.members.items()
            for wire in self._wire_names(inner, member)
        }
        table = self.source.unused(f"{name}_members")
        self.source.table(table, places)
        self.source.define(READ_STRUCTURE.format(name=name, table=table))

    def _wire_names(self, ref: Ref, member: str) -> set[str]:
        if self.ec2:
            return {ref.query_name or _capitalised(ref.location_name or member)}
        shape = self.service.shape(ref)
        names = {ref.location_name or member}
        if shape.type == "list" and is_flat(ref, shape) and shape.member.location_name:
            names.add(shape.member.location_name)  # some clients name a flattened list by its entries
        return names

    def _function(self, ref: Ref) -> str:
        shape = self.service.shape(ref)
        if shape.type in {"list", "map"} and (ref.flattened and not shape.flattened):
            name = self.source.unused(f"read_flat_{ref.shape}")
            self._define(name, shape, flat=True)
            return name
        return self.of(ref)

    def listing(self, name: str, shape: Shape) -> None:
        self._define(name, shape, flat=shape.flattened or self.ec2)

    def mapping(self, name: str, shape: Shape) -> None:
        self._define(name, shape, flat=shape.flattened)

    def _define(self, name: str, shape: Shape, *, flat: bool) -> None:
        if shape.type == "list":
            step = "" if flat else shape.member.location_name or "member"
            self.source.define(READ_LIST.format(name=name, step=step, read=self.of(shape.member)))
            return
        self.source.define(
            READ_MAP.format(
                name=name,
                step="" if flat else "entry",
                key_name=shape.key.location_name or "key",
                value_name=shape.value.location_name or "value",
                read_key=self.of(shape.key),
                read_value=self.of(shape.value),
            )
        )


READ_STRUCTURE = """
def {name}(node):
    if node.__class__ is not dict:
        if node == "":
            return {{}}
        raise Malformed("Unexpected simple type where a structure is expected")
    out = {{}}
    for key, item in node.items():
        place = {table}.get(key)
        if place is not None:
            out[place[0]] = place[1](item)
    return out
"""
READ_LIST = """
def {name}(node):
    return [{read}(item) for item in numbered(node, {step!r})]
"""
READ_MAP = """
def {name}(node):
    out = {{}}
    for entry in numbered(node, {step!r}):
        if entry.__class__ is not dict or {key_name!r} not in entry:
            raise Malformed("a map entry has no key")
        out[{read_key}(entry[{key_name!r}])] = {read_value}(entry.get({value_name!r}, ""))
    return out
"""


def numbered(node: Any, step: str) -> list[Any]:
    """The entries of a list or map (1, 2, ... under `step`) in the order of their numbers."""
    if node == "":
        return []
    if node.__class__ is dict and step and step in node:
        node = node[step]
        if node == "":
            return []
    if node.__class__ is not dict:
        raise Malformed("Unexpected simple type where a list or map is expected")
    for key in node:
        if not (key.isascii() and key.isdigit()) or len(key) > INDEX_DIGITS_MAX:
            raise Malformed(f"Unexpected list element termination: {key!r} is not an index")
    return [node[key] for key in sorted(node, key=int)]


class QueryCodec(Codec):
    """One service in the query protocol."""

    ec2 = False
    content_type = "text/xml"

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        super().__init__(service, protocol)
        self.reader = FormReader(service, self.source, ec2=self.ec2)
        self.writer = XmlWriter(service, self.source, millis=service.name == "ec2")
        self.modelled = faults.Modelled(service)
        self.namespace = namespace_attribute(service.metadata.xml_namespace)

    def compile_parser(self, operation: OperationModel) -> Parser:
        if operation.input is None:
            return lambda *_: {}
        read = self.source.function(self.reader.of(operation.input))

        def parse(match: Match, request: Request) -> dict[str, Any]:
            found = forms.pairs(request.body.decode()) if request.body else ()
            return read(forms.tree(match.query + found))  # type: ignore[no-any-return]

        return parse

    def compile_serialiser(self, operation: OperationModel) -> Serialiser:
        name, wrapper = operation.name, ""
        write: Callable[[Any], str] | None = None
        if operation.output is not None:
            write = self.source.function(self.writer.of(operation.output))
            wrapper = operation.output.result_wrapper or f"{name}Result"
        begin, end = self.envelope(name, wrapper)

        def serialise(result: dict[str, Any], request_id: str) -> Response:
            inner = write(result) if write is not None else ""
            body = f"{begin}{inner}{end.format(escape(request_id))}"
            return Response(200, self.headers(self.content_type, request_id), body.encode())

        return serialise

    def envelope(self, name: str, wrapper: str) -> tuple[str, str]:
        """What stands before and after the members of a result; {} is the request id."""
        opened, closed = (f"<{wrapper}>", f"</{wrapper}>") if wrapper else ("", "")
        return (
            f"<{name}Response{self.namespace}>{opened}",
            f"{closed}<ResponseMetadata><RequestId>{{}}</RequestId></ResponseMetadata></{name}Response>",
        )

    def render(self, error: CloudError, operation: str | None, request_id: str) -> Response:  # noqa: ARG002
        code, status = faults.code_and_status(error, self.service.name, self.protocol)
        members = self.error_members(error, code)
        body = self.error_text(error, code, members, request_id)
        return Response(status, self.headers(self.content_type, request_id), body.encode())

    def error_text(self, error: CloudError, code: str, members: str, request_id: str) -> str:
        return error_response(self.namespace, error, code, members, request_id)

    def error_members(self, error: CloudError, code: str) -> str:
        return error_fields(error, self.modelled.get(code), self.writer, self.source)


def error_response(namespace: str, error: CloudError, code: str, members: str, request_id: str) -> str:
    """An error as query and rest-xml services write it."""
    kind = "Receiver" if error.fault == "server" else "Sender"
    return (
        f"<ErrorResponse{namespace}><Error><Type>{kind}</Type>{code_and_message(error, code)}{members}</Error>"
        f"<RequestId>{escape(request_id)}</RequestId></ErrorResponse>"
    )


def code_and_message(error: CloudError, code: str) -> str:
    message = f"<Message>{escape(error.message)}</Message>" if error.message else ""
    return f"<Code>{escape(code)}</Code>{message}"


def error_fields(error: CloudError, found: tuple[str, Shape] | None, writer: XmlWriter, source: Source) -> str:
    """The members of an error's shape besides its message; those that the shape does not have as plain text."""
    known = found[1].members if found else {}
    own = {name: value for name, value in error.fields.items() if name in known and name.lower() != "message"}
    other = "".join(
        f"<{name}>{escape(str(value))}</{name}>" for name, value in error.fields.items() if name not in known
    )
    if not own or found is None:
        return other
    text: str = source.function(writer.of(Ref(shape=found[0])))(own)
    return text + other


class Ec2Codec(QueryCodec):
    """EC2: flattened lists, capitalised names, requestId instead of ResponseMetadata."""

    ec2 = True
    content_type = "text/xml;charset=UTF-8"

    def envelope(self, name: str, wrapper: str) -> tuple[str, str]:  # noqa: ARG002
        begin = f"{PROLOG}<{name}Response{self.namespace}>"
        return begin, f"<requestId>{{}}</requestId></{name}Response>"

    def error_text(self, error: CloudError, code: str, members: str, request_id: str) -> str:
        return (
            f"{PROLOG}<Response><Errors><Error>{code_and_message(error, code)}{members}</Error></Errors>"
            f"<RequestID>{escape(request_id)}</RequestID></Response>"
        )


def _capitalised(name: str) -> str:
    return name[:1].upper() + name[1:]


# --- leaves -----------------------------------------------------------------------------------------------------------


def _from_node(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    def read_node(node: Any) -> Any:
        if node.__class__ is not str:
            raise Malformed("Unexpected complex type where a simple value is expected")
        return read(node)

    return read_node


_read_integer = _from_node(scalars.read_integer)
_read_float = _from_node(scalars.read_float)
_read_text = _from_node(scalars.read_text)

FORM_LEAVES: dict[str, Any] = {
    "Malformed": Malformed,
    "numbered": numbered,
    "read_blob": _from_node(scalars.read_blob),
    "read_boolean": _from_node(scalars.read_boolean),
    "read_character": _read_text,
    "read_document": _from_node(scalars.read_document),
    "read_double": _read_float,
    "read_float": _read_float,
    "read_integer": _read_integer,
    "read_iso8601": _from_node(scalars.read_iso8601),
    "read_long": _read_integer,
    "read_rfc822": _from_node(scalars.read_rfc822),
    "read_string": _read_text,
    "read_unixtimestamp": _from_node(scalars.read_unixtimestamp),
}
