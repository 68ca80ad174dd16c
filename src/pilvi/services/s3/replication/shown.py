"""A replication configuration as it is shown again."""

from typing import Any

from pilvi.services.s3.names import bucket_arn
from pilvi.services.s3.replication.records import Replication, Rule


def shown(found: Replication) -> dict[str, Any]:
    return {"Role": found.role, "Rules": [_rule(rule) for rule in found.rules]}


def _rule(rule: Rule) -> dict[str, Any]:
    result: dict[str, Any] = {"ID": rule.id, "Status": _status(rule.enabled), "Destination": _destination(rule)}
    if rule.priority is not None:
        result["Priority"] = rule.priority
    if rule.form == "old":
        result["Prefix"] = rule.prefix
    else:
        result["Filter"] = _filter(rule)
    for member, switch in (
        ("DeleteMarkerReplication", rule.markers),
        ("ExistingObjectReplication", rule.existing),
    ):
        if switch is not None:
            result[member] = {"Status": _status(switch)}
    criteria = {
        member: {"Status": _status(switch)}
        for member, switch in (("SseKmsEncryptedObjects", rule.kms), ("ReplicaModifications", rule.modifications))
        if switch is not None
    }
    return result | {"SourceSelectionCriteria": criteria} if criteria else result


def _filter(rule: Rule) -> dict[str, Any]:
    prefix = {} if rule.prefix is None else {"Prefix": rule.prefix}
    tags = [{"Key": name, "Value": value} for name, value in rule.tags.items()]
    if rule.form == "all":
        return {"And": prefix | {"Tags": tags}}
    return {"Tag": tags[0]} if tags else prefix


def _destination(rule: Rule) -> dict[str, Any]:
    result: dict[str, Any] = {"Bucket": bucket_arn(rule.destination)}
    if rule.account:
        result["Account"] = rule.account
    if rule.storage_class:
        result["StorageClass"] = rule.storage_class
    if rule.takes_over:
        result["AccessControlTranslation"] = {"Owner": "Destination"}
    if rule.key:
        result["EncryptionConfiguration"] = {"ReplicaKmsKeyID": rule.key}
    if rule.timed is not None:
        result["ReplicationTime"] = {"Status": _status(rule.timed), "Time": {"Minutes": rule.minutes}}
    if rule.measured is not None:
        result["Metrics"] = {"Status": _status(rule.measured)}
        if rule.threshold:
            result["Metrics"]["EventThreshold"] = {"Minutes": rule.threshold}
    return result


def _status(on: bool) -> str:
    return "Enabled" if on else "Disabled"
