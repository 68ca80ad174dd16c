"""Functions: warm and cold invocations through the HTTP API."""

import io
import json
import statistics
import sys
import time
import zipfile

import msgspec

from benchmarks import proc, signing
from benchmarks.connection import Connection
from benchmarks.servers import Server

RUNTIME = f"python3.{min(sys.version_info.minor, 13)}"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ],
    },
)
NOOP = "def handler(event, context):\n    return None\n"
WITH_BOTO3 = "import boto3\n" + NOOP
COLD_STARTS = 9


class Warm(msgspec.Struct, frozen=True):
    median_ms: float
    p99_ms: float
    cpu_us: float
    invocations: int


def prepare(server: Server) -> str:
    """The role that the functions run as."""
    iam = server.client("iam")
    role: str = iam.create_role(RoleName="bench", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    for policy in ("AmazonS3FullAccess", "service-role/AWSLambdaBasicExecutionRole"):
        iam.attach_role_policy(RoleName="bench", PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
    return role


def create(server: Server, role: str, name: str, source: str, **environment: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("handler.py", source)
    lambda_ = server.client("lambda")
    lambda_.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Handler="handler.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
        Timeout=30,
        Environment={"Variables": environment},
    )
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)


def warm(server: Server, role: str, seconds: int) -> Warm:
    """A no-op function, called again and again over one connection."""
    create(server, role, "warm", NOOP)
    took: list[float] = []
    with Connection(server.port) as connection:
        for _ in range(20):
            invoke(connection, server, "warm")
        before = proc.cpu_seconds(server.pid)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            took.append(invoke(connection, server, "warm"))
        used = proc.cpu_seconds(server.pid) - before
    took.sort()
    return Warm(statistics.median(took) * 1e3, took[int(len(took) * 0.99)] * 1e3, used / len(took) * 1e6, len(took))


def cold_ms(server: Server, role: str, name: str, source: str) -> float:
    """Median time of the first invocation of a function that was never invoked."""
    took = []
    with Connection(server.port) as connection:
        for number in range(COLD_STARTS):
            create(server, role, f"{name}-{number}", source)
            took.append(invoke(connection, server, f"{name}-{number}"))
    return statistics.median(took) * 1e3


def invoke(connection: Connection, server: Server, name: str) -> float:
    """Seconds of one invocation. The signature is made before the clock runs."""
    path = f"/2015-03-31/functions/{name}/invocations"
    request = signing.signed("POST", server.host, path, "lambda", b"{}")
    began = time.perf_counter()
    status, headers, body = connection.ask(request)
    took = time.perf_counter() - began
    if status != 200 or "x-amz-function-error" in headers:
        raise RuntimeError(f"{server.name}: invoke answered {status} {body[:200]!r}")
    return took
