"""The files in the data folder that belong to the command line: who runs here, and with which root key.

    run.json        the running server: pid, endpoint, ...; removed when it stops in order
    root-key.json   the root access key, for `pilvi env`
    pilvi.log       the server's log, one JSON object a line
    access.log      one JSON object for each request (the gateway writes it)

The rest of the folder belongs to the store.
"""

import errno
import os
import stat
from pathlib import Path

import msgspec

from pilvi.config import CONFIG_FILE, AccessKey, Exit, StartError

RUN_FILE = "run.json"
KEY_FILE = "root-key.json"
LOG_FILE = "pilvi.log"
ACCESS_FILE = "access.log"
RESTORING = "restoring.json"  # as pilvi.state.backups.restore has it
FREE_BYTES_MIN = 4 * 1024 * 1024  # to open an empty store
MARKS = (LOG_FILE, KEY_FILE, CONFIG_FILE, "data.db")


class Running(msgspec.Struct, frozen=True):
    """A server at work.

    Attributes:
        birth: start time of the process in clock ticks since boot: tells it from a later process with the same pid.
        layers: of the sandbox: name -> "" when active, else why it is not.
    """

    pid: int
    birth: int
    endpoint: str
    started_ms: int
    version: str
    account: str
    region: str
    tls_cert: str = ""
    layers: dict[str, str] = {}
    runtimes: list[str] = []


def prepare(folder: Path) -> None:
    """Makes the folder if it is missing, and private (mode 0700).

    Raises:
        StartError: it cannot be used; the message says why.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.geteuid():
            raise StartError(
                f"{folder} belongs to another user: choose another folder with --data", Exit.FOLDER_UNUSABLE
            )
        if (folder / RESTORING).exists():
            raise StartError(
                f"{folder} is not restored to its end: run the same `pilvi restore` again", Exit.FOLDER_UNUSABLE
            )
        if not any((folder / mark).exists() for mark in MARKS) and any(folder.iterdir()):
            raise StartError(
                f"{folder} is not empty and not a data folder of pilvi: choose another folder with --data",
                Exit.FOLDER_UNUSABLE,
            )
        if stat.S_IMODE(status.st_mode) != 0o700:
            folder.chmod(0o700)
        os.close(os.open(folder / LOG_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize < FREE_BYTES_MIN:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - said as the system would say it
    except OSError as error:
        raise unusable(folder, error) from None


def unusable(folder: Path, error: OSError) -> StartError:
    """The error that says what an OSError in the data folder means to its owner."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"the disk that holds {folder} is full: free some space, or choose another folder with --data"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = f"{folder} cannot be written: allow it, or choose another folder with --data"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR):
        advice = f"{folder} is not a folder: choose another with --data"
    else:
        advice = f"{folder} cannot be used ({error.strerror or error}): choose another folder with --data"
    if not _concerns(folder, error):
        return StartError(f"the cloud cannot start: {error}")
    return StartError(advice, Exit.FOLDER_UNUSABLE)


def _concerns(folder: Path, error: OSError) -> bool:
    """Whether it is about the folder, what is in it or above it, as far as the error tells."""
    if not isinstance(error.filename, str | Path):
        return True
    path = Path(error.filename)
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def write_running(folder: Path, running: Running) -> None:
    _write(folder / RUN_FILE, msgspec.json.encode(running))


def remove_running(folder: Path) -> None:
    (folder / RUN_FILE).unlink(missing_ok=True)


def running(folder: Path) -> Running:
    """The server that runs on this folder.

    Raises:
        StartError: there is none.
    """
    try:
        found = msgspec.json.decode((folder / RUN_FILE).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        raise not_running(folder) from None
    if birth_of(found.pid) != found.birth:
        raise not_running(folder)
    return found


def not_running(folder: Path) -> StartError:
    return StartError(f"no cloud runs on {folder}: start it with `pilvi up -d`", Exit.NOT_RUNNING)


def birth_of(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (field 22 of proc(5)'s stat); None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Keeping(msgspec.Struct, frozen=True):
    """What the key file holds: a root access key, and whose root."""

    account: str
    id: str
    secret: str


def write_key(folder: Path, key: AccessKey, account: str) -> None:
    wanted = Keeping(account, key.id, key.secret)
    if _kept(folder) != wanted:
        _write(folder / KEY_FILE, msgspec.json.encode(wanted))


def read_key(folder: Path) -> AccessKey:
    """The root access key.

    Raises:
        StartError: the folder has none that we may read.
    """
    kept = _kept(folder)
    if kept is None:
        raise StartError(f"{folder / KEY_FILE} cannot be read: start the cloud once with `pilvi up`")
    return AccessKey(kept.id, kept.secret)


def account(folder: Path) -> str | None:
    """The account that the folder was made for; None before its first start."""
    kept = _kept(folder)
    return None if kept is None else kept.account


def _kept(folder: Path) -> Keeping | None:
    try:
        return msgspec.json.decode((folder / KEY_FILE).read_bytes(), type=Keeping)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, data: bytes) -> None:
    """All or nothing, and for the owner's eyes only."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise unusable(path.parent, error) from None
