"""`pilvi logs`: the server's log or its requests, for people or as they are."""

import json
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pilvi.cli import folder, terminal
from pilvi.cli.logfile import KEPT
from pilvi.cli.terminal import DIM, RED, YELLOW, styled
from pilvi.config import Exit, StartError

POLL_SECONDS = 0.2
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
STYLES = {"warning": (YELLOW,), "error": (RED,), "critical": (RED,), "debug": (DIM,)}


class Wanted(msgspec.Struct, frozen=True):
    """Which lines: the last `lines` (None: all), from the time `since` on (UTC as in the log); as JSON; and new ones.

    Attributes:
        requests: those of the access log instead of the server's own.
    """

    lines: int | None = None
    since: str = ""
    as_json: bool = False
    follow: bool = False
    requests: bool = False


def run(data: Path, wanted: Wanted) -> int:
    """Prints the log, and with `follow` what is added to it, until interrupted."""
    path = data / (folder.ACCESS_FILE if wanted.requests else folder.LOG_FILE)
    try:
        file = path.open("rb")
    except OSError:
        raise StartError(
            f"there is no {path.name} in {data} yet: start the cloud with `pilvi up -d`", Exit.NOT_RUNNING
        ) from None
    with file:
        for line in deque(_chosen(_stored(path, file), wanted), wanted.lines):
            _show(line, wanted)
        if wanted.follow:
            for line in _chosen(_added(path, file), wanted):
                _show(line, wanted)
    return Exit.OK


def moment(text: str, now: datetime) -> str:
    """See `instant`; as the log writes times (UTC)."""
    return instant(text, now, "--since").strftime("%Y-%m-%dT%H:%M:%S.000Z")


def instant(text: str, now: datetime, option: str) -> datetime:
    """A span ("10m", "2h") before `now`, or an ISO 8601 time.

    Raises:
        StartError: it is neither.
    """
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if ago:
        then = now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    else:
        try:
            then = datetime.fromisoformat(text)
        except ValueError:
            message = f"{option} must be a span such as 10m or 2h, or an ISO 8601 time, not {text!r}"
            raise StartError(message, Exit.USAGE) from None
    return then.astimezone(UTC)


def _stored(path: Path, newest: BinaryIO) -> Iterator[bytes]:
    for number in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            with older.open("rb") as file:
                yield from file
    yield from newest


def _added(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Lines written from now on; goes on with the new file when the log is rotated."""
    part = b""
    while True:
        line = file.readline()
        if line:
            part += line
            if part.endswith(b"\n"):
                yield part
                part = b""
        elif _rotated(path, file):
            file = path.open("rb")
        else:
            time.sleep(POLL_SECONDS)


def _rotated(path: Path, file: BinaryIO) -> bool:
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False


def _chosen(lines: Iterator[bytes], wanted: Wanted) -> Iterator[bytes]:
    if not wanted.since:
        return lines
    return (line for line in lines if _time(_fields(line)) >= wanted.since)


def _show(line: bytes, wanted: Wanted) -> None:
    fields = _fields(line)
    if wanted.as_json or not fields:
        terminal.say(line.decode(errors="replace").rstrip("\n"))
        return
    if wanted.requests:
        _show_request(fields)
    else:
        _show_record(fields)


def _show_record(fields: dict[str, Any]) -> None:
    level = str(fields.pop("level", ""))
    head = f"{_time(fields)}  {level.upper():7}  {fields.pop('message', '')}"
    source, traceback = fields.pop("source", ""), fields.pop("traceback", "")
    rest = " ".join(f"{name}={_short(value)}" for name, value in fields.items() if name != "time")
    terminal.say(f"{styled(head, *STYLES.get(level, ()))}  {styled(f'{rest} ({source})'.strip(), DIM)}")
    if traceback:
        terminal.say(str(traceback))


def _show_request(fields: dict[str, Any]) -> None:
    status = int(fields.get("status", 0))
    style = (RED,) if status >= 500 else (YELLOW,) if status >= 400 else ()
    what = f"{fields.get('service', '')} {fields.get('operation', '')}".strip() or fields.get("method", "")
    head = f"{_time(fields)}  {status}  {what:32} {int(fields.get('us', 0)) / 1000:9.1f} ms  {fields.get('error', '')}"
    rest = f"{fields.get('principal', '')} {fields.get('peer', '')} {fields.get('request_id', '')}"
    terminal.say(f"{styled(head.rstrip(), *style)}  {styled(rest.strip(), DIM)}")


def _time(fields: dict[str, Any]) -> str:
    return str(fields.get("time") or fields.get("at") or "")


def _short(value: Any) -> str:
    return value if isinstance(value, str) and value and " " not in value else json.dumps(value)


def _fields(line: bytes) -> dict[str, Any]:
    """The line's fields; none when it is not one of the logger's (a crash's last words)."""
    try:
        found = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
