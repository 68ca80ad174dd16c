"""What a KeyId can be: a key's id or ARN, an alias' name or ARN.

https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
"""

import re

import msgspec

from pilvi.core import arn
from pilvi.core.errors import AccessDenied
from pilvi.services.kms.errors import InvalidArn, NotFound

ALIAS = "alias/"
AWS_ALIAS = "alias/aws/"
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")
_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")


class Reference(msgspec.Struct, frozen=True):
    """Which key is meant; one of `id` and `alias` is "".

    Attributes:
        account: as an ARN names it, else the asker's.
    """

    account: str
    region: str
    id: str = ""
    alias: str = ""

    @property
    def arn(self) -> str:
        return arn.make("kms", self.region, self.account, f"key/{self.id}" if self.id else self.alias)


def parse(text: str, account: str, region: str) -> Reference:
    """What a KeyId of a request to this region refers to.

    Args:
        account: of who asks.

    Raises:
        NotFound, InvalidArn: it cannot refer to anything.
    """
    if _KEY.fullmatch(text):
        return Reference(account, region, id=text)
    if text.startswith(ALIAS):
        return Reference(account, region, alias=text)
    if not text.startswith("arn:"):
        raise NotFound(f"Invalid keyId '{text}'")
    return _from_arn(text, region)


def _from_arn(text: str, region: str) -> Reference:
    try:
        parts = arn.parse(text)
    except ValueError:
        raise InvalidArn(f"Invalid arn {text}") from None
    if parts.partition != arn.PARTITION or parts.service != "kms" or not re.fullmatch(r"\d{12}", parts.account):
        raise InvalidArn(f"Invalid arn {text}")
    if parts.region != region:
        raise NotFound(f"Invalid arn {parts.region}")
    kind, _, name = parts.resource.partition("/")
    if kind == "key" and _KEY.fullmatch(name):
        return Reference(parts.account, region, id=name)
    if kind == "alias" and name:
        return Reference(parts.account, region, alias=parts.resource)
    raise InvalidArn(f"Invalid arn {text}")


def is_alias(text: str) -> bool:
    """Whether this can be the name of an alias."""
    return _ALIAS.fullmatch(text) is not None


def unknown(reference: Reference, asker: str) -> Exception:
    """The error for a key that is not there. Nobody learns what another account has."""
    if reference.account != asker:
        return AccessDenied(
            f"The resource {reference.arn} does not exist, or no resource-based policy allows its use from another account."
        )
    if reference.alias:
        return NotFound(f"Alias {reference.arn} is not found.")
    return NotFound(f"Key '{reference.arn}' does not exist")
