"""`kill -9` under load, again and again: what was acknowledged must be there afterwards.

Several connections put objects, one invokes a function asynchronously; at a random moment the server is killed, started
again, and every acknowledged object is read back and compared. After the last round every acknowledged asynchronous
invocation must have left its mark in a bucket (delivery is at least once, so it may take a moment).
"""

import contextlib
import hashlib
import random
import signal
import threading
import time

import msgspec

from benchmarks import functions, signing
from benchmarks.connection import Connection
from benchmarks.servers import Server

WRITERS = 4
SIZES = (100, 4_096, 300_000)  # inside the store, inside the store, a file of its own
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
    for bucket in ("crash", "marks"):
        s3.create_bucket(Bucket=bucket)
    functions.create(server, functions.prepare(server), "marker", MARKER)
    puts: dict[str, str] = {}
    invoked: set[str] = set()
    lost: list[str] = []
    for number in range(kills):
        fresh: dict[str, str] = {}
        _load_until_killed(server, number, fresh, invoked, chance.uniform(0.05, 0.6))
        server.start()
        lost += _missing(server, fresh)
        puts |= fresh
    lost += _missing(server, puts)
    lost += _unmarked(server, invoked)
    return Survived(kills, len(puts), len(invoked), sorted(set(lost)))


def _load_until_killed(server: Server, number: int, puts: dict[str, str], invoked: set[str], seconds: float) -> None:
    def write(writer: int) -> None:
        chance = random.Random(f"{number}/{writer}")
        with contextlib.suppress(OSError), Connection(server.port) as connection:
            for index in range(1_000_000):
                key = f"{number}/{writer}/{index}"
                body = chance.randbytes(chance.choice(SIZES))
                status, _, _ = connection.ask(signing.signed("PUT", server.host, f"/crash/{key}", "s3", body))
                if status == 200:
                    puts[key] = hashlib.sha256(body).hexdigest()

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


def _missing(server: Server, puts: dict[str, str]) -> list[str]:
    lost = []
    with Connection(server.port) as connection:
        for key, digest in puts.items():
            status, _, body = connection.ask(signing.signed("GET", server.host, f"/crash/{key}", "s3"))
            if status != 200 or hashlib.sha256(body).hexdigest() != digest:
                lost.append(f"object {key}")
    return lost


def _unmarked(server: Server, invoked: set[str]) -> list[str]:
    s3 = server.client("s3")
    end = time.monotonic() + MARKS_SECONDS_MAX
    while True:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="marks")
        marked = {item["Key"] for page in pages for item in page.get("Contents", [])}
        if invoked <= marked or time.monotonic() > end:
            return [f"invocation {name}" for name in invoked - marked]
        time.sleep(0.2)
