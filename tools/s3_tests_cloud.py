"""A pilvi with the users that Ceph's S3 suite wants, and the suite's configuration for it."""

import configparser
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

START_SECONDS_MAX = 30.0
REGION = "us-east-1"
CLASSES = ("GLACIER", "DEEP_ARCHIVE")
DAY_SECONDS = 2
"""How long a day is where tests wait for lifecycle rules."""

OTHER_REGION = "eu-central-1"


class User(NamedTuple):
    """One of the suite's users: each has an account to itself, as each is a canonical user to the tests."""

    section: str
    account: str
    name: str
    access_key: str
    secret_key: str


USERS = (
    User("s3 main", "111111111111", "main", "PILVISUITEMAIN000001", "suite-secret-of-main-0123456789"),
    User("s3 alt", "222222222222", "alt", "PILVISUITEALT0000001", "suite-secret-of-alt-0123456789"),
    User("s3 tenant", "333333333333", "tenant", "PILVISUITETENANT0001", "suite-secret-of-tenant-0123456789"),
    User("iam", "444444444444", "iam", "PILVISUITEIAM0000001", "suite-secret-of-iam-0123456789"),
    User("iam root", "555555555555", "root", "PILVISUITEROOT000001", "suite-secret-of-root-0123456789"),
    User("iam alt root", "666666666666", "altroot", "PILVISUITEALTROOT001", "suite-secret-of-altroot-0123456789"),
)


def seeds() -> list[str]:
    """Options of `pilvi up` for a cloud that knows the users, and makes buckets as the suite's age has them."""
    return ["--s3-new-buckets=classic"] + [
        f"--user-key={user.account}:{user.name}:{user.access_key}:{user.secret_key}" for user in USERS
    ]


@contextmanager
def running_cloud(folder: Path, settings: Iterable[str] = ()) -> Iterator[str]:
    """Starts a pilvi with its data below `folder`, on a free port; its endpoint. It stops in the end."""
    data = folder / "data"
    command = [sys.executable, "-m", "pilvi", "up", "--data", str(data), "--port", "0", *seeds(), *settings]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield _endpoint(server, data / "run.json", folder / "server.log")
    finally:
        server.terminate()
        server.wait()


def _endpoint(server: "subprocess.Popen[bytes]", told: Path, log: Path) -> str:
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end and server.poll() is None:
        if told.exists():
            try:
                return str(json.loads(told.read_text())["endpoint"])
            except json.JSONDecodeError:
                pass  # it is being written
        time.sleep(0.05)
    raise SystemExit(f"error: pilvi did not start:\n{log.read_text()}")


def write_config(endpoint: str, path: Path, classes: Iterable[str]) -> None:
    """Writes the suite's configuration. Who the users are to S3 is asked of the cloud.

    Args:
        classes: storage classes besides the standard one; each of them multiplies the tests of copies.
    """
    where = urlsplit(endpoint)
    config = configparser.RawConfigParser()
    config["DEFAULT"] = {
        "host": str(where.hostname),
        "port": str(where.port),
        "is_secure": str(where.scheme == "https"),
        "ssl_verify": "False",
    }
    config["fixtures"] = {"bucket prefix": "pilvi-{random}-"}
    for user in USERS:
        config[user.section] = _section(endpoint, user)
    config["s3 tenant"]["tenant"] = "tenant"
    config["s3 main"].update(
        {
            "api_name": OTHER_REGION,
            "storage_classes": ", ".join(classes),
            "lc_debug_interval": str(DAY_SECONDS),
            **_keys(endpoint, USERS[0]),
        }
    )
    with path.open("w") as file:
        config.write(file)


def _section(endpoint: str, user: User) -> dict[str, str]:
    owner = _client("s3", endpoint, user).list_buckets()["Owner"]
    return {
        "access_key": user.access_key,
        "secret_key": user.secret_key,
        "user_id": owner["ID"],
        "display_name": owner.get("DisplayName", ""),
        "email": f"{user.name}@example.com",
    }


def _keys(endpoint: str, user: User) -> dict[str, str]:
    """Two keys for encryption, where there is a KMS."""
    kms = _client("kms", endpoint, user)
    try:
        return {name: kms.create_key()["KeyMetadata"]["Arn"] for name in ("kms_keyid", "kms_keyid2")}
    except ClientError:
        return {}


def _client(service: str, endpoint: str, user: User) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=user.access_key,
        aws_secret_access_key=user.secret_key,
    )
