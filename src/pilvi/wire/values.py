"""Trees of dicts and lists, as JSON and CBOR carry them, to typed values and back.

What is read is checked against the model: unknown members are left out, null members are absent, and a value of the
wrong type raises Malformed in the words that AWS's JSON services use. What is written is passed through untouched
wherever the model says that nothing in it differs between here and there.
"""

import base64
import binascii
import math
from datetime import UTC, datetime
from typing import Any

from pilvi.wire import scalars
from pilvi.wire.compile import Shapes, Source
from pilvi.wire.model import Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed

LONG_MAX = 2**63


class ValueReader(Shapes):
    """Generates functions that turn decoded JSON (or CBOR) into what an operation receives."""

    def __init__(self, service: ServiceModel, source: Source, *, binary: bool = False) -> None:
        super().__init__(service, source, "read")
        self.binary = binary
        source.scope.update(CBOR_LEAVES if binary else JSON_LEAVES)

    def leaf(self, ref: Ref, shape: Shape) -> str:
        if shape.document:
            return "read_any"
        if shape.type == "timestamp":
            return f"read_{ref.timestamp_format or shape.timestamp_format or 'unixtimestamp'}".lower()
        return f"read_{shape.type}"

    def structure(self, name: str, shape: Shape) -> None:
        texts = []
        places = {}
        for member, inner in shape.members.items():
            read = self.of(inner)
            wire = inner.location_name or member
            if read == "read_string" and wire == member:
                texts.append(member)
            places[wire] = f"({member!r}, {read})"
        table = self.source.unused(f"{name}_members")
        self.source.table(table, places)
        self.source.define(
            STRUCTURE.format(name=name, table=table, texts=self.source.constant(f"{name}_texts", frozenset(texts)))
        )

    def listing(self, name: str, shape: Shape) -> None:
        self.source.define(LIST.format(name=name, read=self.of(shape.member)))

    def mapping(self, name: str, shape: Shape) -> None:
        self.source.define(MAP.format(name=name, read=self.of(shape.value)))


# A JSON object's own members are few, a structure's possible ones many: walk what is there.
STRUCTURE = """
def {name}(value):
    if value.__class__ is not dict:
        raise misplaced(value, "structure")
    out = {{}}
    for key, item in value.items():
        if item.__class__ is str and key in {texts}:
            out[key] = item
        elif item is not None and key in {table}:
            member, read = {table}[key]
            out[member] = read(item)
    return out
"""
LIST = """
def {name}(value):
    if value.__class__ is not list:
        raise misplaced(value, "list")
    return [None if item is None else {read}(item) for item in value]
"""
MAP = """
def {name}(value):
    if value.__class__ is not dict:
        raise misplaced(value, "map")
    return {{key: None if item is None else {read}(item) for key, item in value.items()}}
"""


class ValueWriter(Shapes):
    """Generates functions that turn results into what the JSON encoder takes. No name: nothing to do."""

    def __init__(self, service: ServiceModel, source: Source) -> None:
        super().__init__(service, source, "write")
        self._plain: dict[str, bool] = {}
        source.scope.update(JSON_WRITERS)

    def of(self, ref: Ref) -> str:
        return "" if self.plain(ref) else super().of(ref)

    def plain(self, ref: Ref) -> bool:
        """Whether values of this kind are written as they are."""
        shape = self.service.shape(ref)
        if shape.document:
            return True
        if shape.type in {"structure", "list", "map"}:
            known = self._plain.get(ref.shape)
            if known is None:
                self._plain[ref.shape] = True  # while looking: a recursive shape is plain if the rest of it is
                known = self._plain_inside(shape)
                self._plain[ref.shape] = known
                if not known:
                    self._forget_assumptions()
            return known
        return not self.leaf(ref, shape)

    def _plain_inside(self, shape: Shape) -> bool:
        inner = {"list": [shape.member], "map": [shape.value]}.get(shape.type) or list(shape.members.values())
        named = shape.type == "structure" and any(
            ref.location_name not in {"", member} for member, ref in shape.members.items()
        )
        return not named and all([self.plain(ref) for ref in inner])  # noqa: C419 - look at all of them

    def _forget_assumptions(self) -> None:
        """Shapes found plain while one around them was undecided must be looked at again."""
        self._plain = {name: known for name, known in self._plain.items() if not known}

    def leaf(self, ref: Ref, shape: Shape) -> str:
        if shape.type == "timestamp":
            return f"write_{ref.timestamp_format or shape.timestamp_format or 'unixtimestamp'}".lower()
        if shape.type in {"float", "double"}:
            return "write_float"
        return ""

    def structure(self, name: str, shape: Shape) -> None:
        entries = {}
        for member, inner in shape.members.items():
            entries[member] = f"({inner.location_name or member!r}, {self.of(inner) or None})"
        table = self.source.unused(f"{name}_members")
        self.source.table(table, entries)
        self.source.define(WRITE_STRUCTURE.format(name=name, table=table))

    def listing(self, name: str, shape: Shape) -> None:
        self.source.define(
            f"def {name}(value):\n    return [None if item is None else {self.of(shape.member)}(item) for item in value]"
        )

    def mapping(self, name: str, shape: Shape) -> None:
        self.source.define(
            f"def {name}(value):\n"
            f"    return {{key: None if item is None else {self.of(shape.value)}(item) for key, item in value.items()}}"
        )


WRITE_STRUCTURE = """
def {name}(value):
    out = {{}}
    for key, item in value.items():
        wire, write = {table}[key]
        out[wire] = item if write is None else write(item)
    return out
"""

# --- leaves -----------------------------------------------------------------------------------------------------------

TOKENS = {bool: "{}_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE", str: "STRING_VALUE"}


def misplaced(value: Any, wanted: str) -> Malformed:
    """The error for a value of the wrong kind, as AWS's JSON services word it."""
    if isinstance(value, dict):
        return Malformed("Start of structure or map found where not expected")
    if isinstance(value, list):
        return Malformed("Start of list found where not expected")
    if wanted in {"structure", "map", "list"}:
        return Malformed("Unexpected value type in payload")
    token = str(value).upper() + "_VALUE" if isinstance(value, bool) else TOKENS.get(value.__class__, "BINARY_VALUE")
    return Malformed(f"{token} can not be converted to {wanted}")


def read_string(value: Any) -> str:
    if value.__class__ is str:
        return value
    raise misplaced(value, "a String")


def read_boolean(value: Any) -> bool:
    if value.__class__ is bool:
        return value
    raise misplaced(value, "Boolean")


def read_integer(value: Any) -> int:
    if value.__class__ is int and -LONG_MAX <= value < LONG_MAX:
        return value
    if value.__class__ is float and value.is_integer() and -LONG_MAX <= value < LONG_MAX:
        return int(value)
    raise misplaced(value, "an Integer")


def read_float(value: Any) -> float:
    if value.__class__ is float:
        return value
    if value.__class__ is int:
        return _as_float(value)
    if value.__class__ is str and value in scalars.SPECIAL_FLOATS:
        return scalars.SPECIAL_FLOATS[value]
    raise misplaced(value, "a Double")


def _as_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Malformed("NUMBER_VALUE can not be converted to a Double") from None


def read_blob(value: Any) -> bytes:
    if value.__class__ is not str:
        raise misplaced(value, "a Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("Invalid Base64 content") from None


def read_bytes(value: Any) -> bytes:
    if value.__class__ is bytes:
        return value
    raise misplaced(value, "a Blob")


def read_unixtimestamp(value: Any) -> datetime:
    if value.__class__ is int or value.__class__ is float:
        return scalars.from_epoch(value)
    if value.__class__ is str:
        return scalars.read_iso8601(value)
    raise misplaced(value, "a Timestamp")


def read_iso8601(value: Any) -> datetime:
    if value.__class__ is str:
        return scalars.read_iso8601(value)
    return read_unixtimestamp(value)


def read_rfc822(value: Any) -> datetime:
    if value.__class__ is str:
        return scalars.read_rfc822(value)
    return read_unixtimestamp(value)


def read_tagged(value: Any) -> datetime:
    """CBOR marks timestamps itself (tag 1)."""
    if isinstance(value, datetime):
        return value
    return read_unixtimestamp(value)


def read_any(value: Any) -> Any:
    return value


def write_float(value: float) -> float | str:
    return value if math.isfinite(value) else scalars.write_float(value)


def write_epoch(value: datetime) -> int | float:
    return scalars.to_epoch(value if value.tzinfo else value.replace(tzinfo=UTC))


JSON_LEAVES: dict[str, Any] = {
    "Malformed": Malformed,
    "misplaced": misplaced,
    "read_any": read_any,
    "read_blob": read_blob,
    "read_boolean": read_boolean,
    "read_character": read_string,
    "read_double": read_float,
    "read_float": read_float,
    "read_integer": read_integer,
    "read_iso8601": read_iso8601,
    "read_long": read_integer,
    "read_rfc822": read_rfc822,
    "read_string": read_string,
    "read_unixtimestamp": read_unixtimestamp,
}
CBOR_LEAVES: dict[str, Any] = JSON_LEAVES | {
    "read_blob": read_bytes,
    "read_iso8601": read_tagged,
    "read_rfc822": read_tagged,
    "read_unixtimestamp": read_tagged,
}
JSON_WRITERS: dict[str, Any] = {
    "write_float": write_float,
    "write_iso8601": scalars.write_iso8601,
    "write_rfc822": scalars.write_rfc822,
    "write_unixtimestamp": write_epoch,
}
