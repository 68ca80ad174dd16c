"""Which service and which operation a request is for.

    X-Amz-Target: Prefix.Operation                    AWS JSON
    /service/{name}/operation/{operation}             RPC v2 (CBOR)
    Action=...&Version=... in the form or the query   query, ec2
    method, path, static query, needed members        rest-json, rest-xml

The service is the one that the signature names; several may share that name (elb and elbv2), and an unsigned request
has none, so the target, the version, the host and the path help. What nothing else claims is for S3.

Nobody has proven anything yet: of services that are not built here no more is looked at than their metadata, since the
models of all of them would take hundreds of megabytes.
"""

import re
from collections.abc import Container, Iterator
from functools import cache, lru_cache

from pilvi.core.errors import CloudError, NotBuilt
from pilvi.wire import faults, forms, model
from pilvi.wire.codec import Match
from pilvi.wire.compression import plain_start
from pilvi.wire.doors import FORM_OPERATION, FORM_PROTOCOL, SITE_OPERATION, SITE_PROTOCOL
from pilvi.wire.http import Request
from pilvi.wire.model import Metadata, UnknownService
from pilvi.wire.resttree import Tree
from pilvi.wire.scalars import Malformed

__all__ = ["Match", "UnknownOperation", "is_site", "route", "s3_resource", "virtual_bucket"]

NAMES_MAX = 1_024  # names from requests whose meaning is remembered
HOST_LENGTH_MAX = 255  # of a host name (RFC 1035)
FORM_START_BYTES = 64 * 1024  # of a compressed form: Action and Version stand in here
DIRECTORY_BUCKETS = "s3express"  # the name that requests to them are signed with
FORM = "application/x-www-form-urlencoded"
CBOR_PATH = re.compile(r"/service/(?P<service>[^/]+)/operation/(?P<operation>[^/]+)/?")
S3_HOST = re.compile(r"(?:(?P<bucket>[a-z0-9._-]+)\.)?s3(?:-[a-z]{2}-[a-z-]+-\d)?\..+")
SITE_HOST = re.compile(r"(?P<bucket>[a-z0-9._-]+)\.s3-website(?:[.-][a-z]{2}(?:-[a-z]+)+-\d)?\..+")
LOCAL_HOST = re.compile(r"(?P<bucket>[a-z0-9._-]+)\.localhost(?:\.localstack\.cloud)?")
SERVICE_HOST = re.compile(
    r"(?:[0-9]{12}\.)?(?P<service>[a-z0-9-]+)\.(?:[a-z0-9-]+\.)?(?:localhost\.localstack\.cloud|amazonaws\.com)"
)
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH")
S3_CONTROL_PATH = "/v20180820/"


class UnknownOperation(CloudError):
    """The service has no such operation."""

    code = "UnknownOperationException"
    status = 404


class _Everything:
    def __contains__(self, name: object) -> bool:
        return True


EVERYTHING = _Everything()


def route(request: Request, *, signing_name: str | None, built: Container[str] = EVERYTHING) -> Match:
    """Where the request goes. For a virtual-host request to S3, `request.label` is set to the bucket.

    Args:
        request: its body too, when the operation may stand in there.
        signing_name: the service in the signature's scope, None for a request without one.
        built: names of the services that are here.

    Raises:
        UnknownOperation: under the name that the service gives to it.
        NotBuilt: it is for a service that is not here, or that AWS does not have.
    """
    headers = request.headers
    if signing_name is None and _place_of(headers.get("host", ""))[1]:
        return _route_s3(request)
    if signing_name == DIRECTORY_BUCKETS:
        raise NotBuilt("Directory buckets are not built.")
    if signing_name == "s3" and not request.path.startswith(S3_CONTROL_PATH):
        return _route_s3(request)
    target = headers.get("x-amz-target")
    if target is not None:
        return _route_target(target, signing_name, built)
    if headers.get("smithy-protocol") == "rpc-v2-cbor" or request.path.startswith("/service/"):
        found = CBOR_PATH.fullmatch(request.path)
        if found is not None:
            return _route_cbor(found["service"], found["operation"], signing_name, built)
    if signing_name is None:
        signing_name = _name_in_host(headers.get("host", ""))
    if request.method in {"GET", "POST"}:
        query = _query(request)
        action = _form(request, query)
        if "Action" in action and _any_speaks_query(signing_name):
            return _route_action(action, query, signing_name, built)
    if signing_name is None or signing_name == "s3":
        return _route_s3(request) if not request.path.startswith(S3_CONTROL_PATH) else _route_rest(request, "s3", built)
    return _route_rest(request, signing_name, built)


# --- S3 ---------------------------------------------------------------------------------------------------------------


def _route_s3(request: Request) -> Match:
    bucket, is_site = _place_of(request.headers.get("host", ""))
    path = request.path
    if bucket:
        if is_site:
            return Match("s3", SITE_OPERATION, SITE_PROTOCOL, {"Bucket": bucket})
        request.label = bucket
        path = f"/{bucket}{path}"
    query = _query(request)
    found = _tree("s3").find_two_levels(request.method, path, query, request.headers)
    if found is None:
        if request.method == "POST" and path != "/":
            return _route_form(path, query)
        raise _unknown("MethodNotAllowed", 405)("The specified method is not allowed against this resource.")
    operation, labels = found
    return Match("s3", operation, "rest-xml", labels, query)


def _route_form(path: str, query: forms.Pairs) -> Match:
    """What nothing else is that is posted to a bucket is an HTML form."""
    bucket, _, key = path[1:].partition("/")
    if key:
        raise _unknown("MethodNotAllowed", 405)("The specified method is not allowed against this resource.")
    try:
        return Match("s3", FORM_OPERATION, FORM_PROTOCOL, {"Bucket": forms.decode_label(bucket)}, query)
    except Malformed:
        raise _unknown("InvalidURI", 400)("Couldn't parse the specified URI.") from None


def s3_resource(request: Request, built: Container[str] = EVERYTHING) -> dict[str, str]:
    """The bucket and the key that a request is about, whatever it wants of them; {} where it is not for S3's buckets.

    For what cannot be routed: a preflight, which says only what kind of request may follow it.
    """
    host = request.headers.get("host", "")
    bucket = virtual_bucket(host)
    if _name_in_host(host) not in {None, "s3"}:
        return {}
    path = request.path[1:]
    try:
        if not bucket:
            if _is_of_another(request, built):
                return {}
            bucket, _, path = path.partition("/")
        found = {"Bucket": forms.decode_label(bucket), "Key": forms.decode_label(path)}
    except (CloudError, Malformed):  # no text
        return {}
    return {name: value for name, value in found.items() if value} if bucket else {}


def _is_of_another(request: Request, built: Container[str]) -> bool:
    """Whether some other service that is here has an operation at this path."""
    others = (service for service in sorted(model.services()) if service != "s3" and service in built)
    return any(
        _tree(service).find(method, request.path, (), request.headers) is not None
        for service in others
        if model.head(service).protocol.startswith("rest-")
        for method in METHODS
    )


def virtual_bucket(host: str) -> str:
    """The bucket in a virtual-host style host name, "" when there is none.

    bucket.localhost, bucket.s3.anything, bucket.localhost.localstack.cloud; with or without a port, in any case.
    """
    return _place_of(host)[0]


def is_site(host: str) -> bool:
    """Whether a host name is that of a website: bucket.s3-website.anything, bucket.s3-website-us-east-1.anything."""
    return _place_of(host)[1]


def _place_of(host: str) -> tuple[str, bool]:
    return _read_host(host) if len(host) <= HOST_LENGTH_MAX else ("", False)


@lru_cache(NAMES_MAX)
def _read_host(host: str) -> tuple[str, bool]:
    """The bucket in a host name, and whether it is there as a website."""
    name = (host.rpartition(":")[0] if ":" in host else host).lower()
    site = SITE_HOST.fullmatch(name)
    if site is not None:
        return site["bucket"], True
    found = S3_HOST.fullmatch(name) or LOCAL_HOST.fullmatch(name)
    bucket = found["bucket"] if found else None
    return ("" if bucket in {None, "s3"} else str(bucket)), False


# --- JSON, CBOR and query ---------------------------------------------------------------------------------------------


def _route_target(target: str, signing_name: str | None, built: Container[str]) -> Match:
    prefix, _, operation = target.rpartition(".")
    for service in _candidates(signing_name):
        metadata = model.head(service)
        if metadata.target_prefix == prefix and "json" in (metadata.protocol, *metadata.protocols):
            return _known(service, operation, "json", built)
    if next(_candidates(signing_name), None) is None:
        raise NotBuilt(f"The service {signing_name} is not known.")
    raise _unknown("UnknownOperationException", 400)


def _route_cbor(name: str, operation: str, signing_name: str | None, built: Container[str]) -> Match:
    for service in _candidates(signing_name):
        metadata = model.head(service)
        if name in {metadata.target_prefix, metadata.service_id.replace(" ", "")} and _speaks(metadata, "cbor"):
            return _known(service, operation, "smithy-rpc-v2-cbor", built)
    raise _unknown("UnknownOperationException", 404)


def _known(service: str, operation: str, protocol: str, built: Container[str]) -> Match:
    if service not in built:
        raise _not_built(service)
    if operation not in model.load(service).operations:
        raise _unknown("UnknownOperationException", 404 if protocol == "smithy-rpc-v2-cbor" else 400)
    return Match(service, operation, protocol)


def _route_action(action: dict[str, str], query: forms.Pairs, signing_name: str | None, built: Container[str]) -> Match:
    name, version = action["Action"], action.get("Version", "")
    named = signing_name is not None or bool(version)
    elsewhere = ""
    for service in _candidates(signing_name):
        metadata = model.head(service)
        protocol = next((kind for kind in ("query", "ec2") if _speaks(metadata, kind)), "")
        if not protocol or version not in {"", metadata.api_version}:
            continue
        if service not in built:
            elsewhere = elsewhere or service
        elif name in model.load(service).operations:
            return Match(service, name, protocol, query=query)
        else:
            named = False
    if elsewhere and named:
        raise _not_built(elsewhere)
    raise _unknown("InvalidAction", 400)(
        f"Could not find operation {name} for version {version or 'NO_VERSION_SPECIFIED'}"
    )


def _any_speaks_query(signing_name: str | None) -> bool:
    return any(
        _speaks(model.head(service), "query") or _speaks(model.head(service), "ec2")
        for service in _candidates(signing_name)
    )


def _form(request: Request, query: forms.Pairs) -> dict[str, str]:
    """Action and Version, from the query string or the body."""
    found = dict(query)
    if request.body and request.headers.get("content-type", "").startswith(FORM):
        body = plain_start(request, FORM_START_BYTES)
        try:
            found.update(forms.pairs(body.decode() if body is request.body else body.decode(errors="ignore")))
        except (Malformed, UnicodeDecodeError) as error:
            raise _unknown("MalformedInput", 400)(str(error)) from None
    return found


# --- REST -------------------------------------------------------------------------------------------------------------


def _route_rest(request: Request, signing_name: str, built: Container[str]) -> Match:
    query = _query(request)
    here, elsewhere = False, ""
    for service in _candidates(signing_name):
        if service == "s3":
            continue
        if service not in built:
            elsewhere = elsewhere or service
            continue
        here = True
        protocol = model.head(service).protocol
        if not protocol.startswith("rest-") or _has_dots(request.path):
            continue
        found = _tree(service).find(request.method, request.path, query, request.headers)
        if found is not None:
            return Match(service, found[0], protocol, found[1], query)
    if here:
        raise UnknownOperation("The requested operation does not exist.")
    raise _not_built(elsewhere) if elsewhere else NotBuilt(f"The service {signing_name} is not known.")


def _has_dots(path: str) -> bool:
    """Dot segments: signatures are of the path without them, so with them it could be the path of something else."""
    return "/." in path and not {".", ".."}.isdisjoint(path.split("/"))


@cache
def _tree(service: str) -> Tree:
    return Tree(model.load(service))


def _query(request: Request) -> forms.Pairs:
    if not request.query:
        return ()
    try:
        return forms.pairs(request.query)
    except Malformed as error:
        raise _unknown("InvalidURI", 400)(str(error)) from None


# --- services by name -------------------------------------------------------------------------------------------------


def _candidates(signing_name: str | None) -> Iterator[str]:
    """Services that sign as `signing_name`, all for None.

    The one that has the very name comes first: for its requests no other model is looked at.
    """
    if signing_name is None:
        yield from sorted(model.services())
        return
    if _is_service(signing_name):
        yield signing_name
    for service in _index().get(signing_name, ()):
        if service != signing_name:
            yield service


@lru_cache(NAMES_MAX)
def _is_service(name: str) -> bool:
    """Whether a service signs with its own name, and this is it."""
    try:
        metadata = model.head(name)
    except UnknownService:
        return False
    return (metadata.signing_name or metadata.endpoint_prefix) == name


@cache
def _index() -> dict[str, tuple[str, ...]]:
    """Services by signing name (and by endpoint prefix, for hosts)."""
    found: dict[str, list[str]] = {}
    for service in sorted(model.services()):
        metadata = model.head(service)
        for name in {metadata.signing_name or metadata.endpoint_prefix, metadata.endpoint_prefix}:
            found.setdefault(name, []).append(service)
    return {name: tuple(services) for name, services in found.items()}


def _speaks(metadata: Metadata, protocol: str) -> bool:
    return any(protocol in kind.split("-") or kind == protocol for kind in (metadata.protocol, *metadata.protocols))


def _name_in_host(host: str) -> str | None:
    """The service that a host name begins with: lambda.us-east-1.amazonaws.com, sts.localhost.localstack.cloud."""
    found = SERVICE_HOST.fullmatch(host.partition(":")[0].lower()) if len(host) <= HOST_LENGTH_MAX else None
    if found is None:
        return None
    name = found["service"]
    return name if _is_service(name) or name in _index() else None


def _not_built(service: str) -> NotBuilt:
    return NotBuilt(f"The service {service} is not built.")


def _unknown(code: str, status: int) -> type[CloudError]:
    return faults.named(UnknownOperation, code, status)
