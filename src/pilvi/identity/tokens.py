"""Session credentials that nobody has to store: the token carries who the caller is, signed; the secret follows from it.

    token  = base64url( format | key version | HMAC-SHA256(signing key, body) | body )     body = zlib(JSON of the caller)
    secret = base64( HMAC-SHA256(secret key, access key id) )[:40]

Both keys come from the master key of that version, so a new master key can be taken into use while sessions made with the
old one run out. A token proves nothing by itself: the request must also be signed with the secret, which the client was
told once and the server derives again.
"""

import hashlib
import hmac
import zlib
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from pilvi.core.caller import Caller, SessionCredentials
from pilvi.core.clock import Ids

TOKEN_CHARS_MAX = 32_768
_FORMAT = 1
_MAC_BYTES = 32
_HEAD_BYTES = 2


class BadToken(ValueError):
    """The token was not made by us, or not for this access key."""


class Tokens:
    """Makes and reads session tokens.

    Args:
        keys: master keys by version (1..255); at least 32 bytes each.
        current: the version that new tokens are made with.
    """

    def __init__(self, keys: Mapping[int, bytes], current: int, ids: Ids) -> None:
        if current not in keys or any(len(key) < 32 or not 0 < version < 256 for version, key in keys.items()):
            raise ValueError("master keys are at least 32 bytes, versions 1 to 255, and the current one is among them")
        self._signing = {version: _derive(key, b"session token") for version, key in keys.items()}
        self._secrets = {version: _derive(key, b"session secret") for version, key in keys.items()}
        self._current = current
        self._ids = ids
        self._open = lru_cache(maxsize=4096)(self._read)

    def issue(self, caller: Caller, duration_seconds: int, now_ms: int) -> SessionCredentials:
        """Credentials that authenticate as `caller` from now for `duration_seconds`."""
        expires_ms = now_ms + duration_seconds * 1000
        access_key_id = f"ASIA{self._ids.base32(16)}"
        claims = msgspec.structs.replace(caller, access_key_id=access_key_id, session_expires_ms=expires_ms)
        body = zlib.compress(msgspec.json.encode(claims), 9)
        head = bytes((_FORMAT, self._current))
        token = _text(head + self._mac(self._current, body) + body)
        return SessionCredentials(access_key_id, self._secret(self._current, access_key_id), token, expires_ms)

    def open(self, access_key_id: str, token: str) -> tuple[Caller, str]:
        """The caller a token speaks for (it may have expired) and the session's secret.

        Raises:
            BadToken: forged, damaged, or made for another access key.
        """
        caller, secret = self._open(token)
        if not hmac.compare_digest(caller.access_key_id.encode(), access_key_id.encode()):
            raise BadToken("made for another access key")
        return caller, secret

    def _read(self, token: str) -> tuple[Caller, str]:
        if len(token) > TOKEN_CHARS_MAX:
            raise BadToken("too long")
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise BadToken("not base64") from None
        if _text(raw) != token:
            raise BadToken("written in another way than ours")
        start = _HEAD_BYTES + _MAC_BYTES
        if len(raw) <= start or raw[0] != _FORMAT or raw[1] not in self._signing:
            raise BadToken("not of our form")
        body = raw[start:]
        if not hmac.compare_digest(raw[_HEAD_BYTES:start], self._mac(raw[1], body)):
            raise BadToken("not signed by us")
        caller = msgspec.json.decode(zlib.decompress(body), type=Caller)
        return caller, self._secret(raw[1], caller.access_key_id)

    def _mac(self, version: int, body: bytes) -> bytes:
        return hmac.digest(self._signing[version], body, "sha256")

    def _secret(self, version: int, access_key_id: str) -> str:
        return b64encode(hmac.digest(self._secrets[version], access_key_id.encode(), "sha256")).decode()[:40]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _derive(master: bytes, purpose: bytes) -> bytes:
    return hmac.digest(master, b"pilvi " + purpose, hashlib.sha256)
