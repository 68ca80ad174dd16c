"""Time and chance, as values that tests can hold in their hands."""

import secrets
import string
import time
import uuid
from typing import Protocol

_UPPER_ALNUM = string.ascii_uppercase + "234567"


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""


class Ids(Protocol):
    """Identifiers that nobody can guess."""

    def hex(self, length: int) -> str:
        """`length` lower-case hexadecimal digits."""

    def base32(self, length: int) -> str:
        """`length` characters of A-Z2-7, as in access key ids and unique ids of IAM."""

    def base64(self, length: int) -> str:
        """`length` characters of the base64 alphabet, as in secret access keys."""

    def uuid(self) -> str:
        """A random UUID (RFC 9562, version 4)."""

    def bytes(self, length: int) -> bytes:
        """`length` bytes fit for keys and nonces."""


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class RandomIds:
    def hex(self, length: int) -> str:
        return secrets.token_hex((length + 1) // 2)[:length]

    def base32(self, length: int) -> str:
        return "".join(secrets.choice(_UPPER_ALNUM) for _ in range(length))

    def base64(self, length: int) -> str:
        alphabet = string.ascii_letters + string.digits + "+/"
        return "".join(secrets.choice(alphabet) for _ in range(length))

    def uuid(self) -> str:
        return str(uuid.uuid4())

    def bytes(self, length: int) -> bytes:
        return secrets.token_bytes(length)
