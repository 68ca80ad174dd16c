"""`pilvi status`: whether the cloud runs, where, with what, and what it costs."""

import json
import shutil
import ssl
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pilvi.cli import folder, processes, terminal
from pilvi.cli.terminal import BOLD, GREEN, RED, YELLOW
from pilvi.config import Exit

HEALTH_SECONDS_MAX = 5
LABEL_COLUMNS = 10


def run(data: Path, *, as_json: bool) -> int:
    """Prints the state of the cloud on this folder; Exit.FAILED when it runs but does not answer."""
    running = folder.running(data)
    answers = _answers(running.endpoint)
    facts = {
        "endpoint": running.endpoint,
        "answers": answers,
        "version": running.version,
        "pid": running.pid,
        "uptime_seconds": max(0, time.time_ns() // 1_000_000 - running.started_ms) // 1000,
        "memory_bytes": processes.memory_bytes(processes.tree(running.pid)),
        "data": str(data),
        "data_bytes": processes.disk_bytes(data),
        "account": running.account,
        "region": running.region,
        "runtimes": running.runtimes,
        "sandbox": running.layers,
    }
    if as_json:
        terminal.say(json.dumps(facts, indent=2))
    else:
        terminal.say("\n".join(_lines(facts)))
    return Exit.OK if answers else Exit.FAILED


def _answers(endpoint: str) -> bool:
    """Whether the health check answers, asked without a proxy: the cloud is on this machine.

    Its certificate is not checked: nothing secret is sent or believed.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"{endpoint}/_pilvi/health", timeout=HEALTH_SECONDS_MAX) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    state, code = ("up", GREEN) if facts["answers"] else ("does not answer its health check", RED)
    yield _entry("state", f"{state}, {_span(facts['uptime_seconds'])}", state, code)
    yield _entry("endpoint", facts["endpoint"], facts["endpoint"], BOLD)
    yield _entry("account", f"{facts['account']}, default region {facts['region']}")
    yield _entry("process", f"{facts['pid']} (pilvi {facts['version']}), memory {_size(facts['memory_bytes'])}")
    yield _entry("data", f"{facts['data']} ({_size(facts['data_bytes'])})")
    none = "" if facts["runtimes"] else "none"
    yield _entry("runtimes", ", ".join(facts["runtimes"]) or f"{none}: no interpreter was found", none, YELLOW)
    for number, (layer, why) in enumerate(facts["sandbox"].items()):
        state, code = ("inactive", YELLOW) if why else ("active", GREEN)
        text = f"{layer:<34}{state}" + (f": {why}" if why else "")
        yield _entry("sandbox" if number == 0 else "", text, state, code)


def _entry(label: str, text: str, mark: str = "", code: str = "") -> str:
    """A line of a table: the text beside its label, folded where a terminal ends; the words `mark` in that style."""
    lines = [text]
    if sys.stdout.isatty():
        width = max(20, shutil.get_terminal_size().columns - LABEL_COLUMNS)
        lines = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    folded = ("\n" + " " * LABEL_COLUMNS).join(lines)
    if mark:
        folded = folded.replace(mark, terminal.styled(mark, code), 1)
    return terminal.styled(label, terminal.DIM) + " " * (LABEL_COLUMNS - len(label)) + folded


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    parts = [
        f"{days} d" if days else "",
        f"{hours} h" if hours else "",
        f"{minutes} min" if minutes else "",
        f"{left} s",
    ]
    return "for " + " ".join([part for part in parts if part][:2])


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
