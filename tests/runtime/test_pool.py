"""Which worker takes an invocation, when new ones start, when they end."""

from __future__ import annotations

import base64
import json

import pytest

from processes import left_of, tree
from waiting import wait_until

COUNT = "import os, time\ncount = 0\ndef handler(event, context):\n    global count; count += 1; time.sleep(event or 0); return [count, context.log_stream_name]\n"


def workers(machine) -> int:
    return sum(process.command == "function" for process in tree(machine.process.pid))


def test_idle_workers_end(own_machine):
    """After the idle time, not before."""
    function = own_machine.function(COUNT)
    function()
    own_machine.do("advance", ms=599_000)
    own_machine.do("expire")
    assert function()[0] == 2
    own_machine.do("advance", ms=601_000)
    own_machine.do("expire")
    wait_until(lambda: workers(own_machine) == 0, "the worker ends")
    assert function()[0] == 1


def test_workers_do_not_outlive_their_credentials(own_machine):
    """A worker whose credentials would end during an invocation is replaced by one with fresh ones."""
    function = own_machine.function(COUNT, timeout_seconds=20)
    function()
    own_machine.do("advance", ms=3_600_000 - 81_000)
    assert function()[0] == 2
    own_machine.do("advance", ms=2_000)
    assert function()[0] == 1


def test_changed_functions_replace_their_workers(own_machine):
    """Another key for the same name: idle workers of the old one end at once."""
    old = own_machine.function(COUNT, name="changing")
    old()
    new = own_machine.function("def handler(event, context): return 'new'", name="changing")
    assert new() == "new"
    wait_until(lambda: workers(own_machine) == 1, "only the new one's worker is left")


def test_the_last_used_worker_is_taken_first(own_machine):
    """So that those not needed grow old."""
    function = own_machine.function(COUNT)
    for answer in [function.begin(0.3) for _ in range(3)]:
        answer.result(60)
    streams = {function()[1] for _ in range(5)}
    assert len(streams) == 1


def test_without_memory_invocations_wait_for_their_turn(own_machine):
    """Two workers serve six."""
    function = own_machine.function(COUNT)
    own_machine.do("warm", runtime="python3.11")
    own_machine.do("limit_memory", workers=2)
    answers = [function.begin(0.1) for _ in range(6)]
    decoded = [json.loads(base64.b64decode(answer.result(60)["payload"])) for answer in answers]
    assert workers(own_machine) <= 3  # the first one needs no memory left
    assert sum(count == 1 for count, _ in decoded) <= 3
    assert len(decoded) == 6


def test_without_memory_idle_workers_of_others_make_room(own_machine):
    """The one that was idle for longest ends."""
    first, second, third = (own_machine.function(COUNT) for _ in range(3))
    first()
    own_machine.do("advance", ms=1_000)
    second()
    own_machine.do("limit_memory", workers=0)
    assert third()[0] == 1
    wait_until(lambda: workers(own_machine) == 2, "one had to go")
    assert second()[0] == 2


def test_waiting_invocations_of_another_function_get_the_room(own_machine):
    """A worker that becomes free while another function waits makes room for it."""
    first, second = own_machine.function(COUNT), own_machine.function(COUNT)
    first()
    own_machine.do("limit_memory", workers=0)
    running = first.begin(1.0)
    assert second()[0] == 1
    assert running.result(30)["error"] is None


def test_more_than_the_limit_is_throttled(own_machine):
    """TooManyRequestsException with status 429, as on AWS."""
    function = own_machine.function(COUNT)
    own_machine.do("warm", runtime="python3.11")
    own_machine.do("limit_memory", workers=4)
    answers = [function.begin(1.0) for _ in range(205)]
    results = [answer.result(120) for answer in answers[-5:]]
    assert [result.get("refused") for result in results] == ["TooManyRequestsException"] * 5
    own_machine.do("unlimit_memory")
    own_machine.process.kill()


def test_many_at_once_lose_none(machine):
    """Two hundred invocations over a few functions: each gets its own answer."""
    functions = [
        machine.function("def handler(event, context): return [event, context.function_name]") for _ in range(4)
    ]
    answers = [(number, function, function.begin(number)) for number in range(50) for function in functions]
    for number, function, answer in answers:
        assert json.loads(base64.b64decode(answer.result(120)["payload"])) == [number, function.name]


def test_descriptors_are_given_back(machine):
    """Workers that came and went leave no descriptor in the server."""
    function = machine.function("import os\ndef handler(event, context): os._exit(0)")
    function.invoke()
    before = machine.do("descriptors")
    for _ in range(20):
        function.invoke()
    wait_until(lambda: machine.do("descriptors") <= before + 1, "descriptors are closed")


@pytest.mark.parametrize("runtime", ["python3.12", "python3.13"])
def test_other_interpreters_run_their_functions(machine, runtime):
    """Where this machine has them."""
    if runtime not in machine.do("about")["runtimes"]:
        pytest.skip(f"no {runtime} here")
    function = machine.function(
        "import sys, boto3\nboto3.client('s3')\ndef handler(event, context): return [sys.version_info[1], 'ä']",
        runtime=runtime,
    )
    answer = function.invoke()
    assert answer.payload == [int(runtime.rpartition(".")[2]), "ä"]
    assert answer.raw.endswith('"ä"]'.encode())


def test_functions_bring_their_own_packages(machine):
    """A boto3 in the package is preferred to the runtime's, whatever the zygote has imported."""
    function = machine.package(
        {
            "main.py": "import boto3, urllib3\ndef handler(event, context): return [boto3.own, urllib3.__file__]",
            "boto3.py": "own = True",
        }
    )
    own, other = function()
    assert own is True
    assert "runtime" in other or "site-packages" in other or "packages" in other


def test_boto3_takes_its_configuration_from_the_workers_environment(machine):
    """Region, endpoint and credentials are the worker's own, though the session was made before."""
    function = machine.function(
        """
import boto3
def handler(event, context):
    client = boto3.client("s3")
    credentials = boto3.DEFAULT_SESSION.get_credentials()
    return [client.meta.region_name, client.meta.endpoint_url, credentials.access_key, credentials.token]
"""
    )
    region, endpoint, access_key, token = function()
    assert (region, access_key, token) == ("eu-north-1", f"ASIA{function.name}", "token")
    assert endpoint.startswith("http://127.0.0.1:")


def test_randomness_is_each_workers_own(machine):
    """Forks of one process do not share what they draw."""
    source = """
import os, random, secrets, ssl, tempfile, uuid
drawn = [random.random(), secrets.token_hex(8), os.urandom(8).hex(), str(uuid.uuid4()), ssl.RAND_bytes(8).hex(), tempfile.mktemp()]
def handler(event, context): return drawn
"""
    first, second = machine.function(source)(), machine.function(source)()
    assert [a for a, b in zip(first, second, strict=True) if a == b] == []


def test_an_initialisation_that_takes_too_long_is_tried_again(own_machine):
    """Within the function's timeout, as on AWS; what it said is in the log."""
    own_machine.do("limit_init", seconds=0.5)
    source = "import time\ntime.sleep({})\ndef handler(event, context): return 'late'\n"
    late = own_machine.function(source.format(0.8), timeout_seconds=5)
    assert late() == "late"
    assert any(line.startswith("INIT_REPORT ") and "Phase: init\tStatus: timeout" in line for line in late.lines())
    never = own_machine.function(source.format(60), timeout_seconds=1)
    answer = never.invoke()
    assert answer.payload["errorType"] == "Sandbox.Timedout"
    assert answer.payload["errorMessage"].endswith("Task timed out after 1.00 seconds")


def test_a_cancelled_start_leaves_nothing(own_machine):
    """A host that stops while a function initialises ends it."""
    slow = own_machine.function("import time\ntime.sleep(5)\ndef handler(event, context): return 1\n")
    answer = slow.begin()
    wait_until(lambda: workers(own_machine) == 1, "it initialises")
    processes = tree(own_machine.process.pid)
    assert own_machine.close() == 0
    assert not left_of(processes)
    assert answer.done()
