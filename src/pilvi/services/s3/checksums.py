"""Checksums: which one a request declares, whether it holds, and how those of parts make that of the whole.

Every object has one. A client that declares none gets CRC64NVME, computed here while the body arrives.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pilvi.core.digests import make
from pilvi.core.effects import Staged
from pilvi.services.s3.errors import BadDigest, InvalidDigest, InvalidRequest

DEFAULT = "crc64nvme"
SIZES = {
    "crc32": 4,
    "crc32c": 4,
    "crc64nvme": 8,
    "sha1": 20,
    "sha256": 32,
    "sha512": 64,
    "md5": 16,
    "xxhash64": 8,
    "xxhash3": 8,
    "xxhash128": 16,
}
"""Of the raw checksums, in bytes."""

MEMBERS = {
    "crc32": "ChecksumCRC32",
    "crc32c": "ChecksumCRC32C",
    "crc64nvme": "ChecksumCRC64NVME",
    "sha1": "ChecksumSHA1",
    "sha256": "ChecksumSHA256",
    "sha512": "ChecksumSHA512",
    "md5": "ChecksumMD5",
    "xxhash64": "ChecksumXXHASH64",
    "xxhash3": "ChecksumXXHASH3",
    "xxhash128": "ChecksumXXHASH128",
}
NAMES = {kind: member.removeprefix("Checksum") for kind, member in MEMBERS.items()}
_KINDS = {name: kind for kind, name in NAMES.items()}
_BY_MEMBER = tuple((member, kind) for kind, member in MEMBERS.items())
_MULTIPLE = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."

Params = Mapping[str, Any]


class Declared(msgspec.Struct, frozen=True):
    """What a client says about the bytes it sends.

    Attributes:
        kind: of the checksum that will be kept.
        value: base64, "" when it comes in the trailer or not at all.
        trailing: it must come in the trailer.
    """

    kind: str
    value: str = ""
    trailing: bool = False
    md5: bytes = b""


_NOTHING = Declared(DEFAULT)
_TELLING = frozenset({"ChecksumAlgorithm", "ContentMD5", *MEMBERS.values()})


def declared(req: Params, default: str = DEFAULT) -> Declared:
    """What the headers of an upload promise.

    Raises:
        InvalidRequest: two checksums, one that cannot be, or an algorithm that is named differently.
        InvalidDigest: Content-MD5 is not the base64 of 16 bytes.
    """
    if _TELLING.isdisjoint(req):
        return _NOTHING if default == DEFAULT else Declared(default)
    kind, value = one_checksum(req)
    named = algorithm(req["ChecksumAlgorithm"], "x-amz-sdk-checksum-algorithm") if "ChecksumAlgorithm" in req else ""
    if kind and named and named != kind:
        raise InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    md5 = _content_md5(req["ContentMD5"]) if "ContentMD5" in req else b""
    return Declared(kind or named or default, value, bool(named and not kind), md5)


def one_checksum(req: Params) -> tuple[str, str]:
    """(kind, base64) of the x-amz-checksum-* header of a request, ("", "") without one."""
    kind = value = ""
    for member, candidate in _BY_MEMBER:
        if member in req:
            if kind:
                raise InvalidRequest(_MULTIPLE)
            kind, value = candidate, req[member]
    if kind:
        decode(kind, value)
    return kind, value


def algorithm(name: str, header: str) -> str:
    """Our word for an algorithm that a header names.

    Raises:
        InvalidRequest: S3 knows no such algorithm.
    """
    upper = name.upper()
    if upper not in _KINDS:
        raise InvalidRequest(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{', '.join(sorted(_KINDS))}]",
            fields={"Header": header},
        )
    return _KINDS[upper]


def decode(kind: str, value: str) -> bytes:
    """The raw checksum. Raises InvalidRequest when the text cannot be one."""
    try:
        raw = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if len(raw) != SIZES[kind]:
        raise InvalidRequest(f"Value for x-amz-checksum-{kind} header is invalid.")
    return raw


def encode(raw: bytes) -> str:
    return b64encode(raw).decode()


def _content_md5(value: str) -> bytes:
    try:
        raw = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raw = b""
    if len(raw) != 16:
        raise InvalidDigest(fields={"Content-MD5": value})
    return raw


def digests(promise: Declared) -> frozenset[str]:
    """What is to be computed while the body arrives."""
    return _DIGESTS[promise.kind]


_DIGESTS = {kind: frozenset({"md5", kind}) for kind in SIZES}


def verified(staged: Staged, promise: Declared) -> tuple[str, str]:
    """The kind and value (base64) of a received body's checksum, once it is found to be what was promised.

    Raises:
        BadDigest: it is not.
        InvalidRequest: the promised trailer did not come, or is not a checksum.
    """
    if promise.md5 and promise.md5 != staged.digests["md5"]:
        raise BadDigest(fields={"ExpectedDigest": promise.md5.hex(), "CalculatedDigest": encode(staged.digests["md5"])})
    kind, value = promise.kind, promise.value
    if promise.trailing or staged.trailers:
        kind, value = _trailer(staged, promise)
    actual = encode(staged.digests[kind])
    if value and value != actual:
        raise mismatch(kind)
    return kind, actual


def _trailer(staged: Staged, promise: Declared) -> tuple[str, str]:
    """The checksum that came after the body: the promised kind, or the one that the edge was told of by x-amz-trailer."""
    for kind in (promise.kind, *SIZES):
        value = staged.trailers.get(f"x-amz-checksum-{kind}", "").strip()
        if value and kind in staged.digests:
            decode(kind, value)
            return kind, value
    if promise.trailing:
        raise InvalidRequest(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found."
        )
    return promise.kind, promise.value


def mismatch(kind: str) -> BadDigest:
    return BadDigest(f"The {NAMES[kind]} you specified did not match the calculated checksum.")


def shown(kind: str, value: str, *, composite: bool) -> dict[str, str]:
    """The members of a result that show a checksum."""
    if not value:
        return {}
    return {MEMBERS[kind]: value, "ChecksumType": type_name(composite=composite)}


def type_name(*, composite: bool) -> str:
    return "COMPOSITE" if composite else "FULL_OBJECT"


# -- computing -----------------------------------------------------------------------------------------------------------


def compute(kind: str, data: bytes) -> str:
    """The checksum (base64) of bytes in memory."""
    return encode(_raw(kind, data))


def _raw(kind: str, data: bytes) -> bytes:
    made = make([kind])[kind]
    made.update(data)
    return made.digest()


def composed(kind: str, parts: Iterable[bytes]) -> str:
    """The checksum of the parts' raw checksums, with their number: "c2hhMjU2...-3"."""
    raws = list(parts)
    return f"{compute(kind, b''.join(raws))}-{len(raws)}"
