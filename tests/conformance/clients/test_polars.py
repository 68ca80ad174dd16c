"""polars: its own Rust client of object stores."""

from __future__ import annotations

from typing import Any

import pytest

from live import LiveCloud

polars: Any = pytest.importorskip("polars", reason="polars is not installed (make install-clients)")


def options(cloud: LiveCloud) -> dict[str, str]:
    return {
        "aws_access_key_id": cloud.access_key,
        "aws_secret_access_key": cloud.secret_key,
        "aws_region": cloud.region,
        "aws_endpoint_url": cloud.endpoint,
        "aws_allow_http": "true",
    }


def test_lazy_frames_are_written_and_scanned(cloud: LiveCloud, bucket: str) -> None:
    """A table in files, scanned by a glob, filtered and grouped before it is loaded."""
    stored = options(cloud)
    for part in range(4):
        frame = polars.DataFrame({"part": [part] * 50_000, "n": range(part * 50_000, (part + 1) * 50_000)})
        frame.write_parquet(f"s3://{bucket}/table/{part}.parquet", storage_options=stored, row_group_size=10_000)
    table = polars.scan_parquet(f"s3://{bucket}/table/*.parquet", storage_options=stored)
    found = table.filter(polars.col("n") % 1000 == 0).group_by("part").agg(polars.col("n").sum()).sort("part")
    wanted = [(part, sum(range(part * 50_000, (part + 1) * 50_000, 1000))) for part in range(4)]
    assert found.collect().rows() == wanted
    assert table.select(polars.len()).collect().item() == 200_000


def test_a_result_streams_into_the_bucket(cloud: LiveCloud, bucket: str) -> None:
    """sink_parquet and sink_csv: the answer of a query becomes an object without being held."""
    stored = options(cloud)
    frame = polars.LazyFrame({"n": range(2_000_000)}).with_columns((polars.col("n") * 7919 % 1_000_003).alias("noise"))
    frame.sink_parquet(f"s3://{bucket}/sunk.parquet", storage_options=stored)
    frame.head(1000).sink_csv(f"s3://{bucket}/sunk.csv", storage_options=stored)
    assert cloud.client("s3").head_object(Bucket=bucket, Key="sunk.parquet")["ContentLength"] > 4_000_000
    back = polars.scan_parquet(f"s3://{bucket}/sunk.parquet", storage_options=stored)
    assert back.select(polars.col("n").sum()).collect().item() == 1_999_999 * 1_000_000
    lines = polars.scan_csv(f"s3://{bucket}/sunk.csv", storage_options=stored).collect()
    assert lines.equals(frame.head(1000).collect())
