"""Backups: whole or not at all, wherever they are broken off; each complete in itself; nothing twice."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from pilvi.state.backups.manifest import BackupDamaged, blob_name, chunk_name, encode
from pilvi.state.backups.prune import prune
from pilvi.state.backups.restore import MARK, Restored, generations, manifest_of, restore
from pilvi.state.backups.take import DatabaseDamaged, Taken, backup
from pilvi.state.backups.target import FolderTarget, NotThere, read_all
from pilvi.state.errors import FolderInUse, UnusableData
from state_records import Word
from stores import open_store

LARGE = 400_000


def quiet(*_: object) -> None:
    """Nobody looks."""


def take(folder: Path, target, now_ms: int = 1_000) -> Taken:
    return backup(folder, target, now_ms=now_ms, version="test", extras={"master.key": b"k" * 32}, watch=quiet)


def bring_back(target, folder: Path, made_ms: int | None = None) -> Restored:
    chosen = generations(target)[-1] if made_ms is None else made_ms
    return restore(target, manifest_of(target, chosen), folder, quiet)


def put(store, word: str, data: bytes = b"") -> int:
    """A record, and a blob."""

    def attempt(tx) -> int:
        tx[Word].put(Word(word))
        return tx.blobs.add(data or os.urandom(LARGE))

    return store.write(attempt)


def words(folder: Path) -> list[str]:
    with open_store(folder, Word) as store, store.read() as tx:
        return [word.text for word in tx[Word].scan()]


def blobs(folder: Path) -> dict[str, bytes]:
    return {path.parent.name + path.name: path.read_bytes() for path in (folder / "blobs").glob("*/*")}


def there(target: Path) -> set[str]:
    return {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "kept"


class Breaking(FolderTarget):
    """A target whose n-th write does not come to its end."""

    def __init__(self, folder: Path, fatal: int) -> None:
        super().__init__(folder)
        self.left = fatal

    def write(self, name: str, pieces: Iterable[bytes], size: int) -> None:
        self.left -= 1
        if self.left == 0:
            super().write(name, self._half(pieces), size)
        super().write(name, pieces, size)

    def _half(self, pieces: Iterable[bytes]) -> Iterable[bytes]:
        yield next(iter(pieces))[:7]
        raise OSError("broken off")


def test_what_is_restored_is_what_was_backed_up(folder, tmp_path, target):
    """Records, blobs in the database and in files, and what lies beside; after it the folder opens as any other."""
    with open_store(folder, Word) as store:
        large, small = put(store, "one"), put(store, "two", b"small")
        with store.read() as tx:
            data = tx.blobs.read(large)
    taken = take(folder, FolderTarget(target))
    assert taken.files == taken.manifest.files == 1
    assert not bring_back(FolderTarget(target), tmp_path / "again").lost
    assert (tmp_path / "again/master.key").read_bytes() == b"k" * 32
    with open_store(tmp_path / "again", Word) as store, store.read() as tx:
        assert [word.text for word in tx[Word].scan()] == ["one", "two"]
        assert tx.blobs.read(large) == data
        assert tx.blobs.read(small) == b"small"


def test_only_its_owner_may_look_into_a_backup(folder, target):
    """Folders are 0700 and files 0600: there are keys in it."""
    with open_store(folder, Word) as store:
        put(store, "one")
    take(folder, FolderTarget(target))
    modes = {path.stat().st_mode & 0o777 for path in target.rglob("*")} | {target.stat().st_mode & 0o777}
    assert modes == {0o700, 0o600}


def test_a_backup_is_taken_while_others_write(folder, tmp_path, target):
    """It is of one moment: what was committed before is in it, and of what comes meanwhile nothing or all."""
    with open_store(folder, Word) as store:
        for number in range(20):
            put(store, f"before {number:02}")

        written = []

        def write(*_: object) -> None:
            written.append(put(store, f"meanwhile {len(written):02}"))

        made = backup(folder, FolderTarget(target), now_ms=1, version="", extras={}, watch=write)
        assert len(written) > 3
    bring_back(FolderTarget(target), tmp_path / "again")
    found = words(tmp_path / "again")
    assert found[:20] == [f"before {number:02}" for number in range(20)]
    assert made.manifest.files == len(found) == len(blobs(tmp_path / "again"))


def test_a_file_that_is_released_meanwhile_stays_until_the_backup_is_over(folder, tmp_path, target):
    """The backup has it; when it is over, the file goes."""
    with open_store(folder, Word) as store:
        doomed = [put(store, "one"), put(store, "two")]
        before = blobs(folder)

        def release(phase: str, *_: object) -> None:
            if phase == "database" and doomed:
                store.write(lambda tx: tx.blobs.release(doomed.pop()))
                store.write(lambda tx: tx.blobs.release(doomed.pop()))
                store.sweep()
                assert blobs(folder) == before

        backup(folder, FolderTarget(target), now_ms=1, version="", extras={}, watch=release)
        assert not doomed
        store.sweep()
        assert not blobs(folder)
    bring_back(FolderTarget(target), tmp_path / "again")
    assert blobs(tmp_path / "again") == before


def test_a_store_that_starts_anew_meanwhile_removes_nothing_that_is_held(folder, target, tmp_path):
    """Its first sweep finds files without rows, and leaves them."""
    with open_store(folder, Word) as store:
        blob = put(store, "one")
    before = blobs(folder)

    def restart(phase: str, *_: object) -> None:
        if phase == "database":
            with open_store(folder, Word) as store:
                store.write(lambda tx: tx.blobs.release(blob))
            with open_store(folder, Word) as store:
                store.sweep()
                assert blobs(folder) == before

    backup(folder, FolderTarget(target), now_ms=1, version="", extras={}, watch=restart)
    bring_back(FolderTarget(target), tmp_path / "again")
    assert blobs(tmp_path / "again") == before


def test_the_second_backup_copies_only_what_is_new(folder, target):
    """Of blob files the new ones; of the database the pieces that changed; nothing at all when nothing has."""
    with open_store(folder, Word) as store:
        for number in range(5):
            put(store, f"{number}")
    first = take(folder, FolderTarget(target))
    assert first.files == 5
    before = there(target)
    again = take(folder, FolderTarget(target), 2_000)
    assert (again.files, again.bytes) == (0, 0)
    assert len(there(target) - before) == 1  # its manifest
    with open_store(folder, Word) as store:
        put(store, "new")
    third = take(folder, FolderTarget(target), 3_000)
    assert third.files == 1
    assert third.manifest.files == 6


def test_wherever_it_is_broken_off_no_backup_is_there_and_the_next_goes_on(folder, tmp_path):
    """For each write: what was whole before stays whole, what was not is not there, and nothing is copied twice."""
    with open_store(folder, Word) as store:
        for number in range(3):
            put(store, f"{number}")
    writes = 1
    while True:
        target = tmp_path / f"kept{writes}"
        try:
            take(folder, Breaking(target, writes))
        except OSError:
            pass
        else:
            break
        assert generations(FolderTarget(target)) == []
        sizes = {name: (target / name).stat().st_size for name in there(target) if name.startswith("blobs/")}
        assert set(sizes.values()) <= {LARGE}
        taken = take(folder, FolderTarget(target), 2_000)
        assert taken.files == 3 - len(sizes)
        assert not bring_back(FolderTarget(target), tmp_path / f"again{writes}").lost
        assert blobs(tmp_path / f"again{writes}") == blobs(folder)
        assert not [name for name in there(target) if name.startswith("partial/") and "backup.part" not in name]
        writes += 1
    assert writes > 6


def test_wherever_restoring_is_broken_off_it_goes_on(folder, tmp_path, target, monkeypatch):
    """The folder says that it is not whole; the same command makes it so. Another backup is not mixed in."""
    with open_store(folder, Word) as store:
        for number in range(3):
            put(store, f"{number}")
    take(folder, FolderTarget(target))
    take(folder, FolderTarget(target), 2_000)
    whole = FolderTarget.read
    reads = 1
    while True:
        again = tmp_path / f"again{reads}"
        left = [reads]

        def read(self, name, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise OSError("broken off")
            return whole(self, name)

        monkeypatch.setattr(FolderTarget, "read", read)
        try:
            manifest = manifest_of(FolderTarget(target), 1_000)
            restore(FolderTarget(target), manifest, again, quiet)
        except OSError:
            monkeypatch.setattr(FolderTarget, "read", whole)
        else:
            break
        if again.exists():
            assert (again / MARK).exists()
            assert not (again / "data.db").exists()
            with pytest.raises(UnusableData):
                bring_back(FolderTarget(target), again, 2_000)
        bring_back(FolderTarget(target), again, 1_000)
        assert blobs(again) == blobs(folder)
        assert not (again / MARK).exists()
        reads += 1
    assert reads > 5


def test_a_folder_with_anything_in_it_is_not_restored_into(folder, tmp_path, target):
    """Nothing of it is touched."""
    with open_store(folder, Word) as store:
        put(store, "one")
    take(folder, FolderTarget(target))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thing").write_text("mine")
    with pytest.raises(UnusableData):
        bring_back(FolderTarget(target), tmp_path / "mine")
    assert there(tmp_path / "mine") == {"thing"}


def test_a_damaged_file_does_not_take_the_place_of_a_good_copy(folder, tmp_path, target):
    """What an earlier backup has is kept and used; of what no backup has it is said that it is lost."""
    with open_store(folder, Word) as store:
        put(store, "old")
    good = blobs(folder)
    take(folder, FolderTarget(target))
    with open_store(folder, Word) as store:
        put(store, "new")
    for path in (folder / "blobs").glob("*/*"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    taken = take(folder, FolderTarget(target), 2_000)
    assert len(taken.manifest.lost) == 1
    assert set(taken.manifest.lost) == blobs(folder).keys() - good.keys()
    done = bring_back(FolderTarget(target), tmp_path / "again")
    assert done.lost == taken.manifest.lost
    assert blobs(tmp_path / "again") == good


def test_damage_in_a_backup_is_found_by_restoring(folder, tmp_path, target):
    """A manifest or a piece of the database: refused. A blob: everything else is restored, and the blob is named."""
    with open_store(folder, Word) as store:
        put(store, "one")
        put(store, "two")
    taken = take(folder, FolderTarget(target))

    def harm(name: str) -> bytes:
        path = target / name
        was = path.read_bytes()
        path.write_bytes(was[:-3] + bytes([was[-3] ^ 1]) + was[-2:])
        return was

    for name in (taken.manifest.name, taken.manifest.database[0]):
        was = harm(name)
        with pytest.raises(BackupDamaged):
            bring_back(FolderTarget(target), tmp_path / "again")
        (target / name).write_bytes(was)
    (target / taken.manifest.database[0]).rename(tmp_path / "aside")
    with pytest.raises(NotThere):
        bring_back(FolderTarget(target), tmp_path / "again")
    (tmp_path / "aside").rename(target / taken.manifest.database[0])
    blob = next(name for name in sorted(there(target)) if name.startswith("blobs/"))
    harm(blob)
    done = bring_back(FolderTarget(target), tmp_path / "again")
    assert done.lost == (blob.removeprefix("blobs/").replace("/", ""),)
    assert words(tmp_path / "again") == ["one", "two"]


def test_a_damaged_database_is_not_backed_up(folder, target):
    """The backups that there are stay what they are."""
    with open_store(folder, Word) as store:
        for number in range(2_000):
            store.write(lambda tx, number=number: tx[Word].put(Word(f"{number:0200}")))
    path = folder / "data.db"
    data = bytearray(path.read_bytes())
    data[100_000:140_000] = os.urandom(40_000)
    path.write_bytes(data)
    with pytest.raises(DatabaseDamaged):
        take(folder, FolderTarget(target))
    assert generations(FolderTarget(target)) == []


def test_two_backups_at_once_do_not_mix(folder, target):
    """The second is refused; the first comes to its end."""
    with open_store(folder, Word) as store:
        put(store, "one")
    refused = []

    def second(*_: object) -> None:
        with pytest.raises(FolderInUse):
            take(folder, FolderTarget(target))
        refused.append(True)

    backup(folder, FolderTarget(target), now_ms=1, version="", extras={}, watch=second)
    assert refused
    assert generations(FolderTarget(target)) == [1]


def test_old_backups_go_and_those_that_stay_lack_nothing(folder, tmp_path, target):
    """With each goes what only it needed."""
    kept = []
    for made_ms in (1_000, 2_000, 3_000):
        with open_store(folder, Word) as store:
            put(store, f"{made_ms}")
            if made_ms == 3_000:
                store.write(lambda tx: tx.blobs.release(1))
        take(folder, FolderTarget(target), made_ms)
        kept.append(blobs(folder))
    assert len(kept[1]) == len(kept[2]) == 2
    assert prune(FolderTarget(target), 5) == (0, 0)
    backups, files = prune(FolderTarget(target), 2)
    assert backups == 1
    assert files
    assert generations(FolderTarget(target)) == [2_000, 3_000]
    for made_ms, wanted in ((2_000, kept[1]), (3_000, kept[2])):
        assert not bring_back(FolderTarget(target), tmp_path / f"{made_ms}", made_ms).lost
        assert blobs(tmp_path / f"{made_ms}") == wanted
    assert prune(FolderTarget(target), 1)[0] == 1
    assert {name for name in there(target) if name.startswith("blobs/")} == {
        f"blobs/{name[:2]}/{name[2:]}" for name in kept[2]
    }


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/b", "..", ""])
def test_a_backup_cannot_write_outside_of_the_folder(folder, tmp_path, target, name):
    """Whoever keeps the backup may have written its manifest: names in it that lead elsewhere are refused."""
    with open_store(folder, Word) as store:
        put(store, "one")
    made = take(folder, FolderTarget(target)).manifest
    forged = encode(msgspec.structs.replace(made, extras={name: made.extras["master.key"]}))
    FolderTarget(target).write(made.name, [forged], len(forged))
    with pytest.raises(BackupDamaged):
        bring_back(FolderTarget(target), tmp_path / "again")
    assert not (tmp_path / "outside").exists()


def test_a_backed_up_database_cannot_name_files_elsewhere(folder, tmp_path, target):
    """Nor can the database in it."""
    with open_store(folder, Word) as store:
        put(store, "one")
    made = take(folder, FolderTarget(target)).manifest
    copy = tmp_path / "forged.db"
    copy.write_bytes(b"".join(read_all(FolderTarget(target), chunk) for chunk in made.database))
    with closing(sqlite3.connect(copy)) as database, database:
        ((file,),) = database.execute("SELECT file FROM blobs")
        database.execute("UPDATE blobs SET file = '..' || '/../outside'")
    data = copy.read_bytes()
    kept = FolderTarget(target)
    kept.write(chunk_name(data), [data], len(data))
    (target / "outside").write_bytes((target / blob_name(file)).read_bytes())
    forged = encode(msgspec.structs.replace(made, database=(chunk_name(data),), database_bytes=len(data)))
    kept.write(made.name, [forged], len(forged))
    with pytest.raises(BackupDamaged, match="names a blob file"):
        bring_back(kept, tmp_path / "again")
    assert not (tmp_path / "outside").exists()


def test_a_backup_writes_through_no_link(folder, tmp_path, target):
    """A link that somebody left where the backup writes is not followed."""
    with open_store(folder, Word) as store:
        put(store, "one")
    take(folder, FolderTarget(target))
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (target / "partial").mkdir(exist_ok=True)
    (target / "partial/backup.part").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        take(folder, FolderTarget(target), now_ms=2_000)
    assert victim.read_bytes() == b"precious"
