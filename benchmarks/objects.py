"""S3 under load: wrk replays presigned URLs, so that the client costs little and signs nothing."""

import re
import subprocess
from pathlib import Path

import msgspec

from benchmarks import proc, signing
from benchmarks.servers import Missing, Server, needs

CONNECTIONS = 16
BUCKET = "bench"
WARMING = 50
LISTED = 1_000
KEYS = {4_096: 60_000, 1_048_576: 2_000}  # distinct keys of a size: more than a run of seconds can use up

SCRIPT = """
local urls = {}
for line in io.lines("URLS") do urls[#urls + 1] = line end
local body = METHOD == "PUT" and string.rep("0123456789abcdef", SIZE / 16) or nil
local headers = body and { ["content-type"] = "application/octet-stream" } or {}
local at = 0
local failed = 0
request = function()
  at = at % #urls + 1
  return wrk.format(METHOD, urls[at], headers, body)
end
"""


class Load(msgspec.Struct, frozen=True):
    """What a run of seconds measured.

    Attributes:
        cpu_us: of the server's process tree, an operation.
    """

    cpu_us: float
    rate: float
    operations: int
    errors: int


def prepare(server: Server) -> None:
    """A bucket, and enough objects in it that what a server does only once is done."""
    server.make_bucket(BUCKET)
    for number in range(WARMING):
        server.put(BUCKET, f"warming/{number}", bytes(4_096))
    if not server.stores:
        for size, keys in KEYS.items():
            for number in range(min(keys, 500)):
                server.put(BUCKET, f"{size}/{number:06d}", bytes(size))


def measure(server: Server, method: str, size: int, seconds: int, folder: Path) -> Load:
    """PUT distinct keys, or GET those that a PUT run before left."""
    if method == "PUT" and not server.stores:
        raise Missing("gives out files only")
    if method == "PUT":
        keys = [f"{size}/{number:06d}" for number in range(KEYS[size])]
    else:
        keys = server.keys(BUCKET, f"{size}/")
    return replay(
        server,
        method,
        signing.presigned(method, server.host, [f"/{BUCKET}/{key}" for key in keys]),
        size,
        seconds,
        folder,
    )


def listing(server: Server, seconds: int, folder: Path) -> Load:
    """ListObjectsV2 of a thousand keys."""
    if not server.stores:
        raise Missing("gives out files only")
    if len(server.keys(BUCKET, "4096/")) < LISTED:
        raise Missing("fewer than a thousand keys")
    query = {"list-type": "2", "prefix": "4096/", "max-keys": str(LISTED)}
    return replay(server, "GET", signing.presigned("GET", server.host, [f"/{BUCKET}"], query=query), 0, seconds, folder)


def replay(server: Server, method: str, urls: list[str], size: int, seconds: int, folder: Path) -> Load:
    """These presigned URLs, one after the other, over a few connections."""
    needs("wrk")
    listed = folder / "urls"
    listed.write_text("\n".join(urls))
    script = folder / "load.lua"
    text = SCRIPT.replace("URLS", str(listed)).replace("SIZE", str(size)).replace("METHOD", f'"{method}"')
    script.write_text(text)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script)]
    before = proc.cpu_seconds(server.pid)
    done = subprocess.run([*command, f"http://{server.host}"], check=True, capture_output=True, text=True)
    used = proc.cpu_seconds(server.pid) - before
    operations = int(_number(r"(\d+) requests in", done.stdout))
    errors = int(_number(r"Non-2xx or 3xx responses: (\d+)", done.stdout))
    errors += sum(int(count) for count in re.findall(r"(?:connect|read|write|timeout) (\d+)", done.stdout))
    rate = _number(r"Requests/sec:\s+([\d.]+)", done.stdout)
    return Load(used / max(operations, 1) * 1e6, rate, operations, errors)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0
