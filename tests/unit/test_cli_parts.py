"""Parts of the command line that need no server."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from pilvi.cli import env, folder, logfile, logs, processes, quick
from pilvi.cli.quick import Up
from pilvi.config import OPTIONS, AccessKey, Exit, StartError

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class TestQuick:
    """The reader of a well-formed `up`."""

    def test_values_follow_or_are_joined(self) -> None:
        """--port 1 and --port=1 are the same, as typer reads them."""
        expected = Up({"port": "1", "data": "/x"}, None, detach=True)
        assert quick.up(["--port", "1", "-d", "--data=/x"]) == expected
        assert quick.up(["--port=1", "--detach", "--data", "/x"]) == expected

    def test_the_last_one_wins_but_for_repeatable_options(self) -> None:
        """As every Unix tool does."""
        assert quick.up(["--port", "1", "--port", "2"]) == Up({"port": "2"})
        assert quick.up(["--user-key", "a", "--user-key=b"]) == Up({"user_keys": ["a", "b"]})

    @pytest.mark.parametrize(
        "arguments", [["-h"], ["--help"], ["--prot", "1"], ["--port"], ["extra"], ["-dd"], ["-p=1"]]
    )
    def test_everything_else_is_left_to_typer(self, arguments: list[str]) -> None:
        """Help and mistakes have one author."""
        assert quick.up(arguments) is None

    def test_every_setting_can_be_given(self) -> None:
        """The quick reader and the table know the same options."""
        for option in OPTIONS:
            if option.hidden:
                continue
            found = quick.up([option.switch, "value"])
            assert found is not None
            assert found.given == {option.name: ["value"] if option.repeatable else "value"}

    def test_the_master_key_cannot_be_given(self) -> None:
        """A command line can be read by every user of the machine."""
        assert quick.up(["--master-key", "k"]) is None
        assert quick.up(["", "k"]) is None

    def test_what_is_asked_for_survives_going_to_the_background(self) -> None:
        """Arguments and environment together say the same again; secrets only in the environment."""
        asked = Up({"port": "1", "root_key": "ID:SECRET", "user_keys": ["a", "b"]}, "file.toml", detach=True)
        arguments, environment = asked.without(("root_key", "user_keys"))
        assert quick.up(arguments) == Up({"port": "1"}, "file.toml")
        assert environment == {"PILVI_ROOT_KEY": "ID:SECRET", "PILVI_USER_KEYS": "a b"}


class TestEnv:
    """Values in the words of shells."""

    def test_a_shell_reads_back_what_was_written(self) -> None:
        """Quotes, dollars and spaces in a value do not become shell."""
        hostile = 'a\'b "c" $(touch x) `id` \\ ;'
        script = env.WRITERS[env.Shell.SH]({"NAME": hostile}) + '\nprintf %s "$NAME"'
        shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
        assert shown == hostile
        assert shlex.split(script)[1] == f"NAME={hostile}"

    def test_fish_and_powershell_double_or_escape_their_quotes(self) -> None:
        """Their rules, as their manuals tell them."""
        assert r"'a\'b\\c'" in env.WRITERS[env.Shell.FISH]({"NAME": r"a'b\c"})
        assert "'a''b'" in env.WRITERS[env.Shell.POWERSHELL]({"NAME": "a'b"})


class TestLogFile:
    """The server's log."""

    def test_a_record_is_a_line_of_json(self, tmp_path: Path) -> None:
        """Message, level, source, and what was passed beside it."""
        handler = logfile.LogFile(tmp_path / "x.log")
        handler.emit(_record("up", endpoint="http://x", path=Path("/y")))
        handler.close()
        line = msgspec.json.decode((tmp_path / "x.log").read_bytes())
        assert line["message"] == "up"
        assert line["level"] == "info"
        assert (line["endpoint"], line["path"]) == ("http://x", "/y")
        assert datetime.fromisoformat(line["time"]).tzinfo is not None

    def test_it_is_rotated_and_old_ones_go(self, tmp_path: Path) -> None:
        """A server that runs for years does not fill the disk with words."""
        handler = logfile.LogFile(tmp_path / "x.log", bytes_max=100)
        for number in range(20):
            handler.emit(_record(f"message {number}"))
        handler.close()
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["x.log", "x.log.1", "x.log.2", "x.log.3"]
        assert "message 19" in (tmp_path / "x.log").read_text()

    def test_a_log_that_cannot_be_written_harms_nobody(self, tmp_path: Path) -> None:
        """Writing to a closed file raises nothing."""
        handler = logfile.LogFile(tmp_path / "x.log")
        handler.close()
        handler.emit(_record("nobody hears"))

    def test_a_traceback_stays_in_its_line(self, tmp_path: Path) -> None:
        """One record, one line."""
        try:
            int("inner")
        except ValueError as error:
            record = _record("failed")
            record.exc_info = (ValueError, error, error.__traceback__)
        line = logfile.line_of(record)
        assert line.count(b"\n") == 1
        assert "ValueError: invalid literal" in msgspec.json.decode(line)["traceback"]


class TestSince:
    """--since."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("90s", NOW - timedelta(seconds=90)),
            ("10m", NOW - timedelta(minutes=10)),
            ("2h", NOW - timedelta(hours=2)),
            ("1d", NOW - timedelta(days=1)),
            ("2026-02-28T10:00:00+02:00", datetime(2026, 2, 28, 10, tzinfo=timezone(timedelta(hours=2)))),
        ],
    )
    def test_spans_and_times(self, text: str, expected: datetime) -> None:
        """Both become a time as the log writes it, so that texts can be compared."""
        assert logs.moment(text, NOW) == expected.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    @pytest.mark.parametrize("text", ["yesterday", "10", "-5m", "10y"])
    def test_anything_else_is_refused(self, text: str) -> None:
        """With both forms named."""
        with pytest.raises(StartError, match="10m or 2h") as raised:
            logs.moment(text, NOW)
        assert raised.value.exit_code == Exit.USAGE


class TestFolder:
    """Who runs on a folder."""

    def test_a_process_with_the_same_number_is_not_the_server(self, tmp_path: Path) -> None:
        """A pid that was given to another process since does not count."""
        birth = folder.birth_of(os.getpid())
        assert birth is not None
        mine = folder.Running(os.getpid(), birth, "http://x", 0, "1", "0", "r")
        folder.write_running(tmp_path, mine)
        assert folder.running(tmp_path) == mine
        folder.write_running(tmp_path, msgspec.structs.replace(mine, birth=birth + 1))
        with pytest.raises(StartError) as raised:
            folder.running(tmp_path)
        assert raised.value.exit_code == Exit.NOT_RUNNING

    def test_a_damaged_run_file_means_that_nothing_runs(self, tmp_path: Path) -> None:
        """Half a file is no server."""
        (tmp_path / "run.json").write_text('{"pid": 1')
        with pytest.raises(StartError):
            folder.running(tmp_path)

    def test_the_key_is_read_back_with_its_account(self, tmp_path: Path) -> None:
        """What `env` prints and `up` compares."""
        folder.write_key(tmp_path, AccessKey("A" * 20, "secret"), "123456789012")
        assert folder.read_key(tmp_path) == AccessKey("A" * 20, "secret")
        assert folder.account(tmp_path) == "123456789012"
        assert (tmp_path / "root-key.json").stat().st_mode & 0o777 == 0o600


class TestProcesses:
    """What a process tree costs."""

    def test_a_child_is_in_the_tree_and_counts(self) -> None:
        """Memory is that of parent and child together."""
        with subprocess.Popen(["sleep", "60"]) as child:
            try:
                tree = processes.tree(os.getpid())
                assert {os.getpid(), child.pid} <= set(tree)
                assert processes.memory_bytes(tree) > processes.memory_bytes([child.pid]) > 0
            finally:
                child.kill()


def _record(message: str, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord("pilvi.test", logging.INFO, __file__, 1, message, None, None)
    vars(record).update(extra)
    return record
