"""A server that is killed between a write and its replication, with kill -9, again and again."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from live import LiveCloud
from waiting import wait_until

SOURCE, COPY = "source", "the-copy"
KILLS = 4
WRITERS = 4
TRUST = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
ALL = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


def document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def begin(cloud: LiveCloud) -> None:
    """Two buckets; what is written to the first goes to the second, which encrypts it."""
    s3, iam = cloud.client("s3"), cloud.client("iam")
    role = iam.create_role(RoleName="replication", AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName="replication", PolicyName="p", PolicyDocument=document(ALL))
    for name in (SOURCE, COPY):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=COPY, ServerSideEncryptionConfiguration={"Rules": [default]})
    rule = {
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{COPY}"},
    }
    s3.put_bucket_replication(Bucket=SOURCE, ReplicationConfiguration={"Role": role, "Rules": [rule]})


def history(s3: Any, bucket: str) -> list[tuple[str, str, bool]]:
    found = s3.list_object_versions(Bucket=bucket)
    entries = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
    return sorted((one["Key"], one["VersionId"], one["IsLatest"]) for one in entries)


def write_until_killed(cloud: LiveCloud, acknowledged: dict[str, str], turn: str) -> None:
    """Writes what takes a reading more, and what does not, until there is nobody who takes it; remembers the rest."""
    s3 = cloud.client("s3")
    for number in range(10_000):
        key = f"{turn}/{number % 7}"
        body = b"y" if number % 3 == 0 else b"x" * 1_000_000
        try:
            if number % 11 == 10:
                acknowledged[s3.delete_object(Bucket=SOURCE, Key=key)["VersionId"]] = key
            else:
                acknowledged[s3.put_object(Bucket=SOURCE, Key=key, Body=body)["VersionId"]] = key
        except (BotoCoreError, ClientError):
            return


def waiting(cloud: LiveCloud) -> int:
    """How many replications a dead server owes."""
    (data,) = cloud.data.glob("*.db")
    with contextlib.closing(sqlite3.connect(data)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM outbox WHERE topic = 's3.replicate'").fetchone()
    return int(count)


def at_least(acknowledged: dict[str, str], count: int) -> bool:
    return len(acknowledged) >= count


def test_killed_between_write_and_replication(tmp_path: Path) -> None:
    """Whatever was acknowledged is replicated in the end, with its id and its bytes, and nothing else is."""
    acknowledged: dict[str, str] = {}
    with LiveCloud(tmp_path) as cloud:
        begin(cloud)
        left = 0
        for turn in range(KILLS):
            enough = len(acknowledged) + 20
            writers = [
                threading.Thread(target=write_until_killed, args=(cloud, acknowledged, f"{turn}/{one}"))
                for one in range(WRITERS)
            ]
            for writer in writers:
                writer.start()
            wait_until(partial(at_least, acknowledged, enough), "some writes are acknowledged")
            cloud.kill()
            for writer in writers:
                writer.join()
            left += waiting(cloud)
            cloud.start()
        assert left > 0, "the server was never killed between a write and its replication"
        s3 = cloud.client("s3")
        wait_until(lambda: history(s3, COPY) == history(s3, SOURCE), "all is replicated", deadline_s=60)
        here = history(s3, SOURCE)
        assert acknowledged.keys() <= {version for _, version, _ in here}
        for key, version, _ in here:
            assert acknowledged.get(version, key) == key
        for one in s3.list_object_versions(Bucket=SOURCE)["Versions"]:
            named = {"Key": one["Key"], "VersionId": one["VersionId"]}
            copied = s3.get_object(Bucket=COPY, **named)
            assert copied["ServerSideEncryption"] == "AES256"
            assert copied["Body"].read() == s3.get_object(Bucket=SOURCE, **named)["Body"].read()
        for one in s3.list_objects_v2(Bucket=SOURCE).get("Contents", []):
            assert s3.head_object(Bucket=SOURCE, Key=one["Key"])["ReplicationStatus"] == "COMPLETED"
