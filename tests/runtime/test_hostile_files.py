"""Hostile functions and files: what is not theirs cannot be read, what is not theirs to change cannot be written.

Each test runs its attack inside a handler, as root's cloud and as an ordinary user's, and then an honest function on the
same machine, which must not notice.
"""

from __future__ import annotations

import io
import zipfile

import pytest

from functions import zip_of

HONEST = "def handler(event, context): return event"


@pytest.fixture(autouse=True)
def still_serves(machine):
    """After the attack others are served as before."""
    yield
    assert machine.function(HONEST)("well") == "well"


def attempt(body: str, **names: object) -> str:
    """A handler that tries, and returns the error's name if it is refused."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    assigned = "\n".join(f"{name} = {value!r}" for name, value in names.items())
    return f"""
import ctypes, os, socket, subprocess, sys, time
{assigned}
def handler(event, context):
    try:
{lines}
    except OSError as error:
        return type(error).__name__ + ": " + str(error.strerror)
"""


def refused(answer: object) -> bool:
    return isinstance(answer, str) and answer.split(":")[0] in (
        "PermissionError",
        "FileNotFoundError",
        "OSError",
        "NotADirectoryError",
    )


def test_the_data_folder_is_not_there(machine):
    """Neither by its path, nor listed, nor through any process's root."""
    function = machine.function(attempt("return open(path).read()", path=str(machine.folder / "secret.db")))
    assert refused(function())


def test_no_file_of_the_machine_holds_the_secret(machine):
    """A walk over everything that the function can reach finds nothing of the data folder."""
    function = machine.function(
        """
import os, sys
def handler(event, context):
    found, seen = [], 0
    for top, folders, files in os.walk("/"):
        if top.startswith(("/usr", "/proc", "/lib", sys.base_prefix, "/var/runtime")):
            folders[:] = []
            continue
        for name in files:
            seen += 1
            if name == "secret.db" or "pilvi" in name:
                found.append(os.path.join(top, name))
    return [seen > 0, found]
""",
        timeout_seconds=60,
    )
    assert function() == [True, []]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/root/.ssh",
        "/home",
        "/var/lib",
        "/run/pilvi/code",
        "/proc/1/root/etc/shadow",
        "/sys/kernel",
        "/dev/mem",
        "/dev/vda",
        "/dev/sda",
        "/dev/kmsg",
        "/dev/shm",
        "/dev/fuse",
        "/dev/kvm",
        "/proc/kcore",
        "/proc/sysrq-trigger",
    ],
)
def test_system_paths_are_absent_empty_or_refused(machine, path):
    """Settings, homes, devices and kernel interfaces."""
    body = "return os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1).hex()"
    answer = machine.function(attempt(body, path=path))()
    assert answer == [] or refused(answer), answer


def test_own_code_cannot_be_changed(machine):
    """The folder is shared with every worker of the same package."""
    body = "open(os.environ['LAMBDA_TASK_ROOT'] + '/main.py', 'a').write('#')"
    assert refused(machine.function(attempt(body))())
    body = "os.unlink(os.environ['LAMBDA_TASK_ROOT'] + '/main.py')"
    assert refused(machine.function(attempt(body))())
    body = "os.chmod(os.environ['LAMBDA_TASK_ROOT'] + '/main.py', 0o777)"
    assert refused(machine.function(attempt(body))())


@pytest.mark.parametrize(
    "folder", ["/", "/etc", "/usr", "/usr/lib", "/var/task", "/var/runtime", "/dev", "/run", "/home", "/root"]
)
def test_nothing_outside_tmp_can_be_written(machine, folder):
    """A read-only root."""
    assert refused(machine.function(attempt("open(folder + '/written', 'w')", folder=folder))())


def test_tmp_is_private(machine):
    """What one worker writes there, another one of the same function does not see; the machine does not either."""
    source = """
import os, time
def handler(event, context):
    if event == "write":
        open("/tmp/mine", "w").write("x"); time.sleep(1)
    return os.listdir("/tmp")
"""
    function = machine.function(source)
    writing = function.begin("write")
    other = machine.function(source)
    assert (function(), other()) == ([], [])
    assert writing.result(60)["payload"]
    assert function("write") == ["mine"]


def test_tmp_stays_as_long_as_the_worker(machine):
    """As on AWS: the next invocation of the same worker finds it."""
    function = machine.function(
        "import os\ndef handler(event, context):\n    open('/tmp/' + event, 'w'); return sorted(os.listdir('/tmp'))"
    )
    assert (function("a"), function("b")) == (["a"], ["a", "b"])


def test_tmp_is_bounded(machine):
    """Filling it ends with "no space left", at its size."""
    function = machine.function(
        """
import errno, os
def handler(event, context):
    written = 0
    try:
        with open("/tmp/large", "wb", buffering=0) as file:
            while True:
                written += file.write(bytes(1 << 20))
    except OSError as error:
        os.unlink("/tmp/large")
        return [written >> 20, errno.errorcode[error.errno]]
""",
        tmp_mb=64,
    )
    assert function() in ([64, "ENOSPC"], [64, "EFBIG"])


def test_the_number_of_files_is_bounded(machine):
    """Empty files cost memory too."""
    function = machine.function(
        """
import os
def handler(event, context):
    for number in range(1_000_000):
        try:
            os.close(os.open(f"/tmp/{number}", os.O_CREAT))
        except OSError:
            return number
""",
        tmp_mb=8,
    )
    assert 100 < function() < 10_000


def test_devices_cannot_be_made(machine):
    """Not even those of which a reader exists."""
    body = "os.mknod('/tmp/disk', 0o600 | 0o060000, os.makedev(254, 0)); return open('/tmp/disk', 'rb').read(1).hex()"
    assert refused(machine.function(attempt(body))())


def test_setuid_programs_give_nothing(machine):
    """no_new_privs, and a root file system without setuid."""
    body = """
open('/tmp/sh', 'wb').write(open('/bin/sh', 'rb').read()); os.chmod('/tmp/sh', 0o6755)
return [subprocess.run(['/tmp/sh', '-c', 'id -u'], capture_output=True, text=True).stdout.strip(), str(os.getuid()),
        [line for line in open('/proc/self/status') if line.startswith(('NoNewPrivs', 'CapEff', 'CapPrm', 'CapBnd'))]]
"""
    before, now, status = machine.function(attempt(body))()
    assert before == now != "0"
    assert [line.split()[1].strip("0") for line in status] == ["", "", "", "1"]


def test_the_mount_table_shows_no_place_of_the_host_that_can_be_written(machine):
    """Every mount but /tmp and /proc is read-only, and none allows devices or setuid programs where they could matter."""
    mounts = machine.function("def handler(event, context): return open('/proc/self/mounts').read()")()
    writable = {line.split()[1] for line in mounts.splitlines() if line.split()[3].split(",")[0] == "rw"}
    assert {path for path in writable if not path.startswith("/dev/")} <= {"/tmp", "/proc"}


def test_links_in_packages_do_not_lead_out(machine):
    """A package with a link out of itself is refused."""
    for target in ("/etc/passwd", "../../../secret.db"):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("main.py", HONEST)
            entry = zipfile.ZipInfo("link")
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, target)
        assert machine.package({}, code=made.getvalue()).invoke().refused == "InvalidZipFileException"


@pytest.mark.parametrize("name", ["../outside.py", "/absolute.py", "a/../../outside.py"])
def test_packages_stay_in_their_folder(machine, name):
    """Names that lead out are refused, and nothing is written."""
    code = zip_of({"main.py": HONEST, name: "x"})
    assert machine.package({}, code=code).invoke().refused == "InvalidZipFileException"
    assert not list(machine.reachable.rglob("outside.py"))


def test_bombs_are_refused(machine):
    """A small zip of more than 250 MB leaves nothing behind."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("main.py", HONEST)
        for number in range(6):
            archive.writestr(f"{number}.bin", bytes(50 << 20))
    assert len(made.getvalue()) < 1 << 20
    assert machine.package({}, code=made.getvalue()).invoke().refused == "InvalidZipFileException"
    assert not list((machine.folder / "runtime/code").glob("*.part"))


def test_symlinks_of_a_function_do_not_fool_the_server(machine):
    """Links in /tmp point wherever they want: nobody follows them."""
    function = machine.function(
        "import os\ndef handler(event, context):\n    os.symlink('/', '/tmp/root'); return sorted(os.listdir('/tmp/root'))"
    )
    assert "run" in function()
    assert "data" not in function.invoke().raw.decode()
