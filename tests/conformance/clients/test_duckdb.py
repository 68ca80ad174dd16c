"""DuckDB's httpfs: SQL over files in buckets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from live import LiveCloud

WHY = "is not installed (make install-clients)"
duckdb: Any = pytest.importorskip("duckdb", reason=f"duckdb {WHY}")
extension: Any = pytest.importorskip("duckdb_extension_httpfs", reason=f"DuckDB's extension httpfs {WHY}")


@pytest.fixture
def sql(cloud: LiveCloud) -> Iterator[Any]:
    """A connection whose s3:// is this cloud. The extension comes from its package, not from DuckDB's server."""
    found = next(Path(extension.__file__).parent.rglob("httpfs.duckdb_extension"))
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{found}'")
        connection.execute(
            f"""CREATE SECRET (TYPE s3, KEY_ID '{cloud.access_key}', SECRET '{cloud.secret_key}',
            REGION '{cloud.region}', ENDPOINT '{cloud.endpoint.removeprefix("http://")}', URL_STYLE 'path',
            USE_SSL false)"""
        )
        yield connection


def test_a_partitioned_table_is_written_and_asked(bucket: str, sql: Any) -> None:
    """COPY ... PARTITION_BY, then globs, hive partitions, sums and joins over what was written."""
    sql.execute("CREATE TABLE sales AS SELECT range AS id, range % 7 AS day, range * 3 AS amount FROM range(70000)")
    sql.execute(f"COPY sales TO 's3://{bucket}/sales' (FORMAT parquet, PARTITION_BY day)")
    assert sql.execute(f"SELECT count(*) FROM glob('s3://{bucket}/sales/*/*.parquet')").fetchone() == (7,)
    total = f"SELECT sum(amount), count(*) FROM read_parquet('s3://{bucket}/sales/*/*.parquet', hive_partitioning=true)"
    assert sql.execute(f"{total} WHERE day = 3").fetchone() == (sum(3 * n for n in range(3, 70000, 7)), 10000)
    assert sql.execute(total).fetchone() == (3 * sum(range(70000)), 70000)
    joined = f"SELECT count(*) FROM sales JOIN 's3://{bucket}/sales/*/*.parquet' AS stored USING (id)"
    assert sql.execute(joined).fetchone() == (70000,)


def test_a_large_file_goes_up_in_parts(cloud: LiveCloud, bucket: str, sql: Any) -> None:
    """A file of many megabytes; reading one column of it asks for less than all of it."""
    rows = 4_000_000
    sql.execute("SET s3_uploader_max_filesize = '50GB'")
    sql.execute(f"COPY (SELECT range AS n, hash(range) AS noise FROM range({rows})) TO 's3://{bucket}/large.parquet'")
    head = cloud.client("s3").head_object(Bucket=bucket, Key="large.parquet")
    assert "-" in head["ETag"]
    assert head["ContentLength"] > 20_000_000
    stored = f"FROM 's3://{bucket}/large.parquet'"
    assert sql.execute(f"SELECT count(*), sum(n) {stored}").fetchone() == (rows, rows * (rows - 1) // 2)
    assert sql.execute(f"SELECT noise = hash(n) {stored} WHERE n = 3999999").fetchone() == (True,)


def test_text_of_others_is_read(cloud: LiveCloud, bucket: str, sql: Any) -> None:
    """CSV and JSON lines that other programs wrote, keys with spaces and letters of all kinds."""
    client = cloud.client("s3")
    client.put_object(Bucket=bucket, Key="a folder/ä+1.csv", Body="name,age\nann,31\nbö,7\n".encode())
    client.put_object(Bucket=bucket, Key="lines.json", Body=b'{"n": 1}\n{"n": 41}\n')
    found = sql.execute(f"SELECT name, age FROM 's3://{bucket}/a folder/ä+1.csv' ORDER BY age").fetchall()
    assert found == [("bö", 7), ("ann", 31)]
    assert sql.execute(f"SELECT sum(n) FROM 's3://{bucket}/lines.json'").fetchone() == (42,)
    with pytest.raises(duckdb.Error, match=r"404|No files found"):
        sql.execute(f"SELECT * FROM 's3://{bucket}/missing.parquet'")
