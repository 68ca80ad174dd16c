"""The life of a request, with a small queue as the service: waiting, conflicts of interest, and what goes wrong inside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import ACCOUNT, SeededIds
from pilvi import services
from pilvi.core.caller import Check
from pilvi.core.clock import SystemClock
from pilvi.core.context import Context
from pilvi.core.effects import Body, Invocation, Invoke, Outcome, Restage, Staged, StagePlan, WaitFor
from pilvi.core.operation import Service, operation, service
from pilvi.gateway import internal
from pilvi.gateway.answer import Plan
from pilvi.gateway.cloud import LocalCloud
from pilvi.gateway.observe import Observer
from pilvi.gateway.pipeline import Gateway
from pilvi.gateway.waits import Waits
from pilvi.identity.identity import Identity
from pilvi.services.iam import seed
from pilvi.state.restage import Copy
from pilvi.state.sqlite import SqliteStore, tell
from pilvi.state.store import Record, TableSpec
from pilvi.wire.http import Request, Response

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "a-secret-of-the-test"
QUEUE = "http://localhost/q"


class Message(Record, frozen=True):
    """One message."""

    spec: ClassVar[TableSpec] = TableSpec("test_message", key=("number",))

    number: int
    text: str


def queue_module() -> ModuleType:
    module = ModuleType("queue_of_the_test")

    @operation("SendMessage")
    def send(ctx: Context, req: Any) -> Any:
        for text in req["MessageBody"].split():
            ctx.tx[Message].put(Message(ctx.tx.next_id("message"), text))
        ctx.tx.notify("queue")
        return {"MessageId": "m", "MD5OfMessageBody": "d"}

    @operation("ReceiveMessage")
    def receive(ctx: Context, req: Any) -> Any:
        found = next(ctx.tx[Message].scan(limit=1), None)
        if found is None and not ctx.waited:
            return WaitFor("queue", ctx.now_ms + req.get("WaitTimeSeconds", 0) * 1000)
        if found is None:
            return None
        ctx.tx[Message].delete(found.number)
        return {"Messages": [{"Body": found.text}]}

    @operation("PurgeQueue")
    def purge(ctx: Context, req: Any) -> Any:
        ctx.tx[Message].put(Message(99, "never to be seen"))
        raise ZeroDivisionError("inner text")

    @operation("DeleteQueue", check=lambda ctx, req: Check("sqs:DeleteQueue", owner=owner(ctx)))
    def copy(ctx: Context, req: Any) -> Any:
        return Restage(Body(()), StagePlan()) if ctx.restaged is None else None

    def owner(ctx: Context) -> str:
        """With a message in it the queue is somebody else's."""
        return ACCOUNT if next(ctx.tx[Message].scan(limit=1), None) is None else "111111111111"

    @operation("GetQueueUrl", reads=True)
    def call_user_code(ctx: Context, req: Any) -> Any:
        invocation = Invocation(None, b"{}", "r")  # type: ignore[arg-type]
        return Invoke(invocation, lambda outcome: {"QueueUrl": outcome.payload.decode()})

    for function in (send, receive, purge, copy, call_user_code):
        function.__module__ = module.__name__
        setattr(module, function.__name__, function)
    return module


async def perform(invocation: Invocation) -> Outcome:
    await asyncio.sleep(0)
    return Outcome(b"from user code")


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[Gateway]:
    loop = asyncio.get_running_loop()
    queue: Service = service("sqs", [queue_module()], [Message])
    found = {**services.discover(), "sqs": queue}
    records = [record for one in found.values() for record in one.records]
    clock, ids = SystemClock(), SeededIds()
    store = SqliteStore.open(folder, records, clock=clock, deliver=lambda batch: loop.call_soon_threadsafe(tell, batch))
    store.write(lambda tx: seed.seed_root_key(tx, ACCOUNT, KEY, SECRET, clock.now_ms()))
    directory = found["iam"].directory
    assert directory is not None
    identity = Identity(b"k" * 32, directory, ids)
    waits = Waits(loop)
    store.on_commit(lambda topics: loop.call_soon_threadsafe(waits.wake, topics))
    cloud = LocalCloud(found, identity, frozenset, b"master")
    try:
        yield Gateway(
            services=found, store=store, identity=identity, cloud=cloud, clock=clock, ids=ids, region="us-east-1",
            observer=Observer(None), perform=perform, waits=waits, internal=internal.answer,
        )  # fmt: skip
    finally:
        store.close()


def signed(name: str, **members: Any) -> Request:
    body = msgspec.json.encode({"QueueUrl": QUEUE, **members})
    headers = {"X-Amz-Target": f"AmazonSQS.{name}", "Content-Type": "application/x-amz-json-1.0"}
    request = AWSRequest("POST", "http://localhost/", headers=headers, data=body)
    SigV4Auth(Credentials(KEY, SECRET), "sqs", "us-east-1").add_auth(request)
    lower = {key.lower(): value for key, value in request.headers.items()}
    return Request("POST", "/", "", {**lower, "host": "localhost", "content-length": str(len(body))}, body)


async def ask(gate: Gateway, name: str, **members: Any) -> Response:
    plan = gate.begin(signed(name, **members))
    if isinstance(plan, Response):
        return plan
    assert isinstance(plan, Plan)
    answer = plan.finish()
    return answer if isinstance(answer, Response) else await answer


def body_of(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    return msgspec.json.decode(response.body)


def test_a_wait_ends_with_the_event(tmp_path: Path) -> None:
    """A long poll sleeps without a transaction and answers once a message is committed."""

    async def scene() -> Any:
        async with gateway(tmp_path) as gate:
            poll = asyncio.create_task(ask(gate, "ReceiveMessage", WaitTimeSeconds=20))
            while not len(gate.waits):
                await asyncio.sleep(0)
            await ask(gate, "SendMessage", MessageBody="hello")
            return body_of(await poll)

    assert asyncio.run(scene()) == {"Messages": [{"Body": "hello"}]}


def test_one_commit_can_serve_several_sleepers(tmp_path: Path) -> None:
    """A commit that brings two messages wakes one poll, and that one the next."""

    async def scene() -> list[Any]:
        async with gateway(tmp_path) as gate:
            polls = [asyncio.create_task(ask(gate, "ReceiveMessage", WaitTimeSeconds=20)) for _ in range(2)]
            while len(gate.waits) < 2:
                await asyncio.sleep(0)
            await ask(gate, "SendMessage", MessageBody="one two")
            return [body_of(answer)["Messages"][0]["Body"] for answer in await asyncio.gather(*polls)]

    assert sorted(asyncio.run(scene())) == ["one", "two"]


def test_a_wait_ends_with_its_deadline(tmp_path: Path) -> None:
    """Without an event the last attempt is told that it must answer."""

    async def scene() -> Any:
        async with gateway(tmp_path) as gate:
            return body_of(await ask(gate, "ReceiveMessage", WaitTimeSeconds=0))

    assert asyncio.run(scene()) == {}


def test_a_client_that_goes_away_leaves_no_sleeper(tmp_path: Path) -> None:
    """Cancelling the answer ends the wait, and nobody takes a message for it."""

    async def scene() -> tuple[int, Any]:
        async with gateway(tmp_path) as gate:
            poll = asyncio.create_task(ask(gate, "ReceiveMessage", WaitTimeSeconds=20))
            while not len(gate.waits):
                await asyncio.sleep(0)
            poll.cancel()
            while len(gate.waits):
                await asyncio.sleep(0)
            await ask(gate, "SendMessage", MessageBody="kept")
            return len(gate.waits), body_of(await ask(gate, "ReceiveMessage"))

    assert asyncio.run(scene()) == (0, {"Messages": [{"Body": "kept"}]})


def test_what_breaks_inside_stays_inside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Our own bug: 500 without its text, the request id in the log, and nothing of the attempt is kept."""

    async def scene() -> tuple[Response, Any]:
        async with gateway(tmp_path) as gate:
            failed = await ask(gate, "PurgeQueue")
            return failed, body_of(await ask(gate, "ReceiveMessage"))

    with caplog.at_level(logging.CRITICAL + 1, "pilvi.gateway"):
        failed, after = asyncio.run(scene())
    assert failed.status == 500
    assert b"inner text" not in bytes(failed.body)  # type: ignore[arg-type]
    assert after == {}


@pytest.mark.parametrize("taken", [False, True])
def test_whether_one_may_is_asked_again_when_bytes_were_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """Reading takes minutes: what was forbidden meanwhile, or is somebody else's by now, is not done."""

    async def scene() -> Response:
        async with gateway(tmp_path) as gate:
            run = Copy.run

            def while_reading(copy: Copy) -> Staged:
                if taken:
                    gate.store.write(lambda tx: tx[Message].put(Message(1, "taken")))
                return run(copy)

            monkeypatch.setattr(Copy, "run", while_reading)
            return await ask(gate, "DeleteQueue")

    answer = asyncio.run(scene())
    assert answer.status == (400 if taken else 200), answer.body


def test_user_code_runs_outside(tmp_path: Path) -> None:
    """An Invoke is carried out after the transaction, and its outcome becomes the answer."""

    async def scene() -> Any:
        async with gateway(tmp_path) as gate:
            return body_of(await ask(gate, "GetQueueUrl", QueueName="q"))

    assert asyncio.run(scene()) == {"QueueUrl": "from user code"}


def test_user_code_that_can_begin_needs_no_task(tmp_path: Path) -> None:
    """With somebody free to run it the answer is a plain future; a failure inside is the request's answer too."""

    async def check() -> None:
        async with gateway(tmp_path) as gate:
            waiting: list[Any] = []
            gate.perform_at_once = lambda _, told: waiting.append(told) or (lambda: None)
            plan = gate.begin(signed("GetQueueUrl", QueueName="q"))
            assert isinstance(plan, Plan)
            answer = plan.finish()
            assert isinstance(answer, asyncio.Future)
            assert not isinstance(answer, asyncio.Task)
            waiting.pop()(Outcome(b"at once"), None)
            assert b"at once" in (await answer).body
            asking = asyncio.ensure_future(ask(gate, "GetQueueUrl", QueueName="q"))
            await asyncio.sleep(0)
            waiting.pop()(None, RuntimeError("broken"))
            assert (await asking).status == 500
            gate.perform_at_once = lambda *_: None
            assert b"from user code" in (await ask(gate, "GetQueueUrl", QueueName="q")).body

    asyncio.run(check())


def test_a_client_that_goes_away_ends_its_user_code(tmp_path: Path) -> None:
    """What was begun for it is cancelled once, and an outcome that comes nevertheless goes nowhere."""

    async def check() -> None:
        async with gateway(tmp_path) as gate:
            told: list[Any] = []
            cancelled: list[bool] = []
            gate.perform_at_once = lambda _, tell_: told.append(tell_) or (lambda: cancelled.append(True))
            asking = asyncio.ensure_future(ask(gate, "GetQueueUrl", QueueName="q"))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            await asyncio.sleep(0)
            told.pop()(Outcome(b"too late"), None)
            assert cancelled == [True]

    asyncio.run(check())


def test_what_is_not_built_says_so(tmp_path: Path) -> None:
    """501 with the operation's name, for a known operation of a known service and for a service that is not there."""

    async def scene() -> list[tuple[int, Any]]:
        async with gateway(tmp_path) as gate:
            first = await ask(gate, "ListQueues")
            gate.services.pop("sqs")  # type: ignore[attr-defined]
            second = await ask(gate, "SendMessage", MessageBody="x")
            return [(one.status, body_of(one)) for one in (first, second)]

    operation_missing, service_missing = asyncio.run(scene())
    assert operation_missing[0] == service_missing[0] == 501
    assert "ListQueues" in str(operation_missing[1])
    assert "sqs" in str(service_missing[1])


def test_a_stranger_cannot_make_us_hold_much(tmp_path: Path) -> None:
    """Without a key that exists, a body is limited to what an honest error costs."""

    async def scene() -> tuple[int, int]:
        async with gateway(tmp_path) as gate:
            honest, stranger = signed("SendMessage", MessageBody="x"), signed("SendMessage", MessageBody="x")
            stranger.headers["authorization"] = stranger.headers["authorization"].replace(KEY, "AKIAUNKNOWNUNKNOWN00")
            plans = gate.begin(honest), gate.begin(stranger)
            assert isinstance(plans[0], Plan)
            assert isinstance(plans[1], Plan)
            return plans[0].bytes_max, plans[1].bytes_max

    honest, stranger = asyncio.run(scene())
    assert stranger < honest
