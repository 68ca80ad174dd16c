"""What the clients of S3 are given: a bucket each, the cloud's address and keys in their own words, a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from live import LiveCloud, unique_name
from tool import Tool


@pytest.fixture
def bucket(cloud: LiveCloud) -> str:
    """The name of an empty bucket of this test."""
    name = unique_name("client")
    cloud.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def tool(cloud: LiveCloud, tmp_path: Path) -> Tool:
    home = tmp_path / "home"
    home.mkdir()
    return Tool(cloud, home)
