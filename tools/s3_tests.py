"""Runs Ceph's S3 compatibility suite (https://github.com/ceph/s3-tests) against pilvi.

    python tools/s3_tests.py --suite DIR --python PYTHON             against a pilvi of its own, in a folder that goes
    python tools/s3_tests.py --suite DIR --python PYTHON -k "acl"    a part
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

from s3_tests_cloud import running_cloud, seeds, write_config

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
EXPECTED = Path(__file__).with_name("s3_tests_expected.toml")
ISOLATION = Path(__file__).with_name("s3_tests_isolation.py")
NEEDED = "boto3, munch, pytz, requests, httplib2, lxml, isodate, yaml, gevent, pytest, xdist"
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
    with _cloud(options) as (endpoint, folder):
        write_config(endpoint, folder / "s3tests.conf")
        report = options.junit or folder / "report.xml"
        _run(options, folder / "s3tests.conf", report)
        if not report.exists():
            return 2
        return tell(read(report), expected(), whole=not options.k)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, help="a checkout of ceph/s3-tests")
    parser.add_argument("--python", default=sys.executable, help="a Python that has the suite's requirements")
    parser.add_argument("--endpoint", help="of a pilvi that runs and knows the users; else one is started")
    parser.add_argument("--seeds", action="store_true", help="print how to start a pilvi that knows the users")
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
def _cloud(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory(prefix="pilvi-s3-tests-") as name:
        folder = Path(name)
        if options.endpoint:
            yield options.endpoint, folder
        else:
            with running_cloud(folder) as endpoint:
                yield endpoint, folder


def _run(options: argparse.Namespace, config: Path, report: Path) -> None:
    selection = " and ".join(f"not {marker}" for marker in LEFT_OUT)
    command = [
        options.python,
        "-m",
        "pytest",
        *FILES,
        "-m",
        selection,
        "-p",
        "no:cacheprovider",
        "-q",
        "-p",
        ISOLATION.stem,
    ]
    command += [f"--junitxml={report.absolute()}", "--numprocesses", str(options.jobs), "--dist", "worksteal"]
    command += [
        "--tb=short" if options.verbose else "--tb=no",
        "-W",
        "ignore",
        *(["-k", options.k] if options.k else []),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PILVI_"))}
    environment["PYTHONPATH"] = str(ISOLATION.parent)
    environment |= {"S3TEST_CONF": str(config), "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    output = None if options.verbose else subprocess.DEVNULL
    done = subprocess.run(
        command, cwd=options.suite, env=environment, stdin=subprocess.DEVNULL, stdout=output, check=False
    )
    if done.returncode not in (0, 1):
        print(f"error: pytest ended with {done.returncode}: {' '.join(command)}", file=sys.stderr)


def read(report: Path) -> dict[str, str]:
    """Test name -> PASSED, FAILED or SKIPPED. What breaks before or after a test fails it."""
    results: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        name = case.attrib["name"]
        kinds = {child.tag for child in case}
        here = FAILED if kinds & {"failure", "error"} else SKIPPED if "skipped" in kinds else PASSED
        results[name] = FAILED if FAILED in (here, results.get(name)) else here
    return results


def expected() -> dict[str, str]:
    """Test name -> why it fails."""
    found: dict[str, str] = tomllib.loads(EXPECTED.read_text())["fails"]
    return found


def tell(results: dict[str, str], fails: dict[str, str], *, whole: bool) -> int:
    """Prints what happened; the exit code. `whole`: whether every test ran, so that names that are gone can be seen."""
    named = {
        state: sorted(name for name, result in results.items() if result == state)
        for state in (PASSED, FAILED, SKIPPED)
    }
    surprises = [name for name in named[FAILED] if name not in fails]
    cured = [name for name in named[PASSED] if name in fails]
    gone = sorted(fails.keys() - results.keys()) if whole else []
    for name in named[FAILED]:
        print(f"failed   {name}: {fails.get(name, 'UNEXPECTED')}")
    for name in named[SKIPPED]:
        print(f"skipped  {name}")
    for name in cured:
        print(f"PASSED   {name}, which {EXPECTED.name} says fails")
    for name in gone:
        print(f"GONE     {name}, which {EXPECTED.name} names")
    counted = len(named[PASSED]) + len(named[FAILED])
    share = 100 * len(named[PASSED]) / counted if counted else 0.0
    print(
        f"{len(named[PASSED])} of {counted} passed ({share:.1f} %), {len(named[FAILED])} failed, of them {len(surprises)} unexpected; {len(named[SKIPPED])} skipped"
    )
    return 1 if surprises or cured or gone or not counted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
