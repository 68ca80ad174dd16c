"""Every member of every operation, with values that nobody should send: each is the client's mistake, and does no harm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import FlexibleChecksumError, HTTPClientError, ParamValidationError

import every_operation
from every_operation import Call, Things, outcome
from live import LiveCloud
from pilvi import services
from pilvi.wire import model
from pilvi.wire.model import Ref, ServiceModel

TEXTS = [
    "",
    "\x00",
    "a\nb",
    "../../etc/passwd",
    "😀",
    "arn:aws:lambda:us-east-1:000000000000:function:",
    "${aws:username}",
    "%00%ff",
    '{"Version":"2012-10-17"}',
    "<x>&amp;",
]
NUMBERS: list[Any] = [-1, 0, 2**63 - 1, -(2**63), 10**30, 1.5, "x"]
LISTS: list[Any] = [[], ["a"] * 2000, [None]]
MAPS: list[Any] = [{}, {"": ""}, {"k": "v" * 5000}, {"a": None}]
BLOBS: list[Any] = [b"", b"\xff\x00", b"PK\x05\x06" + b"\xff" * 18]
TIMES: list[Any] = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)]  # noqa: DTZ001 - botocore's own kind
UNVALIDATED = Config(parameter_validation=False)
UNSENDABLE = (AttributeError, TypeError, ValueError, KeyError, ParamValidationError, FlexibleChecksumError)
"""What botocore raises itself when it cannot write a value down."""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    """A cloud to be harmed. When it stops, it must not have logged one traceback."""
    with LiveCloud(tmp_path_factory.mktemp("hostile")) as running:
        yield running


@pytest.fixture(scope="module")
def things(mine: LiveCloud) -> Things:
    return every_operation.make(mine)


def values(service: ServiceModel, ref: Ref, depth: int = 0) -> list[Any]:
    """Values of a shape's type, and of none."""
    shape = service.shape(ref)
    match shape.type:
        case "integer" | "long" | "float" | "double":
            return NUMBERS
        case "boolean":
            return ["maybe", True]
        case "blob":
            return BLOBS
        case "timestamp":
            return TIMES
        case "map":
            return MAPS
        case "list":
            return LISTS + ([[value] for value in values(service, shape.member, depth + 1)[:5]] if depth < 2 else [])
        case "structure":
            found: list[Any] = [{}, {"Nonsense": 1}]
            for name, inner in shape.members.items() if depth < 2 else ():
                found += [{name: value} for value in values(service, inner, depth + 1)[:5]]
            return found
    in_the_head = service.name == "s3"  # where a long text would make no request at all
    return [*TEXTS, "x" * (3_000 if in_the_head else 70_000)]


def hostile(call: Call) -> Iterator[Call]:
    """The call with each of its members, one after the other, made hostile."""
    described = model.load(call.service)
    found = described.operations[call.operation].input
    for member, ref in described.shape(found).members.items() if found else ():
        for value in values(described, ref):
            dry = {"InvocationType": "DryRun"} if call.operation == "Invoke" and member != "InvocationType" else {}
            yield Call(call.service, call.operation, {**call.params, **dry, member: value})


@pytest.mark.parametrize("service", sorted(services.discover()))
def test_hostile_values(mine: LiveCloud, things: Things, service: str) -> None:
    """No value makes the server fail, nor an answer that cannot be read, nor harms what is stored: all reads still work."""
    client = mine.client(service, config=UNVALIDATED)
    calls = [call for call in things.calls() if call.service == service]
    failed, sent = [], 0
    for call in calls:
        if call.operation.startswith("Delete") and call.operation != "DeleteObjects":
            continue
        if call.operation == "GetBucketLocation":  # botocore cannot read what refuses its headers
            continue
        for made in hostile(call):
            try:
                code, status, message = outcome(client, made)
            except UNSENDABLE:
                continue
            except HTTPClientError as error:
                if "Invalid header value" in str(error):
                    continue
                raise
            sent += 1
            if status >= 500 and status != 501:
                failed.append((made, code, status, message))
    assert failed == []
    assert sent > 3 * len(calls)
    for call in calls:
        if call.operation.startswith(("Get", "List", "Describe", "Head", "Filter")):
            code, status, message = outcome(client, call)
            assert status < 500, (call, code, message)
