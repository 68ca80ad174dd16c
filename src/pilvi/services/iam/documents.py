"""Documents of managed policies: the customer's from the store, AWS's own from a file of this package."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pilvi.core import arn
from pilvi.services.iam.records import ManagedPolicy, PolicyVersion, fold

if TYPE_CHECKING:
    from pilvi.state.store import Tx


class AwsPolicy(msgspec.Struct, frozen=True):
    """A policy that AWS manages. Documents are our own wording of what AWS describes each of them to allow."""

    name: str
    path: str
    description: str
    id: str
    version: int
    created_ms: int
    document: str

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::aws:policy{self.path}{self.name}"


class _Source(msgspec.Struct):
    path: str
    description: str
    id: str
    version: int
    created_ms: int
    document: dict[str, Any]


@cache
def aws_policies() -> dict[str, AwsPolicy]:
    """By ARN, in the order of their names."""
    text = (Path(__file__).parent / "aws_policies.json").read_bytes()
    found = msgspec.json.decode(text, type=dict[str, _Source])
    policies = [
        AwsPolicy(
            name, one.path, one.description, one.id, one.version, one.created_ms,
            msgspec.json.format(msgspec.json.encode(one.document), indent=2).decode(),
        )
        for name, one in sorted(found.items())
    ]  # fmt: skip
    return {one.arn: one for one in policies}


def managed(tx: "Tx", policy_arn: str) -> ManagedPolicy | None:
    """The customer's policy with this ARN, if it exists."""
    parts = policy_arn.split(":", 5)
    found = tx[ManagedPolicy].get(parts[4], fold(parts[5].rpartition("/")[2])) if len(parts) == 6 else None
    return found if found is not None and found.arn == policy_arn else None


def default(tx: "Tx", policy_arn: str) -> str:
    """The document in force of an attached policy. An attached one cannot be deleted, so it exists."""
    known = aws_policies().get(policy_arn)
    if known is not None:
        return known.document
    policy = managed(tx, policy_arn)
    version = tx[PolicyVersion].get(policy.account, policy.key, policy.default_version) if policy else None
    if version is None:
        raise LookupError(f"attached policy without document: {arn.parse(policy_arn).resource}")
    return version.document
