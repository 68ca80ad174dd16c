"""A plugin of pytest for Ceph's S3 suite: each test has a prefix of its own for the names of its buckets.

The suite cleans up by prefix before and after each test, and has one prefix a process: a bucket that one test could not
remove would fail all that follow. With this, it fails the test that left it behind, and no other.
"""

import importlib
from typing import Any

import pytest

TEMPLATE = "pilvi-{random}-"


@pytest.hookimpl(tryfirst=True)  # type: ignore[untyped-decorator, unused-ignore]
def pytest_runtest_setup(item: Any) -> None:
    suite = importlib.import_module("s3tests.functional")
    suite.prefix = suite.choose_bucket_prefix(template=TEMPLATE)  # type: ignore[attr-defined]
