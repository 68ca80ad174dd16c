"""The command line where the surroundings are not what one hopes for: pipes, proxies, narrow terminals, closed streams."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import struct
import subprocess
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from commands import PILVI, Home, environment
from pilvi.cli import env, folder
from pilvi.config import Exit

PROXY = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), "http://127.0.0.1:9")


def test_status_in_a_pipe_is_one_line_a_fact(home: Home) -> None:
    """No colours, nothing folded at the width of a terminal that is not there, no blanks at the ends."""
    assert home.pilvi("up", "-d").returncode == 0
    facts = json.loads(home.pilvi("status", "--json").stdout)
    lines = home.pilvi("status").stdout.splitlines()
    assert len(lines) == 6 + len(facts["sandbox"])
    assert all(line == line.rstrip() and "\x1b" not in line for line in lines)


@pytest.mark.parametrize("columns", [40, 60])
def test_status_fits_a_narrow_terminal(home: Home, columns: int) -> None:
    """Long lines are folded below themselves."""
    assert home.pilvi("up", "-d").returncode == 0
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    surroundings = environment(home.path, **home.variables)
    del surroundings["COLUMNS"]
    with subprocess.Popen([*PILVI, "status"], stdout=theirs, env=surroundings, cwd=home.path) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:  # the other side is closed
            pass
        os.close(ours)
    assert process.returncode == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n").splitlines()
    assert lines[0].startswith("state     up")
    assert max(map(len, lines)) <= columns


def test_a_proxy_is_not_asked_for_the_way_to_the_cloud(home: Home) -> None:
    """`status` asks the cloud itself, and `env` tells boto3 and the AWS CLI to do so."""
    home.variables |= PROXY
    assert home.pilvi("up", "-d").returncode == 0
    assert home.pilvi("status").returncode == 0
    done = home.shell('eval "$(pilvi env)"; aws sts get-caller-identity --query Account --output text')
    assert done.stdout == "000000000000\n", done.stderr


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": ""}, None),
        ({"HTTP_PROXY": "http://p"}, "::1"),
        ({"https_proxy": "http://p", "NO_PROXY": "example.org, "}, "example.org,::1"),
        ({"HTTP_PROXY": "http://p", "no_proxy": "a,::1"}, None),
        ({"HTTP_PROXY": "http://p", "NO_PROXY": "*"}, None),
    ],
)
def test_hosts_without_a_proxy_are_added_to(environ: dict[str, str], expected: str | None) -> None:
    """What was there stays there; nothing is said where nothing need be."""
    found = env._without_proxy("https://[::1]:4566", environ)
    assert found == ({} if expected is None else {"NO_PROXY": expected, "no_proxy": expected})


def test_closed_streams_hinder_nothing(home: Home) -> None:
    """A cloud may be started by a program that closed input, output and errors; none of them becomes a data file."""
    for command in ("up -d", "status", "env", "down"):
        done = home.shell(f"{' '.join(PILVI)} {command} <&- >&- 2>&-")
        assert done.returncode == 0, command
    assert home.pilvi("up", "-d").returncode == 0
    assert home.pilvi("status").returncode == 0


@pytest.mark.parametrize("command", ["status", "status --json", "env", "logs"])
def test_output_that_cannot_be_written_is_one_line(home: Home, command: str) -> None:
    """As every error."""
    assert home.pilvi("up", "-d").returncode == 0
    done = home.shell(f"{' '.join(PILVI)} {command} >/dev/full")
    assert done.returncode == Exit.FAILED
    assert re.fullmatch(r"error: .*No space left on device.*\n", done.stderr)


def test_a_start_that_nobody_reads_is_a_start(home: Home) -> None:
    """The cloud is up, whether or not its announcement could be written."""
    assert home.shell(f"{' '.join(PILVI)} up -d >/dev/full").returncode == 0
    assert home.pilvi("status").returncode == 0


def test_the_key_is_shown_though_the_first_start_failed(home: Home) -> None:
    """A start that fails on its port has made the key already; the first that succeeds shows it, and only that one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert home.pilvi("up", "--port", str(taken.getsockname()[1])).returncode == Exit.ADDRESS_TAKEN
    assert "secret access key" in home.pilvi("up", "-d").stdout
    assert home.pilvi("down").returncode == 0
    assert "secret access key" not in home.pilvi("up", "-d").stdout


def test_the_log_tells_why_a_background_start_failed(home: Home) -> None:
    """Whoever looks there later finds the reason."""
    assert home.pilvi("up", "-d", "--bind", "192.0.2.1").returncode == Exit.ADDRESS_TAKEN
    assert "192.0.2.1" in home.pilvi("logs").stdout


def test_the_folder_is_not_blamed_for_what_is_elsewhere(tmp_path: Path) -> None:
    """An error that names another file is told as it is; one above or in the folder is the folder's."""
    data = tmp_path / "up" / "data"
    elsewhere = folder.unusable(data, PermissionError(13, "Permission denied", str(tmp_path / "other")))
    assert str(data) not in elsewhere.message
    assert str(tmp_path / "other") in elsewhere.message
    for path in (data, data / "data.db", data.parent):
        assert "cannot be written" in folder.unusable(data, PermissionError(13, "Permission denied", str(path))).message
    assert "cannot be written" in folder.unusable(data, PermissionError(13, "Permission denied")).message
