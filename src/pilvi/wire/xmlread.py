"""XML elements to typed values: the bodies of rest-xml requests. Reading walks the elements that are there."""

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

from pilvi.wire import scalars
from pilvi.wire.compile import Shapes, Source
from pilvi.wire.model import Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed
from pilvi.wire.xmlnames import attribute_name, element_names, is_flat


class XmlReader(Shapes):
    """Generates functions that take an element and return its value."""

    def __init__(self, service: ServiceModel, source: Source) -> None:
        super().__init__(service, source, "read")
        source.scope.update(ELEMENT_LEAVES)

    def leaf(self, ref: Ref, shape: Shape) -> str:
        if shape.document:
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
                for name_on_wire in element_names(self.service, inner, member):
                    places[name_on_wire] = f"({member!r}, {many}, {function})"
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


# --- leaves -----------------------------------------------------------------------------------------------------------


def _from_element(read: Callable[[str], Any]) -> Callable[[Element], Any]:
    def read_element(element: Element) -> Any:
        return read(element.text or "")

    return read_element


def read_string(element: Element) -> str:
    if len(element):
        raise Malformed(f"{element.tag} has elements where text is expected")
    return element.text or ""


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
