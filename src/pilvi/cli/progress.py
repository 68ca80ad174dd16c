"""How far something is, on a terminal; nothing anywhere else."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")


class Shown:
    """Bars, one for each thing that is being done. Any thread."""

    def __init__(self, bars: "Progress | None") -> None:
        self._bars = bars
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}

    def watch(self, phase: str, done: int, total: int) -> None:
        if self._bars is None:
            return
        with self._lock:
            task = self._tasks.get(phase)
            if task is None:
                task = self._tasks[phase] = self._bars.add_task(phase, total=max(total, 1))
            self._bars.update(task, completed=done, total=max(total, 1))

    def around(self, tell: Callable[[T], None]) -> Callable[[T], None]:
        """`tell`, whose lines do not run into the bars: those are drawn anew below."""
        if self._bars is None:
            return tell
        bars = self._bars

        def quietly(what: T) -> None:
            with self._lock:
                bars.stop()
                tell(what)
                bars.start()

        return quietly


@contextmanager
def progress() -> Iterator[Shown]:
    """Bars on standard error for as long as this lasts, if that is a terminal."""
    if not sys.stderr.isatty():
        yield Shown(None)
        return
    from rich.console import Console  # noqa: PLC0415 - for terminals only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Shown(bars)
