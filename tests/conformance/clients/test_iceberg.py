"""PyIceberg: a catalog in SQLite, a warehouse in a bucket, several writers."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from live import LiveCloud

WHY = "is not installed (make install-clients)"
pyarrow: Any = pytest.importorskip("pyarrow", reason=f"pyarrow {WHY}")
catalogs: Any = pytest.importorskip("pyiceberg.catalog.sql", reason=f"pyiceberg {WHY}")
partitioning: Any = pytest.importorskip("pyiceberg.partitioning", reason=f"pyiceberg {WHY}")
schemas: Any = pytest.importorskip("pyiceberg.schema", reason=f"pyiceberg {WHY}")
transforms: Any = pytest.importorskip("pyiceberg.transforms", reason=f"pyiceberg {WHY}")
types: Any = pytest.importorskip("pyiceberg.types", reason=f"pyiceberg {WHY}")

WRITERS, ROUNDS = 2, 8
FILE_IO = ["pyiceberg.io.pyarrow.PyArrowFileIO", "pyiceberg.io.fsspec.FsspecFileIO"]
# A process of its own: it appends a row a round; where another committed first, it looks again and tries again.
WRITER = """
import json, sys
import pyarrow
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
catalog = SqlCatalog("tests", **json.loads(sys.argv[1]))
writer, rounds = int(sys.argv[2]), int(sys.argv[3])
for number in range(rounds):
    row = pyarrow.table({"writer": pyarrow.array([writer], pyarrow.int64()), "n": pyarrow.array([number], pyarrow.int64())})
    while True:
        try:
            catalog.load_table("lake.events").append(row)
            break
        except CommitFailedException:
            continue
"""


def properties(cloud: LiveCloud, bucket: str, folder: Path, file_io: str = FILE_IO[0]) -> dict[str, str]:
    return {
        "uri": f"sqlite:///{folder}/catalog.db",
        "warehouse": f"s3://{bucket}/warehouse",
        "s3.endpoint": cloud.endpoint,
        "s3.access-key-id": cloud.access_key,
        "s3.secret-access-key": cloud.secret_key,
        "s3.region": cloud.region,
        "py-io-impl": file_io,
    }


def schema() -> Any:
    return schemas.Schema(
        types.NestedField(1, "writer", types.LongType(), required=False),
        types.NestedField(2, "n", types.LongType(), required=False),
    )


def rows(writer: int, *numbers: int) -> Any:
    return pyarrow.table(
        {
            "writer": pyarrow.array([writer] * len(numbers), pyarrow.int64()),
            "n": pyarrow.array(numbers, pyarrow.int64()),
        }
    )


def shown(scan: Any) -> list[tuple[int, int]]:
    return sorted((row["writer"], row["n"]) for row in scan.to_arrow().to_pylist())


@pytest.mark.parametrize("file_io", FILE_IO)
@pytest.mark.filterwarnings("default")
def test_a_table_is_partitioned_changed_and_looked_back_on(
    cloud: LiveCloud, bucket: str, tmp_path: Path, file_io: str
) -> None:
    """Appends, an overwrite, a delete, another schema; each snapshot shows what was then. Both file systems."""
    catalog = catalogs.SqlCatalog("tests", **properties(cloud, bucket, tmp_path, file_io))
    catalog.create_namespace("lake")
    by_writer = partitioning.PartitionSpec(
        partitioning.PartitionField(1, 1000, transforms.IdentityTransform(), "writer")
    )
    table = catalog.create_table("lake.events", schema(), partition_spec=by_writer)
    table.append(rows(1, *range(100)))
    table.append(rows(2, *range(50)))
    then = table.current_snapshot().snapshot_id
    assert len(list(table.scan("writer = 2").plan_files())) == 1
    table.delete("writer = 1 and n >= 10")
    table.overwrite(rows(2, 7), overwrite_filter="writer = 2")
    with table.update_schema() as update:
        update.add_column("note", types.StringType())
    assert shown(table.scan()) == [*((1, number) for number in range(10)), (2, 7)]
    assert len(shown(table.scan(snapshot_id=then))) == 150
    catalog.drop_table("lake.events")
    assert cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix="warehouse/")["KeyCount"] > 0
    again = catalog.register_table("lake.again", table.metadata_location)
    assert shown(again.scan()) == shown(table.scan())


def test_commits_of_processes_are_all_there(cloud: LiveCloud, bucket: str, tmp_path: Path) -> None:
    """Two processes append at once, many rounds: each row once, and the snapshots are one line of history."""
    given = properties(cloud, bucket, tmp_path)
    catalog = catalogs.SqlCatalog("tests", **given)
    catalog.create_namespace("lake")
    catalog.create_table("lake.events", schema())
    command = [sys.executable, "-c", WRITER, json.dumps(given)]
    with ThreadPoolExecutor(WRITERS) as pool:
        runs = pool.map(
            lambda writer: subprocess.run(
                [*command, str(writer), str(ROUNDS)], capture_output=True, text=True, check=False, timeout=300
            ),
            range(WRITERS),
        )
        for done in runs:
            assert done.returncode == 0, done.stderr
    table = catalog.load_table("lake.events")
    assert shown(table.scan()) == [(writer, number) for writer in range(WRITERS) for number in range(ROUNDS)]
    history = table.metadata.snapshots
    assert len(history) == WRITERS * ROUNDS
    assert [later.parent_snapshot_id for later in history[1:]] == [snapshot.snapshot_id for snapshot in history[:-1]]
