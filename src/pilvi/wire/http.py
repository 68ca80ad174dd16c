"""A request and a response as values: what the edge makes of bytes, and the protocols of AWS make of each other."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilvi.core.effects import Body

Headers = list[tuple[str, str]]


class Request(msgspec.Struct):
    """One HTTP request.

    Attributes:
        path: as it came, still percent-encoded ("/photos/a%20b"); `query` likewise, without "?".
        headers: names in lower case; a repeated header's values are joined with ",".
        body: the bounded body; empty while a streaming body is still on its way.
        peer: the client's IP address.
        form: the fields of an HTML form that came before its file (names in lower case), once they are there.
        label: for virtual-host requests the bucket that stood in the host, else "" (set by routing).
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    peer: str = ""
    secure: bool = False
    label: str = ""
    form: Mapping[str, str] | None = None

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name, default)


class Response(msgspec.Struct):
    """One HTTP response. The edge adds Date, Content-Length and Connection.

    Attributes:
        body: bytes, or a Body of blob segments that the edge opens and streams.
        length: for HEAD: the Content-Length to announce though nothing is sent.
    """

    status: int
    headers: Headers
    body: bytes | Body = b""
    length: int | None = None


Shape = dict[str, Any]
