"""Limits that the kernel counts over a worker and all its children: memory and processes.

They are used where they can be written: version 2 where it was delegated to us (or we are root), else version 1's memory
and pids hierarchies. Each worker has a group below ours, made before it is forked and joined by it before it gives up its
rights; removed when it has ended. Groups that a killed server left behind are removed by the next one.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

PREFIX: Final = "pilvi-"
_ROOT: Final = Path("/sys/fs/cgroup")
_CONTROLLERS: Final = ("memory", "pids")


class Limits(msgspec.Struct, frozen=True):
    memory_bytes: int
    processes: int


class Group:
    """One worker's groups: a folder in each hierarchy."""

    def __init__(self, folders: list[Path]) -> None:
        self.folders = folders

    def open(self) -> list[int]:
        """Descriptors through which a process joins by writing "0"."""
        return [os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC) for folder in self.folders]

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in here for its memory."""
        for folder in self.folders:
            for file in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    words = (folder / file).read_text().split()
                    if int(words[words.index("oom_kill") + 1]) > 0:
                        return True
        return False

    def anonymous_bytes(self) -> int:
        """What its processes have in memory, without files and /tmp; -1 where it is not counted."""
        for folder in self.folders:
            with contextlib.suppress(OSError, ValueError):
                words = (folder / "memory.stat").read_text().split()
                return int(words[words.index("anon" if "anon" in words else "total_rss") + 1])
        return -1

    def peak_bytes(self) -> int:
        for folder in self.folders:
            for file in ("memory.peak", "memory.max_usage_in_bytes"):
                with contextlib.suppress(OSError, ValueError):
                    return int((folder / file).read_text())
        return 0

    def remove(self) -> bool:
        """False while a process of it still ends."""
        for folder in self.folders:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return False
        return True


class Cgroups:
    """Our part of the hierarchies.

    Attributes:
        missing: "" when memory and processes are both limited, else why not.
    """

    def __init__(self) -> None:
        self.missing = ""
        self._parents: list[Path] = []
        self._leaving: list[Group] = []

    def open(self) -> None:
        """Finds what can be written, by trying."""
        try:
            own = _own_groups(Path("/proc/self/cgroup").read_text())
            parents, unlimited = _usable(own)
            for parent in parents:
                _remove_left(parent)
                mine = parent / f"{PREFIX}{os.getpid()}"
                mine.mkdir(exist_ok=True)
                self._parents.append(mine)
                if (parent / "cgroup.controllers").exists():
                    (mine / "cgroup.subtree_control").write_text("+memory +pids")
            self._try()
            self.missing = f"no {' and '.join(unlimited)} controller can be written" if unlimited else ""
        except OSError as error:
            self.missing = f"{error.strerror or error}: {error.filename or _ROOT}"
            self.close()

    def make(self, name: str, limits: Limits) -> Group | None:
        """A worker's group, or None where there are none."""
        self._leaving = [group for group in self._leaving if not group.remove()]
        if not self._parents:
            return None
        group = Group([parent / name for parent in self._parents])
        for folder in group.folders:
            folder.mkdir()
            _limit(folder, limits)
        return group

    def leave(self, group: Group) -> None:
        if not group.remove():
            self._leaving.append(group)

    @property
    def limits_memory(self) -> bool:
        return any((parent / _MEMORY[0]).exists() or _is_v2(parent) for parent in self._parents)

    def close(self) -> None:
        """Removes everything of ours that is empty."""
        self._leaving = [group for group in self._leaving if not group.remove()]
        for parent in self._parents:
            _remove_tree(parent)
        self._parents = []

    def _try(self) -> None:
        group = self.make("try", Limits(64 << 20, 64))
        if group is not None:
            for fd in group.open():
                os.close(fd)
            group.remove()


_MEMORY: Final = ("memory.limit_in_bytes", "memory.max")


def _is_v2(folder: Path) -> bool:
    return (folder / "cgroup.controllers").exists()


def _own_groups(text: str) -> dict[str, str]:
    """Controller ("" for version 2) -> our path in its hierarchy."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _usable(own: dict[str, str]) -> tuple[list[Path], list[str]]:
    """Folders in which groups can be made, and the controllers that none of them has."""
    unified = _ROOT / own.get("", "/").lstrip("/")
    if _is_v2(unified):
        offered = (unified / "cgroup.controllers").read_text().split()
        if all(controller in offered for controller in _CONTROLLERS):
            # A group with processes of its own may not limit its children: ours go beside us.
            parent = unified if unified == _ROOT else unified.parent
            if os.access(parent, os.W_OK):
                return [parent], []
    parents, missing = [], []
    for controller in _CONTROLLERS:
        folder = _ROOT / controller / own.get(controller, "/").lstrip("/")
        if (folder / "cgroup.procs").exists() and os.access(folder, os.W_OK):
            parents.append(folder)
        else:
            missing.append(controller)
    return parents, missing


def _limit(folder: Path, limits: Limits) -> None:
    memory, processes = str(limits.memory_bytes), str(limits.processes)
    if _is_v2(folder):
        (folder / "memory.max").write_text(memory)
        (folder / "memory.oom.group").write_text("1")
        with contextlib.suppress(OSError):
            (folder / "memory.swap.max").write_text("0")
        (folder / "pids.max").write_text(processes)
    elif (folder / "memory.limit_in_bytes").exists():
        (folder / "memory.limit_in_bytes").write_text(memory)
        with contextlib.suppress(OSError):
            (folder / "memory.memsw.limit_in_bytes").write_text(memory)
    else:
        (folder / "pids.max").write_text(processes)


def _remove_left(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        pid = folder.name.removeprefix(PREFIX)
        if not pid.isdigit() or not Path("/proc", pid).exists():
            _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for child in folder.iterdir():
            if child.is_dir():
                child.rmdir()
        folder.rmdir()
