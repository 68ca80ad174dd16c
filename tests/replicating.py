"""Replication in a test's hands: two buckets, a role, a clock, and deliveries made one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pilvi.core.effects import Restage
from pilvi.core.operation import RetryAt, Settled
from pilvi.events import worker
from pilvi.services.s3.replication.delivery import Replicating
from pilvi.services.s3.replication.plan import TOPIC
from pilvi.state.restage import Copy
from pilvi.state.store import OutboxEntry
from s3kit import Buckets

SOURCE, COPY = "source", "the-copy"
ROLE = "arn:aws:iam::000000000000:role/replication"
TRUST = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
Version = tuple[str, str, bool, bool, bytes, dict[str, str]]


class Crash(Exception):
    """What was not committed is gone."""


def begin(s3: Buckets, *names: str) -> None:
    """The role, and buckets with versions."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    s3.run("iam", "CreateRole", RoleName="replication", AssumeRolePolicyDocument=trust)
    for name in names or (SOURCE, COPY):
        make(s3, name)


def make(s3: Buckets, name: str) -> None:
    s3.s3("CreateBucket", Bucket=name)
    s3.s3("PutBucketVersioning", Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def rule(destination: str = COPY, **more: Any) -> dict[str, Any]:
    """A rule for everything, delete markers too, unless it says otherwise."""
    return {
        "ID": f"to-{destination}",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{destination}", **more.pop("Destination", {})},
        **more,
    }


def replicate(s3: Buckets, *rules: dict[str, Any], source: str = SOURCE) -> None:
    s3.s3("PutBucketReplication", Bucket=source, ReplicationConfiguration={"Role": ROLE, "Rules": list(rules)})


# -- deliveries --------------------------------------------------------------------------------------------------------


def waiting(s3: Buckets) -> list[OutboxEntry]:
    with s3.store.read() as tx:
        return list(tx[OutboxEntry].scan(TOPIC, index="due"))


def due(s3: Buckets) -> list[OutboxEntry]:
    return [entry for entry in waiting(s3) if entry.due_ms <= s3.clock.now]


def deliver(
    s3: Buckets, entry: OutboxEntry, *, dies: bool = False, meanwhile: Callable[[], object] | None = None
) -> Settled | RetryAt | None:
    """One delivery, as the worker makes it; what came of it.

    Args:
        dies: the process ends just before it is committed: None.
        meanwhile: what happens while bytes are read.
    """
    delivery = Replicating()
    with s3.store.read() as tx:
        effect = delivery.begin(s3.context(tx), entry)
    copy = Copy(s3.store, effect) if isinstance(effect, Restage) else None
    outcome = copy.run() if copy else None
    if meanwhile:
        meanwhile()

    def attempt(tx: Any) -> Settled | RetryAt:
        decided = delivery.settle(s3.context(tx), entry, outcome)
        worker._keep(entry, decided, tx)
        if dies:
            raise Crash
        return decided

    try:
        return s3.store.write(attempt)
    except Crash:
        return None
    finally:
        if copy:
            copy.abort()


def deliver_all(s3: Buckets) -> None:
    """Until nothing is due now."""
    while entries := due(s3):
        for entry in entries:
            deliver(s3, entry)


# -- what is there -----------------------------------------------------------------------------------------------------


def versions(s3: Buckets, bucket: str) -> list[Version]:
    """Key, version, whether a marker, whether the latest, bytes, tags: in order."""
    found = s3.s3("ListObjectVersions", Bucket=bucket)
    entries = [(one, False) for one in found.get("Versions", ())]
    entries += [(one, True) for one in found.get("DeleteMarkers", ())]
    return sorted(
        (
            one["Key"],
            one["VersionId"],
            marker,
            one["IsLatest"],
            b"" if marker else s3.get(bucket, one["Key"], VersionId=one["VersionId"])[0],
            {} if marker else tags(s3, bucket, one["Key"], one["VersionId"]),
        )
        for one, marker in entries
    )


def tags(s3: Buckets, bucket: str, key: str, version: str) -> dict[str, str]:
    found = s3.s3("GetObjectTagging", Bucket=bucket, Key=key, VersionId=version)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def status(s3: Buckets, key: str, bucket: str = SOURCE) -> str:
    return str(s3.s3("HeadObject", Bucket=bucket, Key=key).get("ReplicationStatus", ""))
