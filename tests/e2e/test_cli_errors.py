"""What can go wrong at a start: each a single line that says what to do, and an exit code of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import PILVI, Home, environment

NOBODY = 65_534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do this to itself")


@pytest.fixture(params=[[], ["-d"]], ids=["foreground", "background"])
def mode(request: pytest.FixtureRequest) -> list[str]:
    """Both ways to start fail alike."""
    return list(request.param)


def failed(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_second_up_on_the_same_folder(home: Home, mode: list[str]) -> None:
    """Names the process that has the folder, and the ways out."""
    assert home.pilvi("up", "-d").returncode == 0
    pid = str(home.running()["pid"])
    failed(home.pilvi("up", *mode), 4, pid, "pilvi down", "--data")
    assert home.pilvi("status").returncode == 0


def test_a_folder_that_is_in_use_though_its_run_file_is_gone(home: Home, mode: list[str]) -> None:
    """The store's own lock holds, whatever files say."""
    assert home.pilvi("up", "-d").returncode == 0
    run_file = home.data / "run.json"
    kept = run_file.read_bytes()
    run_file.unlink()
    failed(home.pilvi("up", *mode), 4, str(home.data))
    run_file.write_bytes(kept)


def test_a_taken_port(home: Home, mode: list[str]) -> None:
    """Names the port and the option that takes another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        failed(home.pilvi("up", *mode, "--port", port), 5, port, "--port")


def test_an_address_of_another_machine(home: Home, mode: list[str]) -> None:
    """192.0.2.1 is nobody's (RFC 5737)."""
    failed(home.pilvi("up", *mode, "--bind", "192.0.2.1"), 5, "192.0.2.1", "--bind")


def test_a_folder_of_a_newer_version(home: Home, mode: list[str]) -> None:
    """It is refused, and not touched."""
    assert home.pilvi("up", "-d").returncode == 0
    assert home.pilvi("down").returncode == 0
    with sqlite3.connect(home.data / "data.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    failed(home.pilvi("up", *mode), 6, str(home.data), "newer")


def test_a_file_where_the_folder_should_be(home: Home, mode: list[str]) -> None:
    """Says that it is not a folder."""
    (home.path / "file").write_text("")
    failed(home.pilvi("up", *mode, data=home.path / "file"), 7, "not a folder")


def test_a_folder_of_something_else(home: Home, mode: list[str]) -> None:
    """A folder with other things in it is neither filled nor closed to others."""
    other = home.path / "documents"
    other.mkdir(mode=0o755)
    (other / "letter.txt").write_text("dear")
    failed(home.pilvi("up", *mode, data=other), 7, "not a data folder of pilvi")
    assert [path.name for path in other.iterdir()] == ["letter.txt"]
    assert other.stat().st_mode & 0o777 == 0o755


def mount(place: Path, options: str) -> None:
    """A small file system of its own. Skips where even root may not."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False)
    if done.returncode:
        pytest.skip("this machine does not let us mount a tmpfs")


@pytest.fixture
def closed(home: Home) -> Iterator[Path]:
    """A folder that we may not write: for root, who may everything, a read-only file system."""
    place = home.path / "closed"
    if os.geteuid() == 0:
        mount(place, "size=64k,ro")
        yield place
        subprocess.run(["umount", "--lazy", str(place)], check=True)
    else:
        place.mkdir(mode=0o555)
        yield place


def test_a_folder_that_cannot_be_written(home: Home, mode: list[str], closed: Path) -> None:
    """Says that it cannot be written, for the folder itself and for one to be made in it."""
    failed(home.pilvi("up", *mode, data=closed / "data"), 7, "cannot be written", "--data")


@needs_root
def test_a_folder_of_another_user(home: Home, mode: list[str]) -> None:
    """Root does not take over a user's folder by mistake."""
    theirs = home.path / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    failed(home.pilvi("up", *mode, data=theirs), 7, "belongs to another user", "--data")


@pytest.fixture
def full(home: Home) -> Iterator[Path]:
    """A file system of its own with no byte left."""
    place = home.path / "full"
    mount(place, "size=64k,mode=700")
    (place / "data").mkdir(mode=0o700)
    filler = os.open(place / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(filler, bytes(4096))
    os.close(filler)
    yield place / "data"
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@needs_root
def test_a_full_disk(home: Home, mode: list[str], full: Path) -> None:
    """Says that the disk is full."""
    failed(home.pilvi("up", *mode, data=full), 7, "full", "--data")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "high"], ["--port", "0 to 65535", "'high'"]),
        (["--account", "12"], ["--account", "12 digits"]),
        (["--root-key", "nonsense"], ["--root-key", "ID:SECRET"]),
        (["--user-key", "1:ann:x"], ["--user-key", "ACCOUNT:NAME:ID:SECRET", "12 digits"]),
        (["--region", "North"], ["--region"]),
        (["--tls-cert", "a.pem"], ["--tls-key"]),
        (["--tls-cert", "missing.pem", "--tls-key", "missing.pem"], ["missing.pem"]),
        (["--config", "missing.toml"], ["missing.toml"]),
    ],
    ids=lambda value: value[0] if value[0].startswith("--") else "",
)
def test_a_wrong_value(home: Home, mode: list[str], arguments: list[str], words: list[str]) -> None:
    """Names the option and what would be right."""
    failed(home.pilvi("up", *mode, *arguments), 2, *words)


def test_another_account_than_the_folders(home: Home, mode: list[str]) -> None:
    """The account is fixed at the first start: another one would hide everything that is there."""
    assert home.pilvi("up", "-d", "--account", "111111111111").returncode == 0
    assert home.pilvi("down").returncode == 0
    failed(home.pilvi("up", *mode, "--account", "222222222222"), 2, "111111111111", "--account")


@pytest.mark.parametrize("command", [["down"], ["status"], ["env"], ["key", "list"], ["logs"]], ids=lambda c: c[0])
def test_a_command_without_a_cloud(home: Home, command: list[str]) -> None:
    """Says how to start one, and prints nothing that eval would run."""
    done = home.pilvi(*command)
    failed(done, 3, "pilvi up")
    assert done.stdout == ""


def test_an_unknown_option_names_itself(home: Home) -> None:
    """A typing error is found, not ignored."""
    done = home.pilvi("up", "--prot", "1")
    assert done.returncode == 2
    assert "--prot" in done.stderr


def test_environment_names_its_source(home: Home) -> None:
    """A wrong variable is named as such."""
    env = environment(home.path, PILVI_PORT="high")
    failed(home.run(*PILVI, "up", env=env), 2, "PILVI_PORT")
