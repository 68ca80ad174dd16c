"""s5cmd: many objects at once, by wildcards."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

from live import LiveCloud
from tool import Tool

MIB = 1024 * 1024


def keys(cloud: LiveCloud, bucket: str) -> list[str]:
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def files(folder: Path, count: int) -> None:
    pick = random.Random(8)
    for number in range(count):
        path = folder / f"{number % 10}/{number:04}.{'txt' if number % 4 else 'log'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pick.randbytes(number))
        os.utime(path, (1_700_000_000, 1_700_000_000))  # older than the object that is made of it, by any clock


def test_many_files_go_up_and_down_by_wildcards(cloud: LiveCloud, bucket: str, tool: Tool, tmp_path: Path) -> None:
    """1,200 files by 64 workers; a wildcard's files come back, each with its bytes; the others do not."""
    files(tmp_path / "up", 1200)
    tool("s5cmd", "--numworkers", "64", "cp", f"{tmp_path}/up/", f"s3://{bucket}/in/")
    assert len(keys(cloud, bucket)) == 1200
    tool("s5cmd", "cp", f"s3://{bucket}/in/*/*.log", f"{tmp_path}/down/")
    found = {path.relative_to(tmp_path / "down"): path.read_bytes() for path in (tmp_path / "down").rglob("*.*")}
    wanted = {path.relative_to(tmp_path / "up"): path.read_bytes() for path in (tmp_path / "up").rglob("*.log")}
    assert found == wanted
    shown = tool("s5cmd", "--json", "ls", f"s3://{bucket}/in/4/*.log").splitlines()
    assert len(shown) == 60
    assert all("/in/4/" in json.loads(line)["key"] for line in shown)
    assert json.loads(tool("s5cmd", "--json", "du", f"s3://{bucket}/in/*"))["size"] == sum(range(1200))


def test_a_large_file_goes_in_parts_both_ways(cloud: LiveCloud, bucket: str, tool: Tool, tmp_path: Path) -> None:
    """Parts by several workers, up and down, and a copy on the server."""
    data = random.Random(9).randbytes(26 * MIB + 7)
    (tmp_path / "large").write_bytes(data)
    tool("s5cmd", "cp", "--part-size", "5", "--concurrency", "4", f"{tmp_path}/large", f"s3://{bucket}/large")
    assert cloud.client("s3").head_object(Bucket=bucket, Key="large")["ETag"].endswith('-6"')
    tool("s5cmd", "cp", f"s3://{bucket}/large", f"s3://{bucket}/copy")
    tool("s5cmd", "cp", "--part-size", "5", "--concurrency", "4", f"s3://{bucket}/copy", f"{tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == data


def test_sync_removes_what_is_gone(cloud: LiveCloud, bucket: str, tool: Tool, tmp_path: Path) -> None:
    """sync --delete sends what changed and removes what is not there, in both directions."""
    files(tmp_path / "here", 60)
    there = f"s3://{bucket}/there/"
    tool("s5cmd", "sync", "--delete", f"{tmp_path}/here/", there)
    assert len(keys(cloud, bucket)) == 60
    (tmp_path / "here/0/0000.log").unlink()
    (tmp_path / "here/1/0001.txt").write_bytes(b"longer than it was")
    sent = tool("s5cmd", "sync", "--delete", f"{tmp_path}/here/", there).splitlines()
    assert sorted(line.split()[0] for line in sent) == ["cp", "rm"]
    (tmp_path / "other/9").mkdir(parents=True)
    (tmp_path / "other/9/foreign.txt").write_text("x")
    tool("s5cmd", "sync", "--delete", f"s3://{bucket}/there/*", f"{tmp_path}/other/")
    assert {path.name: path.read_bytes() for path in (tmp_path / "other").rglob("*.*")} == {
        path.name: path.read_bytes() for path in (tmp_path / "here").rglob("*.*")
    }


def test_scripts_moves_and_removals(cloud: LiveCloud, bucket: str, tool: Tool) -> None:
    """`run` does many commands at once; mv and rm by wildcards; pipe and cat; versions one by one."""
    lines = "\n".join(f"pipe s3://{bucket}/run/{number}" for number in range(3))
    tool("s5cmd", "run", given=lines)
    tool("s5cmd", "pipe", f"s3://{bucket}/a/b c.txt", given="hello")
    tool("s5cmd", "mv", f"s3://{bucket}/a/*", f"s3://{bucket}/z/")
    assert tool("s5cmd", "cat", f"s3://{bucket}/z/b c.txt") == "hello"
    tool("s5cmd", "rm", f"s3://{bucket}/run/*")
    assert keys(cloud, bucket) == ["z/b c.txt"]
    tool("s5cmd", "bucket-version", "--set", "Enabled", f"s3://{bucket}")
    tool("s5cmd", "pipe", f"s3://{bucket}/z/b c.txt", given="changed")
    shown = tool("s5cmd", "ls", "--all-versions", f"s3://{bucket}/z/*").splitlines()
    assert len(shown) == 2
    tool("s5cmd", "rm", "--all-versions", f"s3://{bucket}/*")
    tool("s5cmd", "rb", f"s3://{bucket}")
    assert "NoSuchBucket" in tool("s5cmd", "ls", f"s3://{bucket}/", code=1)
