"""What a function's author sees: the event, the context, the environment, the answer, errors as AWS reports them."""

from __future__ import annotations

import base64
import json

import pytest


@pytest.mark.parametrize("event", [None, {}, [1, 2.5, True], "text", {"ä": ["€", {"deep": None}]}])
def test_an_event_comes_back(machine, event):
    """Whatever JSON goes in, the handler sees it, and its answer comes out."""
    assert machine.function("def handler(event, context): return event")(event) == event


def test_a_large_event_comes_back(machine):
    """Six megabytes each way."""
    event = "x" * 6_000_000
    assert machine.function("def handler(event, context): return event")(event) == event


def test_workers_are_used_again(machine):
    """The second invocation finds what the first one left in the module, and has no init duration."""
    function = machine.function("count = 0\ndef handler(event, context):\n    global count; count += 1; return count\n")
    first, second = function.invoke(), function.invoke()
    assert (first.payload, second.payload) == (1, 2)
    assert first.init_ms > 0
    assert second.init_ms is None


def test_at_once_means_in_different_workers(machine):
    """A worker serves one invocation at a time."""
    function = machine.function(
        "import time\ncount = 0\ndef handler(event, context):\n    global count; count += 1; time.sleep(0.3); return count\n"
    )
    assert [answer.result(60)["payload"] for answer in [function.begin() for _ in range(4)]] == [
        base64.b64encode(b"1").decode()
    ] * 4


def test_what_the_handler_is_told(machine):
    """Context and environment, as AWS documents them."""
    function = machine.function(
        """
import os
def handler(event, context):
    return {**{name: getattr(context, name) for name in (
        "aws_request_id", "function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb",
        "log_group_name", "log_stream_name")},
        "remaining": context.get_remaining_time_in_millis(), "environment": dict(os.environ),
        "custom": context.client_context.custom, "app": context.client_context.client.app_title,
        "identity": context.identity.cognito_identity_id, "cwd": os.getcwd()}
""",
        environment={"MINE": "ä"},
        memory_mb=192,
        timeout_seconds=7,
    )
    context = base64.b64encode(json.dumps({"custom": {"a": 1}, "client": {"app_title": "t"}}).encode()).decode()
    told = function.invoke(client_context=context).payload
    assert told["function_name"] == function.name
    assert told["function_version"] == "$LATEST"
    assert told["invoked_function_arn"] == function.spec["arn"]
    assert told["memory_limit_in_mb"] == "192"
    assert told["log_group_name"] == f"/aws/lambda/{function.name}"
    assert [told["log_stream_name"]] == function.streams()
    assert 5_000 < told["remaining"] <= 7_000
    assert (told["custom"], told["app"], told["identity"]) == ({"a": 1}, "t", None)
    environment = told["environment"]
    assert told["cwd"] == environment["LAMBDA_TASK_ROOT"]
    expected = {
        "MINE": "ä",
        "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_ACCESS_KEY_ID": f"ASIA{function.name}",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "_HANDLER": "main.handler",
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
    }
    assert {name: environment.get(name) for name in expected} == expected
    assert environment["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert "SECRET" not in environment


def test_a_broken_client_context_is_refused(machine):
    """It has to be base64."""
    answer = machine.function("def handler(event, context): return 1").invoke(client_context="{}")
    assert answer.refused == "InvalidRequestContentException"


@pytest.mark.parametrize("handler", ["main.handler", "pkg/mod.handler", "pkg.mod.handler"])
def test_handlers_lie_in_modules_and_packages(machine, handler):
    """Dots and slashes both lead into a package."""
    source = "def handler(event, context): return __name__"
    function = machine.package({"main.py": source, "pkg/__init__.py": "", "pkg/mod.py": source}, handler=handler)
    assert function() == handler.rpartition(".")[0].replace("/", ".")


def test_text_before_python_3_12_is_escaped(machine):
    """As AWS's runtime of 3.11 writes it."""
    assert machine.function("def handler(event, context): return 'ä'").invoke().raw == rb'"\u00e4"'


def test_decimals_are_numbers_digit_for_digit(machine):
    """DynamoDB's numbers go through a function unharmed."""
    function = machine.function(
        "from decimal import Decimal as D\n"
        "def handler(event, context): return [D('1.10000000000000000000001'), D('1E+3'), {'n': D('NaN')}]"
    )
    assert (
        function.begin().result(60)["payload"]
        == base64.b64encode(b'[1.10000000000000000000001, 1E+3, {"n": NaN}]').decode()
    )


# -- errors ----------------------------------------------------------------------------------------------------------


def test_an_exception_is_reported_with_its_trace(machine):
    """errorType, errorMessage, stackTrace from the handler on, requestId."""
    function = machine.function(
        "def handler(event, context):\n    inner()\ndef inner():\n    raise ValueError('no!')\n"
    )
    answer = function.invoke()
    assert answer.error == "Unhandled"
    path = "main.py"
    found = answer.payload
    assert (found["errorType"], found["errorMessage"]) == ("ValueError", "no!")
    assert len(found["stackTrace"]) == 2
    assert path in found["stackTrace"][0]
    assert found["stackTrace"][0].endswith("line 2, in handler\n    inner()\n")
    assert found["stackTrace"][1].endswith("line 4, in inner\n    raise ValueError('no!')\n")
    assert found["requestId"] in answer.tail
    assert any(
        line.startswith("[ERROR] ValueError: no!\nTraceback (most recent call last):\n") for line in function.lines()
    )


def test_after_an_exception_the_worker_lives(machine):
    """An error of the handler is no reason to start over."""
    function = machine.function(
        "count = 0\ndef handler(event, context):\n    global count; count += 1\n    if event: raise KeyError('x')\n    return count"
    )
    assert function.invoke(True).payload["errorType"] == "KeyError"
    assert function() == 2


@pytest.mark.parametrize(
    ("files", "handler", "kind", "message"),
    [
        (
            {"main.py": ""},
            "nope.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'nope': No module named 'nope'",
        ),
        (
            {"main.py": "import nope"},
            "main.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'main': No module named 'nope'",
        ),
        ({"main.py": ""}, "main.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'main'"),
        (
            {"main.py": ""},
            "main",
            "Runtime.MalformedHandlerName",
            "Bad handler 'main': not enough values to unpack (expected 2, got 1)",
        ),
        (
            {"main.py": "def f(:\n"},
            "main.handler",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'main': invalid syntax (main.py, line 1)",
        ),
        (
            {"main.py": ""},
            "sys.exit",
            "Runtime.BuiltInModuleConflict",
            "Cannot use built-in module sys as a handler module",
        ),
        ({"main.py": "1 / 0"}, "main.handler", "ZeroDivisionError", "division by zero"),
        (
            {"main.py": "import sys; sys.exit(2)"},
            "main.handler",
            "Runtime.ExitError",
            "Runtime exited with error: exit status 2",
        ),
    ],
)
def test_functions_that_cannot_be_loaded(machine, files, handler, kind, message):
    """AWS's names and words for each way to fail before the first call."""
    answer = machine.package(files, handler=handler).invoke()
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == kind
    assert answer.payload["errorMessage"].endswith(message)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (
            "return {1, 2}",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
        ("import sys; sys.exit(3)", "Runtime.ExitError", "Error: Runtime exited with error: exit status 3"),
        ("import sys; sys.exit()", "Runtime.ExitError", "Error: Runtime exited without providing a reason"),
        ("import os; os._exit(4)", "Runtime.ExitError", "Error: Runtime exited with error: exit status 4"),
        (
            "import ctypes; ctypes.string_at(0)",
            "Runtime.ExitError",
            "Error: Runtime exited with error: signal: segmentation fault (core dumped)",
        ),
        (
            "return 'x' * 6291555",
            "Function.ResponseSizeTooLarge",
            "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        ),
    ],
)
def test_calls_that_fail(machine, body, kind, message):
    """AWS's names and words; and the next invocation is served."""
    function = machine.function(f"def handler(event, context):\n    if event: return 'well'\n    {body}\n")
    answer = function.invoke()
    assert answer.error == "Unhandled"
    assert answer.payload["errorType"] == kind
    assert answer.payload["errorMessage"].endswith(message)
    assert function(event=True) == "well"


def test_a_timeout_kills(machine):
    """The worker is gone, and its error says after how long."""
    function = machine.function(
        "import time\ncount = 0\ndef handler(event, context):\n    global count; count += 1; time.sleep(event); return count",
        timeout_seconds=1,
    )
    assert function(0) == 1
    answer = function.invoke(30)
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert answer.payload["errorMessage"].endswith(" Error: Task timed out after 1.00 seconds")
    assert answer.duration_ms == 1000.0
    assert "Task timed out after 1.00 seconds" in answer.tail
    assert "\tStatus: timeout\t" in answer.tail
    assert function(0) == 1


def test_unparsable_events_are_the_invocations_error(machine):
    """Lambda refuses them before; the loader does not rely on it."""
    answer = machine.function("def handler(event, context): return 1").invoke(raw=b"{")
    assert answer.payload["errorType"] == "Runtime.UnmarshalError"


def test_an_unknown_runtime_is_refused(machine):
    """The function may have been made on a machine that had its interpreter."""
    answer = machine.function("def handler(event, context): return 1", runtime="python3.99").invoke()
    assert answer.refused == "InvalidRuntimeException"


def test_a_broken_package_is_refused(machine):
    """Bytes that are no zip."""
    answer = machine.package({}, code=b"no zip").invoke()
    assert answer.refused == "InvalidZipFileException"


def test_what_functions_commonly_use_works(machine):
    """Threads, asyncio, child processes, SQLite and locks in /tmp, time zones, /dev/stdout."""
    function = machine.function(
        """
import asyncio, concurrent.futures, fcntl, json, multiprocessing, os, sqlite3, subprocess, sys, tempfile, zoneinfo, datetime
def square(x):
    return x * x
def child(pipe):
    pipe.send(square(5))
async def main():
    process = await asyncio.create_subprocess_exec("echo", "async", stdout=asyncio.subprocess.PIPE)
    return [await asyncio.to_thread(square, 3), (await process.communicate())[0].decode()]
def handler(event, context):
    found = {"asyncio": asyncio.run(main())}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found["threads"] = list(pool.map(square, range(5)))
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=child, args=(theirs,))
    process.start(); found["process"] = ours.recv(); process.join()
    folder = tempfile.gettempdir()
    with sqlite3.connect(folder + "/x.db") as db:
        db.execute("create table t (x)"); db.execute("insert into t values (7)")
        found["sqlite"] = db.execute("select x from t").fetchone()[0]
    with open(folder + "/lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
    os.rename(folder + "/lock", folder + "/renamed")
    os.mkdir(folder + "/d"); os.rename(folder + "/renamed", folder + "/d/renamed")
    found["zone"] = datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Helsinki")).utcoffset().seconds
    subprocess.run("echo to /dev/stdout > /dev/stdout; echo to /dev/null > /dev/null", shell=True, check=True)
    found["local"] = datetime.datetime(2026, 1, 1).astimezone().utcoffset().seconds
    with open("/dev/urandom", "rb") as random:
        found["random"] = len(random.read(4))
    found["user"] = os.path.expanduser("~") != ""
    found["executable"] = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True).stdout
    return found
"""
    )
    assert function() == {
        "asyncio": [9, "async\n"],
        "threads": [0, 1, 4, 9, 16],
        "process": 25,
        "sqlite": 7,
        "zone": 10800,
        "local": 0,
        "random": 4,
        "user": True,
        "executable": "1\n",
    }
    assert "to /dev/stdout" in function.lines()
