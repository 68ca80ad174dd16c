"""botocore's service models, read once and kept small. The only reader of them.

botocore ships one `service-2.json.gz` a service and API version: operations, shapes, and how each is written on the
wire. They are decoded straight into the structs below, so documentation is skipped and never held in memory.
botocore itself is not imported: its import costs more than all of our start.
"""

import gzip
import re
import zlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

NAME = re.compile(r"[a-z0-9-]{1,64}")
HEAD_BYTES = 4_096  # metadata stands first in a model and fits in here


class Wire(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Marks that change how a value is written; on a shape, or on the reference to one."""

    location_name: str = ""
    flattened: bool = False
    streaming: bool = False
    jsonvalue: bool = False
    timestamp_format: str = ""
    xml_namespace: dict[str, str] | str = ""


class Ref(Wire, frozen=True, rename="camel", gc=False):
    """A member of a structure, list or map: the name of its shape, and where it stands."""

    shape: str = ""
    location: str = ""
    xml_attribute: bool = False
    query_name: str = ""
    result_wrapper: str = ""
    host_label: bool = False
    eventpayload: bool = False
    eventheader: bool = False
    enum: tuple[str, ...] = ()


class ErrorTrait(msgspec.Struct, frozen=True, rename="camel", gc=False):
    code: str = ""


class Shape(Wire, frozen=True, rename="camel", gc=False):
    """One type of the model. Which fields are set depends on `type`."""

    type: str = "structure"
    members: dict[str, Ref] = {}
    required: tuple[str, ...] = ()
    payload: str = ""
    member: Ref = Ref()
    key: Ref = Ref()
    value: Ref = Ref()
    enum: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    pattern: str = ""
    union: bool = False
    document: bool = False
    eventstream: bool = False
    event: bool = False
    exception: bool = False
    fault: bool = False
    error: ErrorTrait | None = None
    sensitive: bool = False
    sparse: bool = False
    wrapper: bool = False


class Http(msgspec.Struct, frozen=True, rename="camel", gc=False):
    method: str = "POST"
    request_uri: str = "/"
    response_code: int = 200


class HttpChecksum(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Which checksums a request's body has in its headers."""

    request_checksum_required: bool = False


class OperationModel(msgspec.Struct, frozen=True, rename="camel", gc=False):
    name: str
    http: Http = Http()
    input: Ref | None = None
    output: Ref | None = None
    errors: tuple[Ref, ...] = ()
    deprecated: bool = False
    requestcompression: dict[str, Any] | None = None
    http_checksum: HttpChecksum | None = None


class Metadata(msgspec.Struct, frozen=True, rename="camel", gc=False):
    protocol: str
    api_version: str = ""
    endpoint_prefix: str = ""
    signing_name: str = ""
    target_prefix: str = ""
    json_version: str = "1.0"
    protocols: tuple[str, ...] = ()
    xml_namespace: dict[str, str] | str = ""
    service_id: str = ""
    aws_query_compatible: dict[str, Any] | None = None


class ServiceModel(msgspec.Struct, frozen=True):
    """One service's model.

    Attributes:
        name: botocore's name of the service; the folder of its data.
    """

    metadata: Metadata
    operations: dict[str, OperationModel]
    shapes: dict[str, Shape]
    name: str = ""

    @property
    def signing_name(self) -> str:
        return self.metadata.signing_name or self.metadata.endpoint_prefix

    @property
    def protocols(self) -> tuple[str, ...]:
        """Every protocol that the service speaks, its preferred one first."""
        listed = self.metadata.protocols or (self.metadata.protocol,)
        return tuple(dict.fromkeys((self.metadata.protocol, *listed)))

    @property
    def query_compatible(self) -> bool:
        """It spoke the query protocol once: error codes of that time travel in `x-amzn-query-error`."""
        return self.metadata.aws_query_compatible is not None

    def operation(self, name: str) -> OperationModel:
        return self.operations[name]

    def shape(self, ref: Ref) -> Shape:
        return self.shapes[ref.shape]


class _Outline(msgspec.Struct):
    """A model of which nothing but the metadata is kept."""

    metadata: Metadata


class UnknownService(KeyError):
    """botocore has no model of that name."""


def decode(data: bytes, name: str = "") -> ServiceModel:
    """A model from the JSON text of a `service-2` file."""
    found = msgspec.json.decode(data, type=ServiceModel)
    return msgspec.structs.replace(found, name=name)


@cache
def load(service: str) -> ServiceModel:
    """The newest model of a botocore service name, e.g. "s3".

    Raises:
        UnknownService: there is none.
    """
    return decode(gzip.decompress(_file(service).read_bytes()), service)


@cache
def head(service: str) -> Metadata:
    """A service's metadata alone, without decoding the rest of its model: about 0.1 ms instead of 10."""
    with _file(service).open("rb") as file:
        text = zlib.decompressobj(wbits=31).decompress(file.read(HEAD_BYTES))
    begin = text.find(b'"metadata":')
    try:
        return _metadata(text[begin + len(b'"metadata":') :])
    except msgspec.DecodeError:
        return msgspec.json.decode(gzip.decompress(_file(service).read_bytes()), type=_Outline).metadata


@cache
def services() -> frozenset[str]:
    """The names of all services that botocore has a model of."""
    return frozenset(
        entry.name for entry in _data().iterdir() if entry.is_dir() and any(entry.glob("*/service-2.json*"))
    )


def _metadata(text: bytes) -> Metadata:
    """Decodes the object that `text` begins with; what follows it is cut off."""
    depth = 0
    for place, byte in enumerate(text):
        depth += (byte == 0x7B) - (byte == 0x7D)
        if depth == 0:
            return msgspec.json.decode(text[: place + 1], type=Metadata)
    raise msgspec.DecodeError("metadata does not end")


@cache
def _data() -> Path:
    found = find_spec("botocore")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError("botocore is not installed: pilvi reads the shapes of AWS's services from it")
    return Path(found.submodule_search_locations[0]) / "data"


def _file(service: str) -> Path:
    if not NAME.fullmatch(service):
        raise UnknownService(service)
    versions = sorted((_data() / service).glob("*/service-2.json.gz"))
    if not versions:
        raise UnknownService(service)
    return versions[-1]
