"""Requests signed as they stand, however they stand; framed in every way that a body can come; and strict reading of answers."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import re
import select
import socket
import time
import zlib

from fuzz.asks import Ask
from fuzz.values import Values

REGION = "us-east-1"
SIGNED, SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
ANSWER_SECONDS = 60.0
WAIT_SECONDS = 0.3
EMPTY = hashlib.sha256(b"").hexdigest()
UNFIT = re.compile(r"[\r\n\x00]")


@dataclasses.dataclass(frozen=True)
class Who:
    """Who signs; without a key nobody does."""

    key: str = ""
    secret: str = ""


@dataclasses.dataclass(frozen=True)
class Answer:
    """Status 0: the connection was closed without an answer."""

    status: int
    head: bytes
    body: bytes


def written(values: Values, ask: Ask, who: Who, host: str) -> tuple[bytes, bool]:
    """The bytes of a request, its body framed in one of the ways that there are; whether it is as long as it says."""
    framing = values.pick(
        (
            "whole",
            "whole",
            "whole",
            "unsigned",
            SIGNED,
            SIGNED_TRAILER,
            UNSIGNED_TRAILER,
            "chunked",
            "wrong",
            "presigned",
        )
    )
    if ask.service != "s3" or (not ask.body and ask.method != "PUT" and framing != "presigned"):
        framing = "whole"
    if framing == "presigned":
        return _presigned(ask, who, host), _tells_no_length(ask)
    fields = [(name, UNFIT.sub(" ", text)) for name, text in ask.headers]
    _digests(values, ask, fields)
    payload = {
        "whole": hashlib.sha256(ask.body).hexdigest(),
        "wrong": values.hostile() if values.often(0.5) else EMPTY,
    }.get(framing, framing)
    if framing in ("unsigned", "chunked"):
        payload = "UNSIGNED-PAYLOAD"
    trailer = ""
    if framing.startswith("STREAMING"):
        size = len(ask.body) if values.often(0.95) else values.number()
        fields.append(("x-amz-decoded-content-length", str(size)))
        fields.append(("Content-Encoding", "aws-chunked"))
        if framing != SIGNED:
            trailer = values.pick(
                ("x-amz-checksum-crc32", "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-meta-x")
            )
            fields.append(("x-amz-trailer", trailer))
    stamp, signature, fields = _signed(ask, who, host, [*fields, ("x-amz-content-sha256", UNFIT.sub(" ", payload))])
    body = ask.body
    if framing.startswith("STREAMING"):
        body = _chunks(values, body, framing, trailer, who, stamp, signature)
    if framing == "chunked":
        fields.append(("Transfer-Encoding", "chunked"))
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:10], body[10:]) if part) + b"0\r\n\r\n"
    elif body or ask.method in ("PUT", "POST") or values.often(0.1):
        length = len(body) if values.often(0.98) else len(body) + values.pick((-1, 1, 100, 10**12))
        fields.append(("Content-Length", str(max(length, 0))))
    if values.often(0.03):
        fields.append(("Expect", "100-continue"))
    whole = _tells_no_length(ask) and not any(
        name == "Content-Length" and text != str(len(body)) for name, text in fields
    )
    return _head(ask.method, ask.target, fields) + body, whole


def _tells_no_length(ask: Ask) -> bool:
    """Whether none of its own headers say how long its body is."""
    return not any(
        name.lower() in ("content-length", "transfer-encoding", "expect", "connection") for name, _ in ask.headers
    )


def _digests(values: Values, ask: Ask, fields: list[tuple[str, str]]) -> None:
    """Documents need a digest; other bodies may have one, right or wrong."""
    if ask.service != "s3" or not ask.body or values.often(0.1):
        return
    if ask.body[:1] in (b"<", b"{") or values.often(0.1):
        body = ask.body if values.often(0.97) else b"another"
        fields.append(("Content-MD5", base64.b64encode(hashlib.md5(body).digest()).decode()))


def _head(method: str, target: str, fields: list[tuple[str, str]]) -> bytes:
    lines = "".join(f"{_latin(name)}: {_latin(text)}\r\n" for name, text in fields)
    return f"{method} {_latin(target)} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def _latin(text: str) -> str:
    """UTF-8 bytes, one character each."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


# -- signatures --------------------------------------------------------------------------------------------------------


def _key(who: Who, date: str, service: str) -> bytes:
    key = f"AWS4{who.secret}".encode()
    for part in (date, REGION, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _signature(who: Who, service: str, stamp: str, canonical: str) -> str:
    scope = f"{stamp[:8]}/{REGION}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode('latin-1')).hexdigest()}"
    return hmac.digest(_key(who, stamp[:8], service), text.encode(), "sha256").hex()


def _canonical_query(ask: Ask) -> str:
    parts = [_latin(name if value is None else f"{name}={value}") for name, value in ask.query]
    whole = "&".join(parts)
    return "&".join(part if "=" in part else f"{part}=" for part in sorted(part for part in whole.split("&") if part))


def _signed(ask: Ask, who: Who, host: str, fields: list[tuple[str, str]]) -> tuple[str, str, list[tuple[str, str]]]:
    """The time, the signature, and all headers with those that sign."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    fields = [("Host", ask.host or host), *fields]
    if not who.key:
        return stamp, "0" * 64, fields
    if not any(name.lower() == "x-amz-date" for name, _ in fields):
        fields.append(("x-amz-date", stamp))
    joined: dict[str, str] = {}
    for name, text in fields:
        key, value = _latin(name).lower(), _latin(text).strip(" \t")
        joined[key] = f"{joined[key]},{value}" if key in joined else value
    names = ";".join(sorted(joined))
    lines = "".join(f"{name}:{' '.join(joined[name].split())}\n" for name in sorted(joined))
    payload = joined.get("x-amz-content-sha256", "")
    if ask.service != "s3":
        payload = hashlib.sha256(ask.body).hexdigest()
    path = _latin(ask.path).partition("?")[0]
    canonical = f"{ask.method}\n{path}\n{_canonical_query(ask)}\n{lines}\n{names}\n{payload}"
    signature = _signature(who, ask.service, stamp, canonical)
    scope = f"{stamp[:8]}/{REGION}/{ask.service}/aws4_request"
    proof = f"AWS4-HMAC-SHA256 Credential={who.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return stamp, signature, [*fields, ("Authorization", proof)]


def _presigned(ask: Ask, who: Who, host: str) -> bytes:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    ask.query += [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{who.key or 'AKIAABSENT'}/{stamp[:8]}/{REGION}/s3/aws4_request".replace("/", "%2F")),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", "600"),
        ("X-Amz-SignedHeaders", "host"),
    ]
    host = ask.host or host
    canonical = f"{ask.method}\n{_latin(ask.path)}\n{_canonical_query(ask)}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    ask.query.append(("X-Amz-Signature", _signature(who, "s3", stamp, canonical)))
    fields = [(name, UNFIT.sub(" ", text)) for name, text in ask.headers if not name.lower().startswith("x-amz-")]
    return _head(ask.method, ask.target, [("Host", host), *fields, ("Content-Length", str(len(ask.body)))]) + ask.body


def _chunks(values: Values, body: bytes, form: str, trailer: str, who: Who, stamp: str, previous: str) -> bytes:
    """The aws-chunked coding, mostly right."""
    key, scope = _key(who, stamp[:8], "s3"), f"{stamp[:8]}/{REGION}/s3/aws4_request"

    def proof(kind: str, text: str) -> str:
        said = f"{kind}\n{stamp}\n{scope}\n{previous}\n{text}"
        return hmac.digest(key, said.encode(), "sha256").hex()

    size = values.pick((8192, 65536, max(len(body), 1)))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    out = b""
    for piece in [*pieces, b""]:
        line = b"%x" % len(piece)
        if form != UNSIGNED_TRAILER:
            previous = proof("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY}\n{hashlib.sha256(piece).hexdigest()}")
            line += f";chunk-signature={previous}".encode()
        out += line + b"\r\n" + (piece + b"\r\n" if piece else b"")
    if form != SIGNED:
        sums = {
            "x-amz-checksum-crc32": zlib.crc32(body).to_bytes(4, "big"),
            "x-amz-checksum-sha256": hashlib.sha256(body).digest(),
        }
        text = f"{trailer}:{base64.b64encode(sums.get(trailer, b'x')).decode()}"
        out += text.encode() + b"\r\n"
        if form == SIGNED_TRAILER:
            signature = proof("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(f"{text}\n".encode()).hexdigest())
            out += f"x-amz-trailer-signature:{signature}\r\n".encode()
    out += b"\r\n"
    if values.often(0.1):
        at = values.chance.randint(0, len(out))
        out = (
            out[:at]
            + values.pick((b"", b"0", b"\r\n", b"\xff", b"fffffffffffffffff"))
            + out[at + values.pick((0, 0, 1, 5)) :]
        )
    return out


# -- sockets -----------------------------------------------------------------------------------------------------------


class Socket:
    """A connection that is opened when it is needed, and again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._buffer = b""

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._buffer = b""

    def ask(self, raw: bytes, *, whole: bool) -> Answer:
        """Sends, and reads one answer. Where the server may be waiting for more, it is told in a moment that none comes.

        Args:
            whole: the body is as long as it says, so that nobody waits for more of it.

        Raises:
            TimeoutError: it was neither answered nor closed.
            AssertionError: what came is not an answer.
        """
        for _ in range(2):
            fresh = self._socket is None
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._socket.sendall(raw)
                if not whole:
                    self._tell_the_end()
            except OSError:
                pass  # the answer may be there nevertheless
            answer = self._answer(raw.startswith(b"HEAD "))
            if not whole or answer.status == 0 or b"\r\nconnection: close" in answer.head.lower():
                self.close()
            if answer.status or fresh:
                return answer
        return answer

    def _tell_the_end(self) -> None:
        """Ends our side, unless the answer comes at once."""
        assert self._socket is not None
        readable, _, _ = select.select([self._socket], [], [], WAIT_SECONDS)
        if not readable:
            self._socket.shutdown(socket.SHUT_WR)

    def _answer(self, bodiless: bool) -> Answer:
        status = 100
        while status == 100:
            while b"\r\n\r\n" not in self._buffer:
                if not self._receive():
                    assert not self._buffer, f"half an answer: {self._buffer[:500]!r}"
                    return Answer(0, b"", b"")
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            found = re.match(rb"HTTP/1\.1 (\d{3}) [A-Za-z -]+\r\n", head + b"\r\n")
            assert found, f"not an answer: {head[:500]!r}"
            status = int(found[1])
        length = re.search(rb"\r\ncontent-length: (\d+)(?:\r\n|$)", head, re.IGNORECASE)
        size = int(length[1]) if length and not bodiless and status not in (204, 304) else 0
        while len(self._buffer) < size:
            assert self._receive(), f"an answer was cut: {head[:500]!r}"
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return Answer(status, head, body)

    def _receive(self) -> bool:
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)
