"""pyarrow's own S3 file system: the C++ SDK."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from live import LiveCloud

WHY = "pyarrow is not installed (make install-clients)"
pyarrow: Any = pytest.importorskip("pyarrow", reason=WHY)
dataset: Any = pytest.importorskip("pyarrow.dataset", reason=WHY)
fs: Any = pytest.importorskip("pyarrow.fs", reason=WHY)
csv: Any = pytest.importorskip("pyarrow.csv", reason=WHY)

MIB = 1024 * 1024


@pytest.fixture
def files(cloud: LiveCloud) -> Any:
    return fs.S3FileSystem(
        access_key=cloud.access_key,
        secret_key=cloud.secret_key,
        endpoint_override=cloud.endpoint.removeprefix("http://"),
        scheme="http",
        region=cloud.region,
        allow_bucket_creation=True,
        allow_bucket_deletion=True,
        background_writes=True,
    )


def test_streams_are_written_in_parts_and_read_anywhere(bucket: str, files: Any) -> None:
    """A file of unknown length goes up in parts while it is written; random reads, many at once, are its bytes."""
    data = random.Random(3).randbytes(27 * MIB + 11)
    with files.open_output_stream(f"{bucket}/large", metadata={"Content-Type": "text/x-large"}) as target:
        for start in range(0, len(data), 3 * MIB):
            target.write(data[start : start + 3 * MIB])
    info = files.get_file_info(f"{bucket}/large")
    assert (info.size, info.type) == (len(data), fs.FileType.File)
    with files.open_input_file(f"{bucket}/large") as source, ThreadPoolExecutor(8) as pool:
        assert source.metadata()["Content-Type"] == b"text/x-large"
        pick = random.Random(4)
        spans = [(pick.randrange(100_000), pick.randrange(len(data) - 100_000)) for _ in range(60)]
        read = pool.map(lambda span: source.read_at(*span), spans)
        assert list(read) == [data[offset : offset + size] for size, offset in spans]
        source.seek(len(data) - 3)
        assert source.read() == data[-3:]


def test_directories_are_made_listed_moved_and_removed(bucket: str, files: Any) -> None:
    """What a file system is asked, over keys with slashes."""
    files.create_dir(f"{bucket}/a/b", recursive=True)
    for name in ("a/b/x", "a/b/ä b+c", "a/y"):
        with files.open_output_stream(f"{bucket}/{name}") as target:
            target.write(name.encode())
    found = files.get_file_info(fs.FileSelector(bucket, recursive=True))
    named = {info.path.removeprefix(bucket): info.type for info in found}
    assert named == {
        "/a": fs.FileType.Directory,
        "/a/b": fs.FileType.Directory,
        "/a/b/x": fs.FileType.File,
        "/a/b/ä b+c": fs.FileType.File,
        "/a/y": fs.FileType.File,
    }
    files.move(f"{bucket}/a/b/ä b+c", f"{bucket}/a/moved")
    files.copy_file(f"{bucket}/a/moved", f"{bucket}/a/copy")
    with files.open_input_stream(f"{bucket}/a/copy") as source:
        assert source.read() == "a/b/ä b+c".encode()
    assert files.get_file_info(f"{bucket}/a/b/ä b+c").type == fs.FileType.NotFound
    files.delete_dir_contents(f"{bucket}/a")
    assert files.get_file_info(f"{bucket}/a").type == fs.FileType.Directory
    files.delete_dir(bucket)
    assert files.get_file_info(bucket).type == fs.FileType.NotFound


def test_a_dataset_is_written_partitioned_and_filtered(bucket: str, files: Any) -> None:
    """Rows that a filter wants come back, whatever the format."""
    table = pyarrow.table({"day": [number % 5 for number in range(10_000)], "n": list(range(10_000))})
    for kind in ("parquet", "arrow", "csv"):
        where = f"{bucket}/{kind}"
        flavor = dataset.partitioning(pyarrow.schema([("day", pyarrow.int64())]), flavor="hive")
        dataset.write_dataset(table, where, filesystem=files, format=kind, partitioning=flavor)
        found = dataset.dataset(where, filesystem=files, format=kind, partitioning=flavor)
        assert len(found.files) == 5
        some = found.to_table(filter=(dataset.field("day") == 3) & (dataset.field("n") < 100))
        assert sorted(some["n"].to_pylist()) == list(range(3, 100, 5))
        assert found.count_rows() == 10_000
    with files.open_input_stream(f"{bucket}/csv/day=0/part-0.csv") as source:
        assert csv.read_csv(source)["n"].to_pylist() == list(range(0, 10_000, 5))


def test_errors_are_those_of_the_service(cloud: LiveCloud, bucket: str, files: Any) -> None:
    """A missing key is a missing file; a wrong secret is an access error, not a retry without end."""
    with pytest.raises(FileNotFoundError):
        files.open_input_file(f"{bucket}/missing")
    stranger = fs.S3FileSystem(
        access_key=cloud.access_key,
        secret_key="wrong",
        endpoint_override=cloud.endpoint.removeprefix("http://"),
        scheme="http",
        region=cloud.region,
    )
    with pytest.raises(OSError, match=r"SIGNATURE_DOES_NOT_MATCH|ACCESS_DENIED|SignatureDoesNotMatch"):
        stranger.open_output_stream(f"{bucket}/x").close()
