"""What commands say where trust is at stake: another master key, none, and Ctrl-C in the middle."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from commands import PILVI, Home, Terminal, environment
from live import LiveCloud
from waiting import wait_until

CURSOR_OFF = "\x1b[?25l"
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of a cloud that was used and stopped: something sealed, and files enough to be interrupted at."""
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="kept")
        s3.put_object(Bucket="kept", Key="sealed", Body=b"secret", ServerSideEncryption="AES256")
        for number in range(4):
            s3.put_object(Bucket="kept", Key=f"file-{number}", Body=os.urandom(1_000_000))
    return Path(cloud.data)


def said(done: Done, code: int, *words: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_backup_with_another_master_key_is_not_made(folder: Path, home: Home) -> None:
    """It could not be read, and its owner would learn that on the day of need."""
    key = (folder / "master.key").read_bytes()
    (folder / "master.key").write_bytes(os.urandom(32))
    said(home.pilvi("backup", "kept", data=folder), 10, "not the one of", "--no-master-key")
    assert not (home.path / "kept").exists()
    assert home.pilvi("backup", "kept", "--no-master-key", data=folder).returncode == 0
    (folder / "master.key").write_bytes(key)
    assert home.pilvi("backup", "kept", data=folder).returncode == 0


def test_a_backup_into_the_cloud_itself_is_not_made(tmp_path: Path, home: Home) -> None:
    """Where `pilvi env` has set the environment, that is what a bucket's name alone would mean; by any name of the machine."""
    with LiveCloud(tmp_path) as cloud:
        cloud.client("s3").create_bucket(Bucket="kept")
        keys = {"AWS_ACCESS_KEY_ID": cloud.access_key, "AWS_SECRET_ACCESS_KEY": cloud.secret_key}
        env = environment(home.path, **home.variables, **keys, AWS_ENDPOINT_URL=cloud.endpoint)
        said(home.pilvi("backup", "s3://kept/x", data=cloud.data, env=env), 2, "itself", "--endpoint-url")
        by_name = cloud.endpoint.replace("127.0.0.1", "localhost")
        said(home.pilvi("backup", "s3://kept", "--endpoint-url", by_name, data=cloud.data, env=env), 2, "itself")
        assert not cloud.client("s3").list_objects_v2(Bucket="kept")["KeyCount"]


def test_a_check_without_the_master_key_says_what_it_could_not_see(folder: Path, home: Home) -> None:
    """With another key it looks at nothing; without one, at what is stored; with the right one given, at everything."""
    key = (folder / "master.key").read_bytes()
    assert home.pilvi("check", data=folder).returncode == 0
    (folder / "master.key").write_bytes(os.urandom(32))
    said(home.pilvi("check", data=folder), 10, "not the one of")
    (folder / "master.key").unlink()
    said(home.pilvi("check", data=folder), 10, "the master key is not here", "PILVI_MASTER_KEY")
    env = environment(home.path, **home.variables, PILVI_MASTER_KEY=key.hex())
    assert home.pilvi("check", data=folder, env=env).returncode == 0


@pytest.mark.parametrize(
    ("command", "advice"),
    [(["check"], "not looked at yet"), (["backup", "kept"], "no backup of this moment")],
    ids=["check", "backup"],
)
def test_ctrl_c_ends_it_with_one_line(folder: Path, home: Home, command: list[str], advice: str) -> None:
    """Exit code 130 and what that means, no traceback; the same command again comes to its end."""
    with _interrupted([*PILVI, *command, "--data", str(folder)], home) as terminal:
        assert terminal.end() == 130, terminal.plain
        assert "error: interrupted: " in terminal.plain
        assert advice in terminal.plain
        assert "Traceback" not in terminal.plain
    assert home.pilvi(*command, data=folder).returncode == 0


def test_ctrl_c_in_a_restoration_can_be_gone_on_from(folder: Path, home: Home) -> None:
    """One line, and the same command again comes to its end."""
    assert home.pilvi("backup", "kept", data=folder).returncode == 0
    again = home.path / "again"
    with _interrupted([*PILVI, "restore", "kept", "--data", str(again)], home) as terminal:
        assert terminal.end() == 130, terminal.plain
        assert "error: interrupted: " in terminal.plain
    assert home.pilvi("restore", "kept", data=again).returncode == 0
    assert home.pilvi("check", data=again).returncode == 0


def _interrupted(command: list[str], home: Home) -> Terminal:
    """The command, which meets Ctrl-C when its progress begins to be shown, before it is anywhere near its end."""
    terminal = Terminal(command, environment(home.path), home.path)
    wait_until(lambda: CURSOR_OFF in terminal.more(), "progress")
    terminal.press("\x03")
    return terminal
