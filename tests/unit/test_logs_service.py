"""CloudWatch Logs as a whole, in one process under a fake clock: what depends on time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness import Harness
from outbox import until
from pilvi.core.errors import CloudError
from pilvi.events.worker import Worker
from pilvi.services.logs import SERVICE, limits
from pilvi.services.logs.records import Chunk, GroupSize, LogStream

DAY = limits.DAY_MS


@pytest.fixture
def cloud(tmp_path):
    with Harness(tmp_path / "data") as running:
        yield running


def logs(cloud: Harness, operation: str, /, **request: Any) -> Any:
    return cloud.run("logs", operation, **request)


def make(cloud: Harness, group: str = "g", stream: str = "s") -> None:
    logs(cloud, "CreateLogGroup", logGroupName=group)
    logs(cloud, "CreateLogStream", logGroupName=group, logStreamName=stream)


def put(cloud: Harness, *events: tuple[int, str], group: str = "g", stream: str = "s") -> Any:
    return logs(
        cloud,
        "PutLogEvents",
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": at, "message": text} for at, text in events],
    )


def messages(cloud: Harness, **request: Any) -> list[str]:
    found = logs(cloud, "GetLogEvents", logGroupName="g", logStreamName="s", **request)
    return [event["message"] for event in found["events"]]


def sweep_until(cloud: Harness, condition: Any) -> None:
    """Runs the worker with the service's own delivery until the store is as it should be."""

    async def scenario() -> None:
        async def nothing(_invocation: Any) -> Any:
            raise AssertionError("no user code here")

        worker = Worker(cloud.store, SERVICE.deliveries, cloud.context, nothing, cloud.clock)
        worker.start()
        await until(condition, "swept")
        await worker.stop(5)

    asyncio.run(scenario())


def rows(cloud: Harness, record: Any) -> int:
    with cloud.store.read() as tx:
        return tx[record].count()


def test_too_old_and_too_new_events_are_rejected_by_index(cloud):
    """Events before 14 days ago or more than 2 hours ahead are left out and pointed at; the others are kept."""
    make(cloud)
    now = cloud.clock.now
    old, new = now - 14 * DAY - 1, now + limits.FUTURE_MS_MAX + 1
    answer = put(cloud, (old, "old"), (now, "kept"), (new, "new"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    assert messages(cloud) == ["kept"]


def test_the_bounds_of_time_themselves_are_accepted(cloud):
    """Exactly 14 days ago and exactly 2 hours ahead are still right (in batches of a day)."""
    make(cloud)
    now = cloud.clock.now
    assert "rejectedLogEventsInfo" not in put(cloud, (now - 14 * DAY, "a"))
    assert "rejectedLogEventsInfo" not in put(cloud, (now + limits.FUTURE_MS_MAX, "b"))
    assert messages(cloud) == ["a", "b"]


def test_events_past_the_retention_are_rejected(cloud):
    """With a retention of one day an event of yesterday is expired on arrival."""
    make(cloud)
    logs(cloud, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    now = cloud.clock.now
    answer = put(cloud, (now - DAY - 1, "expired"), (now, "kept"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert messages(cloud) == ["kept"]


def test_a_batch_spans_a_day_at_most(cloud):
    """24 hours are accepted, one millisecond more is not, and nothing of that batch is kept."""
    make(cloud)
    now = cloud.clock.now
    put(cloud, (now - DAY, "a"), (now, "b"))
    with pytest.raises(CloudError, match="cannot span more than 24 hours"):
        put(cloud, (now - DAY - 1, "c"), (now, "d"))
    assert messages(cloud) == ["a", "b"]


def test_retention_hides_at_once_and_removes_in_time(cloud):
    """Expired events are invisible from the moment they expire, and their rows go with the next sweep."""
    make(cloud)
    put(cloud, (cloud.clock.now, "first"))
    logs(cloud, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    cloud.clock.advance(DAY - 1_000)
    put(cloud, (cloud.clock.now, "second"))
    assert messages(cloud) == ["first", "second"]
    cloud.clock.advance(1_001)
    assert messages(cloud) == ["second"]
    assert rows(cloud, Chunk) == 2
    cloud.clock.advance(limits.SWEEP_EVERY_MS)
    sweep_until(cloud, lambda: rows(cloud, Chunk) == 1)
    (group,) = logs(cloud, "DescribeLogGroups")["logGroups"]
    assert group["storedBytes"] == limits.EVENT_OVERHEAD_BYTES + len("second")


def test_the_sweep_comes_back_until_the_policy_is_gone(cloud):
    """A retention policy keeps one durable entry; without the policy it ends."""
    from pilvi.state.store import OutboxEntry

    make(cloud)
    logs(cloud, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    logs(cloud, "PutRetentionPolicy", logGroupName="g", retentionInDays=3)
    assert rows(cloud, OutboxEntry) == 1
    due = []

    def came_back() -> bool:
        with cloud.store.read() as tx:
            due[:] = [entry.due_ms for entry in tx[OutboxEntry].scan()]
        return due == [cloud.clock.now + limits.SWEEP_EVERY_MS]

    sweep_until(cloud, came_back)
    logs(cloud, "DeleteRetentionPolicy", logGroupName="g")
    cloud.clock.advance(limits.SWEEP_EVERY_MS)
    sweep_until(cloud, lambda: rows(cloud, OutboxEntry) == 0)


def test_policies_that_come_and_go_leave_one_sweep(cloud):
    """However often a policy is deleted and put back, one entry remains in the end."""
    from pilvi.state.store import OutboxEntry

    make(cloud)
    for _ in range(5):
        logs(cloud, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
        logs(cloud, "DeleteRetentionPolicy", logGroupName="g")
    logs(cloud, "PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    sweep_until(cloud, lambda: rows(cloud, OutboxEntry) == 1)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("GetLogEvents", {"nextToken": f"f/{'9' * 56}/s", "logStreamName": "s"}),
        ("GetLogEvents", {"nextToken": f"b/{'9' * 56}/s", "logStreamName": "s"}),
        ("GetLogEvents", {"startTime": 2**63 - 1, "endTime": 2**63 - 1, "logStreamName": "s"}),
        ("FilterLogEvents", {"startTime": 2**63 - 1, "endTime": 2**63 - 1}),
        ("FilterLogEvents", {"nextToken": f"f/{'9' * 56}/s", "endTime": 0}),
    ],
)
def test_times_without_bounds_find_nothing(cloud, operation, request_):
    """Places and times beyond all events are no error."""
    make(cloud)
    put(cloud, (cloud.clock.now, "x"))
    found = logs(cloud, operation, logGroupName="g", **request_)["events"]
    assert [event["message"] for event in found] == (["x"] if "b/9" in str(request_) else [])


@pytest.mark.parametrize(
    "token", ["", "x", "f/1/s", "f/" + "1" * 56, "g/" + "1" * 56 + "/s", "f/" + "\u0661" * 56 + "/s"]
)
def test_foreign_tokens_are_refused(cloud, token):
    """Tokens that are not ours are InvalidParameterException in every operation that takes one."""
    make(cloud)
    for operation, request in (("GetLogEvents", {"logStreamName": "s"}), ("FilterLogEvents", {})):
        with pytest.raises(CloudError, match="nextToken is invalid"):
            logs(cloud, operation, logGroupName="g", nextToken=token, **request)


def test_foreign_names_in_tokens_are_refused(cloud):
    """The same for the tokens of lists."""
    from pilvi.services.logs.tokens import name_token

    make(cloud)
    for token in ("!", "\u00e9", name_token("no time"), name_token("\u00b2 s"), name_token("9" * 40 + " s")):
        with pytest.raises(CloudError, match="nextToken is invalid"):
            logs(cloud, "DescribeLogStreams", logGroupName="g", nextToken=token)


def test_a_deleted_group_is_swept_and_its_name_is_free_at_once(cloud):
    """Deleting forgets the name immediately; a new group of that name is empty while the old rows go."""
    make(cloud)
    put(cloud, (cloud.clock.now, "old"))
    logs(cloud, "DeleteLogGroup", logGroupName="g")
    make(cloud)
    assert messages(cloud) == []
    assert logs(cloud, "FilterLogEvents", logGroupName="g")["events"] == []
    assert rows(cloud, Chunk) == 1
    sweep_until(cloud, lambda: rows(cloud, Chunk) == 0 and rows(cloud, LogStream) == 1)
    put(cloud, (cloud.clock.now, "new"))
    assert messages(cloud) == ["new"]


def test_a_deleted_stream_is_invisible_before_it_is_swept(cloud):
    """Neither searches of the group nor a new stream of the same name see its events."""
    make(cloud)
    put(cloud, (cloud.clock.now, "old"))
    logs(cloud, "DeleteLogStream", logGroupName="g", logStreamName="s")
    assert logs(cloud, "FilterLogEvents", logGroupName="g")["events"] == []
    logs(cloud, "CreateLogStream", logGroupName="g", logStreamName="s")
    assert messages(cloud) == []
    put(cloud, (cloud.clock.now, "new"))
    found = logs(cloud, "FilterLogEvents", logGroupName="g")["events"]
    assert [event["message"] for event in found] == ["new"]
    sweep_until(cloud, lambda: rows(cloud, Chunk) == 1)
    with cloud.store.read() as tx:
        (size,) = tx[GroupSize].scan()
    assert size.stored_bytes == limits.EVENT_OVERHEAD_BYTES + len("new")


def test_a_large_group_is_swept_in_bounded_steps(cloud):
    """More rows than one step may remove go too, step after step."""
    make(cloud)

    def fill(tx: Any) -> None:
        for number in range(limits.SWEEP_ROWS_MAX + 3):
            tx[Chunk].put(Chunk(1, number, number, 1, "s", 0, [(number, "x")]))

    cloud.store.write(fill)
    logs(cloud, "DeleteLogGroup", logGroupName="g")
    sweep_until(cloud, lambda: rows(cloud, Chunk) == 0 and rows(cloud, LogStream) == 0)


def test_paging_forward_and_back_meets_every_event_once(cloud):
    """Pages of two, forward to the end and back to the beginning, also where batches overlap in time."""
    make(cloud)
    now = cloud.clock.now
    put(cloud, (now - 500, "b"), (now - 100, "d"))
    put(cloud, (now - 900, "a"), (now - 300, "c"), (now, "e"))
    forward, token = [], None
    while True:
        options = {"nextToken": token} if token else {}
        page = logs(cloud, "GetLogEvents", logGroupName="g", logStreamName="s", startFromHead=True, limit=2, **options)
        if token == page["nextForwardToken"]:
            assert page["events"] == []
            break
        forward += [event["message"] for event in page["events"]]
        token, back = page["nextForwardToken"], page["nextBackwardToken"]
    assert forward == ["a", "b", "c", "d", "e"]
    backward: list[str] = []
    while True:
        page = logs(cloud, "GetLogEvents", logGroupName="g", logStreamName="s", nextToken=back, limit=2)
        if back == page["nextBackwardToken"]:
            break
        backward = [event["message"] for event in page["events"]] + backward
        back = page["nextBackwardToken"]
    assert backward == ["a", "b", "c", "d"]


def test_a_tail_of_nothing_sees_what_comes(cloud):
    """The forward token of an empty stream leads to the first events that are written later."""
    make(cloud)
    page = logs(cloud, "GetLogEvents", logGroupName="g", logStreamName="s")
    put(cloud, (cloud.clock.now, "first"))
    assert messages(cloud, nextToken=page["nextForwardToken"]) == ["first"]


def test_turning_round_at_the_beginning_leaves_nothing_out(cloud):
    """An empty page before the first event hands out a forward token that meets the first event."""
    make(cloud)
    put(cloud, (cloud.clock.now, "a"), (cloud.clock.now, "b"))
    page = logs(cloud, "GetLogEvents", logGroupName="g", logStreamName="s", limit=2)
    before = logs(cloud, "GetLogEvents", logGroupName="g", logStreamName="s", nextToken=page["nextBackwardToken"])
    assert before["events"] == []
    assert messages(cloud, nextToken=before["nextForwardToken"]) == ["a", "b"]


def test_a_search_that_looks_at_much_goes_on_with_a_token(cloud, monkeypatch):
    """A search stops after a bounded number of events, without a match, and its token goes on from there."""
    monkeypatch.setattr(limits, "SEARCH_EVENTS_MAX", 3)
    make(cloud)
    for number in range(8):
        put(cloud, (cloud.clock.now + number, "no" if number < 7 else "yes"))
    pages, token = [], None
    while True:
        options = {"nextToken": token} if token else {}
        page = logs(cloud, "FilterLogEvents", logGroupName="g", filterPattern="yes", **options)
        pages.append([event["message"] for event in page["events"]])
        token = page.get("nextToken")
        if token is None:
            break
    assert pages == [[], [], ["yes"]]


def test_a_search_backwards_is_the_search_forwards_reversed(cloud):
    """startFromHead false: newest first, page after page."""
    make(cloud)
    put(cloud, *((cloud.clock.now + number, f"m{number}") for number in range(5)))
    found, token = [], None
    while True:
        options = {"nextToken": token} if token else {}
        page = logs(
            cloud,
            "FilterLogEvents",
            logGroupName="g",
            startFromHead=False,
            startTime=cloud.clock.now,
            limit=2,
            **options,
        )
        found += [event["message"] for event in page["events"]]
        token = page.get("nextToken")
        if token is None:
            break
    assert found == ["m4", "m3", "m2", "m1", "m0"]
    with pytest.raises(CloudError, match="startFromHead"):
        logs(cloud, "FilterLogEvents", logGroupName="g", startFromHead=False)


def test_streams_are_listed_by_name_and_by_last_event(cloud):
    """Both orders, both directions, in pages."""
    logs(cloud, "CreateLogGroup", logGroupName="g")
    for name, age in (("a", 1), ("b", 3), ("c", 2)):
        logs(cloud, "CreateLogStream", logGroupName="g", logStreamName=name)
        put(cloud, (cloud.clock.now - age, "x"), stream=name)

    def listed(**request: Any) -> str:
        found, token = "", None
        while True:
            options = {"nextToken": token} if token else {}
            page = logs(cloud, "DescribeLogStreams", logGroupName="g", limit=1, **request, **options)
            found += "".join(stream["logStreamName"] for stream in page["logStreams"])
            token = page.get("nextToken")
            if token is None:
                return found

    assert listed() == "abc"
    assert listed(descending=True) == "cba"
    assert listed(orderBy="LastEventTime") == "bca"
    assert listed(orderBy="LastEventTime", descending=True) == "acb"
    assert listed(logStreamNamePrefix="b") == "b"
    assert listed(logStreamNamePrefix="b", descending=True) == "b"
    with pytest.raises(CloudError, match="Cannot order by LastEventTime"):
        listed(orderBy="LastEventTime", logStreamNamePrefix="b")
