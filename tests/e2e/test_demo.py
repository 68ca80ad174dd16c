"""`make demo`, as a newcomer runs it."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from commands import Home, Terminal, environment
from processes import parents

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 60


def test_the_demo_tells_its_story_and_leaves_nothing_behind(home: Home) -> None:
    """In a real terminal: thumbnail, log lines, kill -9, second thumbnail; under a minute; no process, no error."""
    before = set(parents())
    env = environment(home.path, TMPDIR=str(home.path))
    began = time.monotonic()
    with Terminal([sys.executable, str(ROOT / "tools/demo.py")], env, ROOT) as terminal:
        code = terminal.end(deadline_s=180)
        shown = terminal.plain
    assert code == 0, shown
    assert time.monotonic() - began < SECONDS_MAX, shown
    story = ["start the cloud", "upload astronaut.jpg", r"[\d,]+ bytes, 128x128 pixels", r"START RequestId", r"REPORT"]
    story += [
        "kill -9",
        "start it again",
        "2 objects, function active, 1 notification",
        "upload coffee.jpg",
        "128x85 pixels",
    ]
    assert re.search(".*".join(story), shown, re.DOTALL), shown
    assert "up -d" in shown.strip().splitlines()[-1]
    assert "Traceback" not in shown
    assert not list(home.path.glob("pilvi-demo-*"))
    left = [pid for pid in set(parents()) - before if _is_of(home, pid)]
    assert not left


def _is_of(home: Home, pid: int) -> bool:
    """Whether a process was started in this test: its command line or environment names the test's folder."""
    try:
        words = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    except OSError:
        return False
    return any(str(home.path).encode() in word for word in words)
