"""A server that is killed between a write and its replication, with kill -9, again and again."""

from __future__ import annotations

import json
import threading
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from live import LiveCloud
from waiting import wait_until

SOURCE, COPY = "source", "the-copy"
KILLS = 4
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


def write_until_killed(cloud: LiveCloud, acknowledged: dict[str, str], turn: int) -> None:
    """Writes what takes a reading more, and what does not, until there is nobody who takes it; remembers the rest."""
    s3 = cloud.client("s3")
    for number in range(10_000):
        key = f"{turn}/{number % 7}"
        body = (b"x" * 400_000) if number % 5 == 0 else b"y"
        try:
            if number % 11 == 10:
                acknowledged[s3.delete_object(Bucket=SOURCE, Key=key)["VersionId"]] = key
            else:
                acknowledged[s3.put_object(Bucket=SOURCE, Key=key, Body=body)["VersionId"]] = key
        except (BotoCoreError, ClientError):
            return


def at_least(acknowledged: dict[str, str], count: int) -> bool:
    return len(acknowledged) >= count


def test_killed_between_write_and_replication(tmp_path: Path) -> None:
    """Whatever was acknowledged is replicated in the end, with its id and its bytes, and nothing else is."""
    acknowledged: dict[str, str] = {}
    with LiveCloud(tmp_path) as cloud:
        begin(cloud)
        for turn in range(KILLS):
            enough = len(acknowledged) + 20
            writer = threading.Thread(target=write_until_killed, args=(cloud, acknowledged, turn))
            writer.start()
            wait_until(partial(at_least, acknowledged, enough), "some writes are acknowledged")
            cloud.kill()
            writer.join()
            cloud.start()
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
        waiting = [one["Key"] for one in s3.list_objects_v2(Bucket=SOURCE).get("Contents", [])]
        for key in waiting:
            assert s3.head_object(Bucket=SOURCE, Key=key)["ReplicationStatus"] == "COMPLETED"
