"""S3 under load: wrk replays presigned URLs, so that the client costs little and signs nothing."""

import re
import shutil
import subprocess
from pathlib import Path

import msgspec

from benchmarks import proc, signing
from benchmarks.servers import Missing, Server

CONNECTIONS = 16
BUCKET = "bench"
WARMING = 50
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
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for number in range(WARMING):
        client.put_object(Bucket=BUCKET, Key=f"warming/{number}", Body=bytes(4_096))


def measure(server: Server, method: str, size: int, seconds: int, folder: Path) -> Load:
    """PUT distinct keys, or GET those that a PUT run before left."""
    if shutil.which("wrk") is None:
        raise Missing("wrk is not installed (Debian: apt-get install wrk)")
    keys = [f"{size}/{number:06d}" for number in range(KEYS[size])] if method == "PUT" else stored(server, size)
    paths = [f"/{BUCKET}/{key}" for key in keys]
    urls = folder / "urls"
    urls.write_text("\n".join(signing.presigned(method, server.host, paths)))
    script = folder / "load.lua"
    text = SCRIPT.replace("URLS", str(urls)).replace("SIZE", str(size)).replace("METHOD", f'"{method}"')
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


def stored(server: Server, size: int) -> list[str]:
    """Keys that a PUT run left; as many as one listing gives."""
    answer = server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{size}/", MaxKeys=1000)
    return [item["Key"] for item in answer["Contents"]]


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0
