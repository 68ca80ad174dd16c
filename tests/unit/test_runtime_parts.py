"""Parts of running functions that need no process: packages, interpreters, outcomes, the system call filter."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import stat
import struct
import sys
import threading
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions import zip_of
from pilvi.core.effects import FunctionSpec
from pilvi.runtime import interpreters, outcomes, package
from pilvi.runtime.backend import Answer, Ending
from pilvi.runtime.cgroups import PREFIX, Cgroups, Group
from pilvi.runtime.errors import InvalidZipFile
from pilvi.runtime.worker import linux, seccomp

# -- packages --------------------------------------------------------------------------------------------------------


def sha(code: bytes) -> str:
    return base64.b64encode(hashlib.sha256(code).digest()).decode()


@pytest.fixture
def packages(tmp_path):
    made = package.Packages(tmp_path / "code")
    made.open()
    return made


def test_packages_are_unpacked_once(packages):
    """The second time nothing is fetched."""
    code = zip_of({"a/b.py": "x"})
    name = packages.prepare(sha(code), lambda: code)
    assert (packages.folder / name / "a/b.py").read_text() == "x"
    assert packages.prepare(sha(code), lambda: pytest.fail("fetched again")) == name


def test_packages_unpacked_by_several_threads_at_once_are_whole(packages):
    """Each sees a complete folder, and no half of one is left."""
    code = zip_of({f"{number}.py": "x" * 1000 for number in range(200)})
    found: list[int] = []

    def prepare() -> None:
        found.append(len(os.listdir(packages.folder / packages.prepare(sha(code), lambda: code))))

    threads = [threading.Thread(target=prepare) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 8
    assert len(os.listdir(packages.folder)) == 1


def test_everybody_can_read_what_was_unpacked(packages):
    """Whatever the archive's modes and our umask; programs stay programs."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, mode in (("folder/private.py", 0o600), ("run", 0o700)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(entry, "x")
    before = os.umask(0o077)
    try:
        name = packages.prepare(sha(made.getvalue()), made.getvalue)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (packages.folder / name).rglob("*")}
    assert modes == {"folder": 0o755, "private.py": 0o644, "run": 0o755}
    assert stat.S_IMODE((packages.folder / name).stat().st_mode) == 0o755


def test_links_inside_a_package_stay_links(packages):
    """Those that lead nowhere else."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("lib/real.so.1", "x")
        entry = zipfile.ZipInfo("lib/real.so")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "real.so.1")
    name = packages.prepare(sha(made.getvalue()), made.getvalue)
    assert os.readlink(packages.folder / name / "lib/real.so") == "real.so.1"


def link_then_file(target: str) -> bytes:
    """A link to a folder, and a file that would be written through it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, target)
        archive.writestr("link/written", "x")
    return made.getvalue()


def test_nothing_is_written_through_links(packages, tmp_path):
    """A link that later becomes a folder's name is refused, wherever it leads."""
    for target in (str(tmp_path / "outside"), "../../outside", "."):
        code = link_then_file(target)
        with pytest.raises(InvalidZipFile):
            packages.prepare(sha(code), lambda code=code: code)
    assert os.listdir(packages.folder) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_stand_in_each_others_way_are_refused(packages):
    """A file cannot be a folder too."""
    code = zip_of({"a": "x", "a/b": "y"})
    with pytest.raises(InvalidZipFile):
        packages.prepare(sha(code), lambda: code)


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_damaged_archives_are_refused_or_unpacked(tmp_path_factory, noise, at):
    """Whatever is wrong with the bytes: InvalidZipFile, or files inside the folder; never another error."""
    code = bytearray(zip_of({"main.py": "x" * 200, "pkg/mod.py": "y" * 200}))
    code[at % len(code) : at % len(code) + len(noise)] = noise
    folder = tmp_path_factory.mktemp("unpacked")
    with contextlib.suppress(InvalidZipFile):
        package.unpack(bytes(code), folder)
    assert all(path.resolve().is_relative_to(folder.resolve()) for path in folder.rglob("*"))


def test_what_was_used_longest_ago_goes_first(tmp_path, monkeypatch):
    """The cache is bounded; leftovers of a crash go too."""
    packages = package.Packages(tmp_path / "code")
    packages.open()
    names = []
    for number in range(3):
        code = zip_of({"x": str(number) * 1000})
        names.append(packages.prepare(sha(code), lambda code=code: code))
        os.utime(packages.folder / names[-1], (number, number))
    (packages.folder / "half.part").mkdir()
    monkeypatch.setattr(package, "CACHE_BYTES_MAX", 2500)
    packages.open()
    assert sorted(os.listdir(packages.folder)) == sorted(names[1:])


# -- interpreters -----------------------------------------------------------------------------------------------------


def test_interpreters_are_found_by_name(tmp_path):
    """In PATH and where version managers put them; shell scripts and old versions are none."""
    for folder, name, content in (
        ("bin", "python3.19", b"\x7fELF"),
        ("bin", "python3.20", b"#!/bin/sh"),
        ("bin", "python3.10", b"\x7fELF"),
        (".pyenv/versions/3.21.0/bin", "python3.21", b"\x7fELF"),
        (".local/share/uv/python/cpython-3.22/bin", "python3.22", b"\x7fELF"),
    ):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)
    found = interpreters.find({"PATH": f"relative:{tmp_path}/bin:/nonexistent", "HOME": str(tmp_path)})
    assert found["python3.19"] == str(tmp_path / "bin/python3.19")
    assert {"python3.21", "python3.22"} <= set(found)
    assert not {"python3.20", "python3.10"} & set(found)
    assert found[f"python3.{sys.version_info.minor}"] == os.path.realpath(sys.executable)


# -- outcomes ---------------------------------------------------------------------------------------------------------

SPEC = FunctionSpec(
    "k", "arn", "1", "r", "f", "$LATEST", "python3.11", "m.h", 1, "s", "role", timeout_seconds=3, memory_mb=128
)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (Answer(Ending.TIMEOUT), "Sandbox.Timedout", "RequestId: id Error: Task timed out after 3.00 seconds"),
        (
            Answer(Ending.MEMORY),
            "Runtime.OutOfMemory",
            "RequestId: id Error: Runtime exited with error: signal: killed",
        ),
        (
            Answer(Ending.EXIT, status=1),
            "Runtime.ExitError",
            "RequestId: id Error: Runtime exited with error: exit status 1",
        ),
        (
            Answer(Ending.EXIT, status=-9),
            "Runtime.ExitError",
            "RequestId: id Error: Runtime exited with error: signal: killed",
        ),
        (
            Answer(Ending.EXIT, status=-40),
            "Runtime.ExitError",
            "RequestId: id Error: Runtime exited with error: signal: 40",
        ),
        (Answer(Ending.EXIT), "Runtime.ExitError", "RequestId: id Error: Runtime exited without providing a reason"),
    ],
)
def test_ends_have_aws_names_and_words(answer, kind, message):
    """errorType and errorMessage of each way to end."""
    payload, error_type = outcomes.payload(answer, "id", 3)
    assert error_type == kind
    assert payload == f'{{"errorType":"{kind}","errorMessage":"{message}"}}'.encode()


def test_an_error_of_the_initialisation_gets_its_request(monkeypatch):
    """The worker did not know it."""
    payload, kind = outcomes.payload(Answer(Ending.INIT_ERROR, b'{"errorType":"X","requestId":""}'), "id", 3)
    assert (payload, kind) == (b'{"errorType":"X","requestId":"id"}', "X")


@pytest.mark.parametrize("text", [b"no json", b"[]", b'"x"', b""])
def test_errors_that_are_no_error_objects_pass(text):
    """A program may answer what it wants."""
    assert outcomes.payload(Answer(Ending.ERROR, text), "id", 3) == (text, "Unhandled")


def test_the_report_line():
    """As AWS prints it; whole milliseconds are billed, the initialisation with them."""
    line = outcomes.report(SPEC, "id", 1.234, 30, 80.1, Answer(Ending.RESULT))
    assert line == (
        "REPORT RequestId: id\tDuration: 1.23 ms\tBilled Duration: 82 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\t"
        "Init Duration: 80.10 ms\t"
    )
    line = outcomes.report(SPEC, "id", 3000.0, 30, None, Answer(Ending.TIMEOUT))
    assert line.endswith("Billed Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tStatus: timeout\t")


# -- the system call filter --------------------------------------------------------------------------------------------

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT = 0x50001, 0x50026, 0x50061, 0x5005D


def judge(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the kernel would make of the filter: an interpreter for the few instructions it uses."""
    arch = arch or {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    steps = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    at = register = 0
    while True:
        code, if_true, if_false, k = steps[at]
        at += 1
        if code == 0x20:
            register = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54:
            register &= k
        elif code == 0x06:
            return k
        else:
            holds = {0x15: register == k, 0x35: register >= k, 0x45: bool(register & k)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "number", "arguments", "verdict"),
    [
        ("x86_64", 0, (), ALLOW),  # read
        ("aarch64", 63, (), ALLOW),
        ("x86_64", 165, (), EPERM),  # mount
        ("aarch64", 40, (), EPERM),
        ("x86_64", 101, (), EPERM),  # ptrace
        ("aarch64", 117, (), EPERM),
        ("x86_64", 435, (), ENOSYS),  # clone3
        ("aarch64", 435, (), ENOSYS),
        ("x86_64", 56, (17,), ALLOW),  # clone: a fork
        ("x86_64", 56, (0x3D0F00,), ALLOW),  # a thread
        ("x86_64", 56, (0x10000000,), EPERM),  # a user namespace
        ("aarch64", 220, (0x20000000 | 17,), EPERM),
        ("x86_64", 41, (2, 1 | 0x80000, 6), ALLOW),  # TCP, close on exec
        ("x86_64", 41, (10, 2, 17), ALLOW),
        ("x86_64", 41, (1, 5, 0), ALLOW),
        ("x86_64", 41, (2, 3 | 0x80000, 1), EPERM),  # raw
        ("x86_64", 41, (2, 10, 0), EPERM),
        ("x86_64", 41, (17, 3, 0), EAFNOSUPPORT),  # packet
        ("x86_64", 41, (40, 1, 0), EAFNOSUPPORT),  # vsock
        ("x86_64", 41, (16, 3, 0), ALLOW),  # routes
        ("x86_64", 41, (16, 3, 9), EPROTONOSUPPORT),  # audit
        ("aarch64", 198, (2, 3, 1), EPERM),
        ("x86_64", 16, (0, 0x5412), EPERM),  # TIOCSTI
        ("x86_64", 16, (0, 0x5401), ALLOW),
        ("x86_64", 0x40000000, (), EPERM),  # x32
    ],
)
def test_the_filters_verdicts(machine, number, arguments, verdict):
    """On both architectures, without asking the kernel."""
    assert judge(machine, number, *arguments) == verdict


def test_another_architectures_calls_kill():
    """32-bit calls have other numbers."""
    assert judge("x86_64", 0, arch=0x40000003) == KILL


def test_an_unknown_architecture_has_no_filter():
    """It is reported as missing, not left empty."""
    with pytest.raises(OSError, match="no system call filter for riscv64"):
        seccomp.program("riscv64")


def test_every_denied_call_is_denied():
    """No number is lost on the way; each architecture's list is its own."""
    for column, machine in enumerate(("x86_64", "aarch64")):
        for name, numbers in seccomp._DENIED.items():
            if numbers[column] is not None:
                assert judge(machine, numbers[column]) == EPERM, name


def test_errors_of_system_calls_are_errors():
    """With their number, as `os` raises them."""
    with pytest.raises(OSError, match="prctl") as caught:
        linux.prctl(999_999)
    assert caught.value.errno == 22


# -- cgroups -----------------------------------------------------------------------------------------------------------


def test_what_the_kernel_counted_is_read(tmp_path):
    """Version 1 and version 2 spell it differently."""
    one, two, none = tmp_path / "v1", tmp_path / "v2", tmp_path / "none"
    for folder in (one, two, none):
        folder.mkdir()
    (one / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    (one / "memory.stat").write_text("cache 5\nrss 6\ntotal_cache 7\ntotal_rss 8\n")
    (one / "memory.max_usage_in_bytes").write_text("9\n")
    (two / "memory.events").write_text("low 0\noom 0\noom_kill 2\n")
    (two / "memory.stat").write_text("anon 4096\nfile 1\n")
    (two / "memory.peak").write_text("8192\n")
    for folder, killed, anonymous, peak in ((one, True, 8, 9), (two, True, 4096, 8192), (none, False, -1, 0)):
        group = Group([folder])
        assert (group.out_of_memory(), group.anonymous_bytes(), group.peak_bytes()) == (killed, anonymous, peak)


def test_groups_are_there_or_why_not_is_said():
    """Whatever this machine offers; and nothing of ours is left afterwards."""
    groups = Cgroups()
    groups.open()
    try:
        if groups.missing:
            assert groups._parents == [] or "controller" in groups.missing
    finally:
        parents = groups._parents
        groups.close()
    assert not any(parent.exists() for parent in parents)
    assert all(parent.name == f"{PREFIX}{os.getpid()}" for parent in parents)
