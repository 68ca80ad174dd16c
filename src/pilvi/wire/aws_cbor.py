"""Smithy RPC v2 over CBOR: POST /service/{service}/operation/{operation}, input and output as one CBOR map.

https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from collections.abc import Callable
from typing import Any

from pilvi.wire import cbor
from pilvi.wire.aws_json import JsonCodec
from pilvi.wire.http import Headers, Response
from pilvi.wire.model import Ref, ServiceModel, Shape
from pilvi.wire.values import ValueReader


class CborCodec(JsonCodec):
    """One service in RPC v2: what JSON does, with other bytes."""

    event_content_type = "application/cbor"
    empty = b"\xa0"

    def __init__(self, service: ServiceModel, protocol: str) -> None:
        super().__init__(service, protocol)
        self.reader = ValueReader(service, self.source, binary=True)
        self.content_type = "application/cbor"

    def payload_reader(self, ref: Ref) -> Callable[[bytes], Any]:
        read = self.source.function(self.reader.of(ref))
        return lambda body: read(cbor.decode(body))

    def payload_writer(self, ref: Ref) -> Callable[[Any], bytes]:  # noqa: ARG002 - CBOR tells types apart by itself
        return cbor.encode

    def answer_nothing(self, request_id: str) -> Response:
        return Response(200, self.headers("", request_id)[1:])

    def headers(self, content_type: str, request_id: str) -> Headers:
        return [*super().headers(content_type, request_id), ("smithy-protocol", "rpc-v2-cbor")]

    def type_name(self, code: str, found: tuple[str, Shape] | None) -> str:
        return found[0] if found is not None else code

    def write_members(self, shape: str, members: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return members

    def encode(self, body: dict[str, Any]) -> bytes:
        return cbor.encode(body)

    def decode(self, body: bytes) -> Any:
        return cbor.decode(body)
