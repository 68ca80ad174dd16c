"""The demonstration behind `make demo`: an uploaded photo becomes a thumbnail, and all of it survives kill -9.

Everything a user would do is done with plain boto3 and the `pilvi` command; the cloud lives in a temporary folder on a
free port and is gone afterwards.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "photo_thumbnails"
CACHE = ROOT / ".cache" / "demo"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
FUNCTION = "thumbnailer"
WAIT_SECONDS_MAX = 30

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
ACCESS = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::thumbnails/*"},
        {"Effect": "Allow", "Action": "logs:*", "Resource": "*"},
    ],
}

console = Console(highlight=False)


def main() -> int:
    began = time.perf_counter()
    console.print("\n[bold]pilvi[/]: from an uploaded photo to its thumbnail, in a cloud on this machine\n")
    folder = Path(tempfile.mkdtemp(prefix="pilvi-demo-"))
    cloud = Cloud(folder / "data")
    try:
        show(cloud, package())
    except BaseException:
        console.print(cloud.last_words(), style="dim", markup=False)
        raise
    finally:
        cloud.end()
        shutil.rmtree(folder, ignore_errors=True)
    seconds = time.perf_counter() - began
    console.print(f"\nDone in {seconds:.0f} s. The thumbnails are in [bold]{shown(CACHE / 'thumbnails')}[/]")
    console.print(
        f"Next, a cloud of your own:  [bold]{shown(ROOT / '.venv/bin/pilvi')} up -d[/]   (docs/getting-started.md)"
    )
    return 0


def show(cloud: "Cloud", code: bytes) -> None:
    """The story, in order."""
    with step("start the cloud") as told:
        told(cloud.up())
    with step("make a role and two buckets") as told:
        role = make_role(cloud)
        for bucket in ("photos", "thumbnails"):
            cloud.client("s3").create_bucket(Bucket=bucket)
        told("s3://photos, s3://thumbnails")
    with step("deploy the function") as told:
        deploy(cloud, role, code)
        told(f"{RUNTIME}, {len(code) / 1e6:.1f} MB with Pillow")
    with step("let the bucket notify it") as told:
        connect(cloud)
        told("s3:ObjectCreated:*  *.jpg")
    upload(cloud, "astronaut.jpg")
    show_logs(cloud)

    with step("[red]kill -9[/] the server") as told:
        told(f"{cloud.kill()} processes gone, no goodbye")
    with step("start it again") as told:
        told(cloud.up())
    with step("look what is still there") as told:
        told(inventory(cloud))
    upload(cloud, "coffee.jpg")

    with step("stop") as told:
        told(cloud.down())


# -- what a user of AWS would write ------------------------------------------------------------------------------------


def package() -> bytes:
    """The function's zip: Pillow by `pip install --target`, and the handler."""
    with step("build the function's package") as told:
        build = CACHE / f"package-{RUNTIME}"
        stamp = build.with_suffix(".requirements")
        wanted = (EXAMPLE / "requirements.txt").read_text()
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(build, ignore_errors=True)
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*command, "--target", str(build), "-r", str(EXAMPLE / "requirements.txt")])
            stamp.write_text(wanted)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.write(EXAMPLE / "handler.py", "handler.py")
            for path in sorted(build.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    archive.write(path, path.relative_to(build))
        told("pip install --target, zip")
    return out.getvalue()


def make_role(cloud: "Cloud") -> str:
    iam = cloud.client("iam")
    role: str = iam.create_role(RoleName=FUNCTION, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.put_role_policy(RoleName=FUNCTION, PolicyName="access", PolicyDocument=json.dumps(ACCESS))
    return role


def deploy(cloud: "Cloud", role: str, code: bytes) -> None:
    lambda_ = cloud.client("lambda")
    lambda_.create_function(
        FunctionName=FUNCTION,
        Runtime=RUNTIME,
        Handler="handler.handler",
        Role=role,
        Code={"ZipFile": code},
        Timeout=30,
        MemorySize=256,
        Environment={"Variables": {"THUMBNAILS": "thumbnails"}},
    )
    lambda_.get_waiter("function_active_v2").wait(FunctionName=FUNCTION)


def connect(cloud: "Cloud") -> None:
    lambda_ = cloud.client("lambda")
    arn = lambda_.get_function(FunctionName=FUNCTION)["Configuration"]["FunctionArn"]
    lambda_.add_permission(
        FunctionName=FUNCTION,
        StatementId="photos",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::photos",
    )
    rule = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}
    cloud.client("s3").put_bucket_notification_configuration(
        Bucket="photos",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": rule},
            ],
        },
    )


def upload(cloud: "Cloud", name: str) -> None:
    """Uploads a photo and waits for what the function makes of it."""
    s3 = cloud.client("s3")
    photo = EXAMPLE / "photos" / name
    with step(f"upload {name}") as told:
        s3.upload_file(str(photo), "photos", name)
        told(f"{photo.stat().st_size:,} bytes")
    with step("wait for its thumbnail") as told:
        began = time.perf_counter()
        made = wait_until(lambda: found(s3, name), f"s3://thumbnails/{name}")
        seconds = time.perf_counter() - began
        thumbnail = made["Body"].read()
        told(f"[bold]{len(thumbnail):,} bytes, {made['Metadata']['pixels']} pixels[/], after {seconds:.2f} s")
    kept = CACHE / "thumbnails" / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(thumbnail)


def found(s3: Any, name: str) -> Any:
    try:
        return s3.get_object(Bucket="thumbnails", Key=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None


def show_logs(cloud: "Cloud") -> None:
    """The function's own lines, from CloudWatch Logs."""
    logs = cloud.client("logs")

    def lines() -> list[str] | None:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{FUNCTION}")["events"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            return None
        told = [str(event["message"]).rstrip() for event in events]
        return told if any(line.startswith("REPORT") for line in told) else None

    with step("read its log (CloudWatch Logs)") as told:
        found_lines = wait_until(lines, "the function's log lines")
        told(f"/aws/lambda/{FUNCTION}")
    for line in found_lines:
        text = "      " + " ".join(line.split())
        console.print(text, style="dim", markup=False, no_wrap=True, overflow="ellipsis")


def inventory(cloud: "Cloud") -> str:
    """What a restarted cloud still knows. Fails when something is missing."""
    s3 = cloud.client("s3")
    objects = [
        item["Key"] for bucket in ("photos", "thumbnails") for item in s3.list_objects_v2(Bucket=bucket)["Contents"]
    ]
    state = cloud.client("lambda").get_function(FunctionName=FUNCTION)["Configuration"]["State"]
    rules = s3.get_bucket_notification_configuration(Bucket="photos")["LambdaFunctionConfigurations"]
    return f"{len(objects)} objects, function {state.lower()}, {len(rules)} notification"


# -- the cloud, as a process -------------------------------------------------------------------------------------------


class Cloud:
    """The cloud of this demonstration, driven with the `pilvi` command."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.processes: set[int] = set()
        self._session = boto3.session.Session()
        self._clients: dict[str, Any] = {}

    def up(self) -> str:
        began = time.perf_counter()
        run([sys.executable, "-m", "pilvi", "up", "--data", str(self.data), "--port", "0", "-d"])
        seconds = time.perf_counter() - began
        self.processes = set(descendants(self.pid))
        self._clients = {}
        return f"{self.environment()['AWS_ENDPOINT_URL']}, ready in {seconds:.2f} s"

    @property
    def pid(self) -> int:
        return int(json.loads((self.data / "run.json").read_text())["pid"])

    def environment(self) -> dict[str, str]:
        """What `eval "$(pilvi env)"` would set."""
        answer = run([sys.executable, "-m", "pilvi", "env", "--data", str(self.data), "--json"])
        return dict(json.loads(answer))

    def client(self, service: str) -> Any:
        if not self._clients:
            self._variables = self.environment()
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,
                endpoint_url=self._variables["AWS_ENDPOINT_URL"],
                aws_access_key_id=self._variables["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=self._variables["AWS_SECRET_ACCESS_KEY"],
                region_name=self._variables["AWS_DEFAULT_REGION"],
            )
        return self._clients[service]

    def kill(self) -> int:
        """Without a goodbye (kill -9); how many processes were there."""
        processes = set(descendants(self.pid)) | self.processes
        os.kill(self.pid, signal.SIGKILL)
        wait_until(lambda: not alive(processes), "the end of all processes of the killed server")
        return len(processes)

    def down(self) -> str:
        processes = set(descendants(self.pid)) | self.processes
        run([sys.executable, "-m", "pilvi", "down", "--data", str(self.data)])
        wait_until(lambda: not alive(processes), "the end of all processes of the server")
        self.processes = set()
        return "no process left behind"

    def last_words(self) -> str:
        """The end of the server's log, for when something went wrong."""
        log = self.data / "pilvi.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""

    def end(self) -> None:
        """Whatever happened: nothing of ours goes on running."""
        for pid in alive(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found_pids = [root]
    for pid in found_pids:
        found_pids += children.get(pid, [])
    return found_pids


def alive(pids: set[int]) -> list[int]:
    def lives(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False

    return [pid for pid in pids if lives(pid)]


# -- telling it --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Shows that something is under way, and how it ended."""
    result = ""

    def told(text: str) -> None:
        nonlocal result
        result = text

    try:
        with console.status(f"{what} ..."):
            yield told
    except BaseException:
        console.print(f"[red]  ✗[/] {what}")
        raise
    padding = " " * max(0, 33 - len(Text.from_markup(what)))
    console.print(f"[green]  ✓[/] {what}{padding} [cyan]{result}[/]")


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"error: {what} did not come within {WAIT_SECONDS_MAX} s")
        time.sleep(0.02)
    return value


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} ended with {done.returncode}\n{done.stderr or done.stdout}")
    return done.stdout


def shown(path: Path) -> str:
    """As short as it can be typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
