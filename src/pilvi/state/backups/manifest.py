"""What belongs to one backup, and how that is kept."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

FORMAT = 1
GENERATIONS = "generations/"
_NAME = re.compile(rf"{GENERATIONS}(\d{{8}}T\d{{6}}\.\d{{3}}Z)\.json")
_EXTRA = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_FILE = re.compile(r"[0-9a-f]{32}")
_MOMENT = "%Y%m%dT%H%M%S"


class BackupDamaged(Exception):
    """What is in a backup is not what was put there."""


class Manifest(msgspec.Struct, frozen=True):
    """One backup.

    Attributes:
        made_ms: the moment that data.db is of.
        database: chunks that make up data.db; `database_bytes` its length.
        lists: chunks with lines "<name> <size> <checksum>": all blob files, by name.
        files, file_bytes: how many those are.
        extras: name in the data folder -> chunk.
        lost: blob files that were damaged or gone in the data folder, and of which no backup had a copy.
    """

    format: int
    made_ms: int
    pilvi: str
    database: tuple[str, ...]
    database_bytes: int
    lists: tuple[str, ...]
    files: int
    file_bytes: int
    extras: Mapping[str, str]
    lost: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        moment = datetime.fromtimestamp(self.made_ms / 1000, UTC)
        return f"{GENERATIONS}{moment.strftime(_MOMENT)}.{self.made_ms % 1000:03d}Z.json"


class _Sealed(msgspec.Struct, frozen=True):
    """As it is written: the manifest, and the SHA-256 of its very bytes."""

    sha256: str
    manifest: msgspec.Raw


def encode(manifest: Manifest) -> bytes:
    raw = msgspec.json.encode(manifest)
    return msgspec.json.encode(_Sealed(hashlib.sha256(raw).hexdigest(), msgspec.Raw(raw)))


def decode(name: str, data: bytes) -> Manifest:
    """Raises BackupDamaged."""
    try:
        sealed = msgspec.json.decode(data, type=_Sealed)
        if hashlib.sha256(sealed.manifest).hexdigest() != sealed.sha256:
            raise BackupDamaged(f"{name} is damaged")
        found = msgspec.json.decode(sealed.manifest, type=Manifest)
    except msgspec.MsgspecError:
        raise BackupDamaged(f"{name} is damaged") from None
    if found.format > FORMAT:
        raise BackupDamaged(f"{name} was written by a newer pilvi ({found.pilvi})")
    if not all(map(_EXTRA.fullmatch, found.extras)):  # whoever keeps backups may write none of our other files
        raise BackupDamaged(f"{name} names files that are not of a data folder")
    return found


def check_file(name: str) -> str:
    """The name of a blob file, as a backed up database has it. Raises BackupDamaged: it leads elsewhere."""
    if not _FILE.fullmatch(name):
        raise BackupDamaged(f"its database names a blob file {name!r}")
    return name


def moment_of(name: str) -> int | None:
    """The moment of a generation's name, in milliseconds; None for what is no such name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    text = match.group(1)
    whole = datetime.strptime(text[:15], _MOMENT).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1000 + int(text[16:19])


def chunk_name(data: bytes) -> str:
    return f"chunks/{_split(hashlib.sha256(data).hexdigest())}"


def blob_name(file: str) -> str:
    return f"blobs/{_split(file)}"


def check_chunk(name: str, data: bytes) -> bytes:
    """Raises BackupDamaged when it is not what its name says."""
    if chunk_name(data) != name:
        raise BackupDamaged(f"{name} is damaged")
    return data


def _split(name: str) -> str:
    return f"{name[:2]}/{name[2:]}"
