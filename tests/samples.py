"""Values of a model's shapes, made from a source of chance: what a client could send, what a service could answer."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from pilvi.wire.model import Ref, ServiceModel, Shape

DEPTH_MAX = 4
NUMBERS = (0, 1, -1, 7, 255, 65_536, 2**31 - 1, -(2**31))
FLOATS = (0.0, 1.5, -2.25, 1e10, 0.1, 3.0)
TEXTS = (
    "a",
    "x y",
    "ä€😀",
    "<a&b>",
    'say "hi"',
    "a,b",
    "100%",
    "a+b=c&d;e",
    "/slash/",
    "tab\there",
    "line\nfeed",
    "~._-",
    " ",
)
HEADER_TEXTS = ("a", "x y", 'say "hi"', "a,b", "100%", "a+b=c", "~._-", "W/x", "0")
START = datetime(1970, 1, 1, tzinfo=UTC)


class Samples:
    """Values for one service.

    Args:
        sparse: leave out what some protocols cannot say: empty structures, lists and maps.
        streams: make events for streams of events.
    """

    def __init__(self, service: ServiceModel, chance: random.Random, *, sparse: bool, streams: bool = False) -> None:
        self.streams = streams
        self.service = service
        self.chance = chance
        self.sparse = sparse

    def structure(self, ref: Ref, depth: int = 0) -> dict[str, Any]:
        shape = self.service.shape(ref)
        names = [name for name, inner in shape.members.items() if self._fits(inner, depth)]
        if not names:
            return {}
        always = {"uri", "statusCode"}
        must = [name for name in names if shape.members[name].location in always or shape.members[name].host_label]
        must += [shape.payload] if shape.payload in names else []  # some protocols say {} where there is none
        count = 1 if shape.union else self.chance.randint(1, min(len(names), 6))
        chosen = set(self.chance.sample(names, count)) | (set() if shape.union else set(must))
        if not shape.union and depth == 0:
            chosen |= set(shape.required) & set(names)
        made = {name: self.value(shape.members[name], depth + 1) for name in names if name in chosen}
        if made.get(shape.payload) == "":
            made[shape.payload] = "payload"
        return made

    def _fits(self, ref: Ref, depth: int) -> bool:
        """Whether a value that is not empty can be made without going too deep."""
        shape = self.service.shape(ref)
        if shape.eventstream:
            return self.streams
        if shape.document or shape.type not in {"structure", "list", "map"}:
            return True
        if depth >= DEPTH_MAX:
            return False
        if shape.type == "structure":
            return any(self._fits(inner, depth + 1) for inner in shape.members.values()) or not self.sparse
        return self._fits(shape.member if shape.type == "list" else shape.value, depth + 1)

    def value(self, ref: Ref, depth: int = 0) -> Any:
        shape = self.service.shape(ref)
        if shape.document or (ref.jsonvalue and ref.location == "header"):
            return {"a": [1, "b", None, True]}
        if shape.eventstream:
            return [self._event(shape) for _ in range(self.chance.randint(1, 3))]
        if shape.type == "structure":
            return self.structure(ref, depth)
        if shape.type == "list":
            low = 1 if self.sparse or ref.location else 0
            return [self._item(ref, shape.member, depth) for _ in range(self.chance.randint(low, 3))]
        if shape.type == "map":
            low = 1 if self.sparse or ref.location else 0
            keys = self._keys(ref, shape, self.chance.randint(low, 2))
            return {key: self._item(ref, shape.value, depth) for key in keys}
        return self.scalar(ref, shape)

    def _event(self, shape: Shape) -> dict[str, Any]:
        kinds = [name for name, ref in shape.members.items() if not self.service.shape(ref).exception]
        kind = self.chance.choice(kinds)
        return {kind: self.structure(shape.members[kind], DEPTH_MAX - 2)}

    def _item(self, around: Ref, ref: Ref, depth: int) -> Any:
        if around.location in {"header", "headers"}:
            shape = self.service.shape(ref)
            return self.chance.choice(shape.enum or ("a", "b c", "x1")) if shape.type == "string" else self.value(ref)
        return self.value(ref, depth + 1)

    def _keys(self, ref: Ref, shape: Shape, count: int) -> list[str]:
        enum = self.service.shape(shape.key).enum
        names = enum or (("k1", "k2", "k-3") if ref.location else ("k1", "k 2", "ä&<"))
        return self.chance.sample(list(names), min(count, len(names)))

    def scalar(self, ref: Ref, shape: Shape) -> Any:
        if ref.location == "statusCode":
            return self.chance.choice((200, 202, 204))
        make = {
            "string": self._text,
            "character": self._text,
            "boolean": lambda *_: self.chance.random() < 0.5,
            "integer": lambda *_: self.chance.choice(NUMBERS),
            "long": lambda *_: self.chance.choice((*NUMBERS, 2**53, -(2**40))),
            "float": lambda *_: self.chance.choice((0.0, 1.5, -2.25)),
            "double": lambda *_: self.chance.choice(FLOATS),
            "timestamp": lambda *_: START + timedelta(seconds=self.chance.randint(0, 4_000_000_000)),
            "blob": lambda *_: self.chance.randbytes(self.chance.randint(1, 40)),
        }[shape.type]
        return make(ref, shape)

    def _text(self, ref: Ref, shape: Shape) -> str:
        if shape.enum:
            return self.chance.choice(shape.enum)
        if ref.host_label:
            return "label-1"
        if ref.location in {"header", "headers"}:
            return self.chance.choice(HEADER_TEXTS)
        empty = not ref.location and not ref.eventpayload
        return self.chance.choice((*TEXTS, "") if empty else TEXTS)
