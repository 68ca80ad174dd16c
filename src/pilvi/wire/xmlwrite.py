"""Typed values as XML: the answers of rest-xml, query and ec2.

Writing is one f-string a structure. The first time that a structure is written with a certain set of members present,
a function for exactly that set is generated and kept; a list of a thousand structures with the same members is one
comprehension over such an f-string.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pilvi.core.columns import Columns
from pilvi.wire import scalars
from pilvi.wire.compile import Shapes, Source
from pilvi.wire.model import Ref, ServiceModel, Shape
from pilvi.wire.scalars import escape, escape_attribute
from pilvi.wire.xmlnames import ANSWERED_ELSEWHERE, element_name, is_flat, namespace_attribute

MANY = 8  # structures in a list from which on it is worth the while to look at columns
WHOLE_SECONDS = len('"2014-04-29T18:30:38Z",')
FORMS_MAX = 256  # sets of present members remembered for one structure

Write = Callable[[Any], str]


class XmlWriter(Shapes):
    """Generates functions that return the text inside an element.

    Args:
        millis: timestamps always have three digits after the second (S3, EC2).
    """

    def __init__(self, service: ServiceModel, source: Source, *, millis: bool = False) -> None:
        super().__init__(service, source, "write")
        self.millis = millis
        source.scope.update(TEXT_LEAVES)
        source.scope["Columns"] = Columns

    def leaf(self, ref: Ref, shape: Shape) -> str:
        if shape.document:
            return "write_document"
        if shape.type == "timestamp":
            form = ref.timestamp_format or shape.timestamp_format or "iso8601"
            return "write_iso8601_millis" if self.millis and form == "iso8601" else f"write_{form}".lower()
        return f"write_{shape.type}"

    # -- structures --------------------------------------------------------------------------------------------------

    def structure(self, name: str, shape: Shape) -> None:
        forms = self.source.constant(f"{name}_forms", _Forms(lambda present: self._form(shape, present)))
        self.source.define(f"def {name}(value):\n    return {forms}[tuple(value)](value)")

    def _form(self, shape: Shape, present: tuple[str, ...]) -> Write:
        """The function for values that have exactly these members."""
        lines, body = self._members(shape, present, "value")
        return self.source.once("form", f"def form(value):\n{_indented(lines, 4)}    return {_quoted(body)}")

    def _members(self, shape: Shape, present: tuple[str, ...], value: str) -> tuple[list[str], str]:
        """Statements that take members out of `value`, and the f-string's text that writes them, in the model's order."""
        order = {member: place for place, member in enumerate(shape.members)}
        lines, parts = [], []
        for place, member in enumerate(sorted(present, key=order.__getitem__)):
            ref = shape.members[member]
            if ref.xml_attribute or ref.location in ANSWERED_ELSEWHERE:
                continue
            lines.append(f"v{place} = {value}[{member!r}]")
            parts.append(self.element(ref, member, f"v{place}"))
        return lines, "".join(parts)

    def element(self, ref: Ref, member: str, value: str) -> str:
        """The f-string's text that writes a member as an element (or, flattened, as several)."""
        shape = self.service.shape(ref)
        name = element_name(self.service, ref, member)
        if is_flat(ref, shape):
            return f"{{{self._flat(ref, shape, name)}({value})}}"
        return f"{self._begin(name, ref, shape, value)}{self._content(ref, shape, value)}</{name}>"

    def _begin(self, name: str, ref: Ref, shape: Shape, value: str) -> str:
        namespace = namespace_attribute(ref.xml_namespace or shape.xml_namespace).replace('"', '\\"')
        return f"<{name}{namespace}{self.attributes(shape, value)}>"

    def _content(self, ref: Ref, shape: Shape, value: str) -> str:
        """Text is looked at in place: most of it needs no escaping, and a call would cost more than the look."""
        if shape.type in {"integer", "long"}:
            return f"{{{value}}}"
        if shape.enum:
            return f"{{{value} if {value} in {self._enum(ref, shape)} else escape({value})}}"
        if shape.type in {"string", "character"}:
            return f"{{{value} if {CLEAN.format(value=value)} else escape({value})}}"
        return f"{{{self.of(ref)}({value})}}"

    def _enum(self, ref: Ref, shape: Shape) -> str:
        key = ("enum", ref.shape)
        if key not in self._names:
            self._names[key] = self.source.constant(f"enum_{ref.shape}", frozenset(map(escape, shape.enum)))
        return self._names[key]

    def attributes(self, shape: Shape, value: str) -> str:
        """The f-string's text that writes members which are XML attributes."""
        return "".join(
            f"{{write_attribute({inner.location_name or member!r}, {value}.get({member!r}))}}"
            for member, inner in shape.members.items()
            if inner.xml_attribute
        )

    # -- lists and maps ----------------------------------------------------------------------------------------------

    def listing(self, name: str, shape: Shape) -> None:
        self._list(name, shape.member, shape.member.location_name or "member")

    def mapping(self, name: str, shape: Shape) -> None:
        self._map(name, shape, "entry")

    def _flat(self, ref: Ref, shape: Shape, name: str) -> str:
        """The function that writes each entry of a flattened list or map under the list's own name."""
        key = ("flat", ref.shape, name)
        function = self._names.get(key)
        if function is None:
            function = self._names[key] = self.source.unused(f"write_flat_{ref.shape}")
            if shape.type == "list":
                self._list(function, shape.member, name)
            else:
                self._map(function, shape, name)
        return function

    def _list(self, function: str, item: Ref, name: str) -> None:
        shape = self.service.shape(item)
        entry = _quoted(f"{self._begin(name, item, shape, 'item')}{self._content(item, shape, 'item')}</{name}>")
        if shape.type != "structure" or shape.document or self.attributes(shape, "item"):
            self.source.define(LIST.format(function=function, entry=entry))
            return
        columns = _Forms(lambda present: self._columns(item, name, present))
        forms = self.source.constant(f"{function}_columns", columns)
        self.source.define(LIST_OF_STRUCTURES.format(function=function, forms=forms, entry=entry, many=MANY))

    def _columns(self, item: Ref, name: str, present: tuple[str, ...]) -> Write:
        """The function for lists whose structures all have exactly these members (it returns None for others).

        Texts and timestamps are looked at column by column: a check of one long text costs less than many of short ones.
        """
        shape = self.service.shape(item)
        lines, parts, names = [], [], []
        order = {member: place for place, member in enumerate(shape.members)}
        for place, member in enumerate(sorted(present, key=order.__getitem__)):
            ref = shape.members[member]
            if ref.location in ANSWERED_ELSEWHERE:
                continue
            column = f"(known[{member!r}] if known else [item[{member!r}] for item in value])"
            ready, part = self._column(ref, member, column, f"v{place}")
            lines.append(f"c{place} = {ready}")
            names.append((f"v{place}", f"c{place}"))
            parts.append(part)
        text = COLUMNS.format(
            count=len(present),
            lines=_indented(lines, 8),
            entry=_quoted(f"{self._begin(name, item, shape, 'item')}{''.join(parts)}</{name}>"),
            names="".join(f"{one}, " for one, _ in names),
            columns=", ".join(column for _, column in names),
        )
        return self.source.once("columns", text)

    def _column(self, ref: Ref, member: str, column: str, value: str) -> tuple[str, str]:
        """What readies a whole column, and the f-string's text that then writes one value of it."""
        shape, tag = self.service.shape(ref), element_name(self.service, ref, member)
        if ref.xml_namespace or shape.xml_namespace or shape.document or self.attributes(shape, value):
            return column, self.element(ref, member, value)
        element = f"<{tag}>{{{value}}}</{tag}>"
        if shape.type in {"string", "character"}:
            return f"text_column({column})", element
        if shape.type == "timestamp" and self.leaf(ref, shape) == "write_iso8601_millis":
            return f"stamp_column({column})", element
        if is_flat(ref, shape):
            return f"same_column({self._flat(ref, shape, tag)}, {column})", f"{{{value}}}"
        if shape.type in {"structure", "list", "map"}:
            return f"same_column({self.of(ref)}, {column})", element
        return column, self.element(ref, member, value)

    def _map(self, function: str, shape: Shape, name: str) -> None:
        key = self.element(shape.key, "key", "key")
        value = self.element(shape.value, "value", "item")
        entry = _quoted(f"<{name}>{key}{value}</{name}>")
        self.source.define(f"def {function}(value):\n    return ''.join([{entry} for key, item in value.items()])")


CLEAN = "{value}.isprintable() and '&' not in {value} and '<' not in {value} and '>' not in {value}"
LIST = """
def {function}(value):
    if len(value) == 1:
        item = value[0]
        return {entry}
    return "".join([{entry} for item in value])
"""
LIST_OF_STRUCTURES = """
def {function}(value):
    text = {forms}[tuple(value[0])](value) if len(value) >= {many} and value[0] else None
    return text if text is not None else "".join([{entry} for item in value])
"""
COLUMNS = """
def columns(value):
    known = value.columns if type(value) is Columns else None
    if known is None and {{*map(len, value)}} != {{{count}}}:
        return None
    try:
{lines}    except KeyError:
        return None
    return "".join([{entry} for {names} in zip({columns})])
"""


SPECIAL = tuple(map(chr, scalars.REFERENCES))


def text_column(column: list[str]) -> list[str]:
    """Character data, escaped where need be."""
    text = "".join(column)
    if any(character in text for character in SPECIAL):
        return [escape(each) for each in column]
    return column


def stamp_column(column: list[datetime]) -> list[str]:
    """Timestamps with milliseconds; of whole seconds all at once."""
    text = scalars.encode_json(column).decode()
    if len(text) == WHOLE_SECONDS * len(column) + 1:
        return text[2:-2].replace('Z"', '.000Z"').split('","')
    return [scalars.write_iso8601_millis(each) for each in column]


def same_column(write: Write, column: list[Any]) -> list[str]:
    """Values that are written by a function: once, where all are the same."""
    if column.count(column[0]) == len(column):
        return [write(column[0])] * len(column)
    return [write(each) for each in column]


class _Forms(dict[tuple[str, ...], Write]):
    """Functions by the set of members present; what is missing is generated."""

    def __init__(self, make: Callable[[tuple[str, ...]], Write]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, present: tuple[str, ...]) -> Write:
        if len(self) >= FORMS_MAX:
            self.clear()
        made = self[present] = self._make(present)
        return made


def _indented(lines: list[str], by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in lines)


def _quoted(text: str) -> str:
    """An f-string with this text. Quotes inside its expressions are single ones."""
    return f'f"{text}"'


def write_attribute(name: str, value: str | None) -> str:
    return "" if value is None else f' {name}="{escape_attribute(value)}"'


TEXT_LEAVES: dict[str, Any] = {
    "same_column": same_column,
    "stamp_column": stamp_column,
    "text_column": text_column,
    "escape": escape,
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
