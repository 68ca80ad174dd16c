"""The head of a request: bytes up to the empty line -> a Request, or a refusal.

llhttp judges the syntax in its strict mode (bare LF, folded lines, a space before the colon, NUL, Content-Length
beside Transfer-Encoding, a Content-Length twice are all errors). It is given exactly one head and never a body: where
a request ends is decided in one place, from the headers checked here (RFC 9112, section 6).
"""

from typing import Final

import httptools
import msgspec

from pilvi.gateway.limits import Limits
from pilvi.wire.http import Request

UNKNOWN_LENGTH: Final = -1  # chunked

_names: dict[bytes, str] = {}  # header names seen, as lower-case text
_NAMES_MAX: Final = 512
_LENGTH_DIGITS_MAX: Final = 18


class BadHead(Exception):
    """The head cannot be answered but with a refusal, after which the connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head(msgspec.Struct, gc=False):
    """A request whose body is still to come.

    Attributes:
        length: of the body in bytes; UNKNOWN_LENGTH when it comes in chunks.
        keep_alive: whether another request may follow on the connection.
        expects: the client waits for "100 Continue" before it sends the body.
        old: HTTP/1.0.
    """

    request: Request
    length: int
    keep_alive: bool
    expects: bool
    old: bool


class HeadParser:
    """Reads one head after the other; callbacks of httptools collect what it finds."""

    __slots__ = ("_complete", "_count", "_headers", "_http", "_limits", "_url")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._http = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[str, str] = {}
        self._count = 0
        self._complete = 0

    def parse(self, data: bytes, peer: str, *, secure: bool) -> Head | None:
        """The head that `data` is, complete with its empty line; None when it was only empty lines.

        Raises:
            BadHead: with the status to answer.
        """
        headers: dict[str, str] = {}
        self._headers = headers
        self._url = b""
        self._count = self._complete = 0
        http = self._http
        try:
            http.feed_data(data)
        except httptools.HttpParserUpgrade:
            if http.get_method() == b"CONNECT":
                raise BadHead(405, "CONNECT is not for this server.") from None
        except httptools.HttpParserError as error:
            raise BadHead(*self._reason(error)) from None
        if self._complete != 1:
            if self._complete == 0 and not data.strip(b"\r\n"):
                return None
            raise BadHead(400, "The request is not HTTP/1.1.")
        version = http.get_http_version()
        if version not in ("1.1", "1.0"):
            raise BadHead(505, "The HTTP version is not supported.")
        path, _, query = self._target().partition("?")
        request = Request(http.get_method().decode("ascii"), path, query, headers, b"", peer, secure)
        old = version == "1.0"
        length = _body_length(headers, old=old)
        if not old and ("host" not in headers or "," in headers["host"]):
            raise BadHead(400, "A request has exactly one Host.")
        keep_alive = _keeps_alive(headers.get("connection", ""), old=old)
        if length:  # llhttp now waits for a body that it will not be given
            self._http = httptools.HttpRequestParser(self)
        expects = not old and headers.get("expect", "").lower() == "100-continue"
        return Head(request, length, keep_alive, expects, old)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        key = _names.get(name)
        if key is None:
            key = _learn(name)
        headers = self._headers
        text = value.decode("latin-1")
        if text[-1:] in " \t":
            text = text.rstrip(" \t")
        if key in headers:
            text = f"{headers[key]},{text}"
        headers[key] = text

    def on_headers_complete(self) -> None:
        self._complete += 1
        if self._count > self._limits.header_count:
            raise BadHead(431, "Your request has too many headers.")

    def _reason(self, error: Exception) -> tuple[int, str]:
        inner = error.__context__
        if isinstance(inner, BadHead):
            return inner.status, inner.reason
        return 400, f"The request is not HTTP/1.1: {error}."

    def _target(self) -> str:
        """Path and query; of an absolute URI (as sent to proxies) too."""
        url = self._url.decode("latin-1")
        if len(url) > self._limits.uri_bytes:
            raise BadHead(414, "The request URI is too long.")
        if "#" in url:
            raise BadHead(400, "A request URI has no fragment.")
        if url[0] == "/" or url == "*":
            return url
        scheme, found, rest = url.partition("://")
        if not found or scheme.lower() not in ("http", "https"):
            raise BadHead(400, "The request URI is malformed.")
        cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        self._headers["host"] = rest[:cut]  # RFC 9112, section 3.2.2: it counts instead of Host
        return rest[cut:] if rest[cut : cut + 1] == "/" else "/" + rest[cut:]


def _learn(name: bytes) -> str:
    key = name.decode("latin-1").lower()
    if len(_names) < _NAMES_MAX and len(name) <= 64:
        _names[name] = key
    return key


def _body_length(headers: dict[str, str], *, old: bool) -> int:
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None or old:
            raise BadHead(400, "Transfer-Encoding cannot be combined with Content-Length or HTTP/1.0.")
        if coding.lower() != "chunked":
            raise BadHead(501, "The transfer coding is not supported.")
        return UNKNOWN_LENGTH
    if length is None:
        return 0
    if not (length.isascii() and length.isdigit()) or len(length) > _LENGTH_DIGITS_MAX:
        raise BadHead(400, "The Content-Length is malformed.")
    return int(length)


def _keeps_alive(connection: str, *, old: bool) -> bool:
    if not connection:
        return not old
    options = [option.strip() for option in connection.lower().split(",")]
    return "keep-alive" in options if old else "close" not in options
