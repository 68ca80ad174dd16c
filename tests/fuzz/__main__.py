"""python -m fuzz [--seconds 600] [--seed N]: breaks what can be broken by requests to object storage and its keys."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

from fuzz.driver import Fuzz
from live import LiveCloud
from trust import checked

OPTIONS = ("--lifecycle-day-seconds", "20")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cloud = LiveCloud(Path(folder), *OPTIONS)
        cloud.start()
        fuzz = Fuzz(cloud, chosen.seed)
        begun = time.monotonic()
        fuzz.run(seconds=chosen.seconds)
        seconds = time.monotonic() - begun
        try:
            cloud.stop()
        except AssertionError as error:
            fuzz.findings.append(f"it did not end well: {str(error)[:500]}")
        summary, told = checked(cloud.data)
        if summary.damage:
            fuzz.findings.append(f"what is stored does not agree with itself: {told[:20]}")
    for number, finding in enumerate(fuzz.findings, 1):
        print(f"--- {number} ---\n{finding}\n")
    print(f"seed {chosen.seed}: {fuzz.statuses.total()} requests in {seconds:.0f} s, at most {fuzz.memory_mib:.0f} MiB")
    print("statuses:", dict(sorted(fuzz.statuses.items())))
    print("codes:", dict(fuzz.codes.most_common(25)))
    print("succeeded:", len(fuzz.operations), dict(fuzz.operations.most_common()))
    print(f"{len(fuzz.findings)} findings")
    return bool(fuzz.findings)


if __name__ == "__main__":
    sys.exit(main())
