"""Concise Binary Object Representation, RFC 8949: as much of it as Smithy's RPC v2 uses.

Timestamps are tag 1; other tags are refused. Indefinite lengths are read, never written.
"""

import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pilvi.wire.scalars import Malformed, from_epoch, to_epoch

DEPTH_MAX = 200
BREAK = 0xFF

FLOATS = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}
SIMPLE = {20: False, 21: True, 22: None, 23: None}
LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}


def decode(data: bytes) -> Any:
    """The one item that `data` is.

    Raises:
        Malformed: it is not, or uses what is not supported.
    """
    reader = _Reader(data)
    try:
        value = reader.item()
    except (IndexError, struct.error, UnicodeDecodeError):
        raise Malformed("the CBOR item is cut off or not well-formed") from None
    if reader.place != len(data):
        raise Malformed("something follows the CBOR item")
    return value


class _Reader:
    """A place in the data, and how to go on from there. `depth` counts the containers around it."""

    __slots__ = ("data", "depth", "place")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0
        self.depth = 0

    def item(self) -> Any:
        first = self.data[self.place]
        self.place += 1
        return READ[first >> 5](self, first & 31)

    def argument(self, info: int) -> int:
        if info < 24:
            return info
        if info not in LENGTHS:
            raise Malformed("an unsupported length in CBOR")
        return int.from_bytes(self.take(LENGTHS[info]), "big")

    def take(self, length: int) -> bytes:
        end = self.place + length
        if end > len(self.data):
            raise IndexError
        taken = self.data[self.place : end]
        self.place = end
        return taken

    def at_break(self) -> bool:
        if self.data[self.place] != BREAK:
            return False
        self.place += 1
        return True

    def negative(self, info: int) -> int:
        return -1 - self.argument(info)

    def bytes(self, info: int) -> bytes:
        if info != 31:
            return self.take(self.argument(info))
        chunks = []
        while not self.at_break():
            chunk = self.item()
            chunks.append(chunk.encode() if isinstance(chunk, str) else chunk)
        if not all(isinstance(chunk, bytes) for chunk in chunks):
            raise Malformed("a CBOR string has foreign chunks")
        return b"".join(chunks)

    def text(self, info: int) -> str:
        return self.bytes(info).decode()

    def array(self, info: int) -> list[Any]:
        self.enter()
        items = []
        if info == 31:
            while not self.at_break():
                items.append(self.item())
        else:
            for _ in range(self.argument(info)):
                items.append(self.item())  # noqa: PERF401 - a false length must not reserve memory
        self.depth -= 1
        return items

    def map(self, info: int) -> dict[str, Any]:
        self.enter()
        found: dict[str, Any] = {}
        if info == 31:
            while not self.at_break():
                key = self.key()
                found[key] = self.item()
        else:
            for _ in range(self.argument(info)):
                key = self.key()
                found[key] = self.item()
        self.depth -= 1
        return found

    def key(self) -> str:
        key = self.item()
        if not isinstance(key, str):
            raise Malformed("a CBOR map has a key that is not text")
        return key

    def tag(self, info: int) -> datetime:
        if self.argument(info) != 1:
            raise Malformed("an unsupported CBOR tag")
        value = self.item()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Malformed("a CBOR timestamp is not a number")
        return from_epoch(value)

    def simple(self, info: int) -> Any:
        if info in SIMPLE:
            return SIMPLE[info]
        if info in FLOATS:
            form = FLOATS[info]
            return form.unpack(self.take(form.size))[0]
        raise Malformed("an unsupported CBOR simple value")

    def enter(self) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise Malformed("CBOR is nested too deeply")


READ: tuple[Callable[[_Reader, int], Any], ...] = (
    _Reader.argument,
    _Reader.negative,
    _Reader.bytes,
    _Reader.text,
    _Reader.array,
    _Reader.map,
    _Reader.tag,
    _Reader.simple,
)


def encode(value: Any) -> bytes:
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _head(out: bytearray, major: int, number: int) -> None:
    first = major << 5
    if number < 24:
        out.append(first | number)
    elif number < 0x100:
        out += bytes((first | 24, number))
    elif number < 0x10000:
        out.append(first | 25)
        out += number.to_bytes(2, "big")
    elif number < 0x100000000:
        out.append(first | 26)
        out += number.to_bytes(4, "big")
    else:
        out.append(first | 27)
        out += number.to_bytes(8, "big")


def _write(out: bytearray, value: Any) -> None:
    WRITE[value.__class__](out, value)


def _write_text(out: bytearray, value: str) -> None:
    data = value.encode()
    _head(out, 3, len(data))
    out += data


def _write_bytes(out: bytearray, value: bytes) -> None:
    _head(out, 2, len(value))
    out += value


def _write_int(out: bytearray, value: int) -> None:
    if value >= 0:
        _head(out, 0, value)
    else:
        _head(out, 1, -1 - value)


def _write_float(out: bytearray, value: float) -> None:
    out.append(0xFB)
    out += FLOATS[27].pack(value)


def _write_bool(out: bytearray, value: bool) -> None:
    out.append(0xF5 if value else 0xF4)


def _write_none(out: bytearray, _: None) -> None:
    out.append(0xF6)


def _write_datetime(out: bytearray, value: datetime) -> None:
    out.append(0xC1)
    _write(out, to_epoch(value))


def _write_list(out: bytearray, value: list[Any]) -> None:
    _head(out, 4, len(value))
    for item in value:
        _write(out, item)


def _write_dict(out: bytearray, value: dict[str, Any]) -> None:
    _head(out, 5, len(value))
    for key, item in value.items():
        _write_text(out, key)
        _write(out, item)


WRITE: dict[type, Callable[[bytearray, Any], None]] = {
    bool: _write_bool,
    bytes: _write_bytes,
    datetime: _write_datetime,
    dict: _write_dict,
    float: _write_float,
    int: _write_int,
    list: _write_list,
    str: _write_text,
    type(None): _write_none,
}
