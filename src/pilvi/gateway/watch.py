"""Telling those who watch a request how it was answered: see core.watched."""

import time
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pilvi.core.watched import WATCHED, Answered
from pilvi.gateway.answer import Streamed
from pilvi.wire.http import Response

if TYPE_CHECKING:
    from pilvi.gateway.pipeline import Exchange


def tell(exchange: "Exchange", response: Response, error: str, bytes_out: int, now: float) -> None:
    """Of an answer that is ready; a streamed one is told of when it was sent."""
    seen = _answered(exchange, response, error, bytes_out, now)
    if isinstance(response, Streamed):
        response.on_close = partial(_sent, exchange, seen)
    else:
        exchange.gateway.watcher(seen, exchange.memo[WATCHED])


def _sent(exchange: "Exchange", seen: Answered, unsent: int) -> None:
    us = int((time.perf_counter() - exchange.started) * 1_000_000)
    exchange.gateway.watcher(msgspec.structs.replace(seen, size=seen.size - unsent, us=us), exchange.memo[WATCHED])


def find_watchers(exchange: "Exchange") -> None:
    """Of a request that was refused before anybody looked at what it is for."""
    match = exchange.match
    service = exchange.gateway.services.get(match.service) if match is not None else None
    if match is not None and service is not None and service.watches is not None:
        with exchange.gateway.store.read() as tx:
            watched = service.watches.refused(tx, match.params)
        if watched:
            exchange.memo = {WATCHED: watched}


def _answered(exchange: "Exchange", response: Response, error: str, bytes_out: int, now: float) -> Answered:
    request, claims, match = exchange.request, exchange.claims, exchange.match
    size = bytes_out or (len(response.body) if isinstance(response.body, bytes) else 0)
    return Answered(
        exchange.begun_ms,
        exchange.request_id,
        match.operation if match else "",
        exchange.shape or (match.params if match else {}),
        exchange.caller,
        request.method,
        request.path,
        request.query,
        request.headers,
        request.peer,
        request.secure,
        "" if claims is None else "SigV2" if claims.old else "SigV4",
        claims is not None and claims.presigned,
        response.status,
        error,
        response.headers,
        size,
        size if response.length is None else response.length,
        int((now - exchange.started) * 1_000_000),
        int((now - exchange.arrived) * 1_000_000),
    )
