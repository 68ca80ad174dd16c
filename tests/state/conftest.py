"""One suite, every backend: a test that takes `backend` runs once for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilvi.state.sqlite import SqliteStore
from pilvi.state.store import Record
from stores import FakeClock


class SqliteBackend:
    """Opens the same data again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self._open: list[SqliteStore] = []

    def open(self, *records: type[Record], **options: Any) -> SqliteStore:
        """The store, reopened when it was open."""
        self.close()
        store = SqliteStore.open(self.folder, records, clock=self.clock, **options)
        self._open.append(store)
        return store

    def close(self) -> None:
        while self._open:
            self._open.pop().close()


BACKENDS = {"sqlite": SqliteBackend}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteBackend]:
    made = BACKENDS[request.param](tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
