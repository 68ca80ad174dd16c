"""rclone: trees kept alike, checked, moved; versions seen; parts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from live import LiveCloud
from tool import Tool

MIB = 1024 * 1024


class Rclone:
    """`rclone` with a remote `cloud:`."""

    def __init__(self, tool: Tool, cloud: LiveCloud) -> None:
        self.tool = tool
        settings = {
            "TYPE": "s3",
            "PROVIDER": "Other",
            "ENDPOINT": cloud.endpoint,
            "ACCESS_KEY_ID": cloud.access_key,
            "SECRET_ACCESS_KEY": cloud.secret_key,
            "REGION": cloud.region,
        }
        tool.variables |= {f"RCLONE_CONFIG_CLOUD_{name}": value for name, value in settings.items()}
        tool.variables |= {"RCLONE_S3_CHUNK_SIZE": "5M", "RCLONE_S3_UPLOAD_CUTOFF": "6M", "RCLONE_RETRIES": "1"}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        return self.tool("rclone", *arguments, code=code)

    def listed(self, where: str, *more: str) -> dict[str, dict[str, Any]]:
        return {entry["Path"]: entry for entry in json.loads(self("lsjson", "-R", "--files-only", where, *more))}


@pytest.fixture
def rclone(tool: Tool, cloud: LiveCloud) -> Rclone:
    return Rclone(tool, cloud)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of many kinds of names, one of them large, one empty."""
    folder = tmp_path / "tree"
    (folder / "inner folder/deep").mkdir(parents=True)
    pick = random.Random(7)
    for number in range(40):
        (folder / f"inner folder/{number:02}.bin").write_bytes(pick.randbytes(number * 100))
    (folder / "inner folder/deep/ä ö+&=%20.txt").write_text("name")
    (folder / "large").write_bytes(pick.randbytes(13 * MIB))
    return folder


def test_a_tree_is_kept_alike_and_checked(
    cloud: LiveCloud, bucket: str, rclone: Rclone, tree: Path, tmp_path: Path
) -> None:
    """sync, check by hash and by download, sync back; a change and a deletion follow; nothing is sent twice."""
    there = f"cloud:{bucket}/tree"
    rclone("sync", str(tree), there)
    rclone("check", str(tree), there)
    rclone("check", "--download", str(tree), there)
    found = cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert {entry["Key"]: entry["Size"] for entry in found} == {
        f"tree/{path.relative_to(tree)}": path.stat().st_size for path in tree.rglob("*") if path.is_file()
    }
    (tree / "inner folder/00.bin").unlink()
    (tree / "inner folder/01.bin").write_bytes(b"changed")
    before = {entry["Key"]: (entry["LastModified"], entry["ETag"]) for entry in found}
    rclone("check", str(tree), there, code=1)
    rclone("sync", str(tree), there)
    rclone("sync", there, str(tmp_path / "back"))
    assert {path.relative_to(tmp_path / "back"): path.read_bytes() for path in (tmp_path / "back").rglob("*.*")} == {
        path.relative_to(tree): path.read_bytes() for path in tree.rglob("*.*")
    }
    assert (tmp_path / "back/large").read_bytes() == (tree / "large").read_bytes()
    found = cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    changed = [entry["Key"] for entry in found if (entry["LastModified"], entry["ETag"]) != before[entry["Key"]]]
    assert (len(found), changed) == (41, ["tree/inner folder/01.bin"])


def test_times_of_files_are_kept(cloud: LiveCloud, bucket: str, rclone: Rclone, tree: Path) -> None:
    """rclone keeps a file's time in the object's metadata, in parts too, and can set it by a copy onto itself."""
    rclone("copy", str(tree), f"cloud:{bucket}")
    stamp = cloud.client("s3").head_object(Bucket=bucket, Key="large")["Metadata"]["mtime"]
    assert float(stamp) == pytest.approx((tree / "large").stat().st_mtime)
    rclone("touch", "-C", "-t", "2020-02-03T04:05:06", f"cloud:{bucket}/inner folder/05.bin")
    assert rclone.listed(f"cloud:{bucket}")["inner folder/05.bin"]["ModTime"].startswith("2020-02-03T04:05:06")
    assert cloud.client("s3").get_object(Bucket=bucket, Key="inner folder/05.bin")["ContentLength"] == 500


def test_objects_are_copied_moved_and_purged_on_the_server(
    cloud: LiveCloud, bucket: str, rclone: Rclone, tree: Path
) -> None:
    """Copies between folders are the server's work, large ones in parts; move and purge leave nothing behind."""
    rclone("copy", str(tree), f"cloud:{bucket}/a", "--metadata")
    rclone("copy", f"cloud:{bucket}/a", f"cloud:{bucket}/b", "--s3-copy-cutoff", "6M")
    rclone("check", f"cloud:{bucket}/a", f"cloud:{bucket}/b")
    rclone("moveto", f"cloud:{bucket}/b/large", f"cloud:{bucket}/c/renamed")
    assert cloud.client("s3").get_object(Bucket=bucket, Key="c/renamed")["Body"].read() == (tree / "large").read_bytes()
    rclone("purge", f"cloud:{bucket}/a")
    rclone("delete", f"cloud:{bucket}/b", "--include", "*.bin")
    assert sorted(rclone.listed(f"cloud:{bucket}")) == ["b/inner folder/deep/ä ö+&=%20.txt", "c/renamed"]


def test_versions_are_shown_and_come_back(cloud: LiveCloud, bucket: str, rclone: Rclone, tmp_path: Path) -> None:
    """--s3-versions lists what was; copied from there, it is what was written then; cleanup-hidden forgets it."""
    rclone("backend", "versioning", f"cloud:{bucket}", "Enabled")
    for text in ("one", "two"):
        (tmp_path / "note.txt").write_text(text)
        rclone("copyto", "--ignore-times", str(tmp_path / "note.txt"), f"cloud:{bucket}/note.txt")
    shown = rclone.listed(f"cloud:{bucket}", "--s3-versions")
    [old] = [name for name in shown if name != "note.txt"]
    assert old.startswith("note-v")
    assert rclone("cat", "--s3-versions", f"cloud:{bucket}/{old}") == "one"
    assert rclone("cat", f"cloud:{bucket}/note.txt") == "two"
    rclone("deletefile", f"cloud:{bucket}/note.txt")
    assert not rclone.listed(f"cloud:{bucket}")
    assert old in rclone.listed(f"cloud:{bucket}", "--s3-versions")
    rclone("backend", "cleanup-hidden", f"cloud:{bucket}")
    left = cloud.client("s3").list_object_versions(Bucket=bucket)
    assert not left.get("Versions")


def test_uploads_that_were_given_up_are_cleaned(cloud: LiveCloud, bucket: str, rclone: Rclone) -> None:
    """`rclone cleanup` finds unfinished uploads and aborts those that are old enough."""
    client = cloud.client("s3")
    upload = client.create_multipart_upload(Bucket=bucket, Key="begun")["UploadId"]
    shown = json.loads(rclone("backend", "list-multipart-uploads", f"cloud:{bucket}"))
    assert [entry["UploadId"] for entry in shown[bucket]] == [upload]
    rclone("backend", "cleanup", f"cloud:{bucket}", "-o", "max-age=0s")
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)
