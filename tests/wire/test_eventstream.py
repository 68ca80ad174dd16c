"""Frames of application/vnd.amazon.eventstream: botocore reads ours, damaged ones are refused, signed ones unwrapped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from pilvi.wire import eventstream, model, protocol
from pilvi.wire.codec import Match
from pilvi.wire.eventstream import MILLISECOND, Frame
from pilvi.wire.http import Request
from pilvi.wire.scalars import EPOCH, Malformed

NOW = datetime(2026, 5, 4, 3, 2, 1, 234_000, tzinfo=UTC)
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(max_size=50),
    st.binary(max_size=50),
    st.integers(0, 10**13).map(lambda milliseconds: EPOCH + milliseconds * MILLISECOND),
)
FRAMES = st.builds(
    Frame,
    st.dictionaries(st.text("abcdefghij:-", min_size=1, max_size=20), VALUES, max_size=5),
    st.binary(max_size=300),
)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(FRAMES, max_size=4))
def test_frames_come_back(frames: list[Frame]) -> None:
    """Frames written one after the other are read as the same frames."""
    assert list(eventstream.decode(b"".join(map(eventstream.encode, frames)))) == frames


@settings(max_examples=100, deadline=None, database=None)
@given(FRAMES)
def test_botocore_reads_frames(frame: Frame) -> None:
    """botocore's own decoder sees the headers and the payload."""
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.encode(frame))
    (message,) = list(buffer)
    headers = {
        name: int(value.timestamp() * 1000 + 0.5) if isinstance(value, datetime) else value
        for name, value in frame.headers.items()
    }
    assert (message.headers, message.payload) == (headers, frame.payload)


@settings(max_examples=200, deadline=None, database=None)
@given(FRAMES, st.data())
def test_damage_is_found(frame: Frame, data: st.DataObject) -> None:
    """A changed byte or a missing end is refused."""
    good = eventstream.encode(frame)
    place = data.draw(st.integers(0, len(good) - 1))
    changed = bytearray(good)
    changed[place] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(changed), good[:place] if place else good[:-1]):
        with pytest.raises(Malformed):
            list(eventstream.decode(bad))


@settings(max_examples=200, deadline=None, database=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes is frames or Malformed."""
    try:
        list(eventstream.decode(data))
    except Malformed:
        return


def test_signed_frames() -> None:
    """A signed frame holds the event as a frame of its own; an empty one ends the stream."""
    event = Frame({":message-type": "event", ":event-type": "A"}, b"x")
    signed = Frame({":date": NOW, ":chunk-signature": b"s"}, eventstream.encode(event))
    assert eventstream.unwrap(signed) == event
    assert eventstream.unwrap(event) == event
    assert eventstream.unwrap(Frame({":date": NOW, ":chunk-signature": b"s"})) is None


def streams() -> list[tuple[str, str]]:
    """Operations whose input is a stream of events, in all of AWS's models."""
    return [
        (service, operation.name)
        for service in sorted(model.services())
        for operation in model.load(service).operations.values()
        if operation.input and _has_stream(model.load(service), operation.input)
    ]


def _has_stream(service: model.ServiceModel, ref: model.Ref) -> bool:
    return any(service.shape(inner).eventstream for inner in service.shape(ref).members.values())


@pytest.mark.parametrize(("service", "operation"), streams())
def test_input_streams(service: str, operation: str) -> None:
    """Events that a client streams are read as the values that they carry, signed or not."""
    loaded = model.load(service)
    codec = protocol.codec(service, loaded.protocols[0])
    ref = loaded.operations[operation].input
    assert ref is not None
    member = codec.event_stream(ref)
    stream = loaded.shape(loaded.shape(ref).members[member])
    kind = next(iter(stream.members))
    event: dict[str, Any] = {kind: {}}
    payload = next(
        (name for name, inner in loaded.shape(stream.members[kind]).members.items() if inner.eventpayload), ""
    )
    if payload and loaded.shape(loaded.shape(stream.members[kind]).members[payload]).type == "blob":
        event[kind][payload] = b"audio"
    frame = codec.event_writer(loaded.shape(ref).members[member]).frame(event)
    signed = eventstream.encode(Frame({":date": NOW, ":chunk-signature": b"s"}, frame))
    end = eventstream.encode(Frame({":date": NOW, ":chunk-signature": b"s"}))
    match = Match(service, operation, codec.protocol, LABELS)
    read = codec.parse(match, Request("POST", "/", "", {}, frame + signed + end))
    assert read[member] == [event, event]


class Labels(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "1"


LABELS = Labels()
