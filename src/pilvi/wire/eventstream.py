"""application/vnd.amazon.eventstream: messages in binary frames, one after the other.

    total length  4 bytes      headers' length  4 bytes     CRC-32 of these eight  4 bytes
    headers       name length 1, name, type 1, value
    payload
    CRC-32 of all before  4 bytes

https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from pilvi.wire.scalars import EPOCH, Malformed

FRAME_BYTES_MAX = 24 * 1024 * 1024
HEADERS_BYTES_MAX = 128 * 1024
PRELUDE = struct.Struct(">III")
OVERHEAD = PRELUDE.size + 4

HeaderValue = str | bytes | bool | int | datetime
MILLISECOND = timedelta(milliseconds=1)


class Frame(msgspec.Struct, frozen=True):
    """One message."""

    headers: dict[str, HeaderValue]
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    headers = b"".join(_encode_header(name, value) for name, value in frame.headers.items())
    total = OVERHEAD + len(headers) + len(frame.payload)
    lengths = struct.pack(">II", total, len(headers))
    message = b"".join((lengths, struct.pack(">I", zlib.crc32(lengths)), headers, frame.payload))
    return message + struct.pack(">I", zlib.crc32(message))


def decode(data: bytes) -> Iterator[Frame]:
    """The frames of a body.

    Raises:
        Malformed: a frame is cut off, too large, or its checksum is wrong.
    """
    place = 0
    while place < len(data):
        frame, place = _decode_one(data, place)
        yield frame


def _decode_one(data: bytes, place: int) -> tuple[Frame, int]:
    if len(data) - place < OVERHEAD:
        raise Malformed("an event stream frame is cut off")
    total, headers_length, prelude_crc = PRELUDE.unpack_from(data, place)
    if zlib.crc32(data[place : place + 8]) != prelude_crc:
        raise Malformed("the checksum of an event stream frame's prelude is wrong")
    if not OVERHEAD + headers_length <= total <= FRAME_BYTES_MAX or headers_length > HEADERS_BYTES_MAX:
        raise Malformed("an event stream frame has impossible lengths")
    end = place + total
    if end > len(data):
        raise Malformed("an event stream frame is cut off")
    if zlib.crc32(data[place : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
        raise Malformed("the checksum of an event stream frame is wrong")
    payload = place + PRELUDE.size + headers_length
    return Frame(_decode_headers(data[place + PRELUDE.size : payload]), data[payload : end - 4]), end


def _encode_header(name: str, value: HeaderValue) -> bytes:
    label = name.encode()
    return bytes((len(label),)) + label + _encode_value(value)


def _encode_value(value: HeaderValue) -> bytes:
    if value is True:
        return b"\x00"
    if value is False:
        return b"\x01"
    if isinstance(value, int):
        return struct.pack(">Bi", 4, value) if -(2**31) <= value < 2**31 else struct.pack(">Bq", 5, value)
    if isinstance(value, datetime):
        return struct.pack(">Bq", 8, (value - EPOCH) // MILLISECOND)
    kind, data = (7, value.encode()) if isinstance(value, str) else (6, value)
    return struct.pack(">BH", kind, len(data)) + data


FIXED: dict[int, tuple[int, Callable[[bytes], HeaderValue]]] = {
    0: (0, lambda _: True),
    1: (0, lambda _: False),
    2: (1, lambda data: int.from_bytes(data, "big", signed=True)),
    3: (2, lambda data: int.from_bytes(data, "big", signed=True)),
    4: (4, lambda data: int.from_bytes(data, "big", signed=True)),
    5: (8, lambda data: int.from_bytes(data, "big", signed=True)),
    8: (8, lambda data: _timestamp(int.from_bytes(data, "big", signed=True))),
    9: (16, lambda data: _uuid(data.hex())),
}


def _uuid(digits: str) -> str:
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _timestamp(milliseconds: int) -> datetime:
    try:
        return (EPOCH + milliseconds * MILLISECOND).astimezone(UTC)
    except OverflowError:
        raise Malformed("an event stream header's timestamp is out of range") from None


def _decode_headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    place = 0
    try:
        while place < len(data):
            name_end = place + 1 + data[place]
            name = data[place + 1 : name_end].decode()
            headers[name], place = _decode_value(data, name_end)
    except (IndexError, struct.error, UnicodeDecodeError):
        raise Malformed("the headers of an event stream frame are cut off") from None
    if place != len(data):
        raise Malformed("the headers of an event stream frame are cut off")
    return headers


def _decode_value(data: bytes, place: int) -> tuple[HeaderValue, int]:
    kind = data[place]
    begin = place + 1
    if kind in FIXED:
        length, read = FIXED[kind]
        if begin + length > len(data):
            raise IndexError
        return read(data[begin : begin + length]), begin + length
    if kind not in {6, 7}:
        raise Malformed(f"an event stream header has the unknown type {kind}")
    (length,) = struct.unpack_from(">H", data, begin)
    value = data[begin + 2 : begin + 2 + length]
    return (value.decode() if kind == 7 else value), begin + 2 + length


def unwrap(frame: Frame) -> Frame | None:
    """The event inside a signed frame (its payload is a frame of its own); None for the empty one that ends a stream."""
    if ":chunk-signature" not in frame.headers:
        return frame
    if not frame.payload:
        return None
    inner, _ = _decode_one(frame.payload, 0)
    return inner
