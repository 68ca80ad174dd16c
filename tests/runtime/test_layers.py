"""Layers of the sandbox are found by trying, reported with their reasons, and never pretended."""

from __future__ import annotations

import os
import time

from pilvi.runtime.worker import sandbox
from processes import left_of, tree
from waiting import wait_until

NAMESPACES = {sandbox.MOUNTS, sandbox.PIDS, sandbox.IPC, sandbox.UTS, sandbox.NETWORK, sandbox.USERS}
ALWAYS = {sandbox.PRIVILEGES, sandbox.CAPABILITIES, sandbox.LIMITS, sandbox.SECCOMP}


def test_every_layer_is_reported(machine):
    """Each by its name, with "" or a reason."""
    layers = machine.do("about")["layers"]
    assert set(layers) == {*sandbox.LAYERS, sandbox.CGROUP}
    assert all(layers[name] == "" for name in ALWAYS)


def test_an_ordinary_users_functions_share_its_user(machine):
    """Only root can give functions users of their own; that is said, not hidden."""
    about = machine.do("about")
    if about["uid"]:
        assert "root" in about["layers"][sandbox.USER]
    else:
        assert about["layers"][sandbox.USER] == ""


def test_what_is_reported_is_so(machine):
    """Seen from inside a function."""
    layers = machine.do("about")["layers"]
    status = machine.function("def handler(event, context): return open('/proc/self/status').read()")()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapInh"], 16) == 0
    if layers[sandbox.SECCOMP] == "":
        assert fields["Seccomp"] == "2"
    if layers[sandbox.PIDS] == "":
        assert fields["Pid"] == "1"
    links = machine.function(
        "import os\ndef handler(event, context): return {n: os.readlink('/proc/self/ns/' + n) for n in event}"
    )
    kinds = {
        "mnt": sandbox.MOUNTS,
        "pid": sandbox.PIDS,
        "ipc": sandbox.IPC,
        "uts": sandbox.UTS,
        "net": sandbox.NETWORK,
        "user": sandbox.USERS,
    }
    inside = links(list(kinds))
    for kind, layer in kinds.items():
        assert (inside[kind] != os.readlink(f"/proc/self/ns/{kind}")) == (layers[layer] == ""), kind


def test_without_namespaces_they_are_reported_missing(bare_machine):
    """With the kernel's reason; what holds without them holds."""
    layers = bare_machine.do("about")["layers"]
    assert all(layers[name] for name in NAMESPACES)
    assert all(layers[name] == "" for name in ALWAYS)


def test_without_namespaces_functions_run(bare_machine):
    """boto3, the cloud's endpoint, a folder for temporary files, timeouts, crashes."""
    function = bare_machine.function(
        """
import boto3, os, tempfile, urllib.request
def handler(event, context):
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    boto3.client("s3")
    return urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"]).read().decode()
"""
    )
    assert function() == "the cloud!"
    crashing = bare_machine.function("import os\ndef handler(event, context): os._exit(1)")
    assert crashing.invoke().payload["errorType"] == "Runtime.ExitError"


def test_without_namespaces_landlock_still_guards_files(bare_machine):
    """The data folder, and other processes' environments, where the kernel has Landlock; else nothing is claimed."""
    if bare_machine.do("about")["layers"][sandbox.LANDLOCK]:
        return
    function = bare_machine.function(
        """
import os
def handler(event, context):
    refused = []
    for path in event:
        try:
            open(path, "rb").read(1)
        except PermissionError:
            refused.append(path)
    return refused
"""
    )
    paths = [str(bare_machine.folder / "secret.db"), f"/proc/{bare_machine.process.pid}/environ", "/etc/passwd"]
    assert function(paths) == paths
    writing = bare_machine.function("def handler(event, context): open(event, 'w')")
    assert writing.invoke(str(bare_machine.reachable / "x")).payload["errorType"] == "PermissionError"


def test_without_namespaces_daemons_end_with_their_worker(bare_machine):
    """The zygote ends what a worker left behind."""
    function = bare_machine.function(
        """
import os, time
def handler(event, context):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    os.wait()
    os._exit(1)
"""
    )
    before = len(tree(bare_machine.process.pid))
    assert function.invoke().payload["errorType"] == "Runtime.ExitError"
    wait_until(lambda: len(tree(bare_machine.process.pid)) <= before + 1, "the daemon ends")


def test_zygotes_start_once(own_machine):
    """`warm` starts one ahead of its first function; before that there is none."""
    assert [process.command for process in tree(own_machine.process.pid)] == ["python3.11"]
    own_machine.do("warm", runtime="python3.11")
    own_machine.do("warm", runtime="python3.11")
    assert sorted(process.command for process in tree(own_machine.process.pid)) == ["pilvi-zygote", "python3.11"]
    began = time.monotonic()
    assert own_machine.function("def handler(event, context): return 1")() == 1
    assert time.monotonic() - began < 5
    processes = tree(own_machine.process.pid)
    assert own_machine.close() == 0
    assert not left_of(processes)
