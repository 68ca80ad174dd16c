r"""The aws-chunked content coding: a body in chunks that are signed, or unsigned, with or without trailers.

    10000;chunk-signature=ad80c7...\r\n   (without the signature in the unsigned form)
    <65,536 bytes>\r\n
    0;chunk-signature=b6c6ea...\r\n
    x-amz-checksum-crc32c:sOO8/Q==\r\n     (trailer forms only)
    x-amz-trailer-signature:63bddb...\r\n  (signed trailer form only)
    \r\n

Each chunk's signature covers the one before it, the first that of the request's headers. Content is handed on before its
chunk's signature has come: nothing of it may be published until `finish` has returned.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
"""

import hashlib
import hmac
import re
from typing import Final

from pilvi.core.errors import CloudError
from pilvi.wire.auth_problems import AuthProblem, as_error
from pilvi.wire.sigv4 import EMPTY_SHA256, Signed

CHUNK_BYTES_MIN: Final = 8192  # of every chunk but the last
LINE_BYTES_MAX: Final = 512
TRAILER_BYTES_MAX: Final = 16 * 1024
UNSIGNED_TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"

_SIZE_LINE: Final = re.compile(rb"([0-9a-fA-F]{1,15})(?:;chunk-signature=([0-9a-f]{64}))?\Z")
_TRAILER_NAME: Final = re.compile(r"[a-z0-9-]{1,128}\Z")
_SIGNATURE_TRAILER: Final = "x-amz-trailer-signature"


class IncompleteBody(CloudError):
    """The body ended early, or its chunks are not what was announced."""

    code = "IncompleteBody"


class InvalidChunkSize(CloudError):
    """A chunk other than the last is too small."""

    code = "InvalidChunkSizeError"
    status = 403


class MalformedTrailer(CloudError):
    """A trailer is no header, was not announced, or was announced and did not come."""

    code = "MalformedTrailerError"


class AwsChunkedDecoder:
    """Feed it the body; it gives the content.

    Args:
        form: value of x-amz-content-sha256, one of the three STREAMING forms.
        length: of the content in bytes, as x-amz-decoded-content-length says.
        signed: the request's verified signature; only the unsigned form does without.
        announced: trailer names, from the x-amz-trailer header.

    Attributes:
        trailers: names in lower case and values, without the signature; complete after `finish`.
    """

    __slots__ = (
        "_announced", "_chunk", "_expected", "_form", "_hash", "_length", "_line", "_previous", "_received", "_remaining",
        "_signed", "_small", "_state", "_trailer_bytes", "_trailer_lines", "_trailer_signature", "trailers",
    )  # fmt: skip

    def __init__(self, form: str, length: int, signed: Signed | None, announced: frozenset[str] = frozenset()) -> None:
        assert form == UNSIGNED_TRAILER or signed is not None, "signed forms continue the request's signature"
        self._form = form
        self._length = length
        self._signed = None if form == UNSIGNED_TRAILER else signed
        self._announced = announced
        self._state = _SIZE
        self._line = b""
        self._remaining = 0
        self._received = 0
        self._small = False
        self._expected = b""
        self._hash = hashlib.sha256()
        self._previous = signed.signature if signed is not None else ""
        self._trailer_lines: list[str] = []
        self._trailer_bytes = 0
        self._trailer_signature = ""
        self.trailers: dict[str, str] = {}

    def feed(self, data: bytes) -> list[bytes]:
        """The content in `data`, in pieces.

        Raises:
            IncompleteBody, InvalidChunkSize, MalformedTrailer: the coding is broken.
            AuthFailure: a chunk is not signed by whom it should be.
        """
        pieces: list[bytes] = []
        position = 0
        while position < len(data):
            if self._state == _CONTENT:
                position = self._content(data, position, pieces)
                continue
            end = data.find(b"\n", position)
            if end < 0:
                self._keep(data[position:])
                break
            line = self._line + data[position:end]
            self._line = b""
            position = end + 1
            self._take(line)
        return pieces

    def finish(self) -> None:
        """The body has ended.

        Raises:
            IncompleteBody: too early.
            MalformedTrailer: an announced trailer did not come.
        """
        if self._state != _DONE:
            raise IncompleteBody("The request body terminated unexpectedly")
        if self._received != self._length:
            raise _wrong_length()
        if not self._announced <= self.trailers.keys():
            raise _bad_trailer()

    def _keep(self, part: bytes) -> None:
        self._line += part
        if len(self._line) > (TRAILER_BYTES_MAX if self._state == _TRAILERS else LINE_BYTES_MAX):
            raise _broken()

    def _take(self, line: bytes) -> None:
        """A line has come, without its LF."""
        if self._state == _SIZE:
            self._size(line)
        elif self._state == _CONTENT_END:
            if line != b"\r":
                raise _broken()
            self._verify_chunk()
            self._state = _SIZE
        elif self._state == _TRAILERS:
            self._trailer(line.removesuffix(b"\r").decode("latin-1"))
        else:
            raise _broken()

    def _size(self, line: bytes) -> None:
        found = _SIZE_LINE.match(line[:-1]) if line.endswith(b"\r") else None
        if found is None or (found[2] is None) != (self._signed is None):
            raise _broken()
        size = int(found[1], 16)
        self._expected = found[2] or b""
        if size and self._small:
            raise InvalidChunkSize(
                "Only the last chunk is allowed to have a size less than 8192 bytes",
                fields={"BadChunkSize": str(size)},
            )
        if self._received + size > self._length:
            raise _wrong_length()
        self._small = size < CHUNK_BYTES_MIN
        self._remaining = size
        if size:
            self._state = _CONTENT
        else:
            self._verify_chunk()
            self._state = _TRAILERS

    def _content(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._remaining]
        pieces.append(piece)
        if self._signed is not None:
            self._hash.update(piece)
        self._received += len(piece)
        self._remaining -= len(piece)
        if not self._remaining:
            self._state = _CONTENT_END
        return position + len(piece)

    def _verify_chunk(self) -> None:
        if self._signed is None:
            return
        content, self._hash = self._hash.hexdigest(), hashlib.sha256()
        self._verify("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{content}", self._expected)

    def _verify(self, algorithm: str, what: str, signature: bytes) -> None:
        signed = self._signed
        assert signed is not None
        text = f"{algorithm}\n{signed.timestamp}\n{signed.scope}\n{self._previous}\n{what}"
        computed = hmac.digest(signed.key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(computed.encode(), signature):
            raise as_error(AuthProblem.SIGNATURE, "s3", "", text, text.encode().hex(" "), signature.decode("latin-1"))
        self._previous = computed

    def _trailer(self, line: str) -> None:
        self._trailer_bytes += len(line)
        if self._trailer_bytes > TRAILER_BYTES_MAX:
            raise _bad_trailer()
        if not line:
            if self._form == SIGNED_TRAILER and not self._trailer_signature and self._trailer_lines:
                return  # some signers put an empty line before the signature
            self._end()
            return
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not colon or self._form == SIGNED or self._trailer_signature or not _TRAILER_NAME.match(name):
            raise _bad_trailer()
        if name == _SIGNATURE_TRAILER and self._form == SIGNED_TRAILER:
            self._trailer_signature = value
            return
        if name not in self._announced or name in self.trailers:
            raise _bad_trailer()
        self.trailers[name] = value
        self._trailer_lines.append(f"{name}:{value}\n")

    def _end(self) -> None:
        if self._form == SIGNED_TRAILER:
            hashed = hashlib.sha256("".join(self._trailer_lines).encode("latin-1")).hexdigest()
            self._verify("AWS4-HMAC-SHA256-TRAILER", hashed, self._trailer_signature.encode("latin-1"))
        self._state = _DONE


_SIZE: Final = 0
_CONTENT: Final = 1
_CONTENT_END: Final = 2
_TRAILERS: Final = 3
_DONE: Final = 4


def _broken() -> IncompleteBody:
    return IncompleteBody("The request body terminated unexpectedly")


def _wrong_length() -> IncompleteBody:
    return IncompleteBody("You did not provide the number of bytes specified by the Content-Length HTTP header.")


def _bad_trailer() -> MalformedTrailer:
    return MalformedTrailer(
        "The request contained trailing data that was not well-formed or did not conform to our published schema."
    )
