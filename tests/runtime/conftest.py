"""Machines that run functions: as root and as an ordinary user, whichever this run can be."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from processes import left_of, tree
from runtime_machine import ORDINARY_UID, Machine, interpreter_for_users
from waiting import wait_until


def _machine(kind: str) -> Machine:
    if kind == "root":
        if os.geteuid() != 0:
            pytest.skip("not root")
        return Machine(os.path.realpath(sys.executable), None)
    more = ("bare",) if kind == "bare" else ()
    if os.geteuid() != 0:
        return Machine(sys.executable, None, *more)
    interpreter = interpreter_for_users()
    if interpreter is None:
        pytest.skip("no interpreter that an ordinary user can start")
    return Machine(interpreter, ORDINARY_UID, *more)


@pytest.fixture(scope="session", params=["root", "user"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A host of functions. At the end it stops in order and leaves no process."""
    running = _machine(request.param)
    yield running
    processes = tree(running.process.pid)
    assert running.close() == 0
    wait_until(lambda: not left_of(processes), "processes of the host end")
    shutil.rmtree(running.reachable, ignore_errors=True)


@pytest.fixture(scope="module")
def bare_machine() -> Iterator[Machine]:
    """An ordinary user's host on a machine without namespaces."""
    running = _machine("bare")
    yield running
    processes = tree(running.process.pid)
    assert running.close() == 0
    wait_until(lambda: not left_of(processes), "processes of the host end")
    shutil.rmtree(running.reachable, ignore_errors=True)


@pytest.fixture(params=["root", "user"])
def own_machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A host for one test alone, which may kill it."""
    running = _machine(request.param)
    yield running
    running.close()
    shutil.rmtree(running.reachable, ignore_errors=True)
