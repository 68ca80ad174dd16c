"""delta-rs: tables whose commits are conditional writes, from several writers at once."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from live import LiveCloud

WHY = "is not installed (make install-clients)"
deltalake: Any = pytest.importorskip("deltalake", reason=f"deltalake {WHY}")
pyarrow: Any = pytest.importorskip("pyarrow", reason=f"pyarrow {WHY}")

WRITERS, ROUNDS = 3, 12
# A process of its own: it appends a row a round, again where another was faster, and says which versions it made.
WRITER = """
import json, sys
import deltalake, pyarrow
where, options, writer, rounds = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for number in range(rounds):
    row = pyarrow.table({"writer": [writer], "number": [number]})
    deltalake.write_deltalake(
        where, row, mode="append", storage_options=options,
        commit_properties=deltalake.CommitProperties(max_commit_retries=1000),
    )
print(json.dumps(rounds))
"""


def options(cloud: LiveCloud) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_REGION": cloud.region,
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "conditional_put": "etag",
    }


def rows(*numbers: int) -> Any:
    kind = pyarrow.int64()
    return pyarrow.table({"writer": pyarrow.array([9] * len(numbers), kind), "number": pyarrow.array(numbers, kind)})


def shown(table: Any) -> list[tuple[int, int]]:
    return sorted(tuple(row.values()) for row in table.to_pyarrow_table().to_pylist())


def test_commits_of_processes_are_all_there(cloud: LiveCloud, bucket: str) -> None:
    """Three processes append at once, many rounds: each row is there once, each version was made by one commit."""
    where = f"s3://{bucket}/table"
    deltalake.write_deltalake(where, rows(), storage_options=options(cloud))
    command = [sys.executable, "-c", WRITER, where, json.dumps(options(cloud))]
    with ThreadPoolExecutor(WRITERS) as pool:
        runs = pool.map(
            lambda writer: subprocess.run(
                [*command, str(writer), str(ROUNDS)], capture_output=True, text=True, check=False, timeout=180
            ),
            range(WRITERS),
        )
        for done in runs:
            assert done.returncode == 0, done.stderr
    table = deltalake.DeltaTable(where, storage_options=options(cloud))
    assert table.version() == WRITERS * ROUNDS
    assert shown(table) == [(writer, number) for writer in range(WRITERS) for number in range(ROUNDS)]
    made = [entry["version"] for entry in table.history()]
    assert made == list(range(WRITERS * ROUNDS, -1, -1))
    logged = cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix="table/_delta_log/")["Contents"]
    commits = [entry["Key"] for entry in logged if entry["Key"].endswith(".json")]
    assert commits == [f"table/_delta_log/{version:020}.json" for version in range(WRITERS * ROUNDS + 1)]


def test_a_commit_that_contradicts_another_is_refused(cloud: LiveCloud, bucket: str) -> None:
    """Two hold the same version and delete the same row: one wins, the other is told, and nothing is half done."""
    where = f"s3://{bucket}/table"
    deltalake.write_deltalake(where, rows(1, 2, 3), storage_options=options(cloud))
    first, second = (deltalake.DeltaTable(where, storage_options=options(cloud)) for _ in range(2))
    first.delete("number = 1")
    with pytest.raises(deltalake.exceptions.CommitFailedError):
        second.update({"number": "number + 100"}, predicate="number = 1")
    table = deltalake.DeltaTable(where, storage_options=options(cloud))
    assert (table.version(), shown(table)) == (1, [(9, 2), (9, 3)])


def test_a_table_travels_in_time_is_merged_and_cleaned(cloud: LiveCloud, bucket: str) -> None:
    """Merge, older versions, checkpoint, optimize and vacuum over partitions."""
    where = f"s3://{bucket}/deep/table"
    stored = options(cloud)
    deltalake.write_deltalake(where, rows(*range(10)), partition_by=["writer"], storage_options=stored)
    table = deltalake.DeltaTable(where, storage_options=stored)
    merge = table.merge(rows(*range(5, 15)), "old.number = new.number", source_alias="new", target_alias="old")
    merge.when_matched_delete().when_not_matched_insert_all().execute()
    assert shown(table) == [(9, number) for number in (*range(5), *range(10, 15))]
    before = deltalake.DeltaTable(where, version=0, storage_options=stored)
    assert shown(before) == [(9, number) for number in range(10)]
    for number in range(20, 24):
        deltalake.write_deltalake(where, rows(number), mode="append", storage_options=stored)
    table.update_incremental()
    table.create_checkpoint()
    table.optimize.compact()
    gone = table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(gone) >= 4
    again = deltalake.DeltaTable(where, storage_options=stored)
    assert shown(again) == [(9, number) for number in (*range(5), *range(10, 15), *range(20, 24))]
    assert len(again.file_uris()) == 1
