"""Where backups are kept, as people name it: a folder, or s3://bucket/prefix."""

import ipaddress
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from pilvi.cli import folder as folders
from pilvi.config import Exit, StartError
from pilvi.state.backups.manifest import BackupDamaged
from pilvi.state.backups.s3target import S3Target
from pilvi.state.backups.target import FolderTarget, NotThere, Target

_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


class Place(msgspec.Struct, frozen=True):
    """A target as it was named; `endpoint` and `profile` are of an S3."""

    name: str
    endpoint: str = ""
    profile: str = ""

    def target(self, data: Path) -> Target:
        """Raises StartError."""
        if self.name.startswith("s3://"):
            match = _S3.fullmatch(self.name)
            if match is None:
                raise StartError(f"{self.name} must be s3://BUCKET or s3://BUCKET/PREFIX", Exit.USAGE)
            return S3Target(match.group(1), match.group(2) or "", endpoint=self.endpoint, profile=self.profile)
        folder = Path(self.name).expanduser().absolute()
        if folder == data or folder.is_relative_to(data) or data.is_relative_to(folder):
            raise StartError(f"{folder} and {data} lie in each other: a backup belongs elsewhere", Exit.USAGE)
        return FolderTarget(folder)

    def elsewhere(self, data: Path) -> Target:
        """The target, which is not in the cloud that runs on the folder itself. Raises StartError."""
        target = self.target(data)
        if isinstance(target, S3Target) and _is_own(data, target.endpoint):
            advice = "name another S3 with --endpoint-url or --profile"
            raise StartError(f"{self.name} is in the cloud that runs on {data} itself: {advice}", Exit.USAGE)
        return target


@contextmanager
def failures(place: Place) -> Iterator[None]:
    """What a place refuses, as one line."""
    try:
        yield
    except (BackupDamaged, NotThere) as error:
        raise StartError(f"{place.name}: {error} (is it a backup?)", Exit.DAMAGED) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] in {"botocore", "boto3", "s3transfer"}:  # imported for an S3 only
            raise StartError(f"{place.name}: {error}") from None
        raise


def _is_own(data: Path, endpoint: str) -> bool:
    """Whether it is the cloud that runs on this very folder, as it is where `pilvi env` has set the environment."""
    try:
        own = urlsplit(folders.running(data).endpoint)
    except StartError:
        return False
    other = urlsplit(endpoint)
    return own.port == other.port and bool(_addresses(own.hostname or "") & _addresses(other.hostname or ""))


def _addresses(host: str) -> set[str]:
    """Every address of a host; those of this machine alone are one."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()
    return {"loopback" if ipaddress.ip_address(one.partition("%")[0]).is_loopback else one for one in found}
