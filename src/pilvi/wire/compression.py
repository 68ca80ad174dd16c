"""Compressed request bodies: clients may gzip the bodies of operations that say so in the model."""

import zlib

from pilvi.wire.http import Request
from pilvi.wire.scalars import Malformed

PLAIN_BYTES_MAX = 64 * 1024 * 1024  # a small body must not unfold into a large one
GZIP = 31  # zlib's way to ask for gzip's header


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
