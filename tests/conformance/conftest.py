"""The real server as a process, one per test run (or per xdist worker), driven by boto3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from live import LiveCloud, Unique, unique_name
from trust import checked


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCloud]:
    """A running cloud. When the tests are done it must stop in order, leave no process, and have logged no traceback.

    Whatever the tests did, what it then has stored agrees with itself to the last byte and reference.
    """
    with LiveCloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running
    summary, told = checked(running.data)
    assert not summary.damage, told[:20]


@pytest.fixture(scope="session")
def unique() -> Unique:
    """unique("bucket") is a name that no other test uses."""
    return unique_name
