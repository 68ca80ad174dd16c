"""`pilvi status`: whether the cloud runs, where, with what, and what it costs."""

import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from pilvi.cli import folder, processes
from pilvi.config import Exit

HEALTH_SECONDS_MAX = 5


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
        print(json.dumps(facts, indent=2))  # noqa: T201
    else:
        _show(facts)
    return Exit.OK if answers else Exit.FAILED


def _answers(endpoint: str) -> bool:
    """Whether the health check answers. Its certificate is not checked: nothing secret is sent or believed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        url = f"{endpoint}/_pilvi/health"
        with urllib.request.urlopen(url, timeout=HEALTH_SECONDS_MAX, context=context) as answer:  # noqa: S310 - ours
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _show(facts: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - for people only
    from rich.table import Table  # noqa: PLC0415

    state = "[green]up[/]" if facts["answers"] else "[red]does not answer its health check[/]"
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    table.add_row("state", f"{state}, {_span(facts['uptime_seconds'])}")
    table.add_row("endpoint", f"[bold]{facts['endpoint']}[/]")
    table.add_row("account", f"{facts['account']}, default region {facts['region']}")
    table.add_row("process", f"{facts['pid']} (pilvi {facts['version']}), memory {_size(facts['memory_bytes'])}")
    table.add_row("data", f"{facts['data']} ({_size(facts['data_bytes'])})")
    table.add_row("runtimes", ", ".join(facts["runtimes"]) or "[yellow]none: no interpreter for functions was found[/]")
    for number, (layer, why) in enumerate(facts["sandbox"].items()):
        mark = "[green]active[/]" if not why else f"[yellow]inactive[/]: {why}"
        table.add_row("sandbox" if number == 0 else "", f"{layer:<34}{mark}")
    Console(highlight=False).print(table)


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
