"""Cross-origin requests: what a browser asks before it lets a page ask, and what it wants to see on the answer.

They are answered freely because nothing here rides on cookies: a page needs a signature for whatever it asks, preflight
or not. https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from typing import Final

from pilvi.wire.http import Request, Response

PREFLIGHT_SECONDS: Final = "600"


def is_preflight(request: Request) -> bool:
    """No service has an operation with this method, and no page can sign it."""
    return request.method == "OPTIONS" and "origin" in request.headers


def preflight(request: Request) -> Response:
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


def share(request: Request, response: Response) -> None:
    """Lets the page that asked see the answer, with every header that it has."""
    origin = request.headers.get("origin")
    if origin is None:
        return
    names = dict.fromkeys(name for name, _ in response.headers)
    response.headers += [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", ", ".join([*names, "Content-Length", "Date"])),
        ("Vary", "Origin"),
    ]
