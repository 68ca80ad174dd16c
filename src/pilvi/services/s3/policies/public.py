"""Whether a bucket policy lets in everybody, by S3's definition.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

import msgspec

from pilvi.core.caller import ANONYMOUS

# A statement for everybody is not public when one of these is held to fixed values.
_NARROWING = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:sourceaccount",
        "aws:sourcearn", "aws:sourceip", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourceowner", "aws:sourcevpc",
        "aws:sourcevpce", "aws:userid", "aws:vpcsourceip", "s3:dataaccesspointaccount", "s3:dataaccesspointarn",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)  # fmt: skip
_HOLDING = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"})
_NOBODY = ANONYMOUS.user_id
"""The aws:userid of everybody who has not signed."""

_BROAD_IPV4_BITS = 8  # a range wider than a /8 (or an IPv6 /32) is everybody
_BROAD_IPV6_BITS = 32


def is_public(policy: str) -> bool:
    """Whether any statement of a (valid) policy document grants something to everybody."""
    return any(_for_everybody(statement) for statement in _statements(policy))


def _statements(policy: str) -> Iterator[Mapping[str, Any]]:
    found = msgspec.json.decode(policy)["Statement"]
    yield from found if isinstance(found, list) else [found]


def _for_everybody(statement: Mapping[str, Any]) -> bool:
    if statement["Effect"] != "Allow":
        return False
    if "NotPrincipal" not in statement and not _names_everybody(statement.get("Principal")):
        return False
    conditions: Mapping[str, Mapping[str, Any]] = statement.get("Condition", {})
    return not any(
        _narrows(operator.lower(), key.lower(), listed(values))
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _names_everybody(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return any("*" in str(name) for name in listed(principal.get("AWS", [])))
    return bool(principal == "*")


def _narrows(operator: str, key: str, values: list[Any]) -> bool:
    if operator not in _HOLDING or key not in _NARROWING:
        return False
    if operator == "ipaddress":
        return not any(_is_broad(str(value)) for value in values)
    return not any(
        str(value).lower() == _NOBODY or any(mark in str(value) for mark in ("*", "?", "${")) for value in values
    )


def _is_broad(block: str) -> bool:
    try:
        network = ip_network(block, strict=False)
    except ValueError:
        return True
    return network.prefixlen < (_BROAD_IPV4_BITS if network.version == 4 else _BROAD_IPV6_BITS)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
