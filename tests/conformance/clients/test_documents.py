"""What docs/clients.md shows is run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commands import environment
from live import LiveCloud
from tool import Tool

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/clients.md"
BLOCK = re.compile(r"^```(sh|python) clients\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WHY = "the clients are not installed (make install-clients)"
deltalake: Any = pytest.importorskip("deltalake", reason=WHY)
extension: Any = pytest.importorskip("duckdb_extension_httpfs", reason=WHY)


def test_the_blocks_work_one_after_the_other(cloud: LiveCloud, bucket: str, tool: Tool) -> None:
    """A reader who types them meets no error, and sees the sums that the tables have."""
    parts = ["set -eu", "unset S3_ENDPOINT_URL"]
    for language, block in BLOCK.findall(DOCUMENT.read_text()):
        parts.append(block if language == "sh" else f"python - <<'END_OF_BLOCK'\n{block}END_OF_BLOCK\n")
    assert len(parts) == 5
    done = subprocess.run(
        ["bash", "-c", "\n".join(parts)],
        env=environment(tool.home, **tool.variables, BUCKET=bucket),
        cwd=tool.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-5:] == ["4", "3", "3", "1", "(6,)"]
    kept = cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert {"rclone/note.txt", "s5cmd/note.txt", "s3cmd/note.txt"} < {entry["Key"] for entry in kept}
