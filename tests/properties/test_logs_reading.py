"""Reading logs page by page: whatever was put, in whatever pages, every event is met once and in order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import Harness
from pilvi.services.logs import limits

BEGIN = 1_790_000_000_000  # the harness's clock

times = st.one_of(st.integers(0, 20), st.integers(0, 30_000), st.sampled_from([1_999, 2_000, 2_001, 4_000]))
batches = st.lists(
    st.tuples(
        st.sampled_from(["s1", "s2"]),
        st.lists(st.tuples(times, st.sampled_from(["a", "b", "ab"])), min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=8,
)


def pages(cloud: Harness, operation: str, follow: str, **request: Any) -> list[dict[str, Any]]:
    """All events of all pages, following one kind of token until it ends."""
    found: list[dict[str, Any]] = []
    token = None
    while True:
        options = {"nextToken": token} if token else {}
        page = cloud.run("logs", operation, logGroupName="g", **request, **options)
        found += page["events"] if follow != "nextBackwardToken" else page["events"][::-1]
        if page.get(follow) in {None, token}:
            return found
        token = page[follow]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    written=batches,
    limit=st.integers(1, 5),
    looked_at=st.integers(1, 6),
    window=st.tuples(times, times).map(sorted),
    pattern=st.sampled_from(["", "a", "b", '"ab"', "-a"]),
)
def test_every_event_is_met_once_and_in_order(written, limit, looked_at, window, pattern):
    """Streams forward and backward, searches forward and backward, with small pages and a small reach."""
    with tempfile.TemporaryDirectory() as folder, Harness(Path(folder) / "data") as cloud:
        cloud.run("logs", "CreateLogGroup", logGroupName="g")
        for name in ("s1", "s2"):
            cloud.run("logs", "CreateLogStream", logGroupName="g", logStreamName=name)
        for stream, events in written:
            cloud.run(
                "logs",
                "PutLogEvents",
                logGroupName="g",
                logStreamName=stream,
                logEvents=[
                    {"timestamp": BEGIN + at, "message": text} for at, text in sorted(events, key=lambda e: e[0])
                ],
            )
        start, end = BEGIN + window[0], BEGIN + window[1]
        everything = [
            (BEGIN + at, turn, place, stream, text)
            for turn, (stream, events) in enumerate(written)
            for place, (at, text) in enumerate(sorted(events, key=lambda e: e[0]))
        ]
        in_order = sorted(everything)
        for name in ("s1", "s2"):
            expected = [(at, text) for at, _, _, stream, text in in_order if stream == name and start <= at < end]
            request = {"logStreamName": name, "limit": limit, "startTime": start, "endTime": end}
            forward = pages(cloud, "GetLogEvents", "nextForwardToken", startFromHead=True, **request)
            assert [(event["timestamp"], event["message"]) for event in forward] == expected
            backward = pages(cloud, "GetLogEvents", "nextBackwardToken", **request)
            assert [(event["timestamp"], event["message"]) for event in backward] == expected[::-1]
        wanted = {"": lambda _: True, "-a": lambda text: "a" not in text}.get(
            pattern, lambda text: pattern.strip('"') in text
        )
        expected = [(at, stream, text) for at, _, _, stream, text in in_order if start <= at <= end and wanted(text)]
        with mock.patch.object(limits, "SEARCH_EVENTS_MAX", looked_at):
            request = {"filterPattern": pattern, "startTime": start, "endTime": end, "limit": limit}
            forward = pages(cloud, "FilterLogEvents", "nextToken", **request)
            backward = pages(cloud, "FilterLogEvents", "nextToken", startFromHead=False, **request)
        for found, right in ((forward, expected), (backward, expected[::-1])):
            assert [(event["timestamp"], event["logStreamName"], event["message"]) for event in found] == right
