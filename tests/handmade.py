"""Signed requests made by hand, so that every part of them can be wrong; sent over a socket of their own.

The signer shares no line with the server's nor with botocore's: what it and the server agree on is AWS's documentation.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import re
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from raw_server import Reader, Reply

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
READ_SECONDS = 30.0
PLACES: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "s3": ("GET", "/", {}, b""),
    "iam": (
        "POST",
        "/",
        {"content-type": "application/x-www-form-urlencoded"},
        b"Action=ListUsers&Version=2010-05-08",
    ),
    "lambda": ("GET", "/2015-03-31/functions/", {}, b""),
    "logs": (
        "POST",
        "/",
        {"content-type": "application/x-amz-json-1.1", "x-amz-target": "Logs_20140328.DescribeLogGroups"},
        b"{}",
    ),
}
"""A reading request of one service of each family of protocols: method, target, headers, body."""


class Answer:
    """What the server said: status, headers in lower case, body, and what they tell of an error."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.body = reply.body

    def __repr__(self) -> str:
        return f"{self.status} {self.headers} {self.body[:2000]!r}"

    @property
    def code(self) -> str:
        """The error's code, as the protocol tells it."""
        if "x-amzn-errortype" in self.headers:
            return self.headers["x-amzn-errortype"]
        if self.body.startswith(b"{"):
            return str(json.loads(self.body).get("__type", ""))
        return self.field("Code")

    @property
    def message(self) -> str:
        if self.body.startswith(b"{"):
            members = json.loads(self.body)
            return str(members.get("message", members.get("Message", "")))
        return self.field("Message")

    def field(self, name: str) -> str:
        """The text of the first element of this name, "" without one."""
        found = re.search(rf"<{re.escape(name)}>([^<]*)</{re.escape(name)}>", self.body.decode())
        return found[1] if found else ""


@dataclasses.dataclass(frozen=True)
class Signer:
    """Who signs, for what, and when.

    Attributes:
        payload: signed and sent as x-amz-content-sha256; "" takes the body's hash.
        leave_out: headers that are sent but not signed.
    """

    key: str
    secret: str
    service: str = "s3"
    region: str = "us-east-1"
    token: str = ""
    at: datetime | None = None
    payload: str = ""
    leave_out: frozenset[str] = frozenset()

    def but(self, **changes: Any) -> Signer:
        return dataclasses.replace(self, **changes)

    @property
    def stamp(self) -> str:
        return (self.at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")

    def scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def signing_key(self, stamp: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for part in self.scope(stamp).split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key

    def headers(
        self, method: str, target: str, host: str, headers: Mapping[str, str], body: bytes = b""
    ) -> dict[str, str]:
        """`headers`, with those that a signature needs and the signature itself."""
        stamp = self.stamp
        payload = self.payload or hashlib.sha256(body).hexdigest()
        sent = {"host": host, **headers, "x-amz-date": stamp}
        if self.service == "s3":
            sent["x-amz-content-sha256"] = payload
        if self.token:
            sent["x-amz-security-token"] = self.token
        names = sorted(set(sent) - self.leave_out)
        signature = self._signature(method, target, {name: sent[name] for name in names}, payload, stamp)
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key}/{self.scope(stamp)}, SignedHeaders={';'.join(names)}, "
            f"Signature={signature}"
        )
        return sent

    def presigned(
        self,
        method: str,
        target: str,
        host: str,
        *,
        expires: str = "900",
        headers: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> str:
        """`target` with a signature in its query; `parameters` replace those of the signature (X_Amz_Date=...)."""
        stamp = self.stamp
        signed = {"host": host, **(headers or {})}
        path, _, query = target.partition("?")
        own = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.key}/{self.scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": expires,
            "X-Amz-SignedHeaders": ";".join(sorted(signed)),
        }
        if self.token:
            own["X-Amz-Security-Token"] = self.token
        own |= {name.replace("_", "-"): value for name, value in parameters.items()}
        added = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in own.items() if value)
        full = f"{path}?{query}&{added}" if query else f"{path}?{added}"
        payload = "UNSIGNED-PAYLOAD" if self.service == "s3" else EMPTY_SHA256
        return f"{full}&X-Amz-Signature={self._signature(method, full, signed, payload, stamp)}"

    def _signature(self, method: str, target: str, signed: Mapping[str, str], payload: str, stamp: str) -> str:
        path, _, query = target.partition("?")
        canonical = "\n".join(
            [
                method,
                path if self.service == "s3" else quote(path, safe="/-_.~"),
                "&".join(sorted(_pairs(query))),
                *(f"{name}:{' '.join(signed[name].split())}" for name in sorted(signed)),
                "",
                ";".join(sorted(signed)),
                payload,
            ]
        )
        hashed = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{self.scope(stamp)}\n{hashed}"
        return hmac.digest(self.signing_key(stamp), text.encode(), "sha256").hex()


def _pairs(query: str) -> Iterator[str]:
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        yield f"{quote(unquote(name), safe='-_.~')}={quote(unquote(value), safe='-_.~')}"


class Wire:
    """A server by its address. Each request has a connection of its own."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        assert parts.port is not None
        self.address = (parts.hostname, parts.port)
        self.host = parts.netloc

    def send(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """Sends exactly this (with Host and Content-Length when they are not there); the answer."""
        sent = {"host": self.host, **(headers or {})}
        if "transfer-encoding" not in sent and (body or method in {"PUT", "POST"}):
            sent.setdefault("content-length", str(len(body)))
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return self.send_bytes(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body, method)

    def send_bytes(self, raw: bytes, method: str = "GET", *, more: bool = True) -> Answer:
        """These bytes and, without `more`, no others."""
        with socket.create_connection(self.address, READ_SECONDS) as client:
            client.sendall(raw)
            if not more:
                client.shutdown(socket.SHUT_WR)
            return Answer(Reader(client).reply(bodiless=method == "HEAD"))

    def signed(
        self,
        signer: Signer,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        host: str = "",
        **after: str,
    ) -> Answer:
        """A signed request; `after` replaces headers after signing (x_amz_date=...)."""
        made = signer.headers(method, target, host or self.host, headers or {}, body)
        made |= {name.replace("_", "-"): value for name, value in after.items()}
        return self.send(method, target, made, body)

    def ask(self, signer: Signer, **after: str) -> Answer:
        """The usual request of the signer's service; see PLACES."""
        method, target, headers, body = PLACES[signer.service]
        return self.signed(signer, method, target, headers, body, **after)


# -- aws-chunked: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html ------------------------------------


@dataclasses.dataclass(frozen=True)
class Chunked:
    """A body in chunks, and the headers that announce it; every part of them can be wrong.

    Attributes:
        form: value of x-amz-content-sha256.
        pieces: content of the chunks before the last, empty one.
        trailer: a header after the last chunk, "name:value".
        length: announced length of the content; None: the true one.
        bad_chunk: number of the chunk whose signature is wrong, -1 for none; the last one counts.
        bad_trailer: the trailer's signature is wrong.
        cut: bytes left off at the end.
    """

    form: str
    pieces: tuple[bytes, ...]
    trailer: str = ""
    length: int | None = None
    bad_chunk: int = -1
    bad_trailer: bool = False
    cut: int = 0

    def request(self, signer: Signer, target: str, host: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of a PUT to `target`."""
        announced = sum(map(len, self.pieces)) if self.length is None else self.length
        extra = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(announced)}
        if self.trailer:
            extra["x-amz-trailer"] = self.trailer.partition(":")[0]
        headers = signer.but(payload=self.form).headers("PUT", target, host, extra)
        return headers, self._body(signer, headers)

    def _body(self, signer: Signer, headers: Mapping[str, str]) -> bytes:
        stamp = headers["x-amz-date"]
        previous = headers["authorization"].rpartition("=")[2]
        body = b""
        for number, piece in enumerate((*self.pieces, b"")):
            extension = b""
            if "AWS4" in self.form:
                hashed = hashlib.sha256(piece).hexdigest()
                text = ["AWS4-HMAC-SHA256-PAYLOAD", stamp, signer.scope(stamp), previous, EMPTY_SHA256, hashed]
                previous = hmac.digest(signer.signing_key(stamp), "\n".join(text).encode(), "sha256").hex()
                shown = "0" * 64 if number == self.bad_chunk else previous
                extension = f";chunk-signature={shown}".encode()
            body += b"%x%b\r\n" % (len(piece), extension)
            body += piece + b"\r\n" if piece else b""
        if self.trailer:
            body += f"{self.trailer}\r\n".encode()
        if self.form.endswith("PAYLOAD-TRAILER") and "AWS4" in self.form:
            hashed = hashlib.sha256(f"{self.trailer}\n".encode()).hexdigest()
            text = ["AWS4-HMAC-SHA256-TRAILER", stamp, signer.scope(stamp), previous, hashed]
            signed = hmac.digest(signer.signing_key(stamp), "\n".join(text).encode(), "sha256").hex()
            body += f"x-amz-trailer-signature:{'0' * 64 if self.bad_trailer else signed}\r\n".encode()
        body += b"\r\n"
        return body[: len(body) - self.cut]
