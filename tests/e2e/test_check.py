"""`pilvi check`: finds what is damaged, repairs what can be repaired, and changes nothing that it was not told to."""

from __future__ import annotations

import io
import json
import random
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import PILVI, Home, Terminal, environment
from live import LiveCloud
from pilvi.services.lambda_.records import Alias, Function
from pilvi.services.s3.records import OlderVersion, StoredObject
from pilvi.state.checks.findings import Kind
from pilvi.state.errors import FolderInUse, UnusableData
from trust import BUCKET, checked, digest_of, file_of, fill, flip, rewrite, sql
from waiting import wait_until

Harm = Callable[[Path], object]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped data folder with some of everything."""
    folder = tmp_path_factory.mktemp("filled")
    with LiveCloud(folder) as cloud:
        fill(cloud.client("s3"))
    return folder / "data"


@pytest.fixture
def folder(filled: Path, tmp_path: Path) -> Path:
    """A copy of it, to be harmed."""
    return Path(shutil.copytree(filled, tmp_path / "data"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_sound_folder_is_found_sound_and_left_as_it_is(folder: Path) -> None:
    """Nothing is found, everything was looked at, and no byte of the folder is another afterwards."""
    before = digest_of(folder)
    summary, told = checked(folder)
    assert not told
    assert summary.checked["blobs"] == sql(folder, "SELECT count(*) FROM blobs")[0][0]
    assert summary.checked["files"] == len(list((folder / "blobs").glob("*/*"))) > 5
    assert summary.checked["bytes"] > 20_000_000
    assert digest_of(folder) == before
    assert checked(folder, quick=True)[1] == []


def test_after_kill_9_nothing_is_changed_by_looking(tmp_path: Path) -> None:
    """What only stands in the write-ahead log is looked at too, and the log stays as it was left."""
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        fill(s3)
        cloud.kill()
        assert (cloud.data / "data.db-wal").stat().st_size
        before = digest_of(cloud.data)
        summary, told = checked(cloud.data)
        assert not summary.damage, told
        assert summary.checked["files"] > 5
        assert digest_of(cloud.data) == before
        (cloud.data / "data.db-shm").unlink()
        assert not checked(cloud.data)[0].damage
        assert not (cloud.data / "data.db-shm").exists()
        cloud.start()


def _lose_index_row(folder: Path) -> None:
    """The index of buckets by account lacks one."""
    ((sql_text, root),) = sql(folder, "SELECT sql, rootpage FROM sqlite_schema WHERE name = 's3_bucket__account'")
    import sqlite3

    connection = sqlite3.connect(folder / "data.db", isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("DELETE FROM sqlite_schema WHERE name = 's3_bucket__account'")
    connection.close()
    sql(folder, "INSERT INTO s3_bucket SELECT 'other', account, doc, NULL FROM s3_bucket LIMIT 1")
    connection = sqlite3.connect(folder / "data.db", isolation_level=None)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "INSERT INTO sqlite_schema VALUES ('index', 's3_bucket__account', 's3_bucket', ?, ?)", (root, sql_text)
    )
    connection.close()


def _blob(folder: Path, key: str) -> int:
    return int(json.loads(sql(folder, "SELECT doc FROM s3_object WHERE key = ?", key)[0][0])["blob"])


UNREPAIRABLE: dict[str, tuple[Harm, set[Kind]]] = {
    "a flipped bit in a file": (lambda f: flip(file_of(f, "large"), 1_234_567), {Kind.BYTES, Kind.HOLDER}),
    "a flipped bit in a sealed file": (lambda f: flip(file_of(f, "sealed-large"), 99), {Kind.BYTES, Kind.HOLDER}),
    "a file cut short": (lambda f: file_of(f, "large").write_bytes(b"short"), {Kind.BYTES, Kind.HOLDER}),
    "a file gone": (lambda f: file_of(f, "middle").unlink(), {Kind.BYTES, Kind.HOLDER}),
    "bytes changed in the database": (
        lambda f: sql(f, "UPDATE blobs SET data = zeroblob(size) WHERE id = ?", _blob(f, "inline")),
        {Kind.BYTES, Kind.HOLDER},
    ),
    "a blob's row gone": (
        lambda f: sql(f, "DELETE FROM blobs WHERE id = ?", _blob(f, "inline")),
        {Kind.MISSING, Kind.HOLDER},
    ),
    "a record that cannot be read": (
        lambda f: sql(f, "UPDATE s3_object SET doc = '{' WHERE key = 'inline'"),
        {Kind.RECORD},
    ),
    "a record whose text is broken": (
        lambda f: sql(f, "UPDATE s3_object SET doc = CAST(x'7bff7d' AS TEXT) WHERE key = 'inline'"),
        {Kind.RECORD},
    ),
    "one letter of a record": (
        lambda f: sql(f, "UPDATE s3_object SET doc = replace(doc, '_ms\":1', '_ms\":2') WHERE key = 'inline'"),
        {Kind.RECORD},
    ),
    "another size": (lambda f: rewrite(f, StoredObject, "key = 'inline'", size=5), {Kind.CONTRADICTION}),
    "another size of parts": (lambda f: rewrite(f, StoredObject, "key = 'full'", size=5), {Kind.CONTRADICTION}),
    "another checksum": (
        lambda f: rewrite(f, StoredObject, "key = 'inline'", checksum="AAAAAA=="),
        {Kind.CONTRADICTION},
    ),
    "another checksum of a sealed object": (
        lambda f: rewrite(f, StoredObject, "key = 'sealed-large'", checksum="AAAAAA=="),
        {Kind.CONTRADICTION},
    ),
    "a version in the wrong place": (
        lambda f: rewrite(f, OlderVersion, "key = 'large'", superseded_ms=0),
        {Kind.CONTRADICTION},
    ),
    "a version of two minds": (
        lambda f: sql(f, "UPDATE s3_older_version SET version = 'other' WHERE key = 'large'"),
        {Kind.CONTRADICTION},
    ),
}


@pytest.mark.parametrize("name", UNREPAIRABLE)
def test_what_is_damaged_is_found_named_and_not_hidden_by_a_repair(folder: Path, name: str) -> None:
    """Each kind of damage is told of, as often as one looks, and the objects that it hits are named."""
    harm, kinds = UNREPAIRABLE[name]
    harm(folder)
    before = digest_of(folder)
    for mend in (False, True, False):
        summary, told = checked(folder, mend=mend)
        assert {Kind(kind) for kind in summary.damage} >= kinds, told
        assert not summary.repaired
        if not mend:
            holders = [finding for finding in told if finding.kind == Kind.HOLDER]
            assert all(finding.where.startswith(f"s3://{BUCKET}/") for finding in holders)
            assert bool(holders) == (Kind.HOLDER in kinds)
    assert digest_of(folder).items() >= {name: found for name, found in before.items() if "blobs/" in name}.items()


def _unheld(folder: Path) -> None:
    sql(folder, "INSERT INTO blobs SELECT 900000, 1, size, crc, NULL, data FROM blobs WHERE data IS NOT NULL LIMIT 1")


REPAIRABLE: dict[str, tuple[Harm, Kind]] = {
    "a count too high": (lambda f: sql(f, "UPDATE blobs SET refs = 7 WHERE id = ?", _blob(f, "large")), Kind.COUNT),
    "a count too low": (lambda f: sql(f, "UPDATE blobs SET refs = 0 WHERE id = ?", _blob(f, "large")), Kind.COUNT),
    "a blob that nothing holds": (_unheld, Kind.UNHELD),
    "an object that is gone without its blob": (
        lambda f: sql(f, "DELETE FROM s3_object WHERE key = 'middle'"),
        Kind.UNHELD,
    ),
    "an event of nobody": (
        lambda f: sql(f, "INSERT INTO outbox SELECT 900000, 'nobody', 0, '{\"key\":\"\",\"created_ms\":0,"
                         "\"attempts\":0,\"body\":\"\"}', NULL"),
        Kind.EVENT,
    ),
    "an index that lacks a row": (_lose_index_row, Kind.DATABASE),
}  # fmt: skip


@pytest.mark.parametrize("name", REPAIRABLE)
def test_what_can_be_repaired_is_found_and_repaired_when_told(folder: Path, name: str) -> None:
    """Looking changes nothing; a repair leaves a folder in which nothing is found, and removes no bytes."""
    harm, kind = REPAIRABLE[name]
    middle = file_of(folder, "middle").read_bytes()
    harm(folder)
    before = digest_of(folder)
    assert checked(folder)[0].damage.get(kind)
    assert digest_of(folder) == before
    summary, told = checked(folder, mend=True)
    assert summary.repaired.get(kind), told
    assert not summary.damage, told
    summary, told = checked(folder)
    assert not told
    found = [path.read_bytes() for path in [*folder.glob("blobs/*/*"), *folder.glob("lost+found/*")]]
    assert middle in found
    assert (kind not in {Kind.UNHELD, Kind.EVENT}) or list(folder.glob("lost+found/*"))


def test_what_an_unreadable_record_may_hold_is_left_alone(folder: Path) -> None:
    """Nothing is taken for nobody's while it is not certain whose it is."""
    sql(folder, "UPDATE s3_object SET doc = '{' WHERE key = 'large'")
    _unheld(folder)
    summary, _ = checked(folder, mend=True)
    assert summary.damage[Kind.RECORD] == 1
    assert not summary.repaired
    assert not (folder / "lost+found").exists()
    assert sql(folder, "SELECT 1 FROM blobs WHERE id = 900000")


def test_leftovers_and_files_without_a_checksum_do_no_harm(folder: Path, home: Home) -> None:
    """They are told of, and are no damage; a repair moves the ones and computes the checksums of the others."""
    (folder / "blobs/00").mkdir(exist_ok=True)
    (folder / "blobs/00/000000000000000000000000000000").write_bytes(b"left over")
    sql(folder, "UPDATE blobs SET crc = NULL WHERE file IS NOT NULL")
    files = sql(folder, "SELECT count(*) FROM blobs WHERE file IS NOT NULL")[0][0]
    assert checked(folder)[0].harmless == {Kind.UNVERIFIED: files, Kind.LEFTOVER: 1}
    assert home.pilvi("check", "--repair", data=folder).returncode == 0
    assert (folder / f"lost+found/{30 * '0':0>32}").read_bytes() == b"left over"
    assert checked(folder)[1] == []
    flip(file_of(folder, "large"), 5)
    assert checked(folder)[0].damage == {Kind.BYTES: 1, Kind.HOLDER: 2}  # an object and its copy


def test_scripts_are_told_by_exit_code_and_json(folder: Path, home: Home) -> None:
    """0 sound, 8 damage, 9 damage that was repaired; each finding and the summary a line of JSON."""
    assert home.pilvi("check", data=folder).returncode == 0
    sql(folder, "UPDATE blobs SET refs = 7 WHERE id = ?", _blob(folder, "large"))
    done = home.pilvi("check", "--json", data=folder)
    assert done.returncode == 8, done.stderr
    finding, last = map(json.loads, done.stdout.splitlines())
    assert finding["kind"] == "count"
    assert last["summary"]["damage"] == {"count": 1}
    done = home.pilvi("check", "--repair", data=folder)
    assert done.returncode == 9, done.stderr
    assert "(repaired)" in done.stdout
    done = home.pilvi("check", data=folder)
    assert done.returncode == 0
    assert "everything is as it was stored" in done.stdout


def test_a_folder_that_is_none_is_refused(tmp_path: Path, home: Home) -> None:
    """In one line, by exit code, and nothing is made."""
    for argument in ("check", "backup"):
        done = home.pilvi(argument, *(["there"] if argument == "backup" else []), data=tmp_path / "nowhere")
        assert done.returncode == 7, done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


def test_a_running_cloud_can_be_checked_and_not_repaired(tmp_path: Path) -> None:
    """It goes on meanwhile; what it deletes keeps its file until the check is over."""
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        fill(s3)
        with pytest.raises(FolderInUse):
            checked(cloud.data, mend=True)

        from pilvi.cli import check as command
        from pilvi.config import Config
        from pilvi.state.checks.check import check

        gone: list[str] = []

        def watch(*_: object) -> None:
            if not gone:
                gone.append(s3.put_object(Bucket=BUCKET, Key="passing", Body=b"x" * 400_000)["VersionId"])
                s3.delete_object(Bucket=BUCKET, Key="passing", VersionId=gone[0])

        told: list[object] = []
        files = len(list((cloud.data / "blobs").glob("*/*")))
        summary = check(cloud.data, command._wanted(Config(data=cloud.data), quick=False), told.append, watch)
        assert gone
        assert summary.running
        assert not told
        wait_until(lambda: len(list((cloud.data / "blobs").glob("*/*"))) == files, "the file goes after the check")


def test_functions_are_checked_with_their_code(tmp_path: Path) -> None:
    """Their code by its SHA-256, and that what names a version finds one."""
    with LiveCloud(tmp_path) as cloud:
        iam, functions = cloud.client("iam"), cloud.client("lambda")
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as out:
            out.writestr("app.py", "def handler(event, context): return 1")
        functions.create_function(
            FunctionName="one",
            Runtime=f"python3.{sys.version_info.minor}",
            Handler="app.handler",
            Role=role,
            Code={"ZipFile": archive.getvalue()},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName="one")
        functions.publish_version(FunctionName="one")
        functions.create_alias(FunctionName="one", Name="live", FunctionVersion="1")
        cloud.stop()
        assert not checked(cloud.data)[1]
        rewrite(cloud.data, Alias, "1", version="2")
        ((document,),) = sql(cloud.data, "SELECT doc FROM lambda_function")
        latest = json.loads(document)["latest"] | {"code_sha256": "AA=="}
        rewrite(cloud.data, Function, "1", latest=latest)
        told = {finding.where: finding.what for finding in checked(cloud.data)[1]}
        assert told == {
            "function 000000000000:us-east-1:one": "its code does not have its SHA-256",
            "function 000000000000:us-east-1:one:live": "names version 2, which does not exist",
        }


@pytest.mark.parametrize("seed", range(24))
def test_whatever_is_wrong_with_the_database_is_told(folder: Path, seed: int) -> None:
    """A page of garbage anywhere: damage is found, by looking and by a repair, or the folder is refused; never a crash."""
    size = (folder / "data.db").stat().st_size
    chance = random.Random(seed)
    with (folder / "data.db").open("r+b") as file:
        file.seek(chance.randrange(size // 4_096) * 4_096 if seed else 4_096)
        file.write(chance.randbytes(4_096))
    for mend in (False, True):
        try:
            summary, told = checked(folder, mend=mend)
        except UnusableData:
            continue
        assert summary.damage or summary.repaired, told


def test_another_master_key_is_told(folder: Path, home: Home) -> None:
    """What is sealed does not open under it. Without any, what is sealed is checked as far as it can be."""
    (folder / "master.key").write_bytes(b"another key of thirty-two bytes!")
    told = checked(folder)[1]
    assert {finding.kind for finding in told} == {Kind.CONTRADICTION}
    assert all("sealed-" in finding.where and "master key" in finding.what for finding in told)
    (folder / "master.key").unlink()
    assert not checked(folder)[1]


def test_a_damaged_master_key_is_told(folder: Path, home: Home) -> None:
    """Half of it opens nothing, and is no key."""
    key = folder / "master.key"
    key.write_bytes(key.read_bytes()[:16])
    done = home.run(*PILVI, "check", "--data", str(folder))
    assert done.returncode == 10
    assert "master.key is damaged: restore it from a backup" in done.stderr


def test_on_a_terminal_progress_is_shown(folder: Path, tmp_path: Path) -> None:
    """Bars while it works, and the findings between them stay readable."""
    sql(folder, "UPDATE blobs SET refs = 7 WHERE id = ?", _blob(folder, "large"))
    with Terminal([*PILVI, "check", "--data", str(folder)], environment(tmp_path), tmp_path) as terminal:
        assert terminal.end() == 8
        assert "is counted 7 times and held" in terminal.plain
        assert "damage was found" in terminal.plain
