"""A user's home with nothing in it yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home folder; clouds that a test leaves running there are ended."""
    there = Home(tmp_path)
    yield there
    there.end_all()
