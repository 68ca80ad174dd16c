"""What functions write, and the lines that the platform adds, as CloudWatch Logs shows them on AWS."""

from __future__ import annotations

import re

from pilvi.runtime.logs import EVENT_BYTES_MAX, TAIL_BYTES, Log
from waiting import wait_until


class Clock:
    def now_ms(self) -> int:
        return 1_790_000_000_123


def test_lines_of_an_invocation(machine):
    """INIT_START, START, what was printed, END, REPORT."""
    function = machine.function(
        "import sys\nprint('at import')\ndef handler(event, context):\n    print('out'); print('two\\nlines'); print('err', file=sys.stderr); print('no newline', end='')"
    )
    answer = function.invoke()
    lines = function.lines()
    assert lines[:1] == ["INIT_START Runtime Version: python:3.11"]
    assert lines[1] == "at import"
    assert re.fullmatch(r"START RequestId: \S+ Version: \$LATEST", lines[2])
    assert lines[3:8] == ["out", "two", "lines", "err", "no newline"]
    assert re.fullmatch(r"END RequestId: \S+", lines[8])
    report = (
        r"REPORT RequestId: \S+\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t"
    )
    assert re.fullmatch(report, lines[9])
    assert len(lines) == 10
    assert answer.tail == "\n".join(lines[2:]) + "\n"


def test_streams_are_named_by_day_and_version(machine):
    """One a worker: 2026/01/31/[$LATEST]hex."""
    function = machine.function("def handler(event, context): return 1")
    function()
    function()
    assert len(function.streams()) == 1
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", function.streams()[0])


def test_log_records_are_one_event(machine):
    """AWS's format, with the request's id; newlines stay inside the event."""
    function = machine.function(
        """
import logging
logging.getLogger().setLevel("INFO")
def handler(event, context):
    logging.info("two\\nlines")
    try:
        1 / 0
    except ZeroDivisionError:
        logging.exception("oh")
"""
    )
    function()
    records = [line for line in function.lines() if line.startswith("[")]
    assert re.fullmatch(r"\[INFO\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t\S+\ttwo\nlines", records[0])
    assert re.fullmatch(
        r"\[ERROR\]\t\S+Z\t\S+\toh\nTraceback \(most recent call last\):\n.*ZeroDivisionError: .*",
        records[1],
        re.DOTALL,
    )


def test_output_of_children_is_logged(machine):
    """Whatever a program that the function starts writes."""
    function = machine.function(
        "import subprocess\ndef handler(event, context): subprocess.run(['echo', 'from a child'])"
    )
    function()
    assert "from a child" in function.lines()


def test_what_is_written_between_invocations_is_logged(machine):
    """By a thread that the handler left running."""
    function = machine.function(
        "import threading, time\ndef later():\n    time.sleep(0.2); print('later')\ndef handler(event, context): threading.Thread(target=later).start()"
    )
    function()
    wait_until(lambda: "later" in function.lines(), "the thread's line")


def test_a_crash_is_logged(machine):
    """The last words of a process, and what it died of."""
    function = machine.function("import os\ndef handler(event, context):\n    os.write(1, b'last words'); os._exit(5)")
    function.invoke()
    lines = function.lines()
    assert lines[2] == "last words"
    assert re.fullmatch(r"RequestId: \S+ Error: Runtime exited with error: exit status 5\nRuntime.ExitError", lines[3])
    assert lines[-1].endswith("\tStatus: error\tError Type: Runtime.ExitError\t")


def test_huge_output_is_slowed_not_stored(machine):
    """A function that prints without end is limited by time, and others are served meanwhile."""
    function = machine.function("def handler(event, context):\n    while True: print('x' * 10000)", timeout_seconds=3)
    running = function.begin()
    assert machine.function("def handler(event, context): return 1")() == 1
    assert running.result(60)["error"] == "Unhandled"
    size = sum(map(len, function.lines()))
    assert 1 << 20 < size < 32 << 20


def test_the_tail_is_the_last_4_kb():
    """LogType=Tail."""
    log = Log(lambda lines: None, Clock())
    log.begin(want_tail=True)
    for number in range(20_000):
        log.output(b"line %d\n" % number)
    assert len(log.tail()) == TAIL_BYTES
    assert log.tail().endswith(b"line 19998\nline 19999\n")
    log.begin(want_tail=False)
    log.output(b"x\n")
    assert log.tail() == b""


def test_lines_are_put_together_from_pieces():
    """However the pipe cuts them, also within a character."""
    written: list[tuple[int, str]] = []
    log = Log(written.extend, Clock())
    for byte in "ä\nö".encode():
        log.output(bytes([byte]))
    log.end_line()
    log.flush()
    assert written == [(1_790_000_000_123, "ä"), (1_790_000_000_123, "ö")]


def test_endless_lines_are_cut():
    """An event has a limit, and so has what is kept of a line without end."""
    written: list[tuple[int, str]] = []
    log = Log(written.extend, Clock())
    for _ in range(1024):
        log.output(b"x" * 1024)
    log.end_line()
    log.flush()
    assert [len(text) for _, text in written] == [EVENT_BYTES_MAX] * 4


def test_bytes_that_are_no_text_are_shown_as_such():
    """Nothing that a function writes breaks the log."""
    written: list[tuple[int, str]] = []
    log = Log(written.extend, Clock())
    log.output(b"\xff\xfe\x00\n")
    assert written[0][1] == "\ufffd\ufffd\0"
