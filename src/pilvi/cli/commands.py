"""The command line as typer sees it: names, options, help. What a command does stands in the file of its name."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pilvi import __version__
from pilvi.cli import down as down_command
from pilvi.cli import env as env_command
from pilvi.cli import keys, quick, terminal
from pilvi.cli import logs as logs_command
from pilvi.cli import status as status_command
from pilvi.cli import up as up_command
from pilvi.config import BY_NAME, Config, Exit, StartError, load

app = typer.Typer(
    name="pilvi",
    help="A cloud that you own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 failed · 2 wrong usage · 3 not running · 4 folder in use · 5 address taken · "
    "6 folder of a newer version · 7 folder cannot be used · 8 damage found · 9 damage found and repaired · 10 no or a wrong master key · "
    "130 interrupted",
)
key = typer.Typer(help="List, create, rotate, delete root keys.", no_args_is_help=True)
app.add_typer(key, name="key")


def setting(name: str) -> Any:
    """The typer option of a setting, as OPTIONS describes it."""
    option = BY_NAME[name]
    shown = f"{option.help} (default: {option.default}; variable: {option.variable})"
    return typer.Option(option.switch, metavar=option.metavar, help=shown, show_default=False)


ConfigFile = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Config file, TOML. (default: pilvi.toml in the data folder; variable: PILVI_CONFIG)"
    ),
]
Data = Annotated[str | None, setting("data")]


def finish(command: Callable[[], int], interrupted: str = "") -> None:
    """Runs a command and exits with its code; what it could not do is one line on standard error.

    Args:
        interrupted: said when Ctrl-C ends it.
    """
    try:
        code = command()
    except StartError as error:
        terminal.complain(error.message)
        code = error.exit_code
    except KeyboardInterrupt:
        if interrupted:
            terminal.complain(f"interrupted: {interrupted}")
        code = 130
    except BrokenPipeError:  # `pilvi logs | head`
        terminal.give_up_output()
        code = 141
    except OSError as error:
        terminal.give_up_output()
        terminal.complain(f"{error.filename}: {error.strerror}" if error.filename else f"{error}")
        code = Exit.FAILED
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        terminal.say(f"pilvi {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


@app.command()
def up(
    data: Data = None,
    bind: Annotated[str | None, setting("bind")] = None,
    port: Annotated[str | None, setting("port")] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Go to the background once the cloud is ready.")
    ] = False,
    region: Annotated[str | None, setting("region")] = None,
    account: Annotated[str | None, setting("account")] = None,
    root_key: Annotated[str | None, setting("root_key")] = None,
    user_keys: Annotated[list[str] | None, setting("user_keys")] = None,
    tls_cert: Annotated[str | None, setting("tls_cert")] = None,
    tls_key: Annotated[str | None, setting("tls_key")] = None,
    log_level: Annotated[str | None, setting("log_level")] = None,
    connections_max: Annotated[str | None, setting("connections_max")] = None,
    drain_seconds: Annotated[str | None, setting("drain_seconds")] = None,
    function_idle_seconds: Annotated[str | None, setting("function_idle_seconds")] = None,
    function_concurrency: Annotated[str | None, setting("function_concurrency")] = None,
    access_log_seconds: Annotated[str | None, setting("access_log_seconds")] = None,
    s3_new_buckets: Annotated[str | None, setting("s3_new_buckets")] = None,
    lifecycle_day_seconds: Annotated[str | None, setting("lifecycle_day_seconds")] = None,
    config: ConfigFile = None,
) -> None:
    """Start the cloud."""
    values: dict[str, str | list[str] | None] = {
        "data": data,
        "bind": bind,
        "port": port,
        "region": region,
        "account": account,
        "root_key": root_key,
        "user_keys": user_keys,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "log_level": log_level,
        "connections_max": connections_max,
        "drain_seconds": drain_seconds,
        "function_idle_seconds": function_idle_seconds,
        "function_concurrency": function_concurrency,
        "access_log_seconds": access_log_seconds,
        "s3_new_buckets": s3_new_buckets,
        "lifecycle_day_seconds": lifecycle_day_seconds,
    }
    given = {name: value for name, value in values.items() if value}
    finish(lambda: up_command.run(quick.Up(given, config, detach)))


@app.command()
def down(data: Data = None, config: ConfigFile = None) -> None:
    """Stop the cloud. Requests under way are finished first."""

    def command() -> int:
        settings = found(data, config)
        return down_command.run(settings.data, settings.drain_seconds)

    finish(command)


@app.command()
def status(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show whether and where the cloud runs. And with which sandbox, and what it costs."""
    finish(lambda: status_command.run(found(data, config).data, as_json=as_json))


@app.command()
def env(
    data: Data = None,
    shell: Annotated[env_command.Shell, typer.Option(help="Whose words to use.")] = env_command.Shell.SH,
    as_json: Annotated[bool, typer.Option("--json", help="For programs; the same as --shell json.")] = False,
    config: ConfigFile = None,
) -> None:
    """Print what AWS tools need. For a shell: eval "$(pilvi env)"."""
    finish(lambda: env_command.run(found(data, config).data, env_command.Shell.JSON if as_json else shell))


@app.command()
def logs(
    data: Data = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until interrupted.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, metavar="N", help="Only the last N.")] = None,
    since: Annotated[str, typer.Option(metavar="TIME", help="From a time on: 10m, 2h, or ISO 8601.")] = "",
    requests: Annotated[
        bool, typer.Option("--requests", "-r", help="The requests that were answered instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As written: one JSON object a line.")] = False,
    config: ConfigFile = None,
) -> None:
    """Show the server's log."""

    def command() -> int:
        start = logs_command.moment(since, datetime.now(UTC)) if since else ""
        return logs_command.run(found(data, config).data, logs_command.Wanted(lines, start, as_json, follow, requests))

    finish(command)


@app.command()
def check(
    data: Data = None,
    mend: Annotated[bool, typer.Option("--repair", help="Put right what can be; the cloud must be stopped.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Read bytes once, as they are stored, and not as their owners see them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object a line.")] = False,
    config: ConfigFile = None,
) -> None:
    """Check that everything is as it was stored. Changes nothing without --repair."""

    def command() -> int:
        from pilvi.cli import check as check_command  # noqa: PLC0415 - all services: for this command only

        return check_command.run(found(data, config), mend=mend, quick=quick, as_json=as_json)

    finish(command, "what was not looked at yet may be damaged")


Target = Annotated[str, typer.Argument(metavar="TARGET", help="A folder, or s3://BUCKET/PREFIX.")]
Endpoint = Annotated[str, typer.Option("--endpoint-url", metavar="URL", help="Of the S3 that TARGET names.")]
Profile = Annotated[str, typer.Option(metavar="NAME", help="Of the AWS configuration, for that S3.")]


@app.command()
def backup(
    target: Target,
    data: Data = None,
    endpoint_url: Endpoint = "",
    profile: Profile = "",
    master_key: Annotated[
        bool, typer.Option("--master-key/--no-master-key", help="Whether the key of all encrypted data goes along.")
    ] = True,
    keep: Annotated[int, typer.Option(min=0, metavar="N", help="Then remove all but the newest N; 0: none.")] = 0,
    config: ConfigFile = None,
) -> None:
    """Back up everything, while the cloud runs. Only what is new is copied."""

    def command() -> int:
        from pilvi.cli import backup as backup_command  # noqa: PLC0415 - for this command only
        from pilvi.cli.places import Place  # noqa: PLC0415

        place = Place(target, endpoint_url, profile)
        return backup_command.run(found(data, config).data, place, master_key=master_key, keep=keep)

    finish(command, "there is no backup of this moment; the same command goes on with what was copied")


@app.command()
def restore(
    target: Target,
    data: Data = None,
    at: Annotated[str, typer.Option(metavar="TIME", help="The newest backup up to then: 2h, 1d, or ISO 8601.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="Only list the backups that there are.")] = False,
    endpoint_url: Endpoint = "",
    profile: Profile = "",
    config: ConfigFile = None,
) -> None:
    """Make a data folder of a backup. It must not exist, or be empty."""

    def command() -> int:
        from pilvi.cli import restore as restore_command  # noqa: PLC0415 - for this command only
        from pilvi.cli.places import Place  # noqa: PLC0415

        place, folder = Place(target, endpoint_url, profile), found(data, config).data
        return restore_command.list_all(folder, place) if list_ else restore_command.run(folder, place, at)

    finish(command, "the folder cannot be used yet; the same command goes on where it was")


@key.command("list")
def key_list(data: Data = None, config: ConfigFile = None) -> None:
    """List the root access keys. Without their secrets."""
    finish(lambda: keys.list_all(found(data, config).data))


@key.command("create")
def key_create(data: Data = None, config: ConfigFile = None) -> None:
    """Make a further root access key. Its secret is printed this once."""
    finish(lambda: keys.create(found(data, config).data))


@key.command("rotate")
def key_rotate(data: Data = None, config: ConfigFile = None) -> None:
    """Replace the key that `pilvi env` prints. The old one is deleted."""
    finish(lambda: keys.rotate(found(data, config).data))


@key.command("delete")
def key_delete(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Its access key id.")],
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Delete a root access key."""
    finish(lambda: keys.delete(found(data, config).data, key_id))


def found(data: str | None, config_file: str | None) -> Config:
    """The settings of the cloud that a command is about."""
    return load({"data": data} if data else {}, os.environ, config_file)
