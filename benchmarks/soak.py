"""One bucket with few and with many small objects: what listing, reading and writing cost in each, and how much memory.

    python -m benchmarks.soak                       10,000 objects against 10,000,000
    python -m benchmarks.soak --objects 1000000     against as many as you like

The objects are written straight into the store, by the records that a PUT writes; the server is asked over HTTP, for keys
chosen at random, with the database in the system's page cache: what a disk's reads cost is the disk's.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks import objects, proc, signing
from benchmarks.servers import Pilvi
from pilvi import services
from pilvi.core.clock import SystemClock
from pilvi.services.s3.records import Bucket, StoredObject
from pilvi.state.sqlite import SqliteStore
from pilvi.state.store import Tx

FEW, MANY = 10_000, 10_000_000
SIZE = 100
BATCH = 2_000
ASKED = 20_000
BUCKET = "soak"


class Figures(msgspec.Struct, frozen=True):
    """CPU microseconds of the server an operation, and MB of memory (PSS) after the load."""

    put_us: float
    get_us: float
    list_us: float
    memory_mb: float
    start_s: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--objects", type=int, default=MANY)
    parser.add_argument("--seconds", type=int, default=10, help="of each load (default 10)")
    parser.add_argument("--folder", default=None, help="where the data is kept meanwhile (default: temporary)")
    options = parser.parse_args()
    Pilvi.obtain()
    with tempfile.TemporaryDirectory(prefix="pilvi-soak-", dir=options.folder) as temporary:
        few = measure(Path(temporary) / "few", FEW, options.seconds)
        many = measure(Path(temporary) / "many", options.objects, options.seconds)
    ratios = {name: getattr(many, name) / getattr(few, name) for name in Figures.__struct_fields__}
    found = {str(FEW): msgspec.structs.asdict(few), str(options.objects): msgspec.structs.asdict(many), "ratio": ratios}
    print(json.dumps(found, indent=2))


def measure(folder: Path, count: int, seconds: int) -> Figures:
    server = Pilvi(folder)
    server.start()
    server.make_bucket(BUCKET)
    server.stop()
    fill(folder / "data", count)
    return load(server, count, seconds)


def load(server: Pilvi, count: int, seconds: int) -> Figures:
    """Figures of a server that holds so many objects. It is stopped and its folder removed."""
    folder = server.folder
    try:
        warm(folder / "data" / "data.db")
        start_s = server.start()
        chosen = random.Random(count)
        known = [name(chosen.randrange(count)) for _ in range(ASKED)]
        fresh = [f"{name(chosen.randrange(count))}+{chosen.randrange(10**9)}" for _ in range(ASKED)]
        put = ask(server, "PUT", fresh, seconds)
        get = ask(server, "GET", known, seconds)
        listed = [{"list-type": "2", "start-after": key} for key in known[:2_000]]
        urls = [url for query in listed for url in signing.presigned("GET", server.host, [f"/{BUCKET}"], query=query)]
        listing = objects.replay(server, "GET", urls, 0, seconds, folder)
        return Figures(put, get, listing.cpu_us, proc.pss_mb(server.pid), start_s)
    finally:
        server.stop()
        shutil.rmtree(folder)


def warm(path: Path) -> None:
    """Reads a file once, so that the page cache has it."""
    buffer = bytearray(1024**2)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def ask(server: Pilvi, method: str, keys: list[str], seconds: int) -> float:
    urls = signing.presigned(method, server.host, [f"/{BUCKET}/{key}" for key in keys])
    load = objects.replay(server, method, urls, SIZE + 12, seconds, server.folder)
    if load.errors:
        raise SystemExit(f"{load.errors} of {load.operations} {method} failed")
    return load.cpu_us


def name(number: int) -> str:
    return f"{number:012d}"


def fill(folder: Path, count: int) -> None:
    """Objects of random bytes under ordered names."""
    records = [record for service in services.discover().values() for record in service.records]
    store = SqliteStore.open(folder, records, clock=SystemClock())
    began = time.perf_counter()
    try:
        for numbers in _batches(count):
            store.write(lambda tx, numbers=numbers: _put(tx, numbers))
            done = numbers[-1] + 1
            if done % 500_000 == 0:
                print(f"... {done:,} objects, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    finally:
        store.close()


def _batches(count: int) -> Iterator[range]:
    for start in range(0, count, BATCH):
        yield range(start, min(start + BATCH, count))


def _put(tx: Tx, numbers: range) -> None:
    bucket = tx[Bucket].get(BUCKET)
    assert bucket is not None
    rows, blobs = tx[StoredObject], tx.blobs
    random_bytes = os.urandom(SIZE * len(numbers))
    for at, number in zip(itertools.count(0, SIZE), numbers, strict=False):
        rows.put(
            StoredObject(
                bucket.id,
                name(number),
                SIZE,
                1_700_000_000_000 + number,
                f"{number:032x}",
                blob=blobs.add(random_bytes[at : at + SIZE]),
                checksum="AAAAAAAAAAA=",
                checksum_kind="crc64nvme",
            )
        )


if __name__ == "__main__":
    main()
