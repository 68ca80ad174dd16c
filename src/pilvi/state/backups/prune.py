"""Forgetting old backups, and what none of those that stay needs."""

from pilvi.state.backups.manifest import blob_name, check_chunk
from pilvi.state.backups.restore import generations, manifest_of, name_at
from pilvi.state.backups.target import Target, read_all


def prune(target: Target, keep: int) -> tuple[int, int]:
    """Keeps the newest so many; (backups, files) that went.

    Manifests go first: a prune that is broken off leaves no backup that lacks something. No backup may be taken meanwhile.
    """
    moments = generations(target)
    gone = moments[:-keep]
    if not gone:
        return 0, 0
    needed: set[str] = set()
    for moment in moments[-keep:]:
        manifest = manifest_of(target, moment)
        needed.update(manifest.database, manifest.lists, manifest.extras.values())
        for chunk in manifest.lists:
            lines = check_chunk(chunk, read_all(target, chunk)).decode().splitlines()
            needed.update(blob_name(line.partition(" ")[0]) for line in lines)
    for moment in gone:
        target.remove(name_at(moment))
    removed = 0
    for prefix in ("chunks/", "blobs/"):
        for name, _ in list(target.names(prefix)):
            if name not in needed:
                target.remove(name)
                removed += 1
    return len(gone), removed
