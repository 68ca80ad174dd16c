"""A real cloud for tests: `pilvi up` as a process of its own, on a free port, in a folder of its own."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from processes import Seen, left_of, tree
from waiting import wait_until

KEY_ID = "PILVITESTROOTKEY0001"
SECRET = "a-secret-that-only-tests-know-0123456789"
START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 40.0


class LiveCloud:
    """A running cloud.

    Attributes:
        data: its data folder; `log` is where its standard output and error went.
    """

    region = "us-east-1"
    account = "000000000000"
    access_key = KEY_ID
    secret_key = SECRET

    def __init__(self, folder: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.data = folder / "data"
        self.log = folder / "server.out"
        self.options = options
        self.environment = environment or {}
        self.endpoint = ""
        self._port = "0"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the cloud is not started"
        return self._process.pid

    def start(self) -> None:
        """Starts the server and returns when it answers. A cloud that was stopped comes back on the same port."""
        command = [sys.executable, "-m", "pilvi", "up", "--data", str(self.data), "--port", self._port]
        command += ["--root-key", f"{self.access_key}:{self.secret_key}", "--drain-seconds", "5", *self.options]
        (self.data / "run.json").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_clean_environment(), **self.environment},
                start_new_session=True,
            )
        self.endpoint = wait_until(self._endpoint_told, "the server tells its endpoint", deadline_s=START_DEADLINE_S)
        wait_until(self.healthy, "the server answers its health check", deadline_s=START_DEADLINE_S)
        self._port = self.endpoint.rpartition(":")[2]

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_pilvi/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self) -> None:
        """Stops the server as a user would and checks what must be true of every run."""
        if self._process is None:
            return
        processes = tree(self.pid)
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"SIGTERM did not end the server in {STOP_DEADLINE_S} s\n{self.output()[-4000:]}"
            ) from None
        self._process = None
        wait_until(lambda: not left_of(processes), f"all of {processes} end with the server")
        assert code == 0, f"the server ended with {code}\n{self.output()[-4000:]}"
        assert "Traceback (most recent call last)" not in self.output(), self.output()[-8000:]

    def kill(self) -> list[Seen]:
        """kill -9: no goodbye. Returns the processes that had run."""
        if self._process is None:
            return []
        processes = tree(self.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        return processes

    def output(self) -> str:
        """All that the server said: on its terminal, and in its log."""
        parts = [self.log.read_text(errors="replace")]
        parts += [path.read_text(errors="replace") for path in sorted(self.data.glob("*.log*"))]
        return "\n".join(parts)

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client of the root key (or with other options of boto3's client())."""
        name = repr((service, sorted((member, _told(value)) for member, value in options.items())))
        with self._lock:
            if name not in self._clients:
                self._clients[name] = _session().client(service, **self._client_options(options))
            return self._clients[name]

    def client_of(self, service: str, credentials: dict[str, Any], **options: Any) -> Any:
        """A boto3 client of another key or session, in the words of IAM and STS, that sends what it is told."""
        return self.client(
            service,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
            config=Config(parameter_validation=False),
            **options,
        )

    def _client_options(self, options: dict[str, Any]) -> dict[str, Any]:
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=50, read_timeout=60)
        if "config" in options:
            config = config.merge(options.pop("config"))
        usual = {
            "endpoint_url": self.endpoint,
            "region_name": self.region,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }
        return {**usual, "config": config, **options}

    def _endpoint_told(self) -> str | None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the server ended with {self._process.returncode} at start\n{self.output()[-4000:]}")
        try:
            return str(json.loads((self.data / "run.json").read_text())["endpoint"])
        except (FileNotFoundError, json.JSONDecodeError):
            return None


def _told(option: Any) -> str:
    """What an option says; the name of a Config would only say where in memory it lies."""
    return repr(sorted(option._user_provided_options.items()) if isinstance(option, Config) else option)


def unique_name(prefix: str) -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


Unique = Callable[[str], str]


@functools.cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()


def _clean_environment() -> dict[str, str]:
    """This process's environment without anything that would configure pilvi or an SDK."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PILVI_", "AWS_"))}
