"""Programs that others wrote and Python packages carry: rclone, s5cmd, s3cmd, the AWS CLI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from commands import environment
from live import LiveCloud


class Tool:
    """A program of this virtual environment, run to its end in a folder of its own with the cloud's keys."""

    def __init__(self, cloud: LiveCloud, home: Path) -> None:
        self.home = home
        self.variables = {
            "AWS_ACCESS_KEY_ID": cloud.access_key,
            "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
            "AWS_DEFAULT_REGION": cloud.region,
            "AWS_REGION": cloud.region,
            "AWS_ENDPOINT_URL": cloud.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "S3_ENDPOINT_URL": cloud.endpoint,
        }

    def __call__(self, program: str, *arguments: str, code: int = 0, given: str | None = None) -> str:
        """What it prints (where it fails as it should: on its standard error). Skips where it is not installed."""
        path = Path(sys.executable).with_name(program)
        if not path.exists():
            pytest.skip(f"{program} is not installed (make install-dev install-clients)")
        done = subprocess.run(
            [path, *arguments],
            env=environment(self.home, **self.variables),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            input=given or "",
            timeout=180,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr
