"""`pilvi backup` and `pilvi restore` as their owner uses them: while the cloud works, and whatever comes in between."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from commands import PILVI, Home, environment
from live import LiveCloud
from trust import BUCKET, checked, file_of, fill, flip, read_back, sql
from waiting import wait_until

FILE_BYTES = 300_000


class Load:
    """Writers that put, replace and delete objects of both kinds until they are stopped; who knows what was acknowledged."""

    def __init__(self, cloud: LiveCloud, writers: int = 3) -> None:
        self._s3 = cloud.client("s3")
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._kept: dict[str, bytes] = {}
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(writers)]
        self.failed: list[BaseException] = []
        for thread in self._threads:
            thread.start()

    def kept(self) -> dict[str, bytes]:
        """Objects that are acknowledged, and not touched again."""
        with self._lock:
            return dict(self._kept)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert not self.failed, self.failed

    def _write(self, writer: int) -> None:
        round_ = 0
        try:
            while not self._over.is_set():
                round_ += 1
                passing = f"passing-{writer}"
                for key, size in ((f"small-{writer}-{round_}", 500), (f"large-{writer}-{round_}", FILE_BYTES)):
                    body = os.urandom(size)
                    self._s3.put_object(Bucket="load", Key=passing, Body=os.urandom(FILE_BYTES))
                    self._s3.put_object(Bucket="load", Key=key, Body=body)
                    self._s3.delete_object(Bucket="load", Key=passing)
                    with self._lock:
                        self._kept[key] = body
        except (BotoCoreError, ClientError) as error:
            self.failed.append(error)


def pilvi(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return Home(home, **variables).pilvi(*arguments)


def restored(tmp_path: Path, name: str, check: Callable[[Any], None]) -> None:
    """Starts a cloud on the folder `name`/data and looks at it."""
    with LiveCloud(tmp_path / name) as cloud:
        check(cloud.client("s3"))


def _killed_in_the_middle(tmp_path: Path, cloud: LiveCloud) -> Path:
    """Begins a backup and kills it while it copies files; where to. (One that was faster than the signal does not count.)"""
    for attempt in range(10):
        target = tmp_path / f"kept{attempt}"
        command = [*PILVI, "backup", str(target), "--data", str(cloud.data)]
        killed = subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.DEVNULL)
        wait_until(lambda target=target: len(list(target.glob("blobs/*/*"))) > 5, "files are copied", every_s=0.001)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        if not list(target.glob("generations/*")):
            return target
    raise AssertionError("no backup could be killed in the middle")


def test_under_load_killed_in_the_middle_resumed_and_restored(tmp_path: Path) -> None:
    """Everything acknowledged before the backup began is in it, byte by byte; what is restored is sound."""
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket="load")
        load = Load(cloud)
        try:
            wait_until(lambda: len(load.kept()) > 60, "there is something to back up")
            target = _killed_in_the_middle(tmp_path, cloud)
            copied = len(list(target.glob("blobs/*/*")))
            before = load.kept()
            done = pilvi(tmp_path, "backup", str(target), "--data", str(cloud.data))
            assert done.returncode == 0, done.stderr
            assert len(list(target.glob("blobs/*/*"))) > copied
            after = load.kept()
            assert len(after) > len(before), "the load goes on meanwhile"
        finally:
            load.stop()
        wait_until(lambda: len(list(cloud.data.glob("blobs/*/*"))) == len(load.kept()) // 2, "what was held goes")
    done = pilvi(tmp_path, "restore", str(target), "--data", str(tmp_path / "again/data"))
    assert done.returncode == 0, done.stderr
    assert not checked(tmp_path / "again/data")[1]

    def compare(s3: Any) -> None:
        for key, body in before.items():
            assert s3.get_object(Bucket="load", Key=key)["Body"].read() == body, key

    restored(tmp_path, "again", compare)


def test_to_another_s3_and_back(tmp_path: Path) -> None:
    """The other side is any S3: here another cloud. Versions, encrypted objects, uploads in parts: everything comes back."""
    (tmp_path / "there").mkdir()
    with LiveCloud(tmp_path / "there") as other, LiveCloud(tmp_path) as cloud:
        other.client("s3").create_bucket(Bucket="backups")
        stored = fill(cloud.client("s3"))
        big = os.urandom(20_000_000)
        stored["big", cloud.client("s3").put_object(Bucket=BUCKET, Key="big", Body=big)["VersionId"]] = big
        keys = {
            "AWS_ACCESS_KEY_ID": other.access_key,
            "AWS_SECRET_ACCESS_KEY": other.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        at = ["s3://backups/deep/er", "--endpoint-url", other.endpoint]
        for _ in range(2):
            done = pilvi(tmp_path, "backup", *at, "--data", str(cloud.data), "--keep", "1", **keys)
            assert done.returncode == 0, done.stderr
        assert "new: 0 blob files, 0 bytes" in done.stdout
        listed = pilvi(tmp_path, "restore", *at, "--list", **keys)
        assert len(listed.stdout.splitlines()) == 1
        done = pilvi(tmp_path, "restore", *at, "--data", str(tmp_path / "again/data"), **keys)
        assert done.returncode == 0, done.stderr
        done = pilvi(tmp_path, "restore", "s3://nowhere/x", *at[1:], "--data", str(tmp_path / "no"), **keys)
        assert done.returncode == 1
        assert "NoSuchBucket" in done.stderr
        assert done.stderr.count("\n") == 1
    restored(tmp_path, "again", lambda s3: read_back(s3, stored))


def test_without_the_master_key_what_is_encrypted_needs_it(tmp_path: Path) -> None:
    """It is not in the backup, restoring says so, and with it put back everything can be read."""
    with LiveCloud(tmp_path) as cloud:
        stored = fill(cloud.client("s3"))
    target = tmp_path / "kept"
    done = pilvi(tmp_path, "backup", str(target), "--no-master-key", "--data", str(cloud.data))
    assert done.returncode == 0
    key = (cloud.data / "master.key").read_bytes()
    assert not [path for path in target.rglob("*") if path.is_file() and key in path.read_bytes()]
    done = pilvi(tmp_path, "restore", str(target), "--data", str(tmp_path / "again/data"))
    assert "has no master.key" in done.stdout
    assert not (tmp_path / "again/data/master.key").exists()
    assert not checked(tmp_path / "again/data")[1], "sound as far as can be seen without it"
    (tmp_path / "again/data/master.key").write_bytes(key)
    (tmp_path / "again/data/master.key").chmod(0o600)
    restored(tmp_path, "again", lambda s3: read_back(s3, stored))


def test_at_brings_back_what_was_and_a_folder_half_restored_does_not_start(tmp_path: Path) -> None:
    """Each backup is of its time; `pilvi up` refuses what a broken-off restoration left."""
    home, target = Home(tmp_path), str(tmp_path / "kept")
    with LiveCloud(tmp_path) as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for body in (b"first", b"second"):
            s3.put_object(Bucket=BUCKET, Key="key", Body=body)
            assert home.pilvi("backup", target, data=cloud.data).returncode == 0
    first = home.pilvi("restore", target, "--list").stdout.split()[0]
    assert home.pilvi("restore", target, "--at", first, data=tmp_path / "again/data").returncode == 0
    assert home.pilvi("restore", target, "--at", "100d", data=tmp_path / "no").returncode == 1

    def compare(s3: Any) -> None:
        assert s3.get_object(Bucket=BUCKET, Key="key")["Body"].read() == b"first"

    restored(tmp_path, "again", compare)
    done = home.pilvi("restore", target, data=tmp_path / "again/data")
    assert done.returncode == 7
    assert "not empty" in done.stderr
    (tmp_path / "half").mkdir()
    (tmp_path / "half/restoring.json").write_text("{}")
    (tmp_path / "half/pilvi.toml").write_text("")
    done = home.pilvi("up", "-d", data=tmp_path / "half")
    assert done.returncode == 7
    assert "pilvi restore" in done.stderr


def test_mistakes_are_told_in_a_line(tmp_path: Path) -> None:
    """A target inside the data folder, a bucket that is none, a place without backups."""
    with LiveCloud(tmp_path) as cloud:
        data = str(cloud.data)
        for arguments, code in (
            (["backup", f"{data}/inside", "--data", data], 2),
            (["backup", "s3://No_Bucket", "--data", data], 2),
            (["restore", str(tmp_path / "nothing"), "--data", str(tmp_path / "again")], 1),
        ):
            done = pilvi(tmp_path, *arguments)
            assert done.returncode == code, done.stderr
            assert done.stderr.count("\n") == 1
        assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("key", ["inline", "middle", "sealed-inline", "sealed-large"])
def test_wrong_bytes_are_never_sent(tmp_path: Path, key: str) -> None:
    """One flipped bit, in the database or in a file: an error of the server's, or the connection ends early."""
    with LiveCloud(tmp_path) as cloud:
        fill(cloud.client("s3"))
        cloud.stop()
        if key.endswith("inline"):
            ((blob,),) = sql(cloud.data, "SELECT json_extract(doc, '$.blob') FROM s3_object WHERE key = ?", key)
            ((data,),) = sql(cloud.data, "SELECT data FROM blobs WHERE id = ?", blob)
            harmed = data[:1_000] + bytes([data[1_000] ^ 1]) + data[1_001:]
            sql(cloud.data, "UPDATE blobs SET data = ? WHERE id = ?", harmed, blob)
        else:
            flip(file_of(cloud.data, key), 500_000)
        cloud.start()
        with pytest.raises((ClientError, BotoCoreError)) as caught:
            cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        if isinstance(caught.value, ClientError):
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        else:
            assert key == "sealed-large"
        cloud.kill()
