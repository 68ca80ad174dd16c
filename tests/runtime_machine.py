"""The tests' end of a host of functions (runtime_host.py): a process as root, or as an ordinary user."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from functions import zip_of

ORDINARY_UID = 1000
_HERE = Path(__file__).parent
_numbers = itertools.count(1)


class Machine:
    """Runs functions in a host process.

    Attributes:
        folder: its data folder.
        reachable: a folder that everybody on the machine can read and write, unless a sandbox forbids it.
    """

    def __init__(self, interpreter: str, uid: int | None, *kind: str) -> None:
        self.reachable = Path(tempfile.mkdtemp(prefix="pilvi-test-"))
        self.reachable.chmod(0o777)
        self.folder = self.reachable / "data"
        site = [path for path in sys.path if path.endswith("site-packages")]
        source = str(_HERE.parent / "src")
        arguments = [interpreter, str(_HERE / "runtime_host.py"), str(self.folder), *kind]
        self.process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            user=uid,
            group=uid,
            extra_groups=[] if uid is not None else None,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": ":".join([source, *site]),
                "HOME": str(self.reachable),
                "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv")),
                "SECRET": "SECRET-OF-THE-ENVIRONMENT",
            },
            cwd="/",
        )
        self._answers: dict[str, Future[Any]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> int:
        """Stops the host in order; its exit status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        status = self.process.wait(30)
        self._reader.join(10)
        self.process.stdout.close()
        return status

    def begin(self, do: str, **order: Any) -> Future[Any]:
        name = str(next(_numbers))
        answer: Future[Any] = Future()
        self._answers[name] = answer
        assert self.process.stdin is not None
        with self._lock:
            self.process.stdin.write(json.dumps({"id": name, "do": do, **order}).encode() + b"\n")
            self.process.stdin.flush()
        return answer

    def do(self, do: str, **order: Any) -> Any:
        return self.begin(do, **order).result(60)

    def function(self, source: str, **spec: Any) -> Function:
        return Function(self, {"main.py": source}, spec)

    def package(self, files: dict[str, str | bytes], **spec: Any) -> Function:
        return Function(self, files, spec)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            answer = self._answers.pop(message["id"])
            if "raised" in message:
                answer.set_exception(AssertionError(message["raised"]))
            else:
                answer.set_result(message["result"])
        for answer in self._answers.values():
            answer.set_exception(ConnectionError("the host is gone"))


class Function:
    """A function on a machine."""

    def __init__(self, machine: Machine, files: dict[str, str | bytes], spec: dict[str, Any]) -> None:
        self.machine = machine
        self.name = spec.pop("name", f"function-{next(_numbers)}")
        self.code = spec.pop("code", None) or zip_of(files)
        self.spec = {
            "key": f"key-{next(_numbers)}",
            "arn": f"arn:aws:lambda:eu-north-1:123456789012:function:{self.name}",
            "account": "123456789012",
            "region": "eu-north-1",
            "name": self.name,
            "version": "$LATEST",
            "runtime": "python3.11",
            "handler": "main.handler",
            "code_sha256": base64.b64encode(hashlib.sha256(self.code).digest()).decode(),
            "role_arn": "arn:aws:iam::123456789012:role/r",
            "log_group": f"/aws/lambda/{self.name}",
            "timeout_seconds": 20,
            "memory_mb": 256,
            **spec,
        }

    def begin(self, event: Any = None, *, client_context: str = "", raw: bytes | None = None) -> Future[Any]:
        payload = raw if raw is not None else json.dumps(event).encode()
        return self.machine.begin(
            "invoke",
            spec=self.spec,
            code=base64.b64encode(self.code).decode(),
            payload=base64.b64encode(payload).decode(),
            client_context=client_context,
            want_tail=True,
        )

    def invoke(self, event: Any = None, **more: Any) -> Answer:
        return Answer(self.begin(event, **more).result(60))

    def __call__(self, event: Any = None) -> Any:
        """The handler's result; it must not fail."""
        answer = self.invoke(event)
        assert answer.error is None, (answer.payload, answer.tail)
        return answer.payload

    def lines(self) -> list[str]:
        """Its log, over all its streams."""
        return [line for _, line in self.machine.do("lines", name=self.name)]

    def streams(self) -> list[str]:
        return sorted({stream for stream, _ in self.machine.do("lines", name=self.name)})


class Answer:
    """An outcome, decoded; or `refused`, the code with which the invocation was refused."""

    def __init__(self, outcome: dict[str, Any]) -> None:
        self.refused = outcome.get("refused", "")
        self.message = outcome.get("message", "")
        if not self.refused:
            self.raw = base64.b64decode(outcome["payload"])
            self.payload = json.loads(self.raw)
            self.error = outcome["error"]
            self.tail = base64.b64decode(outcome["tail"]).decode()
            self.init_ms = outcome["init_ms"]
            self.duration_ms = outcome["duration_ms"]
            self.memory_max_mb = outcome["memory_max_mb"]


def interpreter_for_users() -> str | None:
    """A Python of our version that an ordinary user can start, or None."""
    for path in (os.path.realpath(sys.executable), f"/usr/bin/python3.{sys.version_info.minor}"):
        if os.path.exists(path) and _everybody_reaches(Path(path)):
            return path
    return None


def _everybody_reaches(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))
