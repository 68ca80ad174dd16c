"""Makes boto3 quick to begin with: what a first client reads, parses and compiles is there before the fork.

botocore keeps what it has read (service models, endpoint rules) in each session's loader, and everything else that is
costly in the session. So the zygote makes clients once for their side effects, gives every later loader what theirs has
read, and leaves behind a default session in which nothing yet depends on credentials, region or environment.
"""

import contextlib
import importlib
import sys
from typing import Any, Final

# What the default session, made without them, would not know.
_CONFIGURES: Final = frozenset(
    (
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_DATA_PATH",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_METADATA_SERVICE_TIMEOUT",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
        "BOTO_CONFIG",
    )
)


def clients(services: list[str]) -> None:
    """Reads and compiles what clients of these services need. Nothing happens where boto3 is not installed."""
    with contextlib.suppress(ImportError):
        boto3: Any = importlib.import_module("boto3")
        with contextlib.suppress(Exception):  # another botocore inside: functions start slower, and run
            _share(_read(boto3, services))
            _share_rules()
            _default_session(boto3)
            _read(boto3, services)  # once more, by what is shared now


def _read(boto3: Any, services: list[str]) -> dict[Any, Any]:
    """What the loader of a session has read when it has made these clients."""
    secret = "none"  # noqa: S105 - it is none
    session = boto3.session.Session(aws_access_key_id=secret, aws_secret_access_key=secret, region_name="us-east-1")
    for name in services:
        session.client(name, endpoint_url="http://127.0.0.1:9")
    known: dict[Any, Any] = session._session.get_component("data_loader")._cache  # noqa: SLF001 - it has no other door
    return known


def _share(known: dict[Any, Any]) -> None:
    """Loaders without a search path of their own begin with what is known."""
    sessions: Any = importlib.import_module("botocore.session")
    make = sessions.create_loader

    def create_loader(search_path_string: str | None = None) -> Any:
        loader = make(search_path_string)
        if search_path_string is None:
            loader._cache.update(known)  # noqa: SLF001
        return loader

    sessions.create_loader = create_loader


def _share_rules() -> None:
    """Endpoint rules are parsed once for all clients of a service. What is made of them never changes."""
    endpoint_provider: Any = importlib.import_module("botocore.endpoint_provider")
    parse = endpoint_provider.RuleSet
    parsed: dict[tuple[tuple[str, int], ...], Any] = {}
    kept: list[Any] = []  # so that no other object gets the same id

    def rule_set(**parts: Any) -> Any:
        key = tuple((name, id(part)) for name, part in parts.items())
        if key not in parsed:
            kept.append(parts)
            parsed[key] = parse(**parts)
        return parsed[key]

    endpoint_provider.RuleSet = rule_set


def _default_session(boto3: Any) -> None:
    """The session behind boto3.client(...): what it looks up in the environment it looks up when it is used."""
    boto3.setup_default_session()
    session = boto3.DEFAULT_SESSION._session  # noqa: SLF001
    session.get_component("data_loader")
    session.get_component("credential_provider")
    session._get_internal_component("endpoint_resolver")  # noqa: SLF001


def forget(environment: dict[str, str]) -> None:
    """In a worker: a function that configures boto3 through these variables gets a session made under them."""
    boto3: Any = sys.modules.get("boto3")
    if boto3 is not None and not _CONFIGURES.isdisjoint(environment):
        boto3.DEFAULT_SESSION = None
