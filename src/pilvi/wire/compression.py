"""Compressed request bodies: clients may gzip the bodies of operations that say so in the model."""

import zlib

from pilvi.wire.http import Request
from pilvi.wire.scalars import Malformed

PLAIN_BYTES_MAX = 64 * 1024 * 1024  # a small body must not unfold into a large one
GZIP = 31  # zlib's way to ask for gzip's header


def plain_start(request: Request, bytes_max: int) -> bytes:
    """What the body begins with, unfolded no further than that; nothing of what is not gzip though it says so."""
    if "gzip" not in request.headers.get("content-encoding", ""):
        return request.body
    try:
        return zlib.decompressobj(wbits=GZIP).decompress(request.body, bytes_max)
    except zlib.error:
        return b""


def plain_body(request: Request) -> bytes:
    """The body as it was before compression.

    Raises:
        Malformed: it is not gzip though it says so, or too large when unfolded.
    """
    if "gzip" not in request.headers.get("content-encoding", ""):
        return request.body
    inflater = zlib.decompressobj(wbits=GZIP)
    try:
        body = inflater.decompress(request.body, PLAIN_BYTES_MAX)
    except zlib.error:
        raise Malformed("the body is not gzip") from None
    if not inflater.eof:
        raise Malformed("the gzip body is cut off or too large")
    return body
