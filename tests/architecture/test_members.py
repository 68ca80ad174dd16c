"""No operation accepts a member of its request and passes over it in silence."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilvi import services
from pilvi.wire import model
from pilvi.wire.model import ServiceModel

FOLDERS = Path(services.__file__).parent
# Members that no line of a service names, and why that is honest. A member's own members are not looked at either.
PASSED_OVER = {
    "kms": {
        "AttestationDocument": "of a recipient, which is refused as a whole",
        "KeyEncryptionAlgorithm": "of a recipient, which is refused as a whole",
    },
    "lambda": {
        "ImageConfig": "refused as a whole, unless it is empty",
        "FileSystemConfigs": "refused as a whole, unless it is empty",
        "VpcConfig": "refused as a whole, unless it is empty",
        "PublishTo": "refused: Lambda's operations refuse every member that they do not know",
        "TenancyConfig": "refused, as above",
        "CapacityProviderConfig": "refused, as above",
        "DurableConfig": "refused, as above",
        "RuntimeConfig": "refused, as above",
        "AcceleratorConfig": "refused, as above",
    },
    "logs": {
        "interleaved": "AWS ignores it: results always are",
        "sequenceToken": "AWS ignores it since 2023",
        "entity": "refused as a whole",
    },
    "sts": {"ProvidedContexts": "refused as a whole"},
    "iam": {
        "OrderedOrganizationPolicyInputList": "refused as a whole",
        "PolicyExclusionList": "refused as a whole",
    },
    "s3": {
        "RequestPayer": "the bucket's owner pays: see DIVERGENCES.md",
        "ConfirmRemoveSelfBucketAccess": "see DIVERGENCES.md",
        "Description": "of a restore: AWS shows it nowhere either",
        "OutputLocation": "refused as a whole",
        "SelectParameters": "refused as a whole",
        "CopySourceSSECustomerAlgorithm": "read, under a name that is put together",
        "CopySourceSSECustomerKey": "read, as above",
        "CopySourceSSECustomerKeyMD5": "read, as above",
        "DataRedundancy": "of directory buckets, which are refused as a whole",
        "DisplayName": "an owner is known by its id; AWS ignores the name too",
    },
}


def named_in(service: str) -> set[str]:
    """The strings that a service's own code contains."""
    folder = FOLDERS / {"lambda": "lambda_"}.get(service, service)
    trees = [ast.parse(path.read_text()) for path in folder.rglob("*.py") if path.name != "types.py"]
    constants = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {node.value for node in constants if isinstance(node.value, str)}


def members(service: ServiceModel, shape: str, above: frozenset[str], stops: set[str]) -> Iterator[str]:
    """The members of a shape and, but for those of `stops`, of all that they hold."""
    if shape in above:
        return
    found = service.shapes[shape]
    for name, ref in found.members.items():
        yield name
        if name not in stops:
            yield from members(service, ref.shape, above | {shape}, stops)
    for ref in (found.member, found.value):
        if ref.shape:
            yield from members(service, ref.shape, above | {shape}, stops)


def asked(service: str) -> set[str]:
    """Every member that requests of the built operations can hold."""
    described, stops = model.load(service), set(PASSED_OVER.get(service, ()))
    inputs = [described.operations[name].input for name in services.discover()[service].operations]
    return {name for ref in inputs if ref for name in members(described, ref.shape, frozenset(), stops)}


@pytest.mark.parametrize("service", sorted(services.discover()))
def test_every_member_is_read_or_passed_over_for_a_reason(service: str) -> None:
    """What a client can say to a built operation is named in the service's code, or in the list above."""
    assert asked(service) - named_in(service) <= PASSED_OVER.get(service, {}).keys()


@pytest.mark.parametrize("service", sorted(PASSED_OVER))
def test_no_reason_outlives_its_member(service: str) -> None:
    """A member that models no longer have leaves the list."""
    assert PASSED_OVER[service].keys() <= asked(service)
