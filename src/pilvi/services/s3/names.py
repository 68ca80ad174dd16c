"""Names: of buckets, of keys, and the order of keys.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

import re

from pilvi.core.accounts import canonical_id
from pilvi.services.s3.errors import InvalidBucketName, InvalidURI, KeyTooLongError

KEY_BYTES_MAX = 1024
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LEGACY_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
_IP_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")


def check_bucket_name(name: str) -> None:
    """Raises InvalidBucketName for a name that no new bucket may have."""
    if (
        not _BUCKET.fullmatch(name)
        or ".." in name
        or _IP_ADDRESS.fullmatch(name)
        or name.startswith(_RESERVED_PREFIXES)
        or name.endswith(_RESERVED_SUFFIXES)
    ):
        raise InvalidBucketName(fields={"BucketName": name})


def could_be_bucket(name: str) -> bool:
    """Whether a bucket of this name can ever have existed (names were less strict before 2018)."""
    return _LEGACY_BUCKET.fullmatch(name) is not None


def check_key(key: str) -> None:
    """Raises KeyTooLongError, and InvalidURI for text that is no UTF-8 (lone surrogates)."""
    if len(key) <= KEY_BYTES_MAX and key.isascii():
        return
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidURI(fields={"URI": key.encode(errors="replace").decode()}) from None
    if size > KEY_BYTES_MAX:
        raise KeyTooLongError(fields={"Size": size, "MaxSizeAllowed": KEY_BYTES_MAX})


def successor(prefix: str) -> str:
    """The smallest text that is greater than everything that begins with `prefix`; "" when there is none.

    Order is by code point, which is the order of the UTF-8 bytes.
    """
    for end in range(len(prefix), 0, -1):
        code = ord(prefix[end - 1])
        if code < 0x10FFFF:
            following = 0xE000 if code == 0xD7FF else code + 1  # surrogates are no characters
            return prefix[: end - 1] + chr(following)
    return ""


def owner_id(account: str) -> str:
    """The canonical user id of an account."""
    return canonical_id(account)


def bucket_arn(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def object_arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"
