"""`pilvi backup`: everything that the data folder holds, as it is at one moment, to another place."""

import re
from pathlib import Path

from pilvi import __version__
from pilvi.cli import folder, mastered, terminal
from pilvi.cli.places import Place, failures
from pilvi.cli.progress import progress
from pilvi.config import CONFIG_FILE, MASTER_KEY_FILE, Exit, StartError
from pilvi.core.clock import SystemClock
from pilvi.state.backups.prune import prune
from pilvi.state.backups.take import DatabaseDamaged, Taken, backup
from pilvi.state.errors import FolderInUse, NewerData, UnusableData

EXTRAS = (folder.KEY_FILE, CONFIG_FILE)
NOT_ITS_KEY = "a backup with it could not be read. Put the right one there, or say --no-master-key"


def run(data: Path, place: Place, *, master_key: bool, keep: int) -> int:
    """Returns Exit.DAMAGED when some blob files could not be taken as they were stored."""
    target = place.elsewhere(data)
    with failures(place):
        with progress() as shown:
            try:
                extras = _extras(data, master_key=master_key)
                known = mastered.remembered(data)
                mastered.refuse_another(data, known, extras.get(MASTER_KEY_FILE, b""), NOT_ITS_KEY)
                taken = backup(
                    data,
                    target,
                    now_ms=SystemClock().now_ms(),
                    version=__version__,
                    extras=extras,
                    watch=shown.watch,
                )
            except DatabaseDamaged as error:
                raise StartError(f"{error}; nothing was backed up. `pilvi check` tells more", Exit.DAMAGED) from None
            except FolderInUse as error:
                raise StartError(f"{data}: {error}", Exit.FOLDER_IN_USE) from None
            except NewerData as error:
                raise StartError(f"{data}: {error}", Exit.FOLDER_NEWER) from None
            except UnusableData as error:
                raise StartError(f"{data}: {error}", Exit.FOLDER_UNUSABLE) from None
        _say(taken, place, master_key=master_key)
        if keep:
            backups, files = prune(target, keep)
            terminal.say(f"removed {backups} older backups and {files} files that only they needed")
    return Exit.DAMAGED if taken.manifest.lost else Exit.OK


def _extras(data: Path, *, master_key: bool) -> dict[str, bytes]:
    names = (*EXTRAS, MASTER_KEY_FILE) if master_key else EXTRAS
    found = {name: (data / name).read_bytes() for name in names if (data / name).is_file()}
    if not master_key and re.search(rb"^\s*[\"']?master_key\b", found.get(CONFIG_FILE, b""), re.MULTILINE):
        del found[CONFIG_FILE]
        terminal.say(f"{CONFIG_FILE} was left out: it holds the master key")
    return found


def _say(taken: Taken, place: Place, *, master_key: bool) -> None:
    made = taken.manifest
    terminal.say(f"backed up to {place.name}: data.db ({made.database_bytes:,} bytes), {made.files:,} blob files")
    terminal.say(f"new: {taken.files:,} blob files, {taken.bytes:,} bytes")
    if MASTER_KEY_FILE not in made.extras:
        terminal.say(f"{MASTER_KEY_FILE} is not in it: without it nothing that is encrypted can be read again")
    for file in made.lost:
        terminal.complain(f"blobs/{file[:2]}/{file[2:]} is damaged or gone and is not in the backup: see `pilvi check`")
