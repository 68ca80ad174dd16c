"""Events of a modelled stream, as dicts of one member ({"Records": {...}}), to frames and back."""

from collections.abc import Callable, Iterable
from typing import Any

from pilvi.wire import eventstream
from pilvi.wire.eventstream import Frame, HeaderValue
from pilvi.wire.model import Ref, ServiceModel, Shape
from pilvi.wire.scalars import Malformed

Event = dict[str, Any]
PAYLOAD_TYPES = {"blob": "application/octet-stream", "string": "text/plain"}


class EventWriter:
    """Frames of one stream shape.

    Args:
        payload_writer: how the protocol writes a structure as an event's payload.
    """

    def __init__(
        self,
        service: ServiceModel,
        ref: Ref,
        payload_writer: Callable[[Ref], Callable[[Any], bytes]],
        content_type: str,
    ) -> None:
        self._write: dict[str, Callable[[Any], Frame]] = {}
        for name, inner in service.shape(ref).members.items():
            shape = service.shape(inner)
            headers = _exception(name) if shape.exception else _event(name)
            self._write[name] = _frame_writer(service, inner, headers, payload_writer, content_type)

    def frames(self, events: Iterable[Event]) -> bytes:
        return b"".join(map(self.frame, events))

    def frame(self, event: Event) -> bytes:
        ((name, value),) = event.items()
        return eventstream.encode(self._write[name](value))


def initial_response(payload: bytes, content_type: str) -> bytes:
    """The first frame of an RPC protocol's stream: the members of the output beside the stream."""
    return eventstream.encode(Frame({**_event("initial-response"), ":content-type": content_type}, payload))


def _exception(name: str) -> dict[str, HeaderValue]:
    return {":message-type": "exception", ":exception-type": name}


def _event(name: str) -> dict[str, HeaderValue]:
    return {":message-type": "event", ":event-type": name}


def _frame_writer(
    service: ServiceModel,
    ref: Ref,
    fixed: dict[str, HeaderValue],
    payload_writer: Callable[[Ref], Callable[[Any], bytes]],
    content_type: str,
) -> Callable[[Any], Frame]:
    shape = service.shape(ref)
    in_headers = [name for name, inner in shape.members.items() if inner.eventheader]
    payload = next((name for name, inner in shape.members.items() if inner.eventpayload), "")
    write, kind = _payload_writer(service, ref, shape, payload, payload_writer, content_type)
    empty = not payload and len(in_headers) == len(shape.members)

    def frame(value: Any) -> Frame:
        headers = {**fixed, **{name: value[name] for name in in_headers if name in value}}
        if empty or (payload and payload not in value):
            return Frame(headers)
        body = value[payload] if payload else {name: item for name, item in value.items() if name not in in_headers}
        return Frame({**headers, ":content-type": kind}, write(body))

    return frame


def _payload_writer(
    service: ServiceModel,
    ref: Ref,
    shape: Shape,
    payload: str,
    payload_writer: Callable[[Ref], Callable[[Any], bytes]],
    content_type: str,
) -> tuple[Callable[[Any], bytes], str]:
    if not payload:
        return payload_writer(ref), content_type
    inner = shape.members[payload]
    kind = service.shape(inner).type
    if kind == "blob":
        return bytes, PAYLOAD_TYPES[kind]
    if kind == "string":
        return str.encode, PAYLOAD_TYPES[kind]
    return payload_writer(inner), content_type


class EventReader:
    """Events of one stream shape from its frames, signed or not."""

    def __init__(
        self, service: ServiceModel, ref: Ref, payload_reader: Callable[[Ref], Callable[[bytes], Any]]
    ) -> None:
        self._read = {
            name: _frame_reader(service, inner, payload_reader) for name, inner in service.shape(ref).members.items()
        }

    def events(self, frames: Iterable[Frame]) -> list[Event]:
        found = (self.event(frame) for frame in frames)
        return [event for event in found if event is not None]

    def event(self, frame: Frame) -> Event | None:
        """None for the frame that ends a signed stream.

        Raises:
            Malformed: of a kind that the model does not have.
        """
        inner = eventstream.unwrap(frame)
        if inner is None:
            return None
        kind = str(inner.headers.get(":event-type") or inner.headers.get(":exception-type"))
        read = self._read.get(kind)
        if read is None:
            raise Malformed(f"the event type {kind} is unknown")
        return {kind: read(inner)}


def _frame_reader(
    service: ServiceModel, ref: Ref, payload_reader: Callable[[Ref], Callable[[bytes], Any]]
) -> Callable[[Frame], Any]:
    shape = service.shape(ref)
    in_headers = [name for name, inner in shape.members.items() if inner.eventheader]
    payload = next((name for name, inner in shape.members.items() if inner.eventpayload), "")
    read_body = _payload_reader(service, shape.members[payload] if payload else ref, payload_reader)

    def read(frame: Frame) -> Any:
        value: dict[str, Any] = {}
        for name in in_headers:
            if name in frame.headers:
                value[name] = frame.headers[name]
        if payload:
            value[payload] = read_body(frame.payload)
        elif frame.payload:
            value.update(read_body(frame.payload))
        return value

    return read


def _payload_reader(
    service: ServiceModel, ref: Ref, payload_reader: Callable[[Ref], Callable[[bytes], Any]]
) -> Callable[[bytes], Any]:
    kind = service.shape(ref).type
    if kind == "blob":
        return bytes
    return bytes.decode if kind == "string" else payload_reader(ref)
