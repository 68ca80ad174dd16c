"""botocore's input vectors: what a client writes for these parameters is what our parsers read."""

from __future__ import annotations

from typing import Any

import pytest

import vectors
from pilvi.core.effects import Staged
from pilvi.wire import forms, protocol
from pilvi.wire.codec import Match
from pilvi.wire.http import Request
from pilvi.wire.resttree import Tree

CASES = list(vectors.cases("input"))

# Vectors that say nothing about reading, each with its reason.
NOT_APPLICABLE = {
    "input/rest-json/RestJsonHostWithPath": "the path begins with a part of the client's endpoint",
    **{
        f"input/{name}": "there is no body in the vector: it is about compressing one"
        for name in (
            "ec2/SDKAppliedContentEncoding_ec2Query",
            "ec2/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_ec2Query",
            "json/SDKAppliedContentEncoding_awsJson1_1",
            "json/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1",
            "json_1_0/SDKAppliedContentEncoding_awsJson1_0",
            "json_1_0/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0",
            "query/SDKAppliedContentEncoding_awsQuery",
            "query/SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery",
            "rest-json/SDKAppliedContentEncoding_restJson1",
            "rest-json/SDKAppendedGzipAfterProvidedEncoding_restJson1",
            "rest-xml/SDKAppliedContentEncoding_restXml",
            "rest-xml/SDKAppendedGzipAfterProvidedEncoding_restXml",
        )
    },
}

# Where the bytes carry more, or less, than the parameters they were made from: what the bytes say. None: nothing.
TOKEN = "00000000-0000-4000-8000-000000000000"
EMPTY_LISTS = ("String", "Integer", "Double", "Boolean", "Timestamp", "Enum", "IntegerEnum")
NAMED_ONCE = {"queryParamsMapOfStringList": None}  # what has a member of its own is not repeated in the map of the rest
BYTES_SAY: dict[str, dict[str, Any]] = {
    "input/ec2/Ec2EmptyQueryLists": {"ListArg": None},
    "input/ec2/Ec2ProtocolIdempotencyTokenAutoFill": {"token": TOKEN},
    "input/query/QueryEmptyQueryMaps": {"MapArg": None},
    "input/query/QueryProtocolIdempotencyTokenAutoFill": {"token": TOKEN},
    "input/rest-json/MediaTypeHeaderInputBase64": {"json": True},  # botocore's models hold the value, not its text
    "input/rest-json/RestJsonAllQueryStringTypes": NAMED_ONCE,
    "input/rest-json/RestJsonHttpPrefixHeadersAreNotPresent": {"fooMap": None},
    "input/rest-json/RestJsonHttpWithEmptyStructurePayload": {"payloadConfig": {}},
    "input/rest-json/RestJsonHttpWithHeadersButNoPayload": {"payloadConfig": {}},
    "input/rest-json/RestJsonOmitsEmptyListQueryValues": {f"query{kind}List": None for kind in EMPTY_LISTS},
    "input/rest-json/RestJsonQueryIdempotencyTokenAutoFill": {"token": TOKEN},
    "input/rest-json/RestJsonQueryPrecedence": {"baz": {"qux": "alsoFromMap"}},
    "input/rest-json/RestJsonQueryStringEscaping": NAMED_ONCE,
    "input/rest-json/RestJsonSupportsInfinityFloatQueryValues": NAMED_ONCE,
    "input/rest-json/RestJsonSupportsNaNFloatQueryValues": NAMED_ONCE,
    "input/rest-json/RestJsonSupportsNegativeInfinityFloatQueryValues": NAMED_ONCE,
    "input/rest-json/RestJsonZeroAndFalseQueryValues": NAMED_ONCE,
    "input/rest-xml/HttpPrefixHeadersAreNotPresent": {"fooMap": None},
    "input/rest-xml/QueryIdempotencyTokenAutoFill": {"token": TOKEN},
    "input/rest-xml/RestXmlQueryPrecedence": {"baz": {"qux": "alsoFromMap"}},
    "legacy/input/ec2/8:1": {"Token": TOKEN},
    "legacy/input/json/6:1": {"Token": TOKEN},
    "legacy/input/query/12:1": {"Token": TOKEN},
    "legacy/input/rest-json/13:1": {"foo": {}},
    "legacy/input/rest-json/19:1": {"Token": TOKEN},
    "legacy/input/rest-json/25:2": {"payloadConfig": {}},
    "legacy/input/rest-json/25:4": {"payloadConfig": {}},
    "legacy/input/rest-json/25:7": {"contentType": "application/octet-stream"},
    "legacy/input/rest-json/26:1": {"ListParam": None},
    "legacy/input/rest-xml/23:1": {"Token": TOKEN},
    "legacy/input/rest-xml/26:1": {"ListParam": None},
}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_request_is_read_as_the_parameters(case: vectors.Case) -> None:
    """Parsing the vector's bytes gives the vector's parameters; where the bytes cannot say them, what they do say."""
    if case.id in NOT_APPLICABLE:
        return
    said = parameters(case) | BYTES_SAY.get(case.id, {})
    assert vectors.same(parsed(case), {name: value for name, value in said.items() if value is not None})


def test_the_exceptions_are_exact() -> None:
    """Every listed exception is a vector that is there, and that would not pass without being listed."""
    known = {case.id: case for case in CASES}
    assert known.keys() >= NOT_APPLICABLE.keys() | BYTES_SAY.keys()
    for name in BYTES_SAY:
        assert not vectors.same(parsed(known[name]), parameters(known[name])), name
    for name in NOT_APPLICABLE:
        sent = known[name].text["serialized"]
        assert "body" not in sent or "clientEndpoint" in known[name].model, name


def test_all_vectors_are_here() -> None:
    """The suite is the whole of botocore's, not a part that happened to be downloaded."""
    assert len(CASES) >= 500


def parameters(case: vectors.Case) -> dict[str, Any]:
    operation = case.service.operations[case.operation]
    return vectors.typed(case.service, operation.input, case.text["params"]) if operation.input else {}


def parsed(case: vectors.Case) -> dict[str, Any]:
    sent = case.text["serialized"]
    path, _, query = sent.get("uri", "/").partition("?")
    request = Request(
        method=sent.get("method") or case.service.operations[case.operation].http.method,
        path=path,
        query=query,
        headers={name.lower(): text for name, text in sent.get("headers", {}).items()},
        body=vectors.body_bytes(case.protocol, sent.get("body") or ""),
    )
    codec = protocol.make(case.service, case.protocol)
    result = codec.parse(match(case, request), request)
    return {name: value.data if isinstance(value, Staged) else value for name, value in result.items()}


def match(case: vectors.Case, request: Request) -> Match:
    query = forms.pairs(request.query)
    if not case.protocol.startswith("rest-"):
        return Match("vectors", case.operation, case.protocol, query=query)
    found = Tree(case.service).find(request.method, request.path, query, request.headers)
    assert found is not None
    assert found[0] == case.operation
    return Match("vectors", case.operation, case.protocol, found[1], query)
