"""Lambda as a whole, in one process under a fake clock: asynchronous invocations, logs, what needs no runtime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from functions import BASIC_EXECUTION, NOTHING, TRUST_LAMBDA, handler
from harness import Harness
from outbox import until
from pilvi.core import caller as callers
from pilvi.core.effects import Invocation, Invoke, Outcome
from pilvi.core.errors import CloudError
from pilvi.events.worker import Worker
from pilvi.services.lambda_ import SERVICE, limits, role
from pilvi.services.lambda_.errors import TooManyRequests
from pilvi.services.lambda_.logsink import LogSink
from pilvi.state.store import OutboxEntry

FAILED = Outcome(b'{"errorMessage": "boom", "errorType": "E"}', error="Unhandled")


@pytest.fixture
def cloud(tmp_path):
    with Harness(tmp_path / "data") as running:
        yield running


def call(cloud: Harness, operation: str, /, **request: Any) -> Any:
    return cloud.run("lambda", operation, **request)


def make(cloud: Harness, name: str = "f", **request: Any) -> Any:
    if not cloud.run("iam", "ListRoles")["Roles"]:
        cloud.run("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
    usual = {
        "FunctionName": name,
        "Runtime": "python3.11",
        "Role": "arn:aws:iam::000000000000:role/r",
        "Handler": "main.handler",
        "Code": {"ZipFile": NOTHING},
    }
    return call(cloud, "CreateFunction", **{**usual, **request})


def send(cloud: Harness, payload: bytes = b"{}", **request: Any) -> Any:
    return call(cloud, "Invoke", FunctionName="f", InvocationType="Event", Payload=payload, **request)


def waiting(cloud: Harness) -> list[OutboxEntry]:
    with cloud.store.read() as tx:
        return list(tx[OutboxEntry].scan())


class Runtime:
    """Answers as told; keeps what it was asked."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Invocation] = []

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.asked.append(invocation)
        answer = self.answers.pop(0) if self.answers else Outcome(b"null")
        if isinstance(answer, Exception):
            raise answer
        return answer


def deliver(cloud: Harness, runtime: Runtime, *conditions: Callable[[], object], steps: tuple[int, ...] = ()) -> Worker:
    """Runs the worker until each condition holds; between two of them the clock moves by the next step."""

    async def scenario() -> Worker:
        worker = Worker(cloud.store, SERVICE.deliveries, cloud.context, runtime.invoke, cloud.clock)
        worker.start()
        for condition, step in zip(conditions, (*steps, 0), strict=True):
            await until(condition, "delivered")
            cloud.clock.advance(step)
            worker.poke()
        await worker.stop(5)
        return worker

    return asyncio.run(scenario())


def test_an_event_is_written_down_in_the_transaction_and_delivered(cloud):
    """202 means durable: the entry is in the outbox before anything runs; its request id and payload arrive."""
    make(cloud)
    answer = send(cloud, b'{"n": 1}', ClientContext="e30=")
    assert answer["StatusCode"] == 202
    assert len(waiting(cloud)) == 1
    runtime = Runtime()
    deliver(cloud, runtime, lambda: not waiting(cloud))
    (asked,) = runtime.asked
    assert (asked.payload, asked.client_context, asked.spec.name) == (b'{"n": 1}', "e30=", "f")
    assert len(asked.request_id) == 16  # the harness's own form


def test_function_errors_are_retried_after_one_and_two_minutes_and_then_dropped(cloud):
    """Three tries in all, as AWS makes them, with the same request id and payload."""
    make(cloud)
    send(cloud, b'{"n": 1}')
    runtime = Runtime(FAILED, FAILED, FAILED)
    start = cloud.clock.now
    worker = deliver(
        cloud,
        runtime,
        lambda: [entry.due_ms - start for entry in waiting(cloud)] == [60_000],
        lambda: [entry.due_ms - start for entry in waiting(cloud)] == [180_000],
        lambda: not waiting(cloud),
        steps=(60_000, 120_000),
    )
    assert len(runtime.asked) == 3
    assert len({(asked.request_id, asked.payload) for asked in runtime.asked}) == 1
    assert worker.counters["lambda.async"].dropped == 1


def test_throttles_do_not_use_up_the_retries(cloud):
    """A throttle pauses 1 s, 2 s, 4 s ...; afterwards the function still has all of its tries."""
    make(cloud)
    send(cloud)
    runtime = Runtime(TooManyRequests("Rate Exceeded."), TooManyRequests("Rate Exceeded."), FAILED, Outcome(b"1"))
    start = cloud.clock.now
    deliver(
        cloud,
        runtime,
        lambda: [entry.due_ms - start for entry in waiting(cloud)] == [1_000],
        lambda: [entry.due_ms - start for entry in waiting(cloud)] == [3_000],
        lambda: [entry.due_ms - start for entry in waiting(cloud)] == [63_000],
        lambda: not waiting(cloud),
        steps=(1_000, 2_000, 60_000),
    )
    assert len(runtime.asked) == 4


def test_an_event_is_given_up_after_six_hours(cloud):
    """However often it is throttled, an event that is too old is dropped."""
    make(cloud)
    send(cloud)

    class Throttled(Runtime):
        async def invoke(self, invocation: Invocation) -> Outcome:
            self.asked.append(invocation)
            raise TooManyRequests("Rate Exceeded.")

    runtime = Throttled()
    start = cloud.clock.now

    async def scenario() -> Worker:
        worker = Worker(cloud.store, SERVICE.deliveries, cloud.context, runtime.invoke, cloud.clock)
        worker.start()
        seen = 0
        while waiting(cloud):
            seen += 1
            await until(lambda seen=seen: len(runtime.asked) == seen and worker.in_hand == 0, "tried")
            left = waiting(cloud)
            if left:
                cloud.clock.now = left[0].due_ms
                worker.poke()
        await worker.stop(5)
        return worker

    asyncio.run(scenario())
    assert limits.ASYNC_AGE_MS_MAX - limits.BACKOFF_MS_MAX <= cloud.clock.now - start <= limits.ASYNC_AGE_MS_MAX
    assert len(runtime.asked) > 70


def test_the_event_configuration_decides_on_retries_and_age(cloud):
    """MaximumRetryAttempts 0: one try. MaximumEventAgeInSeconds 60: no retry that would come later."""
    make(cloud)
    call(cloud, "PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0)
    send(cloud)
    runtime = Runtime(FAILED)
    deliver(cloud, runtime, lambda: not waiting(cloud))
    call(cloud, "PutFunctionEventInvokeConfig", FunctionName="f", MaximumEventAgeInSeconds=60)
    send(cloud)
    runtime.answers = [FAILED, FAILED]
    deliver(cloud, runtime, lambda: waiting(cloud)[0].attempts == 1, lambda: not waiting(cloud), steps=(60_000,))
    assert len(runtime.asked) == 3


def test_records_go_to_the_destination_as_the_functions_role(cloud):
    """On success and on failure the destination function gets AWS's record; without permission it gets nothing."""
    make(cloud)
    target = make(cloud, "target")["FunctionArn"]
    call(
        cloud,
        "PutFunctionEventInvokeConfig",
        FunctionName="f",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": target}, "OnFailure": {"Destination": target}},
    )
    send(cloud, b'{"n": 1}')
    runtime = Runtime(Outcome(b'{"done": true}'))
    deliver(cloud, runtime, lambda: len(runtime.asked) == 2 and not waiting(cloud))
    record = json.loads(runtime.asked[1].payload)
    assert runtime.asked[1].spec.name == "target"
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestPayload"] == {"n": 1}
    assert record["responsePayload"] == {"done": True}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    send(cloud)
    runtime = Runtime(FAILED)
    deliver(cloud, runtime, lambda: len(runtime.asked) == 2 and not waiting(cloud))
    record = json.loads(runtime.asked[1].payload)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responseContext"]["functionError"] == "Unhandled"
    send(cloud)
    cloud.cloud.denied.add("lambda:InvokeFunction")
    runtime = Runtime()
    deliver(cloud, runtime, lambda: not waiting(cloud))
    assert len(runtime.asked) == 1


def test_an_event_of_a_deleted_function_ends(cloud):
    """There is nothing left to run: the event is dropped, not tried for ever."""
    make(cloud)
    send(cloud)
    call(cloud, "DeleteFunction", FunctionName="f")
    runtime = Runtime()
    worker = deliver(cloud, runtime, lambda: not waiting(cloud))
    assert runtime.asked == []
    assert worker.counters["lambda.async"].dropped == 1


def test_an_event_runs_the_code_of_its_delivery(cloud):
    """An update between a failed try and the next is what the next try runs."""
    make(cloud)
    send(cloud)
    runtime = Runtime(FAILED)
    deliver(cloud, runtime, lambda: [entry.attempts for entry in waiting(cloud)] == [1])
    call(cloud, "UpdateFunctionCode", FunctionName="f", ZipFile=handler("handler = len"))
    cloud.clock.advance(60_000)
    deliver(cloud, runtime, lambda: not waiting(cloud))
    first, second = runtime.asked
    assert first.spec.key != second.spec.key
    assert first.spec.code_sha256 != second.spec.code_sha256


def test_events_of_services_have_request_ids_of_their_own(cloud):
    """One upload may cause several invocations: each is told apart."""
    make(cloud)
    call(
        cloud,
        "AddPermission",
        FunctionName="f",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    s3 = callers.service("s3.amazonaws.com", "000000000000", "arn:aws:s3:::b")
    for _ in range(2):
        cloud.run_as(s3, "lambda", "Invoke", FunctionName="f", InvocationType="Event", Payload=b"{}")
    runtime = Runtime()
    deliver(cloud, runtime, lambda: not waiting(cloud))
    assert len({asked.request_id for asked in runtime.asked}) == 2


# -- what the runtime is told ---------------------------------------------------------------------------------------------


def spec_of(cloud: Harness, **request: Any) -> Any:
    effect = call(cloud, "Invoke", FunctionName="f", **request)
    assert isinstance(effect, Invoke)
    return effect.invocation.spec


def test_every_change_of_code_or_configuration_makes_another_key(cloud):
    """Workers are kept by key: what changes how a function runs changes it, permissions and tags do not."""
    arn = make(cloud)["FunctionArn"]
    keys = [spec_of(cloud).key]
    call(
        cloud,
        "AddPermission",
        FunctionName="f",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    call(cloud, "TagResource", Resource=arn, Tags={"a": "b"})
    assert spec_of(cloud).key == keys[0]
    call(cloud, "UpdateFunctionCode", FunctionName="f", ZipFile=handler("handler = len"))
    keys.append(spec_of(cloud).key)
    for change in ({"Timeout": 5}, {"MemorySize": 256}, {"Environment": {"Variables": {"NAME": "1"}}}):
        call(cloud, "UpdateFunctionConfiguration", FunctionName="f", **change)
        keys.append(spec_of(cloud).key)
    call(cloud, "PublishVersion", FunctionName="f")
    keys.append(spec_of(cloud, Qualifier="1").key)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("number", ["0", "9" * 18, "9" * 100, "007"])
def test_numbers_that_no_version_has(cloud, number):
    """However long, they are not found, by name, by qualifier, for an alias; deleting them is no error."""
    make(cloud)
    for request in ({"FunctionName": f"f:{number}"}, {"FunctionName": "f", "Qualifier": number}):
        with pytest.raises(CloudError, match="Function not found"):
            call(cloud, "Invoke", **request)
    with pytest.raises(CloudError, match="Function not found"):
        call(cloud, "CreateAlias", FunctionName="f", Name="a", FunctionVersion=number)
    call(cloud, "DeleteFunction", FunctionName="f", Qualifier=number)
    assert spec_of(cloud).version == "$LATEST"


def test_a_function_made_again_is_another_function(cloud):
    """Deleted and created with the same code, it has other workers."""
    make(cloud)
    before = spec_of(cloud).key
    call(cloud, "DeleteFunction", FunctionName="f")
    make(cloud)
    assert spec_of(cloud).key != before


def test_the_answer_of_a_synchronous_invocation(cloud):
    """Payload, executed version, the error's kind and the tail, each only when there is one."""
    make(cloud)
    effect = call(cloud, "Invoke", FunctionName="f", LogType="Tail")
    answer = effect.then(Outcome(b"{}", error="Unhandled", tail=b"END"))
    assert answer == {
        "StatusCode": 200,
        "ExecutedVersion": "$LATEST",
        "Payload": b"{}",
        "FunctionError": "Unhandled",
        "LogResult": "RU5E",
    }
    plain = call(cloud, "Invoke", FunctionName="f").then(Outcome(b"1"))
    assert plain == {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": b"1"}


# -- logs -----------------------------------------------------------------------------------------------------------------


def write_logs(cloud: Harness, sink: LogSink, *lines: str) -> bool:
    spec = spec_of(cloud)
    now = cloud.clock.now
    return cloud.store.write(lambda tx: sink.write(cloud.context(tx), spec, "stream", [(now, line) for line in lines]))


def logged(cloud: Harness) -> list[str]:
    found = cloud.run("logs", "FilterLogEvents", logGroupName="/aws/lambda/f")
    return [event["message"] for event in found["events"]]


def test_a_functions_lines_become_log_events(cloud):
    """Group and stream are made when they are missing; later lines are appended."""
    make(cloud)
    sink = LogSink()
    assert write_logs(cloud, sink, "START", "")
    assert write_logs(cloud, sink, "END")
    assert logged(cloud) == ["START", " ", "END"]


def test_a_group_that_is_deleted_while_the_function_lives_comes_back(cloud):
    """The sink makes what is missing each time, not once."""
    make(cloud)
    sink = LogSink()
    write_logs(cloud, sink, "before")
    cloud.run("logs", "DeleteLogGroup", logGroupName="/aws/lambda/f")
    write_logs(cloud, sink, "after")
    assert logged(cloud) == ["after"]


def test_logs_go_to_the_functions_region(tmp_path):
    """A function of another region than the cloud's own logs there."""
    with Harness(tmp_path / "data", region="eu-north-1") as cloud:
        make(cloud)
        spec = spec_of(cloud)
        assert spec.region == "eu-north-1"
        cloud.region = "us-east-1"
        cloud.store.write(lambda tx: LogSink().write(cloud.context(tx), spec, "s", [(cloud.clock.now, "there")]))
        cloud.region = "eu-north-1"
        assert logged(cloud) == ["there"]


@pytest.mark.parametrize("action", ["logs:PutLogEvents", "logs:CreateLogStream", "logs:CreateLogGroup"])
def test_a_role_that_may_not_write_logs_loses_them(cloud, action):
    """Denied lines are dropped and nobody is told but the sink's caller; nothing half is left behind."""
    make(cloud)
    cloud.cloud.denied.add(action)
    assert write_logs(cloud, LogSink(), "lost") is False
    cloud.cloud.denied.clear()
    cloud.run("iam", "DeleteRole", RoleName="r")
    assert write_logs(cloud, LogSink(), "lost too") is False


def test_an_existing_group_needs_no_permission_to_make_one(cloud):
    """A role with CreateLogStream and PutLogEvents alone writes to a group that somebody made."""
    make(cloud)
    cloud.run("logs", "CreateLogGroup", logGroupName="/aws/lambda/f")
    cloud.cloud.denied.add("logs:CreateLogGroup")
    assert write_logs(cloud, LogSink(), "kept")
    assert logged(cloud) == ["kept"]


def test_much_output_is_cut_into_batches(cloud):
    """More than one request of CloudWatch Logs may hold arrives all the same; a line over 1 MB is cut."""
    make(cloud)
    long = "\u00e4" * 700_000
    assert write_logs(cloud, LogSink(), "x" * 600_000, "y" * 600_000, long, *(["z"] * 10_001))
    found, token = 0, None
    while True:
        options = {"nextToken": token} if token else {}
        page = cloud.run("logs", "FilterLogEvents", logGroupName="/aws/lambda/f", **options)
        found += len(page["events"])
        token = page.get("nextToken")
        if token is None:
            break
    assert found == 10_004


# -- roles ----------------------------------------------------------------------------------------------------------------


def test_the_role_must_exist_in_the_functions_account(cloud):
    """A role that is not there is answered with AWS's one sentence; one of another account is refused."""
    make(cloud)
    missing = "arn:aws:iam::000000000000:role/missing"
    with pytest.raises(CloudError, match="The role defined for the function cannot be assumed by Lambda"):
        make(cloud, "g", Role=missing)
    with pytest.raises(CloudError, match="Cross-account pass role is not allowed"):
        make(cloud, "g", Role="arn:aws:iam::111111111111:role/r")


def test_the_roles_session_is_the_functions(cloud):
    """What runs as a function is a session of its role, named after the function."""
    make(cloud)
    cloud.run("iam", "AttachRolePolicy", RoleName="r", PolicyArn=BASIC_EXECUTION)
    spec = spec_of(cloud)
    with cloud.store.read() as tx:
        found = role.caller(cloud.context(tx), spec)
        session = role.session(cloud.context(tx), spec)
    assert found.arn == "arn:aws:sts::000000000000:assumed-role/r/f"
    assert found.identity_arn == spec.role_arn
    assert session["Credentials"]["AccessKeyId"] == "ASIATEST"
