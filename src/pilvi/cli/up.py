"""`pilvi up`: runs the cloud here, or in the background with -d.

With -d the command starts itself once more, without -d, and waits until that process reports through a pipe that it is
ready, or why it cannot start. So the background never begins with half a copy of this process, and secrets given as
options travel in its environment, where other users cannot see them.
"""

import contextlib
import logging
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from pilvi import __version__
from pilvi.cli import folder, logfile, terminal
from pilvi.cli.quick import Up
from pilvi.config import BY_NAME, Config, Exit, StartError, default_data, load

if TYPE_CHECKING:
    from pilvi.app import Ready

log = logging.getLogger("pilvi.cli")

READY_FD = "PILVI_READY_FD"
READY_SECONDS_MAX = 60.0
SECRET_OPTIONS = ("root_key", "user_keys", "master_key")


class Report(msgspec.Struct, frozen=True):
    """What the process in the background tells the command that started it: where it is, or its error."""

    endpoint: str = ""
    access_key_id: str = ""
    secret: str = ""
    created: bool = False
    error: str = ""
    exit_code: int = 0


def run(wanted: Up) -> int:
    """Returns the process's exit code; what goes wrong is one line on standard error."""
    began = time.perf_counter()
    try:
        config = _settings(wanted)
        folder.prepare(config.data)
        _refuse_second(config)
        if wanted.detach:
            _announce(config, _in_background(wanted, config), began)
            return Exit.OK
        return _here(config, began)
    except StartError as error:
        if not _report(Report(error=error.message, exit_code=error.exit_code)):
            terminal.complain(error.message)
        return error.exit_code


def _settings(wanted: Up) -> Config:
    """As told; the account is the folder's own when it has one."""
    config = load(wanted.given, os.environ, wanted.config_file)
    account = folder.account(config.data)
    if account is None:
        return config
    config = load(wanted.given, os.environ, wanted.config_file, {"account": account})
    if config.account != account:
        message = (
            f"the account of {config.data} is {account}: leave out --account, or choose another folder with --data"
        )
        raise StartError(message, Exit.USAGE)
    return config


def _here(config: Config, began: float) -> int:
    from pilvi import app  # noqa: PLC0415 - most of the imports: not before the options are known to be right

    for name in SECRET_OPTIONS:  # no process that the server starts needs them
        os.environ.pop(BY_NAME[name].variable, None)
    kept = logfile.begin(config.data / folder.LOG_FILE, config.log_level, terminal=READY_FD not in os.environ)

    def ready(ready: "Ready") -> None:
        unseen = config.root_key is None and not (config.data / folder.KEY_FILE).exists()  # by a start that failed late
        _remember(config, ready)
        log.info("the cloud is up", extra={"endpoint": ready.endpoint, "pid": os.getpid(), "version": __version__})
        key = ready.access_key
        report = Report(ready.endpoint, key.id, key.secret, ready.created or unseen)
        if not _report(report):
            _announce(config, report, began)

    try:
        return app.serve(config, ready)
    except StartError as error:
        if READY_FD in os.environ:  # nobody reads this process's standard error
            log.error("the cloud cannot start: %s", error.message)  # noqa: TRY400 - a person's mistake, not a fault
        raise
    except OSError as error:
        raise folder.unusable(config.data, error) from error
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):  # it is stopping already: who is impatient takes SIGKILL
            signal.signal(number, signal.SIG_IGN)
        _forget(config)
        log.info("the cloud is down", extra={"pid": os.getpid()})
        kept.close()


def _refuse_second(config: Config) -> None:
    """A helpful word before the store's own lock says no."""
    try:
        other = folder.running(config.data)
    except StartError:
        return
    raise StartError(
        f"a cloud runs on {config.data} already (pid {other.pid}, {other.endpoint}): use it, "
        f"stop it with `pilvi down`, or choose another folder with --data",
        Exit.FOLDER_IN_USE,
    )


def _remember(config: Config, ready: "Ready") -> None:
    folder.write_key(config.data, ready.access_key, config.account)
    folder.write_running(
        config.data,
        folder.Running(
            pid=os.getpid(),
            birth=folder.birth_of(os.getpid()) or 0,
            endpoint=ready.endpoint,
            started_ms=time.time_ns() // 1_000_000,
            version=__version__,
            account=config.account,
            region=config.region,
            tls_cert=str(config.tls_cert or ""),
            layers=ready.layers,
            runtimes=ready.runtimes,
        ),
    )


def _forget(config: Config) -> None:
    with contextlib.suppress(StartError, OSError):
        if folder.running(config.data).pid == os.getpid():
            folder.remove_running(config.data)


# -- in the background -------------------------------------------------------------------------------------------------


def _in_background(wanted: Up, config: Config) -> Report:
    reading, writing = os.pipe()
    arguments, secrets = wanted.without(SECRET_OPTIONS)
    with (config.data / folder.LOG_FILE).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "pilvi", "up", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **secrets, READY_FD: str(writing)},
            pass_fds=[writing],
            start_new_session=True,
        )
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], READY_SECONDS_MAX)
        said = pipe.read() if ready else b""
    if not said:
        process.terminate()
        raise StartError(f"the server did not become ready; its log tells why: {config.data / folder.LOG_FILE}")
    report = msgspec.json.decode(said, type=Report)
    if report.error:
        raise StartError(report.error, report.exit_code)
    process.returncode = 0  # it is to live on: keeps Popen from warning
    return report


def _report(report: Report) -> bool:
    """Tells the command that waits for this process, if there is one; whether there is."""
    number = os.environ.pop(READY_FD, "")
    if not number:
        return False
    with contextlib.suppress(OSError), os.fdopen(int(number), "wb") as pipe:
        pipe.write(msgspec.json.encode(report))
    return True


# -- what the owner sees -----------------------------------------------------------------------------------------------


def _announce(config: Config, report: Report, began: float) -> None:
    bold = terminal.BOLD
    seconds = time.perf_counter() - began
    lines = [f"pilvi {__version__} is up at {terminal.styled(report.endpoint, bold)} ({seconds:.2f} s)"]
    if report.created:
        lines += [
            "",
            "Your root access key. It is shown this once; `pilvi env` prints it again:",
            f"  access key id      {terminal.styled(report.access_key_id, bold)}",
            f"  secret access key  {terminal.styled(report.secret, bold)}",
        ]
    command = f'eval "$(pilvi env{option_for(config)})"'
    lines += [
        "",
        f"To use it from a shell:  {terminal.styled(command, bold)}",
        f"Everything is kept in {config.data}",
    ]
    try:
        terminal.say("\n".join(lines))
    except OSError:  # nobody reads it (`pilvi up | true`): the cloud is up all the same
        terminal.give_up_output()


def option_for(config: Config) -> str:
    """The option that other commands need to find this cloud: none when the folder is the default one."""
    if config.data == default_data(os.environ):
        return ""
    return f" --data {shlex.quote(str(config.data))}"
