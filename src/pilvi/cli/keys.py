"""`pilvi key`: the root user's access keys, through the cloud's own API."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pilvi.cli import folder, terminal
from pilvi.cli.terminal import BOLD, styled
from pilvi.config import AccessKey, Exit, StartError


def list_all(data: Path) -> int:
    """Prints every root access key, without secrets."""
    with _iam(data) as iam:
        current = folder.read_key(data)
        for found in iam.list_access_keys()["AccessKeyMetadata"]:
            mark = "  (used by `pilvi env`)" if found["AccessKeyId"] == current.id else ""
            terminal.say(f"{found['AccessKeyId']}  {found['Status']:8}  {found['CreateDate']:%Y-%m-%d %H:%M}{mark}")
    return Exit.OK


def create(data: Path) -> int:
    """Makes one more root access key and prints it, once."""
    with _iam(data) as iam:
        _print_once(_created(iam))
    return Exit.OK


def rotate(data: Path) -> int:
    """Replaces the key that `pilvi env` prints: makes a new one, keeps it, deletes the old one."""
    with _iam(data) as iam:
        old = folder.read_key(data)
        new = _created(iam)
        folder.write_key(data, new, folder.running(data).account)
    with _iam(data) as iam:
        iam.delete_access_key(AccessKeyId=old.id)
    _print_once(new)
    terminal.say(f'{old.id} is deleted. Shells that use it need `eval "$(pilvi env)"` again.')
    return Exit.OK


def delete(data: Path, key_id: str) -> int:
    """Deletes a root access key; not the one that `pilvi env` prints."""
    with _iam(data) as iam:
        if folder.read_key(data).id == key_id:
            raise StartError(f"{key_id} is the key of `pilvi env`: replace it with `pilvi key rotate`", Exit.USAGE)
        iam.delete_access_key(AccessKeyId=key_id)
    terminal.say(f"{key_id} is deleted")
    return Exit.OK


@contextmanager
def _iam(data: Path) -> Iterator[Any]:
    """A client of this cloud's IAM; what the cloud refuses becomes one line."""
    from botocore.config import Config  # noqa: PLC0415 - a fifth of a second that other commands need not spend
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.session import get_session  # noqa: PLC0415

    running = folder.running(data)
    key = folder.read_key(data)
    client: Any = get_session().create_client(
        "iam",
        endpoint_url=running.endpoint,
        region_name=running.region,
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        verify=running.tls_cert or None,
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        yield client
    except (BotoCoreError, ClientError) as error:
        raise StartError(str(error)) from None


def _created(iam: Any) -> AccessKey:
    made = iam.create_access_key()["AccessKey"]
    return AccessKey(made["AccessKeyId"], made["SecretAccessKey"])


def _print_once(key: AccessKey) -> None:
    terminal.say(f"access key id      {styled(key.id, BOLD)}")
    terminal.say(f"secret access key  {styled(key.secret, BOLD)}   (shown this once)")
