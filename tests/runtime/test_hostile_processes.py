"""Hostile functions and processes: other processes, memory, the kernel's doors, and using everything up."""

from __future__ import annotations

import base64
import os

import pytest

from processes import left_of, tree
from runtime_machine import Machine
from waiting import wait_until

HONEST = "def handler(event, context): return event"
DENIED = {"EPERM", "EACCES", "ESRCH", "ENOENT", "ENOSYS", "EAFNOSUPPORT", "EPROTONOSUPPORT", "EINVAL"}

CALL = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*args):
    result = libc.syscall(*[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return "allowed" if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""


@pytest.fixture(autouse=True)
def still_serves(machine):
    """After the attack others are served as before."""
    yield
    assert machine.function(HONEST)("well") == "well"


def test_only_own_processes_are_seen(machine):
    """The function is alone in its pid namespace."""
    function = machine.function(
        "import os\ndef handler(event, context): return sorted(n for n in os.listdir('/proc') if n.isdigit())"
    )
    assert function() == ["1"]


def test_other_processes_cannot_be_signalled(machine):
    """Whatever number is tried: nobody else is there to get it."""
    function = machine.function(
        """
import os, signal
def handler(event, context):
    got = []
    for pid in [os.getppid(), *event, *range(2, 3000), -1]:
        if pid in (0, os.getpid()):
            continue
        try:
            os.kill(pid, signal.SIGTERM)
            got.append(pid)
        except OSError:
            pass
    return got
"""
    )
    pids = [process.pid for process in tree(machine.process.pid)]
    assert function(pids) == []


def test_the_servers_memory_and_environment_cannot_be_read(machine):
    """Neither through /proc, nor ptrace, nor process_vm_readv, nor pidfd_getfd."""
    function = machine.function(
        CALL
        + """
def handler(event, context):
    got = []
    for pid in event:
        for name in ("mem", "environ", "maps", "fd/0", "cmdline", "root", "cwd"):
            try:
                got.append([pid, name, open(f"/proc/{pid}/{name}", "rb").read(10).hex()])
            except OSError:
                pass
        buffer = ctypes.create_string_buffer(8)
        iov = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
        got += [r for r in (call(310, pid, iov, 1, iov, 1, 0), call(101, 16, pid, 0, 0)) if r == "allowed"]
        fd = libc.syscall(434, pid, 0)
        if fd >= 0:
            got.append(call(438, fd, 0, 0))
    return got
"""
    )
    pids = [process.pid for process in tree(machine.process.pid)]
    assert pids
    assert function(pids) == []


def test_nothing_of_the_server_is_left_in_its_memory(machine):
    """The zygote is no copy of the server: its secrets are not in a worker's memory."""
    function = machine.function(
        """
def handler(event, context):
    word = ("SECRET-OF-THE-" + "X")[:-1].encode()
    found = 0
    for line in open("/proc/self/maps"):
        span, rights, *rest = line.split()
        if rights[0] != "r" or (rest and rest[-1].startswith("[v")):
            continue
        low, high = (int(part, 16) for part in span.split("-"))
        try:
            with open("/proc/self/mem", "rb", buffering=0) as memory:
                memory.seek(low)
                data = memory.read(high - low)
        except OSError:
            continue
        for end in (b"SERVERS-MEMORY", b"ENVIRONMENT", b"DATA-FOLDER"):
            found += data.count(word + end)
    return found
""",
        memory_mb=1024,
        timeout_seconds=60,
    )
    assert function() == 0


def test_no_descriptor_of_the_server_is_open(machine):
    """Standard streams and the loader's socket; the sockets that the server accepts on are closed here."""
    function = machine.function(
        "import os\ndef handler(event, context):\n    return sorted(os.readlink(f'/proc/self/fd/{n}').split(':')[0] for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}'))"
    )
    assert function() == ["/dev/null", "pipe", "pipe", "socket"]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are x86_64's")
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("mount", "165, b'none', b'/tmp', b'tmpfs', 0, 0"),
        ("umount", "166, b'/proc', 2"),
        ("unshare user", "272, 0x10000000"),
        ("unshare mount", "272, 0x00020000"),
        ("clone with namespaces", "56, 0x10000000 | 17, 0, 0, 0, 0"),
        ("setns", "308, 0, 0"),
        ("ptrace traceme", "101, 0, 0, 0, 0"),
        ("keyctl", "250, 0, -3, 1"),
        ("add_key", "248, b'user', b'x', b'x', 1, -3"),
        ("bpf", "321, 0, 0, 0"),
        ("perf_event_open", "298, 0, 0, -1, -1, 0"),
        ("io_uring", "425, 8, 0"),
        ("userfaultfd", "323, 0"),
        ("kexec", "246, 0, 0, 0, 0"),
        ("init_module", "175, 0, 0, b''"),
        ("open_by_handle_at", "304, 0, 0, 0"),
        ("chroot", "161, b'/tmp'"),
        ("pivot_root", "155, b'/tmp', b'/tmp'"),
        ("reboot", "169, 0xfee1dead, 672274793, 0x89abcdef, 0"),
        ("sethostname", "170, b'x', 1"),
        ("settimeofday", "164, 0, 0"),
        ("raw socket", "41, 2, 3, 1"),
        ("packet socket", "41, 17, 3, 0"),
        ("vsock", "41, 40, 1, 0"),
        ("audit netlink", "41, 16, 3, 9"),
        ("clone3", "435, 0, 0"),
        ("x32 getpid", "0x40000027"),
        ("quotactl", "179, 0, 0, 0, 0"),
        ("syslog", "103, 3, 0, 0"),
        ("fsopen", "430, b'tmpfs', 0"),
        ("open_tree", "428, -100, b'/', 1"),
        ("pidfd_getfd", "438, 0, 0, 0"),
        ("memory of another", "310, 1, 0, 0, 0, 0, 0"),
        ("setuid", "105, 0"),
        ("setgroups", "116, 0, 0"),
    ],
)
def test_system_calls_that_attackers_want_are_denied(machine, name, call):
    """By the filter, or for want of a capability."""
    answer = machine.function(f"{CALL}\ndef handler(event, context): return call({call})")()
    assert answer in DENIED, (name, answer)


def test_a_fork_bomb_ends_with_its_invocation(machine):
    """Processes are counted, others still start theirs, and the timeout takes them all."""
    function = machine.function(
        """
import os, time
def handler(event, context):
    failures = 0
    while True:
        try:
            if os.fork() == 0:
                time.sleep(1000)
        except OSError:
            failures += 1
            time.sleep(0.05)
""",
        timeout_seconds=3,
        memory_mb=3008,
    )
    before = len(tree(machine.process.pid))
    answer = function.begin()
    assert machine.function(HONEST)(1) == 1
    assert b"Timedout" in base64.b64decode(answer.result(60)["payload"])
    wait_until(lambda: len(tree(machine.process.pid)) <= before + 2, "the bomb's processes are gone")


def test_the_number_of_processes_is_bounded(machine):
    """1,024 as on AWS."""
    function = machine.function(
        """
import os, signal
def handler(event, context):
    made = []
    try:
        for _ in range(3000):
            pid = os.fork()
            if pid == 0:
                signal.pause()
            made.append(pid)
    except OSError:
        pass
    for pid in made:
        os.kill(pid, 9)
    for pid in made:
        os.waitpid(pid, 0)
    return len(made)
""",
        timeout_seconds=60,
        memory_mb=3008,
    )
    assert 900 < function() < 1024


def test_memory_without_end_kills_the_worker_only(machine):
    """Runtime.OutOfMemory, or MemoryError where only the address space is bounded; the worker that follows is well."""
    function = machine.function(
        "def handler(event, context):\n    if event: return event\n    kept = []\n    while True: kept.append(bytearray(1 << 20))",
        memory_mb=128,
    )
    kind = function.invoke().payload["errorType"]
    assert kind in ("Runtime.OutOfMemory", "MemoryError")
    assert function("again") == "again"


def test_memory_of_children_counts(machine):
    """Many processes that each stay below the limit are above it together."""
    function = machine.function(
        """
import os, time
def handler(event, context):
    for _ in range(20):
        if os.fork() == 0:
            kept = bytearray(b"x") * (60 << 20)
            time.sleep(1000)
    time.sleep(1000)
""",
        memory_mb=256,
        timeout_seconds=30,
    )
    assert function.invoke().payload["errorType"] == "Runtime.OutOfMemory"


def test_memory_within_the_limit_is_given(machine):
    """The limit is the function's memory, not less."""
    function = machine.function(
        "import time\ndef handler(event, context):\n    kept = bytearray(b'x') * (300 << 20); time.sleep(0.3); return len(kept) >> 20",
        memory_mb=512,
    )
    answer = function.invoke()
    assert answer.payload == 300
    assert 300 < answer.memory_max_mb <= 512


def test_daemons_end_with_their_worker(machine):
    """What a handler leaves behind lives in its worker's pid namespace, and dies when the worker does."""
    function = machine.function(
        """
import os, time
def handler(event, context):
    if event == "leave":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for fd in range(3): os.close(fd)
                time.sleep(100000)
            os._exit(0)
        os.wait()
        return len([n for n in os.listdir("/proc") if n.isdigit()])
    os._exit(1)
"""
    )
    assert function("leave") == 2
    sleeping = len(tree(machine.process.pid))
    assert function.invoke("end").payload["errorType"] == "Runtime.ExitError"
    assert sleeping >= 1
    assert function("leave") == 2  # a new worker, in which there is nobody else


def test_the_servers_socket_does_not_obey_the_function(machine):
    """A function that writes to the loader's socket hurts itself at most."""
    for text in (
        "b'\\xff' * 1000",
        "b'\\x02\\xff\\xff\\xff\\xff' + b'x' * 100000",
        "b'\\x00' * 9",
        "b'\\x02' + bytes(8)",
    ):
        function = machine.function(f"import os\ndef handler(event, context):\n    os.write(3, {text}); return 'after'")
        assert "payload" in function.begin().result(60)
        assert machine.function(HONEST)(1) == 1


def test_an_answer_nobody_asked_for_ends_the_worker(machine):
    """Between invocations the socket is silent, or the worker is gone."""
    function = machine.function(
        """
import os, threading, time
count = 0
def later():
    time.sleep(0.2)
    os.write(3, b"\\x02\\x06\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\"fake\\"")
def handler(event, context):
    global count
    count += 1
    threading.Thread(target=later, daemon=True).start()
    return count
"""
    )
    assert function() == 1

    def fresh() -> bool:
        return machine.function(HONEST)(1) == 1 and function.invoke().raw.decode() == "1"

    wait_until(fresh, "a new worker answers", every_s=0.3)


def test_a_closed_socket_is_an_end(machine):
    """As if the process had exited."""
    function = machine.function("import os, time\ndef handler(event, context):\n    os.close(3); time.sleep(100)")
    assert function.invoke().payload["errorType"] == "Runtime.ExitError"


def test_a_killed_zygote_takes_its_workers_and_comes_back(own_machine):
    """Whoever kills it: what ran fails, and the next invocation starts it anew."""
    function = own_machine.function("import time\ndef handler(event, context):\n    time.sleep(event); return event")
    assert function(0) == 0
    running = function.begin(20)
    wait_until(lambda: _named(own_machine, "function"), "the worker runs")
    for pid in _named(own_machine, "pilvi-zygote"):
        os.kill(pid, 9)
    assert b"ExitError" in base64.b64decode(running.result(30)["payload"])
    assert function(0) == 0


def test_a_killed_server_leaves_no_process(own_machine):
    """kill -9: zygote and workers end with it, also those that are busy, and what they left behind."""
    function = own_machine.function(
        "import os, time\ndef handler(event, context):\n    os.fork(); time.sleep(event); return event"
    )
    idle = own_machine.function(HONEST)
    assert idle(1) == 1
    function.begin(20)
    wait_until(lambda: len(_named(own_machine, "function")) == 3, "a busy worker, its child and an idle one")
    processes = tree(own_machine.process.pid)
    own_machine.process.kill()
    own_machine.process.wait()
    wait_until(lambda: not left_of(processes), "all its processes end")


def _named(machine: Machine, name: str) -> list[int]:
    return [process.pid for process in tree(machine.process.pid) if process.command == name]


def test_limits_cannot_be_raised(machine):
    """Cores, open files, locked memory and the size of files are limited, for good."""
    function = machine.function(
        """
import resource
NAMES = ("CORE", "NOFILE", "MEMLOCK", "FSIZE", "NPROC")
def handler(event, context):
    kept = {}
    for name in NAMES:
        number = getattr(resource, "RLIMIT_" + name)
        soft, hard = resource.getrlimit(number)
        try:
            resource.setrlimit(number, (hard + 1, hard + 1))
        except (OSError, ValueError):
            kept[name] = hard
    return kept
""",
        tmp_mb=100,
    )
    assert function() == {"CORE": 1, "NOFILE": 1024, "MEMLOCK": 65536, "FSIZE": 100 << 20, "NPROC": 1024}


def test_crashes_leave_no_core(machine):
    """Neither in /tmp nor anywhere on the machine that the tests can see."""
    function = machine.function(
        "import ctypes, os\ndef handler(event, context):\n    if event: return os.listdir('/tmp')\n    os.chdir('/tmp'); os.kill(os.getpid(), 0); ctypes.string_at(0)"
    )
    assert "segmentation fault" in function.invoke().payload["errorMessage"]
    assert function(True) == []
    assert not list(machine.reachable.rglob("core*"))
