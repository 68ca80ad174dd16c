"""Runs the benchmarks and prints a table; --json prints the figures."""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import crash, functions, large, objects, proc
from benchmarks.profiling import profiled
from benchmarks.servers import KNOWN, Missing, Pilvi, Server

STARTS = 5
IDLE_SECONDS = 1.0
NOTE_CHARACTERS = 40
WIDTH = 140
PARTS = ("start", "s3", "large", "functions", "crash")

# name of a figure -> what it shows, its unit, and the highest value that we want to see (None: no target)
FIGURES: dict[str, tuple[str, str, float | None]] = {
    "start_s": ("start to first S3 answer", "s", None),
    "memory_mb": ("memory after start (PSS, whole tree)", "MB", 80),
    "put_4k_cpu_us": ("PUT 4 KB, server CPU", "µs", 230),
    "put_4k_rate": ("PUT 4 KB, rate", "/s", None),
    "get_4k_cpu_us": ("GET 4 KB, server CPU", "µs", 120),
    "get_4k_rate": ("GET 4 KB, rate", "/s", None),
    "put_1m_cpu_us": ("PUT 1 MB, server CPU", "µs", 4_500),
    "put_1m_rate": ("PUT 1 MB, rate", "/s", None),
    "get_1m_cpu_us": ("GET 1 MB, server CPU", "µs", 500),
    "get_1m_rate": ("GET 1 MB, rate", "/s", None),
    "list_cpu_us": ("list 1,000 keys, server CPU", "µs", 1_500),
    "list_rate": ("list 1,000 keys, rate", "/s", None),
    "upload_rate": ("upload of 1 GB in parts, rate", "MB/s", None),
    "upload_cpu_us": ("upload of 1 GB in parts, server CPU a MB", "µs", None),
    "upload_share": ("upload of 1 GB, of writing and hashing alone", "%", None),
    "download_rate": ("GET of 1 GB, rate", "MB/s", None),
    "download_cpu_us": ("GET of 1 GB, server CPU a MB", "µs", None),
    "warm_ms": ("warm invoke of a no-op, median", "ms", 2),
    "warm_p99_ms": ("warm invoke of a no-op, 99th percentile", "ms", None),
    "warm_cpu_us": ("warm invoke of a no-op, server CPU", "µs", 300),
    "cold_ms": ("cold invoke, median", "ms", 150),
    "cold_boto3_ms": ("cold invoke with boto3 imported, median", "ms", 30),
}

Figures = dict[str, float | str]


def main() -> int:
    options = _options()
    servers = [KNOWN[name] for name in options.servers]
    results: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="pilvi-bench-", dir=options.folder) as temporary:
        for server in servers:
            results[server.name] = measure(server, Path(temporary) / server.name, options)
        survived = survive(Path(temporary) / "crash", options) if "crash" in options.parts else None
    if options.json:
        print(json.dumps({"figures": results, "kill": survived}, indent=2))
    else:
        show(results, survived)
    return 1 if survived and survived["lost"] else 0


def measure(kind: type[Server], folder: Path, options: argparse.Namespace) -> Figures:
    """All figures of one server. A part that cannot be measured leaves its reason."""
    found: Figures = {}
    try:
        kind.obtain()
        if "start" in options.parts:
            with reason(found, "start_s"):
                found |= starts(kind, folder)
        if "s3" in options.parts:
            with reason(found, "put_4k_cpu_us"), kind(folder) as server:
                s3(server, options, found)
        if "large" in options.parts:
            with reason(found, "upload_rate"), kind(folder) as server:
                large_(server, found)
        if "functions" in options.parts and kind.has_functions:
            with reason(found, "warm_ms"), kind(folder) as server:
                lambda_(server, options, found)
    except Missing as missing:
        found["start_s"] = str(missing)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def starts(kind: type[Server], folder: Path) -> Figures:
    """Medians over several starts, each in a new folder."""
    times, sizes = [], []
    for _ in range(STARTS):
        progress(f"{kind.name}: start")
        server = kind(folder)
        try:
            times.append(server.start())
            time.sleep(IDLE_SECONDS)
            sizes.append(proc.pss_mb(server.pid))
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return {"start_s": statistics.median(times), "memory_mb": statistics.median(sizes)}


def s3(server: Server, options: argparse.Namespace, found: Figures) -> None:
    objects.prepare(server)
    for label, size in (("4k", 4_096), ("1m", 1_048_576)):
        for method in ("PUT", "GET"):
            progress(f"{server.name}: {method} {label}")
            name = f"{method.lower()}_{label}"
            with reason(found, f"{name}_cpu_us"):
                load = objects.measure(server, method, size, options.seconds, server.folder)
                if load.errors:
                    raise Missing(f"{load.errors} of {load.operations} failed")
                found |= {f"{name}_cpu_us": load.cpu_us, f"{name}_rate": load.rate}
                if options.profile and isinstance(server, Pilvi):
                    with profiled(server, name, Path(options.profile), options.seconds):
                        objects.measure(server, method, size, options.seconds, server.folder)
    progress(f"{server.name}: list")
    with reason(found, "list_cpu_us"):
        load = objects.listing(server, options.seconds, server.folder)
        found |= {"list_cpu_us": load.cpu_us, "list_rate": load.rate}


def large_(server: Server, found: Figures) -> None:
    objects.prepare(server)
    with reason(found, "upload_rate"):
        progress(f"{server.name}: upload of 1 GB")
        alone = large.alone(server.folder)
        sent = large.upload(server)
        found |= {"upload_rate": sent.rate, "upload_cpu_us": sent.cpu_us, "upload_share": 100 * sent.rate / alone}
    with reason(found, "download_rate"):
        progress(f"{server.name}: GET of 1 GB")
        got = large.download(server)
        found |= {"download_rate": got.rate, "download_cpu_us": got.cpu_us}


def lambda_(server: Server, options: argparse.Namespace, found: Figures) -> None:
    role = functions.prepare(server)
    with reason(found, "warm_ms"):
        progress(f"{server.name}: warm invoke")
        warm = functions.warm(server, role, options.seconds)
        found |= {"warm_ms": warm.median_ms, "warm_p99_ms": warm.p99_ms, "warm_cpu_us": warm.cpu_us}
    for figure, source in (("cold_ms", functions.NOOP), ("cold_boto3_ms", functions.WITH_BOTO3)):
        with reason(found, figure):
            progress(f"{server.name}: cold invoke")
            found[figure] = functions.cold_ms(server, role, figure.replace("_", "-"), source)


def survive(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    progress(f"pilvi: kill -9 under load, {options.kills} times")
    with Pilvi(folder) as server:
        survived = crash.survive(server, options.kills, options.seed)
    return {
        "kills": survived.kills,
        "acknowledged_puts": survived.puts,
        "acknowledged_invocations": survived.invocations,
        "lost": survived.lost,
    }


def show(results: dict[str, Figures], survived: dict[str, Any] | None) -> None:
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    table = Table(title="lower is better, except rates; medians", title_justify="left")
    table.add_column("")
    for name in results:
        table.add_column(name, justify="right")
    table.add_column("target", justify="right", style="dim")
    for figure, (what, unit, target) in FIGURES.items():
        if any(figure in found for found in results.values()):
            cells = [
                _cell(found.get(figure), unit, target if name == "pilvi" else None) for name, found in results.items()
            ]
            table.add_row(what, *cells, f"<= {target:g} {unit}" if target else "")
    if table.row_count:
        console.print(table)
    if survived:
        lost = survived["lost"]
        verdict = f"[red]LOST {len(lost)}: {', '.join(lost[:5])}[/]" if lost else "[green]nothing lost[/]"
        console.print(
            f"kill -9 under load, {survived['kills']} times: {survived['acknowledged_puts']} objects and "
            f"{survived['acknowledged_invocations']} asynchronous invocations acknowledged, {verdict}",
        )


def _cell(value: float | str | None, unit: str, target: float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return f"[yellow]{value if len(value) <= NOTE_CHARACTERS else f'{value[:NOTE_CHARACTERS]}...'}[/]"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    text = f"{value:,.{digits}f} {unit}"
    if target is None:
        return text
    return f"[green]{text}[/]" if value <= target else f"[red]{text}[/]"


@contextmanager
def reason(found: Figures, figure: str) -> Iterator[None]:
    """A part that fails becomes a note at its first figure; the others go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a peer does must not end the run
        kind = "" if isinstance(error, Missing) else f"{type(error).__name__}: "
        found.setdefault(figure, f"{kind}{str(error)[:160]}")


progress: Callable[[str], None] = lambda text: print(f"... {text}", file=sys.stderr)  # noqa: E731


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--servers", nargs="+", choices=list(KNOWN), default=list(KNOWN))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=int, default=5, help="of each load (default 5)")
    parser.add_argument("--kills", type=int, default=50, help="of kill -9 under load (default 50)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of killing")
    parser.add_argument(
        "--folder", default=None, help="where the servers keep their data meanwhile (default: temporary)"
    )
    parser.add_argument("--profile", metavar="FOLDER", help="also sample pilvi under each load of S3 with py-spy")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
