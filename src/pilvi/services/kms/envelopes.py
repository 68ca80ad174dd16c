"""Ciphertext blobs of symmetric keys: they say which key, and which of its materials, opens them.

    1 byte    the form, 1
    16 bytes  the key's id
    4 bytes   the version of its material
    16 bytes  salt
    12, n, 16 nonce, cipher text, tag: AES-256-GCM under HMAC-SHA-256 of all the above under the material

Every blob has a key of its own, so a key may be used as often as anybody likes. What is authenticated with the text are
those first bytes and the encryption context.

https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
"""

import hmac
import struct
from collections.abc import Mapping

import msgspec

from pilvi.core import sealing
from pilvi.core.clock import Ids

_HEAD = struct.Struct(">B16sI16s")
_FORM = 1
_SALT_BYTES = 16

Context = Mapping[str, str]


class Envelope(msgspec.Struct, frozen=True):
    """A blob whose beginning was read."""

    key_id: str
    version: int
    blob: bytes


def seal(ids: Ids, key_id: str, version: int, material: bytes, plain: bytes, context: Context) -> bytes:
    """A ciphertext blob."""
    chance = ids.bytes(_SALT_BYTES + sealing.NONCE_BYTES)
    head = _HEAD.pack(_FORM, bytes.fromhex(key_id.replace("-", "")), version, chance[:_SALT_BYTES])
    return head + sealing.wrap(_key(material, head), plain, _bound(head, context), chance[_SALT_BYTES:])


def read(blob: bytes) -> Envelope | None:
    """Which key a blob is for; None when it is no blob of ours."""
    if len(blob) < _HEAD.size + sealing.NONCE_BYTES + sealing.TAG_BYTES:
        return None
    form, raw, version, _ = _HEAD.unpack_from(blob)
    if form != _FORM:
        return None
    digits = raw.hex()
    key_id = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return Envelope(key_id, version, blob)


def unseal(envelope: Envelope, material: bytes, context: Context) -> bytes:
    """The plain text.

    Raises:
        SealBroken: the blob was changed, or the encryption context is not the one it was made with.
    """
    head = envelope.blob[: _HEAD.size]
    return sealing.unwrap(_key(material, head), envelope.blob[_HEAD.size :], _bound(head, context))


def _key(material: bytes, head: bytes) -> bytes:
    return hmac.digest(material, head, "sha256")


def _bound(head: bytes, context: Context) -> bytes:
    """Order means nothing in a context."""
    return head + msgspec.json.encode(sorted(context.items())) if context else head
