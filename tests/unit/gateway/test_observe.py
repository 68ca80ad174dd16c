"""The access log and the metrics."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from pilvi.gateway import observe
from pilvi.gateway.observe import Observer
from waiting import wait_until


def record(observer: Observer, status: int = 200, us: int = 300, error: str = "") -> None:
    observer.record("id-1", "GET", status, us, "s3", "GetObject", "000000000000", "arn:x", "127.0.0.1", error, 5)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_who_did_what(tmp_path: Path) -> None:
    """One JSON object a request, readable by its owner alone."""

    async def main() -> None:
        observer = Observer(tmp_path / "access.log")
        record(observer)
        record(observer, 404, error="NoSuchKey")
        observer.close()

    asyncio.run(main())
    first, second = lines(tmp_path / "access.log")
    assert str(first.pop("at")).endswith("Z")
    assert first == {
        "request_id": "id-1", "method": "GET", "status": 200, "us": 300, "service": "s3", "operation": "GetObject",
        "account": "000000000000", "principal": "arn:x", "peer": "127.0.0.1", "bytes_out": 5,
    }  # fmt: skip
    assert (second["status"], second["error"]) == (404, "NoSuchKey")
    assert (tmp_path / "access.log").stat().st_mode & 0o777 == 0o600


def test_lines_are_written_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the timer, and at once when many wait."""
    path = tmp_path / "access.log"
    monkeypatch.setattr(observe, "FLUSH_SECONDS", 0.01)

    async def main() -> None:
        observer = Observer(path)
        record(observer)
        async with asyncio.timeout(20):
            while not path.exists():
                await asyncio.sleep(0)
        monkeypatch.setattr(observe, "FLUSH_SECONDS", 1000)
        for _ in range(observe.BUFFERED_MAX + 1):
            record(observer)
        wait_until(lambda: len(lines(path)) > 1000, "they are there before the timer")
        observer.close()

    asyncio.run(main())
    assert len(lines(path)) == observe.BUFFERED_MAX + 2


def test_the_log_does_not_grow_without_end(tmp_path: Path) -> None:
    """Files are rotated, the oldest ones go."""

    async def main() -> None:
        observer = Observer(tmp_path / "access.log", file_bytes_max=2000)
        for _ in range(100):
            record(observer)
            observer.flush()
        observer.close()

    asyncio.run(main())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "access.log",
        "access.log.1",
        "access.log.2",
        "access.log.3",
    ]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


def test_a_log_that_cannot_be_written_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, and the lost lines are counted."""

    async def main() -> Observer:
        observer = Observer(tmp_path / "missing" / "access.log")
        for _ in range(3):
            record(observer)
            observer.flush()
        return observer

    observer = asyncio.run(main())
    assert b"pilvi_access_log_dropped_total 3\n" in observer.metrics()
    assert caplog.text.count("cannot be written") == 1


def test_metrics_count_by_operation_and_status() -> None:
    """In the text form of Prometheus, with cumulative buckets in seconds."""
    observer = Observer()
    for us in (50, 300, 20_000_000):
        record(observer, us=us)
    record(observer, 404)
    observer.gauge("pilvi_connections", "Open connections.", lambda: 7)
    text = observer.metrics().decode()
    assert 'pilvi_requests_total{service="s3",operation="GetObject",status="200"} 3\n' in text
    assert 'pilvi_requests_total{service="s3",operation="GetObject",status="404"} 1\n' in text
    labels = 'service="s3",operation="GetObject"'
    assert f'pilvi_request_seconds_bucket{{{labels},le="0.0001"}} 1\n' in text
    assert f'pilvi_request_seconds_bucket{{{labels},le="0.0005"}} 3\n' in text
    assert f'pilvi_request_seconds_bucket{{{labels},le="5"}} 3\n' in text
    assert f'pilvi_request_seconds_bucket{{{labels},le="+Inf"}} 4\n' in text
    assert f"pilvi_request_seconds_count{{{labels}}} 4\n" in text
    assert "# TYPE pilvi_connections gauge\npilvi_connections 7\n" in text
    assert all(line.startswith("#") or len(line.rsplit(" ", 1)) == 2 for line in text.splitlines())
