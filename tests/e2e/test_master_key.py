"""The master key: in its file or in the environment, and what happens to a start without the right one."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commands import Home, environment
from live import LiveCloud

KEY, OTHER = os.urandom(32), os.urandom(32)
Done = subprocess.CompletedProcess[str]


@pytest.fixture(params=[[], ["-d"]], ids=["foreground", "background"])
def mode(request: pytest.FixtureRequest) -> list[str]:
    """Both ways to start fail alike."""
    return list(request.param)


def failed(done: Done, *words: str) -> None:
    """One line, with an exit code of its own, that says what to do."""
    assert done.returncode == 10, done.stdout + done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def up(home: Home, *options: str, data: Path | None = None, key: str = "", config: Path | None = None) -> Done:
    """`pilvi up` with this key, or this config file, in the environment."""
    told = {"PILVI_MASTER_KEY": key, "PILVI_CONFIG": str(config or "")}
    told = {name: value for name, value in told.items() if value}
    done: Done = home.pilvi("up", *options, data=data, env=environment(home.path, **home.variables, **told))
    return done


def started(home: Home, *, key: str = "", config: Path | None = None) -> None:
    done = up(home, "-d", key=key, config=config)
    assert done.returncode == 0, done.stderr
    assert home.pilvi("down").returncode == 0


def test_a_folder_without_its_key_is_refused(home: Home, mode: list[str]) -> None:
    """No new key is made, which would make everything unreadable; with the old one put back it starts."""
    started(home)
    kept = (home.data / "master.key").read_bytes()
    (home.data / "master.key").unlink()
    failed(up(home, *mode), "master.key", "is gone", "backup", "PILVI_MASTER_KEY")
    assert not (home.data / "master.key").exists()
    (home.data / "master.key").write_bytes(kept)
    (home.data / "master.key").chmod(0o600)
    started(home)


def test_another_key_is_refused(home: Home, mode: list[str]) -> None:
    """Wherever it comes from; what the server says shows neither."""
    started(home)
    kept = (home.data / "master.key").read_bytes()
    failed(up(home, *mode, key=OTHER.hex()), "PILVI_MASTER_KEY", str(home.data))
    (home.data / "master.key").write_bytes(OTHER)
    failed(up(home, *mode), "master.key is not the master key")
    started(home, key=base64.b64encode(kept).decode())


@pytest.mark.parametrize("permissions", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_key_that_others_can_read_is_refused(home: Home, permissions: int) -> None:
    """As ssh does, with the command that puts it right."""
    started(home)
    (home.data / "master.key").chmod(permissions)
    failed(up(home), f"mode {permissions:04o}", f"chmod 600 {home.data / 'master.key'}")
    (home.data / "master.key").chmod(0o400)
    started(home)


@pytest.mark.parametrize("content", [b"", b"short", KEY + b"\n"], ids=["empty", "short", "long"])
def test_a_damaged_key_is_refused(home: Home, content: bytes) -> None:
    """It is not made anew."""
    started(home)
    (home.data / "master.key").write_bytes(content)
    failed(up(home), "damaged", "backup")
    assert (home.data / "master.key").read_bytes() == content


def test_a_key_from_the_environment_leaves_no_trace(tmp_path: Path) -> None:
    """No file holds it, no log, no status; and with it, in any writing, everything is there again."""
    with LiveCloud(tmp_path, environment={"PILVI_MASTER_KEY": KEY.hex()}) as cloud:
        s3, kms = cloud.client("s3"), cloud.client("kms")
        s3.create_bucket(Bucket="sealed")
        s3.put_object(Bucket="sealed", Key="k", Body=b"secret", ServerSideEncryption="AES256")
        blob = kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
        cloud.stop()
        assert not (cloud.data / "master.key").exists()
        traces = {KEY, KEY.hex().encode(), base64.b64encode(KEY)}
        for path in [*cloud.data.rglob("*"), cloud.log]:
            if path.is_file():
                assert not [one for one in traces if one in path.read_bytes()], path
        cloud.environment["PILVI_MASTER_KEY"] = base64.b64encode(KEY).decode()
        cloud.start()
        assert s3.get_object(Bucket="sealed", Key="k")["Body"].read() == b"secret"
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_a_key_moves_from_its_file_to_the_environment(tmp_path: Path) -> None:
    """The same key given by the environment needs no file; sessions and ciphertexts of before go on."""
    with LiveCloud(tmp_path) as cloud:
        kms = cloud.client("kms")
        blob = kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
        session: dict[str, Any] = cloud.client("sts").get_session_token()["Credentials"]
        cloud.stop()
        cloud.environment["PILVI_MASTER_KEY"] = (cloud.data / "master.key").read_bytes().hex()
        (cloud.data / "master.key").unlink()
        cloud.start()
        assert cloud.client_of("kms", session).decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_a_key_in_the_config_file(home: Home, tmp_path: Path) -> None:
    """Kept apart from the data, it opens it; the data alone does not start."""
    config = tmp_path / "apart.toml"
    config.write_text(f'master_key = "{KEY.hex()}"\n')
    config.chmod(0o644)
    failed(up(home, config=config), f"chmod 600 {config}")
    config.chmod(0o600)
    started(home, config=config)
    shutil.copytree(home.data, tmp_path / "stolen")
    failed(up(home, data=tmp_path / "stolen"), "is gone")
    started(home, config=config)


def test_a_backup_without_the_key_has_it_nowhere(home: Home, tmp_path: Path) -> None:
    """Neither when it is in the settings that the folder carries."""
    home.data.mkdir(parents=True, mode=0o700)
    settings = home.data / "pilvi.toml"
    settings.write_text(f"region = 'eu-north-1'\n master_key = '{KEY.hex()}'\n")
    settings.chmod(0o600)
    started(home)
    done = home.pilvi("backup", str(tmp_path / "kept"), "--no-master-key")
    assert done.returncode == 0, done.stderr
    assert "pilvi.toml was left out" in done.stdout
    kept = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if KEY.hex().encode() in path.read_bytes()]


def test_a_mistake_in_the_key_is_not_shown(home: Home) -> None:
    """The message says what would be right, and not what was wrong."""
    done = up(home, key="almost-a-secret")
    assert done.returncode == 2
    assert "PILVI_MASTER_KEY must be 32 bytes" in done.stderr
    assert "almost-a-secret" not in done.stderr
