"""Runs Ceph's S3 compatibility suite (https://github.com/ceph/s3-tests) against pilvi.

    python tools/s3_tests.py --suite DIR --python PYTHON             against a pilvi of its own, in a folder that goes
    python tools/s3_tests.py --suite DIR --python PYTHON -k "acl"    a part
    python tools/s3_tests.py --suite DIR --python PYTHON --all       everything, for comparison with other servers
    python tools/s3_tests.py ... --endpoint http://localhost:4566    against one that runs (--seeds says how to start it)

DIR is a checkout; PYTHON one that has its requirements and pytest-xdist. What runs is what AWS's own S3 passes: Ceph's
extensions and tests that Ceph marks as failing on AWS are left out (LEFT_OUT). What fails is compared with
tools/s3_tests_expected.toml, name by name.

Exit codes: 0 as expected; 1 something else failed, or passed; 2 could not run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from s3_tests_cloud import CLASSES, DAY_SECONDS, running_cloud, seeds, write_config

FILES = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")
LEFT_OUT = {
    "fails_on_aws": "Ceph's own behaviour, by its own account",
    "bucket_logging": "Ceph's extension of access logs",
    "bucket_logging_cleanup": "the same",
    "cloud_transition": "Ceph's extension; needs a second cluster",
    "cloud_restore": "Ceph's extension; needs a second cluster",
    "target_by_bucket": "Ceph's extension; needs a second cluster",
    "appendobject": "Ceph's extension",
}
ALONE = (
    "test_list_buckets_paginated",
    "test_lifecycle_plain_null_version_current_transition",
    "test_delete_marker_expiration",
)
"""Tests of test_s3.py that want no others beside them, or days that are seconds."""


class Turn(NamedTuple):
    """A cloud, and the tests that run in it: those of ALONE one by one, or all others at once."""

    name: str
    alone: bool
    settings: tuple[str, ...]


TURNS = (Turn("together", False, ()), Turn("alone", True, (f"--lifecycle-day-seconds={DAY_SECONDS}",)))
EXPECTED = Path(__file__).with_name("s3_tests_expected.toml")
ISOLATION = Path(__file__).with_name("s3_tests_isolation.py")
NEEDED = "boto3, munch, pytz, requests, httplib2, lxml, isodate, yaml, gevent, pytest, xdist"
NO_TESTS = 5  # exit code of pytest
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    if options.seeds:
        print("pilvi up " + " ".join(seeds()))
        return 0
    problem = _cannot_run(options)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    results: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="pilvi-s3-tests-") as name:
        for turn in TURNS[:1] if options.endpoint else TURNS:
            folder = Path(name) / turn.name
            folder.mkdir()
            with _cloud(options.endpoint, folder, turn) as endpoint:
                write_config(endpoint, folder / "s3tests.conf", () if options.all else CLASSES)
                results |= _run(options, turn, folder)
        if options.junit:
            _gather(Path(name), options.junit)
    if options.all:
        passed, failed = _named(results, PASSED), _named(results, FAILED)
        print(f"{_share(passed, len(passed) + len(failed))}, {len(results) - len(passed) - len(failed)} skipped")
        return 0 if results else 2
    return tell(results, expected(), whole=not options.k and not options.endpoint)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, help="a checkout of ceph/s3-tests")
    parser.add_argument("--python", default=sys.executable, help="a Python that has the suite's requirements")
    parser.add_argument("--endpoint", help="of a pilvi that runs and knows the users; else one is started")
    parser.add_argument("--seeds", action="store_true", help="print how to start a pilvi that knows the users")
    parser.add_argument("--all", action="store_true", help="leave nothing out, and compare nothing: only count")
    parser.add_argument("-k", default="", help="pytest's expression: only these tests")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests at once")
    parser.add_argument("--junit", type=Path, help="keep the results here, as JUnit XML")
    parser.add_argument("--verbose", action="store_true", help="show why each test failed")
    return parser.parse_args(arguments)


def _cannot_run(options: argparse.Namespace) -> str:
    """What is missing, in a sentence; "" for nothing."""
    if options.suite is None or not (options.suite / FILES[0]).exists():
        return f"error: --suite must name a checkout of ceph/s3-tests, which has {FILES[0]}"
    tried = subprocess.run([options.python, "-c", f"import {NEEDED}"], capture_output=True, text=True, check=False)
    if tried.returncode:
        missing = tried.stderr.strip().splitlines()[-1]
        return f"error: {options.python}: {missing}\npip install -r {options.suite}/requirements.txt pytest-xdist"
    return ""


@contextmanager
def _cloud(endpoint: str | None, folder: Path, turn: Turn) -> Iterator[str]:
    if endpoint:
        yield endpoint
    else:
        with running_cloud(folder, turn.settings) as started:
            yield started


def _run(options: argparse.Namespace, turn: Turn, folder: Path) -> dict[str, str]:
    """Runs the tests of one turn; what came of each."""
    report = folder / "report.xml"
    tests = [f"{FILES[0]}::{name}" for name in ALONE]
    command = [options.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", ISOLATION.stem, "-W", "ignore"]
    command += [f"--junitxml={report}"]
    if not options.all:
        command += ["-m", " and ".join(f"not {marker}" for marker in LEFT_OUT)]
    command += ["--tb=short" if options.verbose else "--tb=no", *(["-k", options.k] if options.k else [])]
    if turn.alone:
        command += tests
    else:
        command += [*FILES, *(f"--deselect={test}" for test in tests)]
        command += ["--numprocesses", str(options.jobs), "--dist", "worksteal"]
    done = subprocess.run(
        command,
        cwd=options.suite,
        env=_environment(folder / "s3tests.conf"),
        stdin=subprocess.DEVNULL,
        stdout=None if options.verbose else subprocess.DEVNULL,
        check=False,
    )
    if done.returncode not in (0, 1, NO_TESTS):
        print(f"error: pytest ended with {done.returncode}: {' '.join(command)}", file=sys.stderr)
    return read(report) if report.exists() else {}


def _environment(config: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PILVI_"))}
    own = {"PYTHONPATH": str(ISOLATION.parent), "S3TEST_CONF": str(config)}
    return kept | own | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}


def _gather(folder: Path, target: Path) -> None:
    """All reports in one document."""
    root = ET.Element("testsuites")
    for path in sorted(folder.glob("*/report.xml")):
        root.extend(ET.parse(path).getroot())
    ET.ElementTree(root).write(target)


def read(report: Path) -> dict[str, str]:
    """Test name -> PASSED, FAILED or SKIPPED. What breaks before or after a test fails it."""
    results: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        name = case.attrib["name"]
        kinds = {child.tag for child in case}
        here = FAILED if kinds & {"failure", "error"} else SKIPPED if "skipped" in kinds else PASSED
        results[name] = FAILED if FAILED in (here, results.get(name)) else here
    return results


def expected() -> dict[str, dict[str, str]]:
    """Section -> test name -> why it fails. Sections: "ours", and "not_on_aws" for what AWS's own S3 would fail."""
    found: dict[str, dict[str, str]] = tomllib.loads(EXPECTED.read_text())
    return found


def tell(results: dict[str, str], fails: dict[str, dict[str, str]], *, whole: bool) -> int:
    """Prints what happened; the exit code. `whole`: whether every test ran, so that names that are gone can be seen."""
    passed, failed, skipped = (_named(results, state) for state in (PASSED, FAILED, SKIPPED))
    reasons = fails["ours"] | fails["not_on_aws"]
    surprises = [name for name in failed if name not in reasons]
    cured = [name for name in passed if name in reasons]
    gone = sorted(reasons.keys() - results.keys()) if whole else []
    for name in failed:
        print(f"failed   {name}: {reasons.get(name, 'UNEXPECTED')}")
    for name in skipped:
        print(f"skipped  {name}")
    for name in cured:
        print(f"PASSED   {name}, which {EXPECTED.name} says fails")
    for name in gone:
        print(f"GONE     {name}, which {EXPECTED.name} names")
    counted = len(passed) + len(failed)
    possible = counted - sum(name in fails["not_on_aws"] for name in failed)
    print(f"{_share(passed, counted)}; {_share(passed, possible)} of what AWS's S3 can pass")
    print(f"{len(failed)} failed, of them {len(surprises)} unexpected; {len(skipped)} skipped")
    return 1 if surprises or cured or gone or not counted else 0


def _named(results: dict[str, str], state: str) -> list[str]:
    return sorted(name for name, result in results.items() if result == state)


def _share(passed: list[str], counted: int) -> str:
    return f"{len(passed)} of {counted} passed ({100 * len(passed) / max(counted, 1):.1f} %)"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
