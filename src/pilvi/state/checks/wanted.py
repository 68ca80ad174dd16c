"""What a check is told, and what its passes share."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pilvi.core.context import Context
from pilvi.core.inspection import Inspector
from pilvi.state.checks.findings import Findings
from pilvi.state.checks.mender import Mender
from pilvi.state.layout import Layout
from pilvi.state.store import Record, Tx

Watch = Callable[[str, int, int], None]
"""Told of progress: what is done, how far, of how much."""

STEP = 1_000  # rows between two words about progress


class Stopped(Exception):
    """Somebody has enough."""


class Wanted(msgspec.Struct, frozen=True):
    """What is known of the data.

    Attributes:
        topics: of events that are delivered here.
        context: for inspectors, over a snapshot.
        quick: bytes are read once, as they are stored, not once more as their owners see them.
    """

    layouts: Mapping[type[Record], Layout[Any]]
    inspectors: Mapping[type[Record], Inspector[Any]]
    topics: frozenset[str]
    context: Callable[[Tx], Context]
    quick: bool = False


class Run(msgspec.Struct, frozen=True):
    """One check at work. `mender` is None where nothing is to be changed."""

    wanted: Wanted
    findings: Findings
    watch: Watch
    mender: Mender | None
    stop: threading.Event

    def step(self, phase: str, done: int, total: int) -> None:
        """Raises Stopped."""
        self.watch(phase, done, total)
        if self.stop.is_set():
            raise Stopped
