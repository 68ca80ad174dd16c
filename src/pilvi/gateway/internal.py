"""Answers that are pilvi's own: health, metrics, links to bytes, and CORS preflights, which no client can sign."""

import base64
import hmac
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec

from pilvi import __version__
from pilvi.core import links
from pilvi.core.caller import Check
from pilvi.core.context import Context, RequestInfo
from pilvi.core.errors import AccessDenied
from pilvi.gateway import cors
from pilvi.identity.authenticate import AuthenticationFailed
from pilvi.wire import claims
from pilvi.wire.http import Request, Response
from pilvi.wire.route import is_site, virtual_bucket

if TYPE_CHECKING:
    from pilvi.gateway.pipeline import Gateway

PREFIX = "/_pilvi/"
HEALTH = msgspec.json.encode({"status": "ok", "version": __version__})


def answer(gateway: "Gateway", request: Request) -> Response | None:
    """The answer, when the request is not for a service."""
    if request.path.startswith(PREFIX) and not _is_of_object(request):
        return _own(gateway, request)
    return cors.preflight(gateway, request) if request.method == "OPTIONS" else None


def _is_of_object(request: Request) -> bool:
    """A website; or a bucket in the host, and signed: then the path is a key, whatever it begins with."""
    if is_site(request.header("host")):
        return True
    signed = claims.read(request)
    return signed is not None and signed.problem is None and virtual_bucket(request.header("host")) != ""


def _own(gateway: "Gateway", request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return _text(405, "use GET", ("Allow", "GET, HEAD"))
    name = request.path.removeprefix(PREFIX)
    if name == "health":
        return Response(200, [("Content-Type", "application/json")], HEALTH)
    if name == "metrics":
        if not _may(gateway, request, "pilvi:GetMetrics"):
            return _text(
                401, "an access key is needed (Basic: id and secret)", ("WWW-Authenticate", 'Basic realm="pilvi"')
            )
        return Response(200, [("Content-Type", "text/plain; version=0.0.4; charset=utf-8")], gateway.observer.metrics())
    if PREFIX + name == links.PATH:
        return _blob(gateway, parse_qs(request.query))
    return _text(404, "no such page")


def _blob(gateway: "Gateway", query: dict[str, list[str]]) -> Response:
    """Bytes that a link of ours points to. A link that is wrong, old or points to what is gone is 403 alike."""
    key, token, proof = (query.get(name, [""])[0] for name in ("key", "token", "proof"))
    refused = _text(403, "this link is not valid any more")
    with gateway.store.read() as tx:
        try:
            known = gateway.identity.authenticate(tx, key, token, gateway.clock.now_ms())
        except AuthenticationFailed:
            return refused
        if not known.caller.source.startswith(links.SOURCE):
            return refused
        blob = int(known.caller.source.removeprefix(links.SOURCE))
        if not hmac.compare_digest(proof.encode(), links.proof(known.secret, blob).encode()):
            return refused
        try:
            return Response(200, [("Content-Type", "application/zip")], tx.blobs.read(blob))
        except KeyError:
            return refused


def _may(gateway: "Gateway", request: Request, action: str) -> bool:
    """HTTP Basic with an access key: what monitoring programs can send. RFC 7617."""
    scheme, _, encoded = request.header("authorization").partition(" ")
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return False
    if scheme.lower() != "basic" or not key:
        return False
    now_ms = gateway.clock.now_ms()
    with gateway.store.read() as tx:
        try:
            known = gateway.identity.authenticate(tx, key, None, now_ms)
            if not hmac.compare_digest(known.secret.encode(), secret.encode()):
                return False
            info = RequestInfo("", gateway.region, "", {"aws:SourceIp": request.peer})
            ctx = Context(tx, known.caller, info, now_ms, gateway.ids, gateway.cloud)
            gateway.identity.authorise(ctx, Check(action))
        except (AuthenticationFailed, AccessDenied):
            return False
    return True


def _text(status: int, text: str, *headers: tuple[str, str]) -> Response:
    return Response(status, [("Content-Type", "text/plain; charset=utf-8"), *headers], text.encode() + b"\n")
