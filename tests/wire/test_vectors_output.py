"""botocore's output vectors: what we write for these results is what the service is shown to write."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import botocore.awsrequest
import botocore.model
import botocore.parsers
import pytest
from botocore.eventstream import EventStream

import vectors
from pilvi.core.errors import CloudError
from pilvi.wire import cbor, eventstream, faults, protocol
from pilvi.wire.http import Response

CASES = list(vectors.cases("output"))
FOO_ERRORS = (
    "XAmznErrorType",
    "XAmznErrorTypeWithUri",
    "XAmznErrorTypeWithUriAndNamespace",
    "Code",
    "CodeAndNamespace",
    "CodeUriAndNamespace",
)
REQUEST_ID = "request-1"
XML = {"query", "ec2", "rest-xml"}


# Vectors whose bytes are one of several ways to say the result, and not ours. For these, botocore must read the
# vector's result from our answer.
OTHER_BYTES = {
    "an offset from UTC; we write UTC": {
        "legacy/output/ec2/9:0",
        "legacy/output/json/2:0",
        "legacy/output/query/15:0",
        "legacy/output/rest-json/2:0",
        "legacy/output/rest-xml/13:0",
        "output/ec2/Ec2QueryDateTimeWithNegativeOffset",
        "output/ec2/Ec2QueryDateTimeWithPositiveOffset",
        "output/json/AwsJson11DateTimeWithNegativeOffset",
        "output/json/AwsJson11DateTimeWithPositiveOffset",
        "output/query/AwsQueryDateTimeWithNegativeOffset",
        "output/query/AwsQueryDateTimeWithPositiveOffset",
        "output/rest-json/RestJsonDateTimeWithNegativeOffset",
        "output/rest-json/RestJsonDateTimeWithPositiveOffset",
        "output/rest-xml/RestXmlDateTimeWithNegativeOffset",
        "output/rest-xml/RestXmlDateTimeWithPositiveOffset",
    },
    "members, headers or nulls that the model or the result does not have, which clients skip": {
        "legacy/output/json/5:0",
        "legacy/output/rest-json/7:0",
        "legacy/output/rest-json/8:0",
        "output/json/AwsJson11DeserializeIgnoreType",
        "output/json/AwsJson11IntEnums",
        "output/json/AwsJson11StructuresDontDeserializeNullValues",
        "output/json/handles_unexpected_json_output",
        "output/json_1_0/AwsJson10DeserializeAllowNulls",
        "output/json_1_0/AwsJson10DeserializeIgnoreType",
        "output/json_1_0/AwsJson10HandlesUnexpectedJsonOutput",
        "output/rest-json/RestJsonDeserializeIgnoreType",
        "output/rest-json/RestJsonDeserializesDenseSetMapAndSkipsNull",
        "output/rest-json/RestJsonDoesntDeserializeNullStructureValues",
        "output/smithy-rpc-v2-cbor/NoOutputClientAllowsEmptyBody",
        "output/smithy-rpc-v2-cbor/NoOutputClientAllowsEmptyCbor",
        "output/smithy-rpc-v2-cbor/RpcV2CborClientDoesntDeserializeNullStructureValues",
        "output/smithy-rpc-v2-cbor/RpcV2CborDeserializesDenseSetMapAndSkipsNull",
        "output/smithy-rpc-v2-cbor/RpcV2CborExtraFieldsInTheBodyShouldBeSkippedByClients",
        "output/smithy-rpc-v2-cbor/RpcV2CborPayloadWithUnsetUnion",
    },
    "an empty body where we write the empty envelope": {
        "output/query/QueryEmptyInputAndEmptyOutput",
        "output/query/QueryNoInputAndNoOutput",
        "output/query/QueryNoInputAndOutput",
    },
    "white space between the items of a list in a header": {
        "legacy/output/rest-json/18:0",
        "legacy/output/rest-xml/17:0",
    },
    "a root element of an arbitrary name": {
        f"legacy/output/rest-xml/{name}"
        for name in (
            *["0:0", "0:1", "1:0", "2:0", "3:0", "4:0", "5:0", "6:0", "7:0", "8:0", "11:0", "14:0", "16:0", "16:1"],
        )
    },
    "an error's code in another place, or with a namespace or URI around it": {
        "legacy/output/json/7:1",
        "legacy/output/json/8:0",
        "legacy/output/rest-json/13:1",
        "legacy/output/rest-json/13:2",
        *(f"output/json/AwsJson11FooErrorUsing{way}" for way in FOO_ERRORS),
        *(f"output/json_1_0/AwsJson10FooErrorUsing{way}" for way in FOO_ERRORS),
        *(f"output/rest-json/RestJsonFooErrorUsing{way}" for way in FOO_ERRORS if way != "XAmznErrorType"),
        "output/json/AwsJson11FooErrorWithDunderTypeAndNamespace",
        "output/json/AwsJson11FooErrorWithDunderTypeUriAndNamespace",
        "output/json_1_0-query-compatible/QueryCompatibleAwsJson10CustomCodeError",
        "output/json_1_0-query-compatible/QueryCompatibleAwsJson10NoCustomCodeError",
        "output/json_1_0/AwsJson10ComplexError",
        "output/json_1_0/AwsJson10EmptyComplexError",
        "output/json_1_0/AwsJson10FooErrorWithDunderTypeAndNamespace",
        "output/json_1_0/AwsJson10FooErrorWithDunderTypeUriAndNamespace",
        "output/json_1_0/AwsJson10InvalidGreetingError",
        "output/rest-json/RestJsonFooErrorWithDunderType",
        "output/rest-json/RestJsonFooErrorWithDunderTypeAndNamespace",
        "output/rest-json/RestJsonFooErrorWithDunderTypeUriAndNamespace",
        "output/smithy-rpc-v2-cbor-query-compatible/QueryCompatibleRpcV2CborCustomCodeError",
        "output/smithy-rpc-v2-cbor-query-compatible/QueryCompatibleRpcV2CborNoCustomCodeError",
        "output/smithy-rpc-v2-cbor/RpcV2CborComplexError",
        "output/smithy-rpc-v2-cbor/RpcV2CborEmptyComplexError",
        "output/smithy-rpc-v2-cbor/RpcV2CborInvalidGreetingError",
    },
    "a body, headers or a type of sender that the error in the vector does not mention": {
        "legacy/output/ec2/10:2",
        "legacy/output/json/7:2",
        "legacy/output/query/16:0",
        "legacy/output/query/16:1",
        "legacy/output/query/16:2",
        "legacy/output/rest-json/13:3",
        "legacy/output/rest-json/13:4",
        "legacy/output/rest-json/13:5",
        "legacy/output/rest-json/13:6",
        "legacy/output/rest-xml/15:0",
        "legacy/output/rest-xml/15:1",
        "legacy/output/rest-xml/15:2",
        "output/ec2/Ec2ComplexError",
        "output/rest-xml/ComplexError",
        "output/rest-xml/InvalidGreetingError",
    },
    "the text of a JSON value in a header: botocore's models hold the value": {
        "output/rest-json/MediaTypeHeaderOutputBase64",
    },
}
NOT_OUR_BYTES = {name for names in OTHER_BYTES.values() for name in names}

# Vectors that say nothing about writing, each with its reason.
NOT_APPLICABLE = dict.fromkeys(
    ("legacy/output/rest-json/17:2", "legacy/output/rest-xml/16:2"),
    "the result is botocore's word for a member that it does not know",
)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_result_is_written_as_the_response(case: vectors.Case) -> None:
    """Our answer is the vector's; where the vector is one of several ways to say it, it says the same."""
    if case.id in NOT_APPLICABLE:
        return
    if case.id not in NOT_OUR_BYTES:
        assert difference(case) == ""
        return
    said = read_by_botocore(case, answered(case))
    assert vectors.same(said, result(case) if "error" not in case.text else error_members(case))


def test_the_exceptions_are_exact() -> None:
    """Every listed exception is a vector that is there, and that our bytes are not equal to."""
    known = {case.id: case for case in CASES}
    assert known.keys() >= NOT_OUR_BYTES | NOT_APPLICABLE.keys()
    for name in NOT_OUR_BYTES:
        assert difference(known[name]), name
    for name in NOT_APPLICABLE:
        assert "SDK_UNKNOWN_MEMBER" in json.dumps(known[name].text["result"])


def test_all_vectors_are_here() -> None:
    """The suite is the whole of botocore's, not a part that happened to be downloaded."""
    assert len(CASES) >= 450


def answered(case: vectors.Case) -> Response:
    codec = protocol.make(case.service, case.protocol)
    if "error" not in case.text:
        return codec.serialise(case.operation, result(case), REQUEST_ID)
    return codec.error(error(case), case.operation, REQUEST_ID)


def result(case: vectors.Case) -> dict[str, Any]:
    output = case.service.operations[case.operation].output
    return vectors.typed(case.service, output, case.text["result"]) if output else {}


def error(case: vectors.Case) -> CloudError:
    """The vector's error, as an operation would raise it."""
    code = case.text["errorCode"]
    members = {name: value for name, value in error_members(case).items() if name in case.text["error"]}
    message = case.text.get("errorMessage") or ""
    fields = {name: value for name, value in members.items() if name.lower() != "message"}
    return faults.named(CloudError, code, case.text["response"]["status_code"])(message, fields=fields)


def read_by_botocore(case: vectors.Case, response: Response) -> dict[str, Any]:
    """Our answer as botocore's parser reads it, without what every answer has."""
    text = json.loads(json.dumps(case.model))
    service = botocore.model.ServiceModel(text)
    operation = service.operation_model(case.operation)
    shape = operation.output_shape
    if case.protocol == "query" and shape is not None and "error" not in case.text:
        shape.serialization["resultWrapper"] = f"{case.operation}Result"
    answer = {
        "status_code": response.status,
        "headers": botocore.awsrequest.HeadersDict(dict(response.headers)),
        "body": response.body,
        "context": {"operation_name": case.operation},
    }
    parser = botocore.parsers.PROTOCOL_PARSERS[case.protocol]()
    if "error" not in case.text:
        if operation.has_event_stream_output:
            answer["body"] = Raw(response.body)
        found = parser.parse(answer, shape)
        found = {name: list(value) if isinstance(value, EventStream) else value for name, value in found.items()}
    else:
        parsed = parser.parse(answer, shape)
        found = {"Code": parsed["Error"]["Code"]}
        with contextlib.suppress(botocore.model.NoShapeFoundError):
            found |= parser.parse(answer, service.shape_for_error_code(parsed["Error"]["Code"]))
    found.pop("ResponseMetadata", None)
    found.pop("Error", None)
    return found


class Raw:
    """The body as urllib3 gives it to an event stream."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterator[bytes]:
        yield self._data


def error_members(case: vectors.Case) -> dict[str, Any]:
    """The code, and what the model says about the error beside it."""
    found = faults.Modelled(case.service).get(case.text["errorCode"])
    members = vectors.typed(case.service, vectors.Ref(shape=found[0]), case.text["error"]) if found else {}
    return {"Code": case.text["errorCode"], **members}


def difference(case: vectors.Case) -> str:
    """What in our answer is not as in the vector; "" when nothing is."""
    wanted, given = case.text["response"], answered(case)
    if given.status != wanted.get("status_code", 200):
        return f"status {given.status}"
    headers = {name.lower(): text for name, text in given.headers}
    for name, text in wanted.get("headers", {}).items():
        if (
            name.lower() not in UNCOMPARED_HEADERS
            and headers.get(name.lower(), "").partition(";")[0] != text.partition(";")[0]
        ):
            return f"header {name}: {headers.get(name.lower())!r}, not {text!r}"
    body = vectors.body_bytes(case.protocol, wanted.get("body") or "")
    if b":event-type" in given.body:
        body = base64.b64decode(body)
    one, other = meaning(case, body), meaning(case, given.body)
    return "" if vectors.same(one, other) else f"body\n  {other!r}, not\n  {one!r}"


UNCOMPARED_HEADERS = {"x-amzn-requestid", "content-length"}


def meaning(case: vectors.Case, body: bytes) -> Any:
    """A body without what is arbitrary: white space, order of members, request ids."""
    output = case.service.operations[case.operation].output
    if case.protocol.startswith("rest-") and output and "error" not in case.text:
        shape = case.service.shape(output)
        if shape.payload and case.service.shape(shape.members[shape.payload]).type in {"blob", "string"}:
            return body
    if b":event-type" in body or b":exception-type" in body:
        return [event(case, frame) for frame in eventstream.decode(body)]
    if not body:
        return {} if "json" in case.protocol or "cbor" in case.protocol else None  # an empty object says no more
    if case.protocol == "smithy-rpc-v2-cbor":
        return cbor.decode(body)
    if body == b"OK":  # one vector's answer of an operation without output
        return body
    return canonical(body) if case.protocol in XML else json.loads(body)


def event(case: vectors.Case, frame: eventstream.Frame) -> Any:
    kind = frame.headers.get(":content-type", "")
    headers = {name: value for name, value in frame.headers.items() if name != ":content-type"}
    if not frame.payload or kind == "application/octet-stream":
        return headers, frame.payload
    return headers, canonical(frame.payload) if case.protocol in XML else json.loads(frame.payload)


def canonical(body: bytes) -> Any:
    return element(ET.fromstring(body))


def element(node: ET.Element) -> Any:
    children = [element(child) for child in node if child.tag.rpartition("}")[2] not in REQUEST_IDS]
    return node.tag.rpartition("}")[2], node.attrib, children or (node.text or "").strip()


REQUEST_IDS = {"ResponseMetadata", "RequestId", "requestId", "RequestID"}
