"""examples/keep: a folder that is kept in a bucket, used as its README says."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from commands import environment
from live import LiveCloud
from waiting import wait_until

SCRIPT = Path(__file__).resolve().parents[2] / "examples/keep/keep.py"


def keep(cloud: LiveCloud, *arguments: str) -> str:
    known = {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env=environment(cloud.data.parent, **known),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_kept_and_brought_back(tmp_path: Path) -> None:
    """As it is and as it was; only changes are uploaded; nobody can delete what was kept; it is encrypted."""
    folder = tmp_path / "documents"
    (folder / "letters").mkdir(parents=True)
    (folder / "letters/ann.txt").write_text("dear Ann")
    (folder / "notes ä+%.txt").write_text("first")
    (folder / "large").write_bytes(bytes(range(256)) * 40_000)
    before = content(folder)
    with LiveCloud(tmp_path) as cloud:
        assert keep(cloud, "save", str(folder), "kept", "--days", "1").count("kept ") == 3
        assert keep(cloud, "save", str(folder), "kept", "--days", "1") == ""
        then = datetime.now(UTC)
        wait_until(lambda: datetime.now(UTC).replace(microsecond=0) > then, "the next second")
        (folder / "notes ä+%.txt").write_text("second")
        (folder / "letters/ann.txt").unlink()
        assert keep(cloud, "save", str(folder), "kept", "--days", "1") == "kept notes ä+%.txt\ngone letters/ann.txt\n"
        assert len(keep(cloud, "show", "kept").splitlines()) == 5

        keep(cloud, "load", "kept", str(tmp_path / "now"))
        assert content(tmp_path / "now") == content(folder)
        keep(cloud, "load", "kept", str(tmp_path / "then"), "--at", then.isoformat())
        assert content(tmp_path / "then") == before

        s3 = cloud.client("s3")
        for version in s3.list_object_versions(Bucket="kept")["Versions"]:
            which = {"Bucket": "kept", "Key": version["Key"], "VersionId": version["VersionId"]}
            assert s3.head_object(**which)["ServerSideEncryption"] == "AES256"
            with pytest.raises(ClientError, match="AccessDenied"):
                s3.delete_object(**which, BypassGovernanceRetention=True)
