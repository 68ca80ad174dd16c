"""Looking at processes through /proc: trees, and whether anything is left of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Seen(NamedTuple):
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    started: int
    command: str


def look(pid: int) -> Seen | None:
    """The process, or None when it is gone (a zombie is gone: it holds nothing but its exit status)."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
        fields = rest.split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX":
        return None
    return Seen(pid, int(fields[19]), name.partition("(")[2])


def parents() -> dict[int, int]:
    """pid -> parent's pid, of everything that runs now."""
    found: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def tree(root: int) -> list[Seen]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[Seen] = []
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        seen = look(pid)
        if seen is not None:
            found.append(seen)
        waiting += children.get(pid, [])
    return found


def left_of(processes: list[Seen]) -> list[Seen]:
    """Those that still run."""
    return [process for process in processes if (now := look(process.pid)) and now.started == process.started]
