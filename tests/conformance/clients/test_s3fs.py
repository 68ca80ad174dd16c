"""s3fs with pandas and pyarrow: tables in partitions, files as files, versions."""

from __future__ import annotations

import random
from typing import Any

import pytest

from live import LiveCloud

WHY = "is not installed (make install-clients)"
s3fs: Any = pytest.importorskip("s3fs", reason=f"s3fs {WHY}")
pandas: Any = pytest.importorskip("pandas", reason=f"pandas {WHY}")
pyarrow: Any = pytest.importorskip("pyarrow", reason=f"pyarrow {WHY}")
dataset: Any = pytest.importorskip("pyarrow.dataset", reason=f"pyarrow {WHY}")
parquet: Any = pytest.importorskip("pyarrow.parquet", reason=f"pyarrow {WHY}")

MIB = 1024 * 1024


def options(cloud: LiveCloud) -> dict[str, Any]:
    return {
        "key": cloud.access_key,
        "secret": cloud.secret_key,
        "client_kwargs": {"endpoint_url": cloud.endpoint, "region_name": cloud.region},
    }


@pytest.fixture
def files(cloud: LiveCloud) -> Any:
    """A file system of this test alone: nothing that another has listed."""
    return s3fs.S3FileSystem(**options(cloud), skip_instance_cache=True, use_listings_cache=False)


def rows(count: int) -> Any:
    pick = random.Random(5)
    return pandas.DataFrame(
        {
            "country": [("fi", "se", "no")[number % 3] for number in range(count)],
            "year": [2020 + number % 4 for number in range(count)],
            "amount": [pick.randrange(1000) for _ in range(count)],
            "name": [f"näme {number}" for number in range(count)],
        }
    )


def test_a_partitioned_table_is_read_with_filters(cloud: LiveCloud, bucket: str, files: Any) -> None:
    """pandas writes a folder a country and year; with filters exactly those rows come back, from those files alone."""
    frame = rows(3000)
    where = f"s3://{bucket}/table"
    frame.to_parquet(where, partition_cols=["country", "year"], storage_options=options(cloud))
    assert len(files.glob(f"{bucket}/table/country=*/year=*/*.parquet")) == 12
    found = pandas.read_parquet(
        where, filters=[("country", "==", "fi"), ("year", ">=", 2022)], storage_options=options(cloud)
    )
    wanted = frame[(frame.country == "fi") & (frame.year >= 2022)]
    assert sorted(found.name) == sorted(wanted.name)
    assert found.amount.sum() == wanted.amount.sum()
    table = dataset.dataset(f"{bucket}/table", filesystem=files, partitioning="hive")
    assert table.count_rows(filter=dataset.field("amount") < 500) == (frame.amount < 500).sum()
    assert len(list(table.get_fragments(filter=dataset.field("country") == "se"))) == 4


def test_a_table_in_many_row_groups_is_read_by_columns(bucket: str, files: Any) -> None:
    """Ranged reads: one column of some row groups, out of a file that was written in parts."""
    frame = pandas.DataFrame({"n": range(1_500_000), "noise": random.Random(1).choices(range(10**9), k=1_500_000)})
    path = f"{bucket}/groups.parquet"
    with files.open(path, "wb", block_size=5 * MIB) as target:
        parquet.write_table(pyarrow.Table.from_pandas(frame), target, row_group_size=100_000)
    assert "-" in files.info(path)["ETag"]
    with files.open(path, "rb") as source:
        opened = parquet.ParquetFile(source)
        assert opened.num_row_groups == 15
        column = opened.read_row_groups([0, 14], columns=["n"])["n"].to_pylist()
    assert column == [*range(100_000), *range(1_400_000, 1_500_000)]


def test_files_are_files(bucket: str, files: Any) -> None:
    """Written, appended to, moved, copied, walked, found, removed; seeks read what is there."""
    data = random.Random(2).randbytes(12 * MIB)
    files.pipe(f"{bucket}/in/large", data)
    files.pipe({f"{bucket}/in/{number}": bytes([number]) for number in range(20)})
    with files.open(f"{bucket}/in/large", "rb", block_size=MIB) as source:
        source.seek(7 * MIB + 3)
        assert source.read(100) == data[7 * MIB + 3 : 7 * MIB + 103]
        source.seek(-5, 2)
        assert source.read() == data[-5:]
    assert files.cat_file(f"{bucket}/in/large", start=-10) == data[-10:]
    with files.open(f"{bucket}/in/large", "ab") as target:
        target.write(b"more")
    assert files.cat_file(f"{bucket}/in/large", start=12 * MIB - 1) == data[-1:] + b"more"
    files.copy(f"{bucket}/in", f"{bucket}/out", recursive=True)
    assert files.cat(f"{bucket}/out/7") == b"\x07"
    files.mv(f"{bucket}/out/7", f"{bucket}/out/seven")
    assert not files.exists(f"{bucket}/out/7")
    assert files.du(f"{bucket}/out") == files.du(f"{bucket}/in") == 12 * MIB + 4 + 20
    assert files.isdir(f"{bucket}/out")
    assert sorted(name for _, _, names in files.walk(bucket) for name in names) == sorted(
        ["large", "large", "seven", *(str(number) for number in range(20)), *(str(n) for n in range(20) if n != 7)]
    )
    files.rm(bucket + "/in", recursive=True)
    assert files.ls(bucket) == [f"{bucket}/out"]
    with pytest.raises(FileNotFoundError):
        files.cat(f"{bucket}/in/large")


def test_a_file_that_must_be_new_is_not_overwritten(bucket: str, files: Any) -> None:
    """Exclusive creation is a conditional write, in one request and in parts."""
    path = f"{bucket}/once"
    files.pipe_file(path, b"first", mode="create")
    for data in (b"second", bytes(11 * MIB)):
        with pytest.raises(FileExistsError):
            files.pipe_file(path, data, mode="create", chunksize=5 * MIB)
    assert files.cat(path) == b"first"


def test_versions_stay_readable(cloud: LiveCloud, bucket: str) -> None:
    """version_aware: an open file goes on showing what it was opened on, and each version has its own bytes."""
    cloud.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    files = s3fs.S3FileSystem(**options(cloud), version_aware=True, skip_instance_cache=True)
    path = f"{bucket}/notes"
    for text in (b"one", b"two", b"three"):
        with files.open(path, "wb") as target:
            target.write(text)
    old = files.open(path, "rb")
    with files.open(path, "wb") as target:
        target.write(b"four!")
    assert old.read() == b"three"
    shown = files.object_version_info(path)
    contents = [files.open(path, "rb", version_id=version["VersionId"]).read() for version in shown]
    assert contents == [b"four!", b"three", b"two", b"one"]
    assert files.info(path)["VersionId"] == shown[0]["VersionId"]
    files.rm(path)
    assert not files.exists(path)
    assert files.open(path, "rb", version_id=shown[3]["VersionId"]).read() == b"one"
