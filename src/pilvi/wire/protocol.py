"""The codec for a service in a protocol."""

import re
from functools import cache

from pilvi.wire import model
from pilvi.wire.aws_cbor import CborCodec
from pilvi.wire.aws_json import JsonCodec
from pilvi.wire.aws_query import Ec2Codec, QueryCodec
from pilvi.wire.aws_rest import RestJsonCodec, RestXmlCodec
from pilvi.wire.aws_s3 import S3Codec
from pilvi.wire.codec import Codec
from pilvi.wire.doors import FORM_PROTOCOL, SITE_PROTOCOL
from pilvi.wire.http import Request
from pilvi.wire.model import Metadata, ServiceModel, UnknownService

CODECS: dict[str, type[Codec]] = {
    "ec2": Ec2Codec,
    "json": JsonCodec,
    "query": QueryCodec,
    "rest-json": RestJsonCodec,
    "rest-xml": RestXmlCodec,
    "smithy-rpc-v2-cbor": CborCodec,
}

SCOPE = re.compile(r"[/%][^/%]*?(?:/|%2F)(?P<service>[a-z0-9-]+)(?:/|%2F)aws4_request", re.IGNORECASE)


@cache
def codec(service: str, protocol: str) -> Codec:
    """The codec of a botocore service name in one of its protocols.

    Raises:
        UnknownService: botocore has no such service.
    """
    return make(model.load(service), protocol)


def make(service: ServiceModel, protocol: str) -> Codec:
    """A codec for a model that need not be botocore's."""
    return (_s3(protocol) if service.name == "s3" else CODECS[protocol])(service, protocol)


def _s3(protocol: str) -> type[S3Codec]:
    """S3's, or that of one of its doors, which most clouds never open."""
    if protocol == FORM_PROTOCOL:
        from pilvi.wire.aws_s3_form import FormCodec  # noqa: PLC0415 - see above

        return FormCodec
    if protocol == SITE_PROTOCOL:
        from pilvi.wire.aws_s3_website import WebsiteCodec  # noqa: PLC0415 - see above

        return WebsiteCodec
    return S3Codec


def fallback(request: Request) -> Codec:
    """The codec for errors of a request that could not be routed: what its sender most likely speaks."""
    headers = request.headers
    kind = headers.get("content-type", "")
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return _bare("smithy-rpc-v2-cbor", "1.0")
    if "x-amz-target" in headers or kind.startswith("application/x-amz-json"):
        return _bare("json", "1.0" if kind.endswith("1.0") else "1.1")
    if kind.startswith("application/x-www-form-urlencoded"):
        return _bare("query", "1.0")
    scope = SCOPE.search(headers.get("authorization", "")) or SCOPE.search(request.query)
    if scope is None or scope["service"] in {"s3", "s3express"}:
        return codec("s3", "rest-xml")
    return _bare(_protocol(scope["service"].lower()), "1.1")


def _protocol(service: str) -> str:
    """What a service speaks where neither header nor body tells; REST with JSON for one that nobody knows."""
    try:
        return model.head(service).protocol
    except UnknownService:
        return "rest-json"


@cache
def _bare(protocol: str, json_version: str) -> Codec:
    """A codec that knows no operations, only how errors look."""
    return make(ServiceModel(Metadata(protocol, json_version=json_version), {}, {}), protocol)
