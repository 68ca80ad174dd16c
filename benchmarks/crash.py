"""`kill -9` under load, again and again: what was acknowledged must be there afterwards.

Several connections write, copy and delete objects (see `stored`), one invokes a function asynchronously; at a random moment
the server is killed. `pilvi check` looks at what it left; then it is started again, and everything acknowledged is read back
and compared. After the last round every acknowledged asynchronous invocation must have left its mark in a bucket (delivery
is at least once, so it may take a moment).
"""

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time

import msgspec

from benchmarks import functions, signing, stored
from benchmarks.connection import Connection
from benchmarks.servers import Server
from benchmarks.stored import Acknowledged, Writer

WRITERS = 4
MARKS_SECONDS_MAX = 120
MARKER = """
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    s3.put_object(Bucket="marks", Key=event["id"], Body=b"x")
"""


class Survived(msgspec.Struct, frozen=True):
    kills: int
    puts: int
    invocations: int
    lost: list[str]


def survive(server: Server, kills: int, seed: int) -> Survived:
    """Kills the server `kills` times; names of what was acknowledged and is not there."""
    chance = random.Random(seed)
    s3 = server.client("s3")
    for bucket in (stored.PLAIN, stored.VERSIONS, "marks"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=stored.VERSIONS, VersioningConfiguration={"Status": "Enabled"})
    functions.create(server, functions.prepare(server), "marker", MARKER)
    puts: Acknowledged = {}
    invoked: set[str] = set()
    lost: list[str] = []
    for number in range(kills):
        fresh: Acknowledged = {}
        _load_until_killed(server, number, fresh, invoked, chance.uniform(0.05, 0.6))
        lost += _damage(server)
        server.start()
        lost += _missing(server, fresh)
        puts |= fresh
    lost += _missing(server, puts)
    lost += _unmarked(server, invoked)
    return Survived(kills, len(puts), len(invoked), sorted(set(lost)))


def _load_until_killed(server: Server, number: int, puts: Acknowledged, invoked: set[str], seconds: float) -> None:
    def write(writer: int) -> None:
        with contextlib.suppress(OSError), Connection(server.port) as connection:
            load = Writer(connection, server.host, f"{number}-{writer}", random.Random(f"{number}/{writer}"))
            try:
                while True:
                    load.step()
            finally:
                puts.update(load.acknowledged)

    def invoke() -> None:
        path = "/2015-03-31/functions/marker/invocations"
        with contextlib.suppress(OSError), Connection(server.port) as connection:
            for index in range(20):  # a bounded backlog: each one is a real invocation
                name = f"{number}-{index}"
                body = f'{{"id": "{name}"}}'.encode()
                kind = {"x-amz-invocation-type": "Event"}
                status, _, _ = connection.ask(signing.signed("POST", server.host, path, "lambda", body, kind))
                if status == 202:
                    invoked.add(name)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    threads.append(threading.Thread(target=invoke))
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.stop(signal.SIGKILL)
    for thread in threads:
        thread.join()


def _damage(server: Server) -> list[str]:
    """What a check finds in what the killed server left."""
    command = [sys.executable, "-m", "pilvi", "check", "--data", str(server.folder / "data")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return [] if done.returncode == 0 else [f"check: {done.stdout[:1000]}{done.stderr[-1000:]}"]


def _missing(server: Server, puts: Acknowledged) -> list[str]:
    with Connection(server.port) as connection:
        return stored.lost(connection, server.host, puts)


def _unmarked(server: Server, invoked: set[str]) -> list[str]:
    s3 = server.client("s3")
    end = time.monotonic() + MARKS_SECONDS_MAX
    while True:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="marks")
        marked = {item["Key"] for page in pages for item in page.get("Contents", [])}
        if invoked <= marked or time.monotonic() > end:
            return [f"invocation {name}" for name in invoked - marked]
        time.sleep(0.2)
