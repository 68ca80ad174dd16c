"""What is not there, and is not to come back by accident."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPENDENCIES = {"awscrt", "boto3", "cryptography", "httptools", "msgspec", "typer", "uvloop"}
NOT_AT_START = {
    "awscrt", "boto3", "botocore", "click", "cryptography", "email", "html", "multiprocessing", "rich", "typer", "urllib3",
}  # fmt: skip
START = """
import json, sys
from pilvi.cli import quick, up
import pilvi.app
from pilvi import services
services.discover()
print(json.dumps(sorted(name.partition(".")[0] for name in sys.modules)))
"""


def test_nothing_is_depended_on_without_a_decision() -> None:
    """No web framework, no ORM, no task queue, no container engine: six packages, each with its reason."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}
    assert names == DEPENDENCIES


def test_a_starting_server_does_not_import_what_it_does_not_need() -> None:
    """botocore's code is for clients and functions, typer and rich for people: neither costs a start anything."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert not NOT_AT_START & set(json.loads(done.stdout))
