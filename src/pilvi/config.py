"""What can be set, where each value comes from, and what is said when one is wrong.

OPTIONS is the one table of settings: command line, environment, config file, help texts and the reference in
docs/configuration.md (a test compares them) all follow it. A value is looked for in this order, first found wins:

    command line  --function-idle-seconds 60
    environment   PILVI_FUNCTION_IDLE_SECONDS=60
    config file   function_idle_seconds = 60        (TOML: --config FILE, else pilvi.toml in the data folder)
    default
"""

import os
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec

MASTER_KEY_FILE = "master.key"
MASTER_KEY_BYTES = 32


class Exit(IntEnum):
    """Exit codes of the command line, as docs/cli.md lists them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    FOLDER_IN_USE = 4
    ADDRESS_TAKEN = 5
    FOLDER_NEWER = 6
    FOLDER_UNUSABLE = 7
    DAMAGED = 8
    REPAIRED = 9
    MASTER_KEY = 10


class StartError(Exception):
    """The cloud cannot start; `message` is one line that says what is wrong and what to do."""

    def __init__(self, message: str, exit_code: int = Exit.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = int(exit_code)


class AccessKey(msgspec.Struct, frozen=True):
    """A long-term access key."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"AccessKey({self.id!r}, '...')"


class MasterKey(msgspec.Struct, frozen=True):
    """32 bytes under which everything that is encrypted is encrypted."""

    secret: bytes

    def __repr__(self) -> str:
        return "MasterKey('...')"


class UserKey(msgspec.Struct, frozen=True):
    """A user with full access who exists from the start."""

    account: str
    name: str
    key: AccessKey


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a running cloud was told. OPTIONS says what each field means.

    `port` 0 lets the system choose. `root_key` None: the data folder's own, made at the first start.
    """

    data: Path
    bind: str = "127.0.0.1"
    port: int = 4566
    region: str = "us-east-1"
    account: str = "000000000000"
    root_key: AccessKey | None = None
    user_keys: tuple[UserKey, ...] = ()
    master_key: MasterKey | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_level: str = "info"
    connections_max: int = 10_000
    drain_seconds: int = 30
    function_idle_seconds: int = 600
    function_concurrency: int = 1_000
    access_log_seconds: int = 300
    s3_new_buckets: str = "private"
    lifecycle_day_seconds: int = 86_400


class Option(msgspec.Struct, frozen=True):
    """One setting.

    Attributes:
        name: of the Config field, the TOML key, and with dashes the flag.
        parse: makes the value of its text; raises ValueError with what would be right.
        flag: where the flag differs from the name (a repeatable one is singular).
        hidden: it has no flag: nobody is to write it where other users of the machine can read it.
    """

    name: str
    metavar: str
    help: str
    parse: Callable[[str], Any]
    default: str = ""
    flag: str = ""
    repeatable: bool = False
    hidden: bool = False

    @property
    def switch(self) -> str:
        if self.hidden:
            return ""
        return self.flag or "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "PILVI_" + self.name.upper()


def _text(pattern: str, meaning: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(meaning)
        return text

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("a path")
    return Path(text).expanduser().absolute()


_account = _text(r"\d{12}", "an account id of 12 digits")


def _access_key(text: str) -> AccessKey:
    meaning = "ID:SECRET, the id 16 to 128 letters and digits, the secret 8 to 128 characters without spaces"
    name, _, secret = text.partition(":")
    if not re.fullmatch(r"[A-Za-z0-9_]{16,128}", name) or not re.fullmatch(r"[!-~]{8,128}", secret):
        raise ValueError(meaning)
    return AccessKey(name, secret)


def _user_key(text: str) -> UserKey:
    parts = text.split(":", 2)
    if len(parts) != 3 or not re.fullmatch(r"[\w+=,.@-]{1,64}", parts[1], re.ASCII):
        raise ValueError("ACCOUNT:NAME:ID:SECRET")
    try:
        return UserKey(_account(parts[0]), parts[1], _access_key(parts[2]))
    except ValueError as error:
        raise ValueError(f"ACCOUNT:NAME:ID:SECRET, with {error}") from None


def _master_key(text: str) -> MasterKey:
    given = text.strip()
    try:
        if re.fullmatch(r"[0-9A-Fa-f]{64}", given):
            return MasterKey(bytes.fromhex(given))
        secret = b64decode(given.replace("-", "+").replace("_", "/") + "=" * (-len(given) % 4), validate=True)
    except ValueError:
        secret = b""
    if len(secret) != MASTER_KEY_BYTES:
        raise ValueError("32 bytes, as 64 hexadecimal digits or in base64")
    return MasterKey(secret)


OPTIONS: tuple[Option, ...] = (
    Option(
        "data",
        "DIR",
        "Folder that holds everything: made at the first start, for its owner's eyes only.",
        _path,
        "$XDG_DATA_HOME/pilvi, else ~/.local/share/pilvi",
    ),
    Option("bind", "ADDRESS", "IP address to listen on.", _text(r"[0-9A-Fa-f:.]+", "an IP address"), "127.0.0.1"),
    Option("port", "PORT", "TCP port to listen on; 0 takes a free one.", _whole(0, 65535), "4566"),
    Option(
        "region",
        "REGION",
        "Region of requests that name none.",
        _text(r"[a-z]{2}(-[a-z]+){1,3}-\d{1,2}", "a region such as eu-north-1"),
        "us-east-1",
    ),
    Option("account", "ID", "Account of the root key; fixed at the first start.", _account, "000000000000"),
    Option(
        "root_key",
        "ID:SECRET",
        "Root access key, instead of the one made at the first start.",
        _access_key,
        "made at the first start",
    ),
    Option(
        "user_keys",
        "ACCOUNT:NAME:ID:SECRET",
        "A user with full access to that account, made if missing. May be given again for further users.",
        _user_key,
        "none",
        flag="--user-key",
        repeatable=True,
    ),
    Option(
        "master_key",
        "KEY",
        "Key of all that is encrypted, instead of the file master.key: 32 bytes, in hexadecimal digits or base64.",
        _master_key,
        "made at the first start",
        hidden=True,
    ),
    Option("tls_cert", "FILE", "Certificate chain (PEM): serve HTTPS instead of HTTP.", _path, "none"),
    Option("tls_key", "FILE", "Private key (PEM) of the certificate.", _path, "none"),
    Option(
        "log_level",
        "LEVEL",
        "How much the server's log tells: debug, info, warning or error.",
        _text("debug|info|warning|error", "debug, info, warning or error"),
        "info",
    ),
    Option("connections_max", "N", "Connections open at once; more are refused.", _whole(1, 1_000_000), "10000"),
    Option("drain_seconds", "N", "How long a stopping server waits for requests under way.", _whole(0, 3_600), "30"),
    Option(
        "function_idle_seconds",
        "N",
        "An idle function worker ends after so many seconds.",
        _whole(1, 86_400),
        "600",
    ),
    Option(
        "function_concurrency",
        "N",
        "Function invocations that run at once, over all functions; more are throttled.",
        _whole(1, 100_000),
        "1000",
    ),
    Option(
        "access_log_seconds",
        "N",
        "How often the access logs of S3 buckets are written to the buckets that they go to.",
        _whole(1, 86_400),
        "300",
    ),
    Option(
        "s3_new_buckets",
        "DEFAULTS",
        "Buckets that say nothing else: private (no ACLs, the public kept out, as AWS makes them since April 2023), or "
        "classic (ACLs, whoever writes an object owns it, nothing blocked, owners shown with names, as before).",
        _text("private|classic", "private or classic"),
        "private",
    ),
    Option(
        "lifecycle_day_seconds",
        "N",
        "How long a day is for lifecycle rules of buckets: shorten it to see them work. Midnight comes as often.",
        _whole(1, 86_400),
        "86400",
    ),
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}
CONFIG_VARIABLE = "PILVI_CONFIG"
CONFIG_FILE = "pilvi.toml"

Given = Mapping[str, str | list[str]]


def load(
    given: Given, environ: Mapping[str, str], config_file: str | None = None, defaults: Mapping[str, Any] | None = None
) -> Config:
    """The configuration from all its sources.

    Args:
        given: what stood on the command line, by option name, as text (repeatable options as a list).
        environ: the process environment.
        config_file: --config; else PILVI_CONFIG, else pilvi.toml in the data folder if it is there.
        defaults: values that take the place of the usual defaults.

    Raises:
        StartError: a value is not acceptable; the message names its source.
    """
    named = config_file or environ.get(CONFIG_VARIABLE)
    values: dict[str, Any] = {}
    if named:
        values |= _from_file(Path(named), required=True)
    values |= _from_environment(environ)
    values |= _from_command_line(given)
    values.setdefault("data", default_data(environ))
    if not named:
        values = _from_file(values["data"] / CONFIG_FILE, required=False) | values
    config = Config(**{**(defaults or {}), **values})
    if (config.tls_cert is None) != (config.tls_key is None):
        raise StartError("--tls-cert and --tls-key belong together; give both or none", Exit.USAGE)
    return config


def default_data(environ: Mapping[str, str]) -> Path:
    """The data folder when none is named: in the user's data directory (XDG Base Directory Specification)."""
    base = Path(environ.get("XDG_DATA_HOME", ""))
    if base.is_absolute():
        return base / "pilvi"
    return Path(environ.get("HOME") or Path.home()) / ".local/share/pilvi"


def _from_command_line(given: Given) -> dict[str, Any]:
    return {name: _parsed(BY_NAME[name], text, BY_NAME[name].switch) for name, text in given.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for option in OPTIONS:
        text = environ.get(option.variable)
        if text:
            values[option.name] = _parsed(option, text.split() if option.repeatable else text, option.variable)
    return values


def _from_file(path: Path, *, required: bool) -> dict[str, Any]:
    if not required and not path.exists():
        return {}
    import tomllib  # noqa: PLC0415 - milliseconds that only a start with a config file spends

    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise StartError(f"{path}: no such config file", Exit.USAGE) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StartError(f"{path}: cannot be read as TOML: {error}", Exit.USAGE) from None
    values: dict[str, Any] = {}
    for name, value in content.items():
        option = BY_NAME.get(name)
        if option is None:
            raise StartError(f"{path}: no setting is called {name!r}; docs/configuration.md lists them", Exit.USAGE)
        if option.hidden:
            _only_ours(path, name)
        texts = [str(item) for item in value] if isinstance(value, list) else [str(value)]
        if option.parse is _path:  # a file's paths are relative to its own folder
            texts = [str(path.absolute().parent / Path(text).expanduser()) for text in texts]
        values[name] = _parsed(option, texts if isinstance(value, list) else texts[0], f"{path}: {name}")
    return values


def _only_ours(path: Path, name: str) -> None:
    """Raises StartError: others can read what only the owner may know."""
    known = path.stat()
    if known.st_uid == os.geteuid() and known.st_mode & 0o077:
        raise StartError(f"{path} holds {name} and can be read or changed by others: chmod 600 {path}", Exit.MASTER_KEY)


def _parsed(option: Option, text: str | list[str], source: str) -> Any:
    try:
        if option.repeatable:
            return tuple(option.parse(item) for item in ([text] if isinstance(text, str) else text))
        if not isinstance(text, str):
            raise ValueError("one value")  # noqa: TRY301, TRY004 - the same sentence as for a wrong value
        return option.parse(text)
    except ValueError as error:
        shown = "" if "key" in option.name and option.name != "tls_key" else f", not {text!r}"
        raise StartError(f"{source} must be {error}{shown}", Exit.USAGE) from None
