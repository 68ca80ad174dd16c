"""Running the `pilvi` command as a user does: in a shell's way, or in a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from processes import left_of, tree
from waiting import wait_until

BIN = Path(sys.executable).parent
PILVI = [sys.executable, "-m", "pilvi"]


def environment(home: Path, **more: str) -> dict[str, str]:
    """A user's environment, with nothing set that pilvi or an SDK would read but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PILVI_", "AWS_", "XDG_"))}
    path = f"{BIN}:{kept.get('PATH', '/usr/bin:/bin')}"
    return {**kept, "HOME": str(home), "PATH": path, "TERM": "xterm-256color", "COLUMNS": "120", **more}


class Home:
    """A user's home folder, and the command line in it. Whatever runs on its clouds ends with the test."""

    def __init__(self, path: Path, **variables: str) -> None:
        self.path = path
        self.data = path / ".local/share/pilvi"
        self.variables = {"PILVI_PORT": "0", **variables}

    def pilvi(self, *arguments: str, data: Path | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs `pilvi ARGUMENTS` to its end."""
        where = [] if data is None else ["--data", str(data)]
        return self.run(*PILVI, *arguments, *where, **options)

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
            **{"env": environment(self.path, **self.variables), "cwd": self.path, **options},
        )

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Runs a bash script that ends with its first failing command."""
        return self.run("bash", "-euo", "pipefail", "-c", script)

    def running(self, data: Path | None = None) -> dict[str, Any]:
        return dict(json.loads(((data or self.data) / "run.json").read_text()))

    def end_all(self) -> None:
        """Kills what still runs on any data folder below the home."""
        for file in self.path.rglob("run.json"):
            pid = int(json.loads(file.read_text())["pid"])
            processes = tree(pid)
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            wait_until(lambda processes=processes: not left_of(processes), "the end of what a test left running")  # type: ignore[misc]


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, command: list[str], env: Mapping[str, str], cwd: Path) -> None:
        self.text = ""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:  # the child
            os.chdir(cwd)
            os.execvpe(command[0], command, dict(env))
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def wait_for(self, pattern: str, deadline_s: float = 30.0) -> re.Match[str]:
        """Reads until the text, without colours, matches."""
        end = time.monotonic() + deadline_s
        while not (found := re.search(pattern, self.plain)):
            if not self._read(end):
                raise AssertionError(f"{pattern!r} was not shown:\n{self.plain}")
        return found

    @property
    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.text).replace("\r\n", "\n")

    def more(self) -> str:
        """What was shown so far, escape sequences and all."""
        self._read(time.monotonic())
        return self.text

    def press(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self, deadline_s: float = 60.0) -> int:
        """Waits for the command's end; its exit code."""
        end = time.monotonic() + deadline_s
        while self._read(end):
            pass
        _, status = os.waitpid(self.pid, 0)
        self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def _read(self, end: float) -> bool:
        """Whether the terminal is still open and the time is not over."""
        ready, _, _ = select.select([self._fd], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._fd, 65_536)
        except OSError:  # the other side is closed
            return False
        self.text += data.decode(errors="replace")
        return bool(data)
