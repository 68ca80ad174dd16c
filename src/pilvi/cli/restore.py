"""`pilvi restore`: a data folder of a backup, every byte verified on the way."""

from datetime import UTC, datetime
from pathlib import Path

from pilvi.cli import terminal
from pilvi.cli.logs import instant
from pilvi.cli.places import Place, failures
from pilvi.cli.progress import progress
from pilvi.config import MASTER_KEY_FILE, Exit, StartError
from pilvi.state.backups.manifest import Manifest
from pilvi.state.backups.restore import generations, manifest_of, restore
from pilvi.state.errors import UnusableData


def run(data: Path, place: Place, at: str) -> int:
    """Returns Exit.DAMAGED when the backup lacks some blob files as they were stored."""
    target = place.target(data)
    with failures(place):
        manifest = manifest_of(target, _chosen(generations(target), at, place))
        with progress() as shown:
            try:
                done = restore(target, manifest, data, shown.watch)
            except UnusableData as error:
                raise StartError(f"{data}: {error}", Exit.FOLDER_UNUSABLE) from None
    terminal.say(f"restored {data} as it was at {_shown(manifest.made_ms)}: start it with `pilvi up`")
    if MASTER_KEY_FILE not in manifest.extras:
        terminal.say(f"the backup has no {MASTER_KEY_FILE}: put it into {data} before the first start")
    for file in done.lost:
        terminal.complain(
            f"blobs/{file[:2]}/{file[2:]} is not in the backup as it was: `pilvi check` tells whose it is"
        )
    return Exit.DAMAGED if done.lost else Exit.OK


def list_all(data: Path, place: Place) -> int:
    """Prints every backup, oldest first."""
    target = place.target(data)
    with failures(place):
        for made_ms in generations(target):
            terminal.say(_line(manifest_of(target, made_ms)))
    return Exit.OK


def _line(manifest: Manifest) -> str:
    key = "" if MASTER_KEY_FILE in manifest.extras else f"  without {MASTER_KEY_FILE}"
    lost = f"  {len(manifest.lost)} blob files lost" if manifest.lost else ""
    size = manifest.database_bytes + manifest.file_bytes
    return f"{_shown(manifest.made_ms)}  {size:>16,} bytes  {manifest.files:>9,} files{key}{lost}"


def _chosen(found: list[int], at: str, place: Place) -> int:
    if not found:
        raise StartError(f"{place.name} holds no backup")
    if not at:
        return found[-1]
    latest = instant(at, datetime.now(UTC), "--at")
    fitting = [made_ms for made_ms in found if datetime.fromtimestamp(made_ms / 1000, UTC) <= latest]
    if not fitting:
        raise StartError(f"{place.name} holds no backup that is so old; the oldest is of {_shown(found[0])}")
    return fitting[-1]


def _shown(made_ms: int) -> str:
    return datetime.fromtimestamp(made_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
