"""IAM in one process, asked by its account's root."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iam_harness import IamHarness


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[IamHarness]:
    with IamHarness(tmp_path) as cloud:
        yield cloud


@pytest.fixture
def iam(cloud: IamHarness) -> Callable[..., Any]:
    """iam("CreateUser", UserName="bob"): one request of the root's."""
    return lambda operation, **request: cloud.run("iam", operation, **request)
