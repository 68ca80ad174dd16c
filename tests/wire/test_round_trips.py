"""What botocore writes we read as the same value, and what we write botocore reads as the same value.

For every operation of every service that is built, and for all operations of some services that are large or odd.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import botocore.awsrequest
import botocore.model
import botocore.parsers
import botocore.serialize
import msgspec
import pytest
from botocore.eventstream import EventStream
from botocore.loaders import Loader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vectors
from pilvi import services
from pilvi.core.effects import Staged
from pilvi.wire import model, protocol, route
from pilvi.wire.http import Request
from pilvi.wire.model import Ref
from samples import Samples

# Operations that nothing in the request tells from another: the newer one gets it.
SUCCEEDED = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
# Answers in which one element is read as two members, or none as a member.
NOT_READ_BACK = {"GetBucketLocation", "GetBucketNotification"}
BROAD = ("cloudwatch", "dynamodb", "ec2", "iam", "lambda", "logs", "s3", "sqs", "sts")
ENDPOINT = "http://localhost:4566"
BUILT = {(name, operation) for name, service in services.discover().items() for operation in service.operations}


class Spoken(msgspec.Struct, frozen=True):
    """An operation in a protocol."""

    service: str
    operation: str
    protocol: str

    def __str__(self) -> str:
        return f"{self.service}.{self.operation} {self.protocol}"


def spoken() -> list[Spoken]:
    wanted = BUILT | {(name, operation) for name in BROAD for operation in model.load(name).operations}
    return [Spoken(*each, kind) for each in sorted(wanted) for kind in model.load(each[0]).protocols]


ALL = spoken()


def examples(each: Spoken) -> int:
    return 12 if (each.service, each.operation) in BUILT else 2


@pytest.fixture(scope="module")
def botocore_models() -> dict[str, botocore.model.ServiceModel]:
    loader = Loader(include_default_extras=False)  # which turn S3's Expires from text into a timestamp
    names = {each.service for each in ALL}
    return {name: botocore.model.ServiceModel(loader.load_service_model(name, "service-2"), name) for name in names}


@pytest.mark.parametrize("each", ALL, ids=str)
def test_requests(each: Spoken, botocore_models: dict[str, botocore.model.ServiceModel]) -> None:
    """botocore's request for a value is routed to its operation and read as that value."""
    operation = model.load(each.service).operations[each.operation]

    @settings(max_examples=examples(each), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(chance: random.Random) -> None:
        value = sample(each, operation.input, chance)
        request = written_by_botocore(each, botocore_models[each.service], value)
        match = route.route(request, signing_name=model.load(each.service).signing_name)
        routed = SUCCEEDED.get(each.operation, each.operation)
        assert (match.service, match.operation, match.protocol) == (each.service, routed, each.protocol)
        if routed != each.operation:
            return
        read = protocol.codec(each.service, each.protocol).parse(match, request)
        found = {name: item.data if isinstance(item, Staged) else item for name, item in read.items()}
        if "ContentLength" not in value:
            found.pop("ContentLength", None)  # every request has the header
        assert vectors.same(found, value)

    check()


@pytest.mark.parametrize("each", [each for each in ALL if each.operation not in NOT_READ_BACK], ids=str)
def test_responses(each: Spoken, botocore_models: dict[str, botocore.model.ServiceModel]) -> None:
    """Our response for a value is read by botocore as that value."""
    operation = model.load(each.service).operations[each.operation]

    @settings(max_examples=examples(each), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def check(chance: random.Random) -> None:
        value = sample(each, operation.output, chance, streams=True)
        value.pop("ContentLength", None)  # the edge's business
        assert vectors.same(read_by_botocore(each, botocore_models[each.service], value), value)

    check()


def sample(each: Spoken, ref: Ref | None, chance: random.Random, *, streams: bool = False) -> dict[str, Any]:
    sparse = each.protocol in {"query", "ec2", "rest-xml"}
    samples = Samples(model.load(each.service), chance, sparse=sparse, streams=streams)
    return samples.structure(ref) if ref else {}


def written_by_botocore(each: Spoken, service: botocore.model.ServiceModel, value: dict[str, Any]) -> Request:
    serializer = botocore.serialize.create_serializer(each.protocol, include_validation=False)
    fields = serializer.serialize_to_request(value, service.operation_model(each.operation))
    fields.pop("host_prefix", None)
    botocore.awsrequest.prepare_request_dict(fields, ENDPOINT)
    prepared = botocore.awsrequest.create_request_object(fields).prepare()
    url = urlsplit(prepared.url)
    headers = {
        name.lower(): text.decode() if isinstance(text, bytes) else text for name, text in prepared.headers.items()
    }
    body = prepared.body or b""
    return Request(
        method=prepared.method,
        path=url.path,
        query=url.query,
        headers={"host": url.netloc, **headers},
        body=body.encode() if isinstance(body, str) else body,
    )


def read_by_botocore(each: Spoken, service: botocore.model.ServiceModel, value: dict[str, Any]) -> dict[str, Any]:
    operation = service.operation_model(each.operation)
    codec = protocol.codec(each.service, each.protocol)
    response = codec.serialise(each.operation, value, "request-1")
    answer = {
        "status_code": response.status,
        "headers": botocore.awsrequest.HeadersDict(dict(response.headers)),
        "body": response.body,
        "context": {"operation_name": each.operation},
    }
    if operation.has_streaming_output or operation.has_event_stream_output:
        answer["body"] = Stream(response.body)
    shape = operation.output_shape
    read = botocore.parsers.PROTOCOL_PARSERS[each.protocol]().parse(answer, shape)
    read.pop("ResponseMetadata")
    for name, member in shape.members.items() if shape else ():
        if member.serialization.get("name", "").lower() == "content-type" and name not in value:
            read.pop(name, None)  # every body has one
    found = {name: plain(item) for name, item in read.items()}
    return {name: item for name, item in found.items() if item not in ({}, b"") or name in value}


def plain(item: Any) -> Any:
    if isinstance(item, Stream):
        return item.data
    return list(item) if isinstance(item, EventStream) else item


class Stream(msgspec.Struct):
    """A streaming body: botocore hands it on untouched, or reads events from it."""

    data: bytes

    def stream(self) -> Iterator[bytes]:
        yield self.data
