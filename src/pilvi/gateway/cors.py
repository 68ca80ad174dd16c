"""Cross-origin requests: what a browser asks before it lets a page ask, and what it wants to see on the answer.

A service whose resources say themselves which pages may see them (S3's buckets) is asked. All else is answered freely,
because nothing here rides on cookies: a page needs a signature for whatever it asks, preflight or not.
https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from typing import TYPE_CHECKING, Final

from pilvi.core.errors import CloudError
from pilvi.core.operation import Service
from pilvi.core.origins import Crossing
from pilvi.state.store import Store, Tx
from pilvi.wire import protocol
from pilvi.wire import route as routing
from pilvi.wire.codec import Match
from pilvi.wire.http import Headers, Request, Response

if TYPE_CHECKING:
    from pilvi.gateway.pipeline import Gateway

PREFLIGHT_SECONDS: Final = "600"


def preflight(gateway: "Gateway", request: Request) -> Response | None:
    """The answer to OPTIONS, which no service has an operation with, and no page can sign; None where it is none."""
    resource = routing.s3_resource(request, gateway.services)
    service = gateway.services.get("s3") if resource else None
    if resource and service is not None and service.sharing is not None:
        return _asked(gateway, service, resource, request)
    return _free(request) if "origin" in request.headers else None


def _asked(gateway: "Gateway", service: Service, resource: dict[str, str], request: Request) -> Response:
    assert service.sharing is not None
    names = request.header("access-control-request-headers").lower().split(",")
    asked = Crossing(
        request.header("origin"),
        request.header("access-control-request-method"),
        tuple(filter(None, (name.strip() for name in names))),
        preflight=True,
    )
    codec, request_id = protocol.codec("s3", "rest-xml"), gateway.next_request_id()
    try:
        with gateway.store.read() as tx:
            headers = service.sharing.shared(tx, resource, asked)
    except CloudError as error:
        return codec.error(error, None, request_id)
    return Response(200, [*codec.headers("", request_id)[1:], *headers])


def _free(request: Request) -> Response:
    """Any page may ask anything, with whatever headers it names."""
    headers = [
        ("Access-Control-Allow-Origin", request.header("origin")),
        ("Access-Control-Allow-Methods", "GET, HEAD, PUT, POST, DELETE, PATCH"),
        ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
        ("Vary", "Origin, Access-Control-Request-Headers"),
    ]
    asked = request.header("access-control-request-headers")
    if asked:
        headers.append(("Access-Control-Allow-Headers", asked))
    return Response(200, headers)


def share(
    request: Request, response: Response, match: Match | None, service: Service | None, tx: Tx | None, store: Store
) -> None:
    """Lets the page that asked see the answer, as far as it may.

    Args:
        request: has an Origin.
        tx: a snapshot, where one is open.
    """
    if match is not None and service is not None and service.sharing is not None and match.params:
        method = request.headers.get("access-control-request-method") or request.method
        asked = Crossing(request.headers["origin"], method)
        if tx is not None:
            response.headers += service.sharing.shared(tx, match.params, asked)
        else:
            with store.read() as snapshot:
                response.headers += service.sharing.shared(snapshot, match.params, asked)
        return
    _share_all(request, response.headers)


def _share_all(request: Request, headers: Headers) -> None:
    names = dict.fromkeys(name for name, _ in headers)
    headers += [
        ("Access-Control-Allow-Origin", request.headers["origin"]),
        ("Access-Control-Expose-Headers", ", ".join([*names, "Content-Length", "Date"])),
        ("Vary", "Origin"),
    ]
