"""`make demo`, as a newcomer runs it."""

from __future__ import annotations

import re
import time
from pathlib import Path

from commands import Home, Terminal, environment
from processes import parents

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60


def test_the_demo_tells_its_story_and_leaves_nothing_behind(home: Home) -> None:
    """In a real terminal: thumbnail, log lines, kill -9, second thumbnail; under a minute; no process, no error."""
    before = set(parents())
    python = str(ROOT / ".venv/bin/python")
    env = environment(home.path, TMPDIR=str(home.path))
    began = time.monotonic()
    with Terminal([python, str(ROOT / "tools/demo.py")], env, ROOT) as terminal:
        code = terminal.end(deadline_s=180)
        shown = terminal.plain
    assert code == 0, shown
    assert time.monotonic() - began < SECONDS_MAX, shown
    story = ["start the cloud", "upload astronaut.jpg", r"[\d,]+ bytes, 128x128 pixels", r"START RequestId", r"REPORT"]
    story += [
        "kill -9",
        "start it again",
        r"4? ?\d objects, the function \(Active\)",
        "upload coffee.jpg",
        "128x85 pixels",
    ]
    assert re.search(".*".join(story), shown, re.DOTALL), shown
    assert "up -d" in shown.strip().splitlines()[-1]
    assert "Traceback" not in shown
    assert not list(home.path.glob("pilvi-demo-*"))
    left = [pid for pid in set(parents()) - before if b"pilvi" in _command(pid)]
    assert not left


def _command(pid: int) -> bytes:
    """The command line of a process that belongs to this test's home, else nothing."""
    try:
        folder = Path(f"/proc/{pid}")
        return (folder / "cmdline").read_bytes() if b"pilvi-demo-" in (folder / "cmdline").read_bytes() else b""
    except OSError:
        return b""
