"""One request as it will stand on the wire, and what can be done to it there."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import botocore.serialize
from botocore.exceptions import BotoCoreError
from botocore.model import OperationModel, StructureShape

from fuzz import typed
from fuzz.examples import EXAMPLES
from fuzz.values import Values
from pilvi import services

METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE")
DOCUMENT_BYTES_MAX = 300_000  # of one that is changed: larger ones are as deep or as wide as we can take ourselves
KMS_TARGET = "TrentService"
SLOW = frozenset({"KeySpec", "KeyPairSpec", "CustomerMasterKeySpec"})
"""Members that may ask for keys that take seconds to make."""


@dataclasses.dataclass
class Ask:
    """A request before it is signed.

    Attributes:
        path: as it is sent, percent-encoded or not; query: names and values as they are sent, None without "=".
        headers: names as they are sent; the same one may stand there twice.
    """

    service: str
    operation: str
    method: str
    path: str
    query: list[tuple[str, str | None]]
    headers: list[tuple[str, str]]
    body: bytes
    host: str = ""

    @property
    def target(self) -> str:
        text = "&".join(name if value is None else f"{name}={value}" for name, value in self.query)
        return f"{self.path}?{text}" if self.query else self.path


def for_s3(values: Values, operation: OperationModel) -> Ask:
    """A request for an operation of S3, as botocore would write it."""
    example = EXAMPLES.get(operation.name)
    base = example(values) if example is not None and values.often(0.8) else {}
    written = _written("s3", operation, typed.params(values, operation, base))
    query = [(quote(name, safe=""), quote(text, safe="")) for name, text in _pairs(written["query_string"])]
    path, _, own = written["url_path"].partition("?")
    made = [tuple(part.split("=", 1)) if "=" in part else (part, None) for part in own.split("&") if part]
    headers = [(name, str(text)) for name, text in written["headers"].items()]
    body = written["body"] or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    return Ask("s3", operation.name, written["method"], path, [*made, *query], headers, body)


@cache
def built(service: str) -> tuple[str, ...]:
    return tuple(sorted(services.discover()[service].operations))


def for_kms(values: Values, operation: OperationModel) -> Ask:
    example = EXAMPLES.get(operation.name)
    base = example(values) if example is not None else {}
    made = typed.params(values, operation, base)
    if not values.often(0.01):
        made = {
            name: value for name, value in made.items() if name not in SLOW or name in base or "RSA" not in str(value)
        }
    written = _written("kms", operation, made)
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", f"{KMS_TARGET}.{operation.name}")]
    return Ask("kms", operation.name, "POST", "/", [], headers, bytes(written["body"]))


def _written(service: str, operation: OperationModel, params: typed.Params) -> Any:
    serializer = botocore.serialize.create_serializer(
        typed.model(service).metadata["protocol"], include_validation=False
    )
    return serializer.serialize_to_request(params, operation)


def _pairs(query: Any) -> list[tuple[str, str]]:
    return [
        (name, str(text))
        for name, found in dict(query).items()
        for text in (found if isinstance(found, list) else [found])
    ]


def make(values: Values) -> Ask:
    """A request for one of the operations, or for none at all, with or without something wrong with it."""
    while True:
        service = "kms" if values.often(0.15) else "s3"
        names = typed.model(service).operation_names if values.often(0.1) else built(service)
        name = values.pick(COMMON) if service == "s3" and values.often(0.45) else values.pick(names)
        operation = typed.model(service).operation_model(name)
        try:
            ask = for_kms(values, operation) if service == "kms" else for_s3(values, operation)
        except (BotoCoreError, ValueError, TypeError, AttributeError, OverflowError):
            continue  # what botocore cannot write
        for _ in range(values.pick((0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 6))):
            values.pick(MUTATIONS)(values, ask)
        return ask


COMMON = (
    "PutObject", "PutObject", "PutObject", "GetObject", "GetObject", "HeadObject", "CopyObject", "CopyObject", "DeleteObject",
    "DeleteObjects", "ListObjects", "ListObjectsV2", "ListObjectVersions", "CreateMultipartUpload", "UploadPart", "UploadPart",
    "UploadPartCopy", "CompleteMultipartUpload", "ListMultipartUploads", "ListParts", "GetObjectAttributes",
)  # fmt: skip


# -- what the model knows ----------------------------------------------------------------------------------------------


@cache
def header_names() -> tuple[str, ...]:
    """Every header that any operation of S3 reads."""
    return tuple(sorted(_located("header")))


@cache
def query_names() -> tuple[str, ...]:
    """Every parameter that any operation of S3 reads, and every sub-resource."""
    model = typed.model("s3")
    own = {
        part.partition("=")[0]
        for name in model.operation_names
        for part in model.operation_model(name).http["requestUri"].partition("?")[2].split("&")
        if part
    }
    signed = {
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Security-Token",
    }
    return tuple(sorted({*_located("querystring"), *own, *signed, "x-id", "Action", "Version"}))


def _located(location: str) -> set[str]:
    model = typed.model("s3")
    found: set[str] = set()
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        if isinstance(shape, StructureShape):
            for member, ref in shape.members.items():
                if ref.serialization.get("location") == location:
                    found.add(ref.serialization.get("name", member))
    return found


# -- what is done to requests ------------------------------------------------------------------------------------------


def _text(values: Values) -> str:
    """A value for a header or a parameter."""
    return str(values.hostile()) if values.often(0.75) else str(values.number())


def add_header(values: Values, ask: Ask) -> None:
    others = ("x-amz-meta-a", "x-amz-meta-é", "Origin", "Content-Type", "Content-Encoding", "If-Match", "If-Modified-Since", "x-amz-date",
              "Access-Control-Request-Method", "x-amz-security-token", "x-amz-target", "smithy-protocol", "x-http-method-override")  # fmt: skip
    name = values.pick(header_names()) if values.often(0.75) else values.pick(others)
    ask.headers.append((name, _text(values)))


def change_header(values: Values, ask: Ask) -> None:
    if ask.headers:
        at = values.chance.randrange(len(ask.headers))
        name, text = ask.headers[at]
        ask.headers[at] = (
            name,
            values.pick((_text(values), text + _text(values), text[: len(text) // 2], text.upper(), f" {text} ")),
        )


def double_header(values: Values, ask: Ask) -> None:
    if ask.headers:
        name, text = values.pick(ask.headers)
        ask.headers.append((name.upper(), values.pick((text, _text(values)))))


def drop_header(values: Values, ask: Ask) -> None:
    if ask.headers:
        ask.headers.remove(values.pick(ask.headers))


def add_parameter(values: Values, ask: Ask) -> None:
    text = _text(values)
    encoded: str | None = (
        quote(text, safe="")
        if values.often(0.8)
        else values.pick((None, "%", "%zz", "%ff%fe", "a+b", "\xe9", "%00", "a=b", "&&"))
    )
    ask.query.insert(values.chance.randint(0, len(ask.query)), (values.pick(query_names()), encoded))


def change_parameter(values: Values, ask: Ask) -> None:
    if ask.query:
        at = values.chance.randrange(len(ask.query))
        ask.query[at] = (ask.query[at][0], values.pick((quote(_text(values), safe=""), None, "", "%ff")))


def double_parameter(values: Values, ask: Ask) -> None:
    if ask.query:
        ask.query.append(values.pick(ask.query))


def change_path(values: Values, ask: Ask) -> None:
    path = ask.path
    ends = (
        "/",
        "//",
        "/.",
        "/..",
        "%00",
        "%ff",
        "%2f",
        "%2e%2e",
        "%",
        "%zz",
        "\xe9",
        "\x80",
        ";x",
        "/" * 50,
        "%0d%0a",
        quote(values.hostile()),
    )
    ask.path = values.pick(
        (path + values.pick(ends), path.replace("/", "//", 1), "/" + path, path.rpartition("/")[0] or "/", "/", "*")
    )


def change_method(values: Values, ask: Ask) -> None:
    ask.method = values.pick(METHODS)


def change_host(values: Values, ask: Ask) -> None:
    """A bucket in the name of the host, a website's, or one that nobody has."""
    ask.host = values.pick(
        (f"{values.bucket()}.localhost", f"{values.bucket()}.s3-website.localhost", f"{values.bucket()}.s3.us-east-1.amazonaws.com", "x", "[::1]",
         "iam.amazonaws.com", "a" * 300, f"{values.bucket()}.s3-website-us-east-1.amazonaws.com")
    )  # fmt: skip


def change_bytes(values: Values, ask: Ask) -> None:
    """Bytes of the body: replaced, removed, doubled, cut."""
    body, chance = bytearray(ask.body), values.chance
    at, length = chance.randint(0, len(body)), chance.randint(0, 8)
    kind = values.pick(("replace", "remove", "double", "cut", "all"))
    if kind == "replace":
        body[at : at + length] = values.pick(
            (b"\x00", b"\xff\xfe", b"\xc0\x80", b"<", b">", b"&", b"&#0;", b"&x;", b"]]>", b'"', chance.randbytes(4))
        )
    elif kind == "remove":
        del body[at : at + length]
    elif kind == "double":
        body[at:at] = body[at : at + 200]
    elif kind == "cut":
        del body[at:]
    else:
        body = bytearray(values.pick((b"", b" ", b"\xef\xbb\xbf" + ask.body, b"{}", b"null", b"[" * 5_000, b"<a>" * 300, b"<!DOCTYPE a>" + ask.body,
                                      b'<?xml version="1.0" encoding="UTF-16"?>' + ask.body, ask.body.decode("latin-1").encode("utf-16"))))  # fmt: skip
    ask.body = bytes(body)


def change_document(values: Values, ask: Ask) -> None:
    """The body as what it is, XML or JSON: elements doubled, moved, emptied, filled with something else."""
    if len(ask.body) > DOCUMENT_BYTES_MAX:
        return
    if ask.body[:1] == b"<":
        _change_xml(values, ask)
    elif ask.body[:1] == b"{":
        _change_json(values, ask)


def _change_xml(values: Values, ask: Ask) -> None:
    try:
        root = ET.fromstring(ask.body)
    except ET.ParseError:
        return
    parents = [element for element in root.iter() if len(element)] or [root]
    element, parent = values.pick(list(root.iter())), values.pick(parents)
    kind = values.pick(
        ("text", "text", "text", "double", "double", "remove", "rename", "deeper", "attribute", "move", "many")
    )
    if kind == "text":
        element.text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", _text(values))
    elif kind == "double" and len(parent):
        parent.append(values.pick(list(parent)))
    elif kind == "remove" and len(parent):
        parent.remove(values.pick(list(parent)))
    elif kind == "rename":
        element.tag = values.pick(
            ("a", "Rules", "{urn:x}Rule", "Key", element.tag.rpartition("}")[2], "Filter", "And", "Tag", "Days")
        )
    elif kind == "deeper" and len(parent):
        inner = values.pick(list(parent))
        for _ in range(values.pick((1, 3, 98, 120))):
            inner.append(ET.Element(inner.tag))
            inner = inner[-1]
    elif kind == "attribute":
        element.set(
            values.pick(("a", "{http://www.w3.org/2001/XMLSchema-instance}type", "xsi")),
            re.sub(r"[\x00-\x1f\ufffe\uffff]", "", _text(values)),
        )
    elif kind == "move":
        parent.append(ET.Element(values.pick(list(root.iter())).tag))
    elif kind == "many" and len(parent):
        parent.extend([values.pick(list(parent))] * values.pick((10, 101, 1001)))
    ask.body = ET.tostring(root)


def _change_json(values: Values, ask: Ask) -> None:
    try:
        document = json.loads(ask.body)
    except ValueError:
        return
    strange: Any = values.pick(
        (None, True, 0, -1, 1.5, 2**63, 10**400, "", [], {}, [[]], {"a": {}}, [None], values.hostile(), "\ud800")
    )
    place: Any = document
    while isinstance(place, dict | list) and place:
        at = values.pick(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[at], dict | list) or not place[at] or values.often(0.4):
            place[at] = strange
            break
        place = place[at]
    ask.body = json.dumps(document).encode()


def enlarge(values: Values, ask: Ask) -> None:
    """A document of megabytes: wide, deep, or one long text."""
    if ask.body[:1] == b"<" and values.often(0.05):
        inside = values.pick((b"<Rule/>" * 200_000, b"<a>" * 100_000 + b"</a>" * 100_000, b"<ID>" + b"x" * 3_000_000 + b"</ID>",
                              b"<Object><Key>a</Key></Object>" * 20_000, b"&#120;" * 500_000, b"<a b='" + b"&lt;" * 100_000 + b"'/>"))  # fmt: skip
        cut = ask.body.find(b">") + 1
        ask.body = ask.body[:cut] + inside + ask.body[cut:]
    elif ask.body[:1] == b"{" and values.often(0.05):
        ask.body = values.pick(
            (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"KeyId":"' + b"x" * 3_000_000 + b'"}', b"[" * 1_000_000)
        )


MUTATIONS: tuple[Callable[[Values, Ask], None], ...] = (
    add_header, add_header, change_header, double_header, drop_header, add_parameter, add_parameter, change_parameter,
    double_parameter, change_path, change_method, change_host, change_bytes, change_document, change_document, change_document,
    enlarge,
)  # fmt: skip
