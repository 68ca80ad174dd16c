"""`pilvi env`: what a shell must know so that boto3 and the AWS CLI speak to this cloud."""

import json
import os
import shlex
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from pilvi.cli import folder, terminal
from pilvi.config import Exit


class Shell(StrEnum):
    """Whose words `env` can speak."""

    SH = "sh"
    FISH = "fish"
    POWERSHELL = "powershell"
    JSON = "json"


PROXIES = ("http_proxy", "https_proxy", "all_proxy")

Writer = Callable[[dict[str, str]], str]


def run(data: Path, shell: Shell) -> int:
    """Prints the variables in the words of `shell`."""
    running = folder.running(data)
    key = folder.read_key(data)
    variables = {
        "AWS_ENDPOINT_URL": running.endpoint,
        "AWS_ACCESS_KEY_ID": key.id,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_DEFAULT_REGION": running.region,
        "AWS_REGION": running.region,
    }
    terminal.say(WRITERS[shell]({**variables, **_without_proxy(running.endpoint, os.environ)}))
    return Exit.OK


def _without_proxy(endpoint: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Where programs use an HTTP proxy, they must be told that this cloud is not behind it."""
    if not any(name.lower() in PROXIES and value for name, value in environ.items()):
        return {}
    host = urlsplit(endpoint).hostname or ""
    known = [part.strip() for part in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")]
    if host in known or "*" in known:
        return {}
    value = ",".join([*filter(None, known), host])
    return {"NO_PROXY": value, "no_proxy": value}  # programs differ in which of the two they read


def _sh(variables: dict[str, str]) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, "unset AWS_SESSION_TOKEN"])


def _fish(variables: dict[str, str]) -> str:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    lines = [f"set -gx {name} {quoted(value)};" for name, value in variables.items()]
    return "\n".join([*lines, "set -e AWS_SESSION_TOKEN;"])


def _powershell(variables: dict[str, str]) -> str:
    lines = ["$Env:{} = '{}'".format(name, value.replace("'", "''")) for name, value in variables.items()]
    return "\n".join([*lines, "$Env:AWS_SESSION_TOKEN = $null"])


def _json(variables: dict[str, str]) -> str:
    return json.dumps(variables, indent=2)


WRITERS: dict[Shell, Writer] = {
    Shell.SH: _sh,
    Shell.FISH: _fish,
    Shell.POWERSHELL: _powershell,
    Shell.JSON: _json,
}
