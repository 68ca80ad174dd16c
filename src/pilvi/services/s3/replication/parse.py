"""A replication configuration as a client writes it, checked as S3 checks it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from pilvi.core import arn
from pilvi.core.errors import CloudError, NotBuilt
from pilvi.services.s3.attributes import storage_class
from pilvi.services.s3.errors import InvalidArgument, InvalidRequest, MalformedXML
from pilvi.services.s3.replication.records import Rule
from pilvi.services.s3.tagging.tags import KEY_CHARACTERS_MAX, VALUE_CHARACTERS_MAX

RULES_MAX = 1_000
ID_CHARACTERS_MAX = 255
PREFIX_CHARACTERS_MAX = 1_024
PROMISED_MINUTES = 15
_SWITCHES = {"Enabled": True, "Disabled": False}
_CONDITIONS = frozenset({"Prefix", "Tag", "And"})
_SEE = " for this version of Cross Region Replication configuration schema. Please refer to S3 Developer Guide for more information."
Given = Mapping[str, Any]


def parse_role(text: str, account: str) -> str:
    """The ARN of a role of this account.

    Raises:
        InvalidArgument: it is none.
    """
    try:
        found = arn.parse(text)
    except ValueError:
        found = None
    if found is None or found.service != "iam" or not found.resource.startswith("role/"):
        raise InvalidArgument("Invalid Role ARN", fields={"ArgumentName": "Role", "ArgumentValue": text})
    if found.account != account:
        raise InvalidRequest("The role must belong to the account that owns the bucket.")
    return text


def parse_rules(given: Sequence[Given], new_id: Callable[[], str]) -> tuple[Rule, ...]:
    """The rules of a configuration.

    Raises:
        MalformedXML, InvalidArgument, InvalidRequest: they cannot be.
    """
    if not 1 <= len(given) <= RULES_MAX:
        raise MalformedXML
    rules = tuple(_rule(item, new_id) for item in given)
    if len({rule.id for rule in rules}) < len(rules):
        raise InvalidArgument("Rule Id must be unique. Found same ID for one or more rules.")
    if len({rule.form == "old" for rule in rules}) > 1:
        raise InvalidRequest("Rules with and without a Filter cannot stand in one configuration.")
    (_check_old if rules[0].form == "old" else _check_new)(rules)
    return rules


def _rule(given: Given, new_id: Callable[[], str]) -> Rule:
    name = given.get("ID") or new_id()
    if len(name) > ID_CHARACTERS_MAX:
        raise InvalidArgument(f"ID length should not exceed allowed limit of {ID_CHARACTERS_MAX}")
    existing = _switch(given, "ExistingObjectReplication")
    if existing:
        raise NotBuilt("ExistingObjectReplication is not built.")
    criteria = given.get("SourceSelectionCriteria", {})
    rule = Rule(
        id=name,
        enabled=_word(given["Status"]),
        priority=_priority(given),
        markers=_switch(given, "DeleteMarkerReplication"),
        existing=existing,
        kms=_switch(criteria, "SseKmsEncryptedObjects"),
        modifications=_switch(criteria, "ReplicaModifications"),
        **_which(given),
        **_destination(given["Destination"]),
    )
    _check_rule(rule)
    return rule


def _word(status: str) -> bool:
    if status not in _SWITCHES:
        raise MalformedXML
    return _SWITCHES[status]


def _switch(given: Given, member: str) -> bool | None:
    if member not in given:
        return None
    return _word(given[member].get("Status", ""))


def _priority(given: Given) -> int | None:
    priority: int | None = given.get("Priority")
    if priority is not None and priority < 0:
        raise InvalidArgument("Rule priority must be a non-negative number.")
    return priority


# -- which objects -----------------------------------------------------------------------------------------------------


def _which(given: Given) -> dict[str, Any]:
    if ("Filter" in given) == ("Prefix" in given):
        if "Filter" in given:
            raise MalformedXML
        return {"form": "one", "prefix": ""} if "Priority" in given else _malformed()
    if "Prefix" in given:
        return {"form": "old", "prefix": _prefix(given["Prefix"])}
    condition = given["Filter"]
    if len(_CONDITIONS.intersection(condition)) > 1:
        raise MalformedXML
    if "And" in condition:
        both = condition["And"]
        return {"form": "all"} | _conditions(both, both.get("Tags", ()))
    return {"form": "one"} | _conditions(condition, [condition["Tag"]] if "Tag" in condition else ())


def _malformed() -> dict[str, Any]:
    raise MalformedXML


def _conditions(given: Given, tags: Sequence[Given]) -> dict[str, Any]:
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) < len(tags):
        raise InvalidRequest("Duplicate Tag Keys are not allowed.")
    if any(
        not 1 <= len(key) <= KEY_CHARACTERS_MAX or len(value) > VALUE_CHARACTERS_MAX for key, value in found.items()
    ):
        raise InvalidArgument("The TagKey or TagValue you have provided is invalid")
    return {"prefix": _prefix(given["Prefix"]) if "Prefix" in given else None, "tags": found}


def _prefix(text: str) -> str:
    if len(text) > PREFIX_CHARACTERS_MAX:
        raise InvalidArgument(f"The maximum size of a prefix is {PREFIX_CHARACTERS_MAX}.")
    return text


# -- where to ----------------------------------------------------------------------------------------------------------


def _destination(given: Given) -> dict[str, Any]:
    time, metrics = given.get("ReplicationTime", {}), given.get("Metrics", {})
    kept = given.get("StorageClass", "")
    if kept:
        storage_class(kept)
    if "AccessControlTranslation" in given and given["AccessControlTranslation"].get("Owner") != "Destination":
        raise MalformedXML
    return {
        "destination": _bucket(given["Bucket"]),
        "account": given.get("Account", ""),
        "storage_class": kept,
        "takes_over": "AccessControlTranslation" in given,
        "key": given.get("EncryptionConfiguration", {}).get("ReplicaKmsKeyID", ""),
        "timed": _switch(given, "ReplicationTime"),
        "minutes": _minutes(time, "Time"),
        "measured": _switch(given, "Metrics"),
        "threshold": _minutes(metrics, "EventThreshold"),
    }


def _bucket(text: str) -> str:
    prefix = "arn:aws:s3:::"
    name = text.removeprefix(prefix)
    if name == text or not name or "/" in name or ":" in name:
        raise InvalidArgument("Invalid bucket ARN.", fields={"ArgumentName": "Bucket", "ArgumentValue": text})
    return name


def _minutes(given: Given, member: str) -> int:
    if member not in given:
        return 0
    minutes: int = given[member].get("Minutes", 0)
    if minutes != PROMISED_MINUTES:
        raise InvalidArgument(f"{member} must be {PROMISED_MINUTES} minutes.")
    return minutes


# -- what goes together ------------------------------------------------------------------------------------------------


def _check_rule(rule: Rule) -> None:
    if rule.takes_over and not rule.account:
        raise InvalidRequest("Account ID must be specified with AccessControlTranslation.")
    if rule.kms and not rule.key:
        raise InvalidRequest("EncryptionConfiguration must be specified if SseKmsEncryptedObjects tag is Enabled.")
    if rule.key and rule.kms is None:
        raise InvalidRequest(
            "SourceSelectionCriteria with SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present."
        )
    if rule.timed and not (rule.measured and rule.threshold and rule.minutes):
        raise InvalidRequest("Replication Time Control needs Metrics with an EventThreshold.")
    if rule.markers and rule.tags:
        raise InvalidRequest(
            "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 Developer "
            "Guide for more information."
        )


def _check_old(rules: Sequence[Rule]) -> None:
    """The first version of these rules: prefixes that do not overlap, and one destination."""
    for rule in rules:
        for said, what in ((rule.priority, "Priority"), (rule.markers, "DeleteMarkerReplication")):
            if said is not None:
                raise InvalidRequest(f"{what} cannot be used{_SEE}")
    for one, other in combinations(rules, 2):
        mine, yours = one.prefix or "", other.prefix or ""
        if mine.startswith(yours) or yours.startswith(mine):
            raise InvalidRequest(f"Found overlapping prefixes '{mine}' and '{yours}'")
        if one.destination != other.destination:
            raise InvalidRequest("The destination bucket must be same for all rules")


def _check_new(rules: Sequence[Rule]) -> None:
    for rule in rules:
        for said, what in ((rule.priority, "Priority"), (rule.markers, "DeleteMarkerReplication")):
            if said is None:
                raise InvalidRequest(f"{what} must be specified{_SEE}")
    if len({rule.priority for rule in rules}) < len(rules):
        raise InvalidRequest("Found duplicate priority in rules. Priority must be unique.")


def problem_with_bucket(error: CloudError) -> InvalidRequest:
    """The error of a configuration, for what is wrong with a destination."""
    return InvalidRequest("Destination bucket must exist." if error.code == "NoSuchBucket" else error.message)
