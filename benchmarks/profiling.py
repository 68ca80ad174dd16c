"""Where a server's time goes, sampled from outside with py-spy while a load runs."""

import contextlib
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.servers import PEERS, Server, install

RATE = 200  # samples a second
SHOWN = 25


@contextlib.contextmanager
def profiled(server: Server, what: str, folder: Path, seconds: int) -> Iterator[None]:
    """Samples the server's process while the body runs, and writes what it found to `folder`/<what>.txt."""
    install("py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / f"{what}.raw"
    command = [str(PEERS / "py-spy/bin/py-spy"), "record", "--pid", str(server.pid), "--duration", str(seconds)]
    command += ["--rate", str(RATE), "--format", "raw", "--nonblocking", "--output", str(raw)]
    sampler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        sampler.wait(seconds + 30)
        if raw.exists():
            (folder / f"{what}.txt").write_text(summary(raw.read_text()))


def summary(raw: str) -> str:
    """Shares of samples by function: alone, and with all that it called."""
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] for frame in stack.split(";")]
        alone[frames[-1]] += int(count)
        for frame in set(frames):
            within[frame] += int(count)
    total = sum(alone.values()) or 1
    lines = [f"{total} samples", "", "share  with calls  function"]
    for frame, count in alone.most_common(SHOWN):
        lines.append(f"{count / total:5.1%}  {within[frame] / total:10.1%}  {frame}")
    lines += ["", "with calls  function"]
    lines += [f"{count / total:10.1%}  {frame}" for frame, count in within.most_common(SHOWN)]
    return "\n".join(lines) + "\n"
