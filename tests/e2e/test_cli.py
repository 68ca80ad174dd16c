"""The commands, as a user types them."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import threading
import urllib.request

import pytest

from commands import PILVI, Home, Terminal, environment
from processes import left_of, tree
from waiting import wait_until

READY = r"is up at (http://\S+)"


def test_the_first_up_in_a_terminal_shows_the_key_once_and_ctrl_c_stops_it(home: Home) -> None:
    """What a newcomer sees: where it is, the key, what to type next; Ctrl-C ends it in order with exit code 0."""
    env = environment(home.path, **home.variables)
    with Terminal([*PILVI, "up"], env, home.path) as terminal:
        endpoint = terminal.wait_for(READY)[1]
        secret = terminal.wait_for(r"secret access key\s+(\S+)")[1]
        terminal.wait_for(r'eval "\$\(pilvi env\)"')
        with urllib.request.urlopen(f"{endpoint}/_pilvi/health") as answer:
            assert json.load(answer)["status"] == "ok"
        terminal.press("\x03")
        assert terminal.end() == 0
        assert "Traceback" not in terminal.text
    with Terminal([*PILVI, "up"], env, home.path) as terminal:
        terminal.wait_for(READY)
        terminal.wait_for("Everything is kept in")
        assert secret not in terminal.text
        terminal.press("\x03")
        assert terminal.end() == 0


def test_up_in_the_background_returns_when_the_cloud_answers(home: Home) -> None:
    """-d: exit code 0 means that the next command can use it; down ends it and all its processes."""
    up = home.pilvi("up", "-d")
    assert up.returncode == 0, up.stderr
    endpoint = re.search(READY, up.stdout)
    assert endpoint
    with urllib.request.urlopen(f"{endpoint[1]}/_pilvi/health") as answer:
        assert answer.status == 200
    processes = tree(home.running()["pid"])
    down = home.pilvi("down")
    assert down.returncode == 0, down.stderr
    assert not left_of(processes)
    assert not (home.data / "run.json").exists()


def test_the_data_folder_and_what_holds_secrets_are_for_the_owner_alone(home: Home) -> None:
    """Folder 0700, files 0600; a folder that others could enter is closed to them at the next start."""
    home.data.mkdir(parents=True, mode=0o755)
    assert home.pilvi("up", "-d").returncode == 0
    assert stat.S_IMODE(home.data.stat().st_mode) == 0o700
    for name in ("root-key.json", "run.json", "pilvi.log", "data.db"):
        assert stat.S_IMODE((home.data / name).stat().st_mode) == 0o600, name


def test_env_makes_the_aws_cli_work(home: Home) -> None:
    """eval "$(pilvi env)" is all that the AWS CLI needs."""
    done = home.shell(
        'pilvi up -d >/dev/null; eval "$(pilvi env)"; aws s3 mb s3://notes; echo hello | aws s3 cp - s3://notes/a.txt;'
        "aws s3 cp s3://notes/a.txt -; aws sts get-caller-identity --query Arn --output text; pilvi down >/dev/null"
    )
    assert done.returncode == 0, done.stderr
    assert "make_bucket: notes" in done.stdout
    assert "hello\n" in done.stdout
    assert "arn:aws:iam::000000000000:root" in done.stdout


def test_env_forgets_a_session_that_the_shell_had(home: Home) -> None:
    """A session token of another cloud beside our key would make every request fail."""
    done = home.shell('pilvi up -d >/dev/null; eval "$(pilvi env)"; echo "token: ${AWS_SESSION_TOKEN-none}"')
    assert done.returncode == 0, done.stderr
    assert "token: none" in done.stdout


def test_env_speaks_several_shells(home: Home) -> None:
    """The same five variables for sh, fish, PowerShell and programs."""
    assert home.pilvi("up", "-d", "--region", "eu-north-1").returncode == 0
    variables = json.loads(home.pilvi("env", "--json").stdout)
    assert variables["AWS_DEFAULT_REGION"] == variables["AWS_REGION"] == "eu-north-1"
    assert variables["AWS_ENDPOINT_URL"] == home.running()["endpoint"]
    for name, value in variables.items():
        assert f"export {name}=" in home.pilvi("env").stdout
        assert f"set -gx {name} '{value}';" in home.pilvi("env", "--shell", "fish").stdout
        assert f"$Env:{name} = '{value}'" in home.pilvi("env", "--shell", "powershell").stdout


def test_status_tells_what_runs(home: Home) -> None:
    """Endpoint, process, memory, runtimes, and every layer of the sandbox with its state."""
    assert home.pilvi("up", "-d").returncode == 0
    facts = json.loads(home.pilvi("status", "--json").stdout)
    assert facts["answers"] is True
    assert facts["pid"] == home.running()["pid"]
    assert 5_000_000 < facts["memory_bytes"] < 500_000_000
    assert facts["data_bytes"] > 0
    assert facts["runtimes"]
    assert facts["sandbox"]
    human = home.pilvi("status").stdout
    for word in (facts["endpoint"], *facts["runtimes"], *facts["sandbox"]):
        assert word in human


def test_logs_shows_what_the_server_wrote(home: Home) -> None:
    """For people and as JSON, the last lines only, and since a time."""
    assert home.pilvi("up", "-d").returncode == 0
    assert home.pilvi("down").returncode == 0
    lines = home.pilvi("logs", "--json").stdout.splitlines()
    assert lines
    assert all({"time", "level", "message"} <= json.loads(line).keys() for line in lines)
    assert json.loads(lines[0])["message"] in home.pilvi("logs").stdout
    assert home.pilvi("logs", "--json", "-n", "1").stdout.splitlines() == lines[-1:]
    assert home.pilvi("logs", "--since", "2999-01-01").stdout == ""
    assert home.pilvi("logs", "--json", "--since", "1h").stdout.splitlines() == lines


def test_logs_shows_requests(home: Home) -> None:
    """-r: every request with its operation, status and caller; never its secret or its query."""
    home.shell('pilvi up -d >/dev/null; eval "$(pilvi env)"; aws s3 mb s3://notes; aws s3 presign s3://notes/a')
    home.shell('eval "$(pilvi env)"; curl -s "$(aws s3 presign s3://notes/a)"')
    assert home.pilvi("down").returncode == 0
    shown = home.pilvi("logs", "-r").stdout
    assert re.search(r"200  s3 CreateBucket .* ms .*arn:aws:iam::000000000000:root", shown), shown
    assert re.search(r"404  s3 GetObject .*NoSuchKey", shown), shown
    for text in (shown, home.pilvi("logs", "-r", "--json").stdout):
        assert "Signature" not in text


def test_logs_follows(home: Home) -> None:
    """-f shows a line that is written later, and Ctrl-C ends it."""
    assert home.pilvi("up", "-d").returncode == 0
    with Terminal([*PILVI, "logs", "-f", "-n", "0"], environment(home.path), home.path) as terminal:
        adding = threading.Thread(target=_keep_logging, args=(home, done := threading.Event()))
        adding.start()
        terminal.wait_for("a later line")
        done.set()
        adding.join()
        terminal.press("\x03")
        assert terminal.end() == 130


def _keep_logging(home: Home, done: threading.Event) -> None:
    while not done.wait(0.05):
        with (home.data / "pilvi.log").open("ab") as log:
            log.write(b'{"time":"2026-01-01T00:00:00.000Z","level":"info","message":"a later line"}\n')


def test_keys_are_listed_created_and_deleted(home: Home) -> None:
    """A second root key works until it is deleted; a secret is shown only when the key is made."""
    assert home.pilvi("up", "-d").returncode == 0
    made = home.pilvi("key", "create")
    found = re.search(r"access key id\s+(\w+)\s+secret access key\s+(\S+)", made.stdout)
    assert found, made.stderr
    listed = home.pilvi("key", "list").stdout
    assert found[1] in listed
    assert found[2] not in listed
    who = f"AWS_ACCESS_KEY_ID={found[1]} AWS_SECRET_ACCESS_KEY={found[2]} aws sts get-caller-identity"
    assert home.shell(f'eval "$(pilvi env)"; {who}').returncode == 0
    assert home.pilvi("key", "delete", found[1]).returncode == 0
    refused = home.shell(f'eval "$(pilvi env)"; {who}')
    assert "InvalidClientTokenId" in refused.stderr


def test_a_rotated_key_replaces_the_old_one(home: Home) -> None:
    """After rotate `pilvi env` prints a new key that works, also after a restart, and the old one is refused."""
    assert home.pilvi("up", "-d").returncode == 0
    old = json.loads(home.pilvi("env", "--json").stdout)
    assert home.pilvi("key", "rotate").returncode == 0
    new = json.loads(home.pilvi("env", "--json").stdout)
    assert new["AWS_ACCESS_KEY_ID"] != old["AWS_ACCESS_KEY_ID"]
    who = 'eval "$(pilvi env)"; aws sts get-caller-identity'
    assert home.shell(who).returncode == 0
    before = f"AWS_ACCESS_KEY_ID={old['AWS_ACCESS_KEY_ID']} AWS_SECRET_ACCESS_KEY={old['AWS_SECRET_ACCESS_KEY']}"
    assert (
        "InvalidClientTokenId"
        in home.shell(f"{who.split(';', maxsplit=1)[0]}; {before} aws sts get-caller-identity").stderr
    )
    assert home.pilvi("down").returncode == 0
    assert home.pilvi("up", "-d").returncode == 0
    assert home.shell(who).returncode == 0


def test_the_key_of_env_cannot_be_deleted(home: Home) -> None:
    """One cannot lock oneself out."""
    assert home.pilvi("up", "-d").returncode == 0
    current = json.loads(home.pilvi("env", "--json").stdout)["AWS_ACCESS_KEY_ID"]
    refused = home.pilvi("key", "delete", current)
    assert refused.returncode == 2
    assert "pilvi key rotate" in refused.stderr


def test_keys_that_are_known_beforehand(home: Home) -> None:
    """--root-key, --account and --user-key: what CI and migrations need, and what the user may do is theirs."""
    root, user = "PILVICIROOTKEY000001:a-secret-for-ci", "PILVICIUSERKEY000001:another-secret"
    options = ["--root-key", root, "--account", "111122223333", "--user-key", f"111122223333:ci:{user}"]
    assert home.pilvi("up", "-d", *options).returncode == 0
    assert json.loads(home.pilvi("env", "--json").stdout)["AWS_ACCESS_KEY_ID"] == "PILVICIROOTKEY000001"
    who = "aws sts get-caller-identity --query Arn --output text"
    done = home.shell(
        f'eval "$(pilvi env)"; {who}; export AWS_ACCESS_KEY_ID={user.split(":", maxsplit=1)[0]} '
        f"AWS_SECRET_ACCESS_KEY={user.split(':')[1]}; {who}; aws iam list-users --query 'Users[].UserName' --output text"
    )
    assert done.stdout.split() == ["arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/ci", "ci"]


def test_secrets_given_as_options_are_not_in_the_background_servers_command_line(home: Home) -> None:
    """Other users of the machine see command lines, in ps."""
    secret = "PILVICIROOTKEY000001:a-secret-for-ci"
    assert home.pilvi("up", "-d", "--root-key", secret).returncode == 0
    for process in tree(home.running()["pid"]):
        with open(f"/proc/{process.pid}/cmdline", "rb") as file:
            assert b"a-secret-for-ci" not in file.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_in_order(home: Home, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end it with all its processes, and the run file goes."""
    assert home.pilvi("up", "-d").returncode == 0
    pid = home.running()["pid"]
    processes = tree(pid)
    os.kill(pid, number)
    wait_until(lambda: not left_of(processes), "the end of all processes")
    assert not (home.data / "run.json").exists()


def test_kill_9_leaves_nothing_that_hinders_the_next_start(home: Home) -> None:
    """No process stays behind, what was acknowledged is there, and status told the truth meanwhile."""
    started = home.shell(
        'pilvi up -d >/dev/null; eval "$(pilvi env)"; aws s3 mb s3://kept; echo 1 | aws s3 cp - s3://kept/a'
    )
    assert started.returncode == 0, started.stderr
    pid = home.running()["pid"]
    processes = tree(pid)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not left_of(processes), "the end of all processes")
    assert home.pilvi("status").returncode == 3
    again = home.shell('pilvi up -d >/dev/null; eval "$(pilvi env)"; aws s3 cp s3://kept/a -')
    assert again.returncode == 0, again.stderr
    assert again.stdout == "1\n"


def test_help_and_version(home: Home) -> None:
    """-h anywhere explains; --version tells it."""
    for arguments in (["-h"], ["up", "-h"], ["key", "rotate", "--help"]):
        done = home.pilvi(*arguments)
        assert done.returncode == 0
        assert "Usage:" in done.stdout
    assert re.fullmatch(r"pilvi \d+\.\d+\.\d+\n", home.pilvi("--version").stdout)


def test_no_command_shows_the_commands(home: Home) -> None:
    """`pilvi` alone is a question."""
    done = home.run(*PILVI)
    assert "Usage:" in done.stdout + done.stderr
