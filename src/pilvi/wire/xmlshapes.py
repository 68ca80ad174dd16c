"""Typed values as XML elements and back: the bodies of rest-xml, and the answers of query and ec2.

Reading walks the elements that are there. Writing builds one f-string a structure: the first time that a structure is
written with a certain set of members present, a function for exactly that set is generated and kept; lists of a
thousand equal-shaped entries then cost little more than the copying of their text.
"""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from pilvi.wire import scalars
from pilvi.wire.compile import Shapes, Source
from pilvi.wire.model import Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed, escape, escape_attribute

SHAPES_OF_ONE_STRUCTURE_MAX = 256  # sets of present members remembered for one structure
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class XmlReader(Shapes):
    """Generates functions that take an element and return its value."""

    def __init__(self, service: ServiceModel, source: Source) -> None:
        super().__init__(service, source, "read")
        source.scope.update(ELEMENT_LEAVES)

    def leaf(self, ref: Ref, shape: Shape) -> str:
        if shape.document or ref.jsonvalue or shape.jsonvalue:
            return "read_document"
        if shape.type == "timestamp":
            return f"read_{ref.timestamp_format or shape.timestamp_format or 'iso8601'}".lower()
        return f"read_{shape.type}"

    def structure(self, name: str, shape: Shape) -> None:
        places: dict[str, str] = {}
        attributes: dict[str, str] = {}
        for member, inner in shape.members.items():
            if inner.xml_attribute:
                attributes[attribute_name(inner, member)] = repr(member)
            elif inner.location in {"", "uri"}:
                many, function = self._place(inner)
                places[element_name(self.service, inner, member)] = f"({member!r}, {many}, {function})"
        table = self.source.unused(f"{name}_children")
        self.source.table(table, places)
        names = self.source.unused(f"{name}_attributes")
        self.source.table(names, attributes)
        text = READ_STRUCTURE if attributes else READ_PLAIN_STRUCTURE
        self.source.define(text.format(name=name, table=table, attributes=names))

    def _place(self, ref: Ref) -> tuple[int, str]:
        """How a child element is taken in: once (0), as one of a flattened list (1), as an entry of a flat map (2)."""
        shape = self.service.shape(ref)
        if not is_flat(ref, shape):
            return 0, self.of(ref)
        if shape.type == "list":
            return 1, self.of(shape.member)
        name = self.source.unused(f"read_flat_{ref.shape}")
        self._map(name, shape, "(element,)")
        return 2, name

    def listing(self, name: str, shape: Shape) -> None:
        self.source.define(f"def {name}(element):\n    return [{self.of(shape.member)}(child) for child in element]")

    def mapping(self, name: str, shape: Shape) -> None:
        self._map(name, shape, "element")

    def _map(self, name: str, shape: Shape, entries: str) -> None:
        self.source.define(
            READ_MAP.format(
                name=name,
                entries=entries,
                key_name=shape.key.location_name or "key",
                value_name=shape.value.location_name or "value",
                read_key=self.of(shape.key),
                read_value=self.of(shape.value),
            )
        )


READ_PLAIN_STRUCTURE = """
def {name}(element):
    out = {{}}
    for child in element:
        place = {table}.get(child.tag.rpartition("}}")[2])
        if place is None:
            continue
        member, many, read = place
        if many == 0:
            out[member] = read(child)
        elif many == 1:
            out.setdefault(member, []).append(read(child))
        else:
            out.setdefault(member, {{}}).update(read(child))
    return out
"""
READ_STRUCTURE = (
    READ_PLAIN_STRUCTURE.removesuffix("    return out\n")
    + """    for key, text in element.attrib.items():
        member = {attributes}.get(key)
        if member is not None:
            out[member] = text
    return out
"""
)
READ_MAP = """
def {name}(element):
    out = {{}}
    for entry in {entries}:
        key = value = None
        for child in entry:
            tag = child.tag.rpartition("}}")[2]
            if tag == {key_name!r}:
                key = {read_key}(child)
            elif tag == {value_name!r}:
                value = {read_value}(child)
        if key is not None and value is not None:
            out[key] = value
    return out
"""


class XmlWriter(Shapes):
    """Generates functions that return the text inside an element.

    Args:
        millis: timestamps always have three digits after the second (S3, EC2).
    """

    def __init__(self, service: ServiceModel, source: Source, *, millis: bool = False) -> None:
        super().__init__(service, source, "write")
        self.millis = millis
        source.scope.update(TEXT_LEAVES)

    def leaf(self, ref: Ref, shape: Shape) -> str:
        if shape.document or ref.jsonvalue or shape.jsonvalue:
            return "write_document"
        if shape.type == "timestamp":
            form = ref.timestamp_format or shape.timestamp_format or "iso8601"
            return "write_iso8601_millis" if self.millis and form == "iso8601" else f"write_{form}".lower()
        return f"write_{shape.type}"

    def structure(self, name: str, shape: Shape) -> None:
        forms = self.source.constant(f"{name}_forms", _Forms(lambda keys: self._form(name, shape, keys)))
        self.source.define(f"def {name}(value):\n    return {forms}[tuple(value)](value)")

    def _form(self, name: str, shape: Shape, present: tuple[str, ...]) -> Callable[[dict[str, Any]], str]:
        """The function for values that have exactly these members."""
        order = {member: place for place, member in enumerate(shape.members)}
        parts = [
            self.element(shape.members[member], member, f"value[{member!r}]")
            for member in sorted(present, key=order.__getitem__)
            if not shape.members[member].xml_attribute and shape.members[member].location != "header"
        ]
        form = self.source.unused(f"{name}_form")
        self.source.define(f"def {form}(value):\n    return {_joined(parts)}")
        return self.source.function(form)

    def element(self, ref: Ref, member: str, value: str) -> str:
        """The body of an f-string that writes a member as an element (or, flattened, as several)."""
        shape = self.service.shape(ref)
        name = element_name(self.service, ref, member)
        if is_flat(ref, shape):
            return f"{{{self._flat(ref, shape, name)}({value})}}"
        return f"<{name}{_namespace(ref, shape)}{self.attributes(shape, value)}>{self._content(ref, shape, value)}</{name}>"

    def _content(self, ref: Ref, shape: Shape, value: str) -> str:
        if shape.type in {"integer", "long"}:
            return f"{{{value}:d}}"
        return f"{{{self.of(ref)}({value})}}"

    def attributes(self, shape: Shape, value: str) -> str:
        """The part of an f-string that writes members which are XML attributes."""
        return "".join(
            f"{{write_attribute({inner.location_name or member!r}, {value}.get({member!r}))}}"
            for member, inner in shape.members.items()
            if inner.xml_attribute
        )

    def _flat(self, ref: Ref, shape: Shape, name: str) -> str:
        """The function that writes each entry of a flattened list or map under the list's own name."""
        key = ("flat", ref.shape, name)
        function = self._names.get(key)
        if function is None:
            function = self._names[key] = self.source.unused(f"write_flat_{ref.shape}")
            if shape.type == "list":
                self.source.define(self._list_text(function, shape.member, name))
            else:
                self.source.define(self._map_text(function, shape, name))
        return function

    def listing(self, name: str, shape: Shape) -> None:
        self.source.define(self._list_text(name, shape.member, shape.member.location_name or "member"))

    def _list_text(self, function: str, item: Ref, name: str) -> str:
        shape = self.service.shape(item)
        inner = f"<{name}{_namespace(item, shape)}{self.attributes(shape, 'item')}>{self._content(item, shape, 'item')}</{name}>"
        return f'def {function}(value):\n    return "".join([f"{inner}" for item in value])'

    def mapping(self, name: str, shape: Shape) -> None:
        self.source.define(self._map_text(name, shape, "entry"))

    def _map_text(self, function: str, shape: Shape, name: str) -> str:
        key = self.element(shape.key, "key", "key")
        value = self.element(shape.value, "value", "item")
        return (
            f"def {function}(value):\n"
            f'    return "".join([f"<{name}>{key}{value}</{name}>" for key, item in value.items()])'
        )


class _Forms(dict[tuple[str, ...], Callable[[dict[str, Any]], str]]):
    """Functions by the set of members present; what is missing is generated."""

    def __init__(self, make: Callable[[tuple[str, ...]], Callable[[dict[str, Any]], str]]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, present: tuple[str, ...]) -> Callable[[dict[str, Any]], str]:
        if len(self) >= SHAPES_OF_ONE_STRUCTURE_MAX:
            self.clear()
        made = self[present] = self._make(present)
        return made


def _joined(parts: list[str]) -> str:
    return 'f"' + "".join(parts) + '"' if parts else '""'


# --- names ------------------------------------------------------------------------------------------------------------


def is_flat(ref: Ref, shape: Shape) -> bool:
    return ref.flattened or shape.flattened


def element_name(service: ServiceModel, ref: Ref, member: str) -> str:
    """The element of a structure's member. A flattened list without a name of its own has its entries' name."""
    if ref.location_name:
        return ref.location_name
    shape = service.shape(ref)
    if shape.type == "list" and is_flat(ref, shape) and shape.member.location_name:
        return shape.member.location_name
    return member


def _namespace(ref: Ref, shape: Shape) -> str:
    return namespace_attribute(ref.xml_namespace or shape.xml_namespace).replace('"', '\\"')


def attribute_name(ref: Ref, member: str) -> str:
    """An attribute as the parser names it: with its namespace, not with a prefix."""
    prefix, colon, name = (ref.location_name or member).rpartition(":")
    return f"{XSI}{name}" if colon and prefix == "xsi" else name


def namespace_attribute(namespace: dict[str, str] | str) -> str:
    """The xmlns attribute that the model asks for, with a space before it; or nothing."""
    if isinstance(namespace, str):
        return f' xmlns="{namespace}"' if namespace else ""
    prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
    return f' xmlns{prefix}="{namespace["uri"]}"'


# --- leaves -----------------------------------------------------------------------------------------------------------


def _from_element(read: Callable[[str], Any]) -> Callable[[Element], Any]:
    def read_element(element: Element) -> Any:
        return read(element.text or "")

    return read_element


def read_string(element: Element) -> str:
    if len(element):
        raise Malformed(f"{element.tag} has elements where text is expected")
    return element.text or ""


def write_attribute(name: str, value: str | None) -> str:
    return "" if value is None else f' {name}="{escape_attribute(value)}"'


_read_integer = _from_element(scalars.read_integer)
_read_float = _from_element(scalars.read_float)

ELEMENT_LEAVES: dict[str, Any] = {
    "read_blob": _from_element(scalars.read_blob),
    "read_boolean": _from_element(scalars.read_boolean),
    "read_character": read_string,
    "read_document": _from_element(scalars.read_document),
    "read_double": _read_float,
    "read_float": _read_float,
    "read_integer": _read_integer,
    "read_iso8601": _from_element(scalars.read_iso8601),
    "read_long": _read_integer,
    "read_rfc822": _from_element(scalars.read_rfc822),
    "read_string": read_string,
    "read_unixtimestamp": _from_element(scalars.read_unixtimestamp),
}
TEXT_LEAVES: dict[str, Any] = {
    "write_attribute": write_attribute,
    "write_blob": scalars.write_blob,
    "write_boolean": scalars.write_boolean,
    "write_character": escape,
    "write_document": scalars.write_document,
    "write_double": scalars.write_float,
    "write_float": scalars.write_float,
    "write_integer": str,
    "write_iso8601": scalars.write_iso8601,
    "write_iso8601_millis": scalars.write_iso8601_millis,
    "write_long": str,
    "write_rfc822": scalars.write_rfc822,
    "write_string": escape,
    "write_unixtimestamp": scalars.write_unixtimestamp,
}
