"""Values in headers, query strings and paths: which function reads or writes them, by shape.

Lists in headers are separated by commas, so their strings are quoted where need be and HTTP dates take two parts.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pilvi.wire import scalars
from pilvi.wire.model import Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed

CONTROL = re.compile("[\x00-\x1f\x7f]")
# Nothing here is ever given back (possessive): a header made to be hard costs no more than its length.
LIST_ITEM = re.compile(r'\s*+(?:"((?:[^"\\]|\\.)*+)"\s*+|([^",]*+))(?:,|\Z)', re.DOTALL)


def reader(ref: Ref, shape: Shape, timestamp: str) -> str:
    """The name of the function that reads one scalar; `timestamp` is the format where the model gives none."""
    if ref.jsonvalue and ref.location == "header":
        return "take_document_base64"
    if shape.type == "timestamp":
        return f"take_{ref.timestamp_format or shape.timestamp_format or timestamp}".lower()
    return f"take_{shape.type}"


def writer(ref: Ref, shape: Shape, timestamp: str) -> str:
    if ref.jsonvalue and ref.location == "header":
        return "put_document_base64"
    if shape.type == "timestamp":
        return f"put_{ref.timestamp_format or shape.timestamp_format or timestamp}".lower()
    return f"put_{shape.type}"


def header_reader(service: ServiceModel, ref: Ref) -> str:
    shape = service.shape(ref)
    if shape.type != "list":
        return reader(ref, shape, "rfc822")
    item = service.shape(shape.member)
    name = reader(shape.member, item, "rfc822")
    return "take_dates" if name == "take_rfc822" else _list_of(name, FUNCTIONS[name])


def header_writer(service: ServiceModel, ref: Ref) -> str:
    shape = service.shape(ref)
    if shape.type != "list":
        return writer(ref, shape, "rfc822")
    return _joined_of(writer(shape.member, service.shape(shape.member), "rfc822"))


def _list_of(name: str, read: Callable[[str], Any]) -> str:
    listed = f"{name}_list"
    FUNCTIONS.setdefault(listed, lambda text: [read(item) for item in split(text)])
    return listed


def _joined_of(name: str) -> str:
    joined = f"{name}_list"
    write = FUNCTIONS[name]
    quote = name in {"put_string", "put_character"}
    FUNCTIONS.setdefault(
        joined, lambda value: ", ".join([_quoted(write(item)) if quote else write(item) for item in value])
    )
    return joined


def split(text: str) -> list[str]:
    """The items of a list in a header (RFC 9110 5.6.1), quoted or not."""
    items = []
    place = 0
    while place < len(text):
        found = LIST_ITEM.match(text, place)
        if found is None or found.end() == place:
            raise Malformed("a list in a header is not well-formed")
        quoted, bare = found.groups()
        items.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare.strip())
        place = found.end()
    return items


def read_dates(text: str) -> list[datetime]:
    """HTTP dates contain a comma each."""
    parts = text.split(",")
    return [scalars.read_rfc822(",".join(parts[place : place + 2])) for place in range(0, len(parts), 2)]


def lenient_date(text: str) -> datetime | None:
    """A condition's date; one that cannot be read is as none (RFC 9110 13.1.3)."""
    try:
        return scalars.read_rfc822(text)
    except Malformed:
        return None


def write_text(text: str) -> str:
    """A header's value never ends its line: control characters become spaces."""
    return text if text.isprintable() else CONTROL.sub(" ", text)


def _quoted(text: str) -> str:
    if '"' in text or "," in text:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "take_lenient_date": lenient_date,
    "take_blob": scalars.read_blob,
    "take_boolean": scalars.read_boolean,
    "take_character": scalars.read_text,
    "take_dates": read_dates,
    "take_document": scalars.read_document,
    "take_document_base64": scalars.read_document_base64,
    "take_double": scalars.read_float,
    "take_float": scalars.read_float,
    "take_integer": scalars.read_integer,
    "take_iso8601": scalars.read_iso8601,
    "take_long": scalars.read_integer,
    "take_rfc822": scalars.read_rfc822,
    "take_string": scalars.read_text,
    "take_unixtimestamp": scalars.read_unixtimestamp,
    "put_blob": scalars.write_blob,
    "put_boolean": scalars.write_boolean,
    "put_character": write_text,
    "put_document_base64": scalars.write_document_base64,
    "put_double": scalars.write_float,
    "put_float": scalars.write_float,
    "put_integer": str,
    "put_iso8601": scalars.write_iso8601,
    "put_long": str,
    "put_rfc822": scalars.write_rfc822,
    "put_string": write_text,
    "put_text": write_text,
    "put_unixtimestamp": scalars.write_unixtimestamp,
}
