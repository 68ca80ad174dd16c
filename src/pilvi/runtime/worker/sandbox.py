"""The sandbox: layers that each hold alone, put on by a freshly forked worker before any code of a function runs.

A layer that the machine does not offer is found by trying, once, when the zygote starts (a probe: every layer is
attempted, and what failed is reported with its reason). From then on workers put on exactly the layers that held, and a
worker in which one of them fails does not run: nothing is left out silently.

    zygote   its own user (ordinary users only), mount and pid namespaces; the read-only root (root.py)
    worker   mount, pid, ipc, uts, net namespaces -> its files, /proc, loopback -> private uid -> user namespace
             -> no new privileges, no capabilities, rlimits, Landlock, seccomp

As root the private uid comes before the new user namespace, so that even inside it the process is nobody on the host.
"""

import contextlib
import fcntl
import os
import resource
import socket
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from . import landlock, linux, root, seccomp

MOUNTS: Final = "mount namespace, read-only root"
PIDS: Final = "pid namespace"
IPC: Final = "ipc namespace"
UTS: Final = "uts namespace"
NETWORK: Final = "network namespace"
USER: Final = "private user"
USERS: Final = "user namespace"
PRIVILEGES: Final = "no new privileges"
CAPABILITIES: Final = "no capabilities"
LIMITS: Final = "resource limits"
LANDLOCK: Final = "landlock"
SECCOMP: Final = "seccomp"
CGROUP: Final = "cgroup"

LAYERS: Final = (
    MOUNTS,
    PIDS,
    IPC,
    UTS,
    NETWORK,
    USER,
    USERS,
    PRIVILEGES,
    CAPABILITIES,
    LIMITS,
    LANDLOCK,
    SECCOMP,
)

PROCESSES_MAX: Final = 1024  # AWS: processes and threads together
FILES_MAX: Final = 1024
BACKLOG: Final = 128
RUNTIME_API_PORT: Final = 9001
ENDPOINT_PORT: Final = 4566

_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP_RUNNING: Final = 0x41
_OOM_SCORE: Final = b"500"  # a function dies before its cloud does


class Sandbox:
    """One worker's way into its sandbox.

    Attributes:
        layers: name -> "" when it holds, else why it does not. While probing it grows; else it is the probe's result.
        sockets: listening sockets inside the network namespace, for the server: the Runtime API's, the cloud's endpoint.
    """

    def __init__(self, layers: dict[str, str], *, probing: bool) -> None:
        self.layers = layers
        self.probing = probing
        self.sockets: list[socket.socket] = []

    def put_on(self, order: dict[str, Any]) -> None:
        """All layers but the pid namespace, which the fork itself put on.

        Args:
            order: uid, code, tmp_bytes, data_bytes, readable, writable (see zygote.py).

        Raises:
            OSError: a layer that held in the probe does not hold now.
        """
        for name, flag in ((IPC, linux.CLONE_NEWIPC), (UTS, linux.CLONE_NEWUTS), (NETWORK, linux.CLONE_NEWNET)):
            self._layer(name, linux.unshare, flag)
        if self.holds(NETWORK):
            self._layer(NETWORK, self._open_sockets)
        if self.holds(UTS):
            self._layer(UTS, root.host_name)
        _write(b"/proc/self/oom_score_adj", _OOM_SCORE)
        if self.holds(MOUNTS):
            self._layer(MOUNTS, self._own_files, order)
        if not self.holds(MOUNTS):
            self.layers[USER] = "without a root of their own, functions read their code as the cloud's user"
        self._layer(USER, _become, order["uid"])
        self._layer(USERS, _own_users)
        self._layer(PRIVILEGES, linux.prctl, linux.PR_SET_NO_NEW_PRIVS, 1)
        self._layer(LIMITS, self._limit, order)
        self._layer(CAPABILITIES, linux.drop_capabilities)
        self._layer(LANDLOCK, self._restrict, order)
        self._layer(SECCOMP, _filter_calls)

    def holds(self, name: str) -> bool:
        return self.layers.get(name, "") == ""

    def _layer(self, name: str, put_on: Callable[..., None], *args: Any) -> None:
        if not self.holds(name):
            return
        try:
            put_on(*args)
        except OSError as error:
            if not self.probing:
                raise
            self.layers[name] = error.strerror or str(error)
        else:
            self.layers[name] = ""

    def _own_files(self, order: dict[str, Any]) -> None:
        linux.unshare(linux.CLONE_NEWNS)
        root.enter(order["code"], order["tmp_bytes"])
        if self.holds(PIDS):
            root.own_processes()

    def _open_sockets(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP_RUNNING))
        for port in (RUNTIME_API_PORT, ENDPOINT_PORT):
            listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self.sockets.append(listening)
            listening.bind(("127.0.0.1", port))
            listening.listen(BACKLOG)

    def _limit(self, order: dict[str, Any]) -> None:
        limits = {
            resource.RLIMIT_CORE: 1,  # unlike 0 it also keeps a crash from the machine's collector of cores: core(5)
            resource.RLIMIT_NOFILE: FILES_MAX,
            resource.RLIMIT_FSIZE: order["tmp_bytes"],
            resource.RLIMIT_MEMLOCK: 64 * 1024,
            resource.RLIMIT_MSGQUEUE: 0,
        }
        if self.holds(USERS) or (order["uid"] is not None and self.holds(USER)):  # else they count for the whole user
            limits[resource.RLIMIT_NPROC] = PROCESSES_MAX
        if order["data_bytes"]:
            limits[resource.RLIMIT_DATA] = order["data_bytes"]
        for kind, value in limits.items():
            hard = resource.getrlimit(kind)[1]
            least = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (least, least))

    def _restrict(self, order: dict[str, Any]) -> None:
        devices = [f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")]
        if self.holds(MOUNTS):
            landlock.restrict(["/"], ["/tmp"], devices)  # noqa: S108 - its own
        else:
            readable = [*root.outside(root.interpreter()), *order["readable"]]
            landlock.restrict(readable, order["writable"], devices)


def _become(uid: int | None) -> None:
    if uid is None:
        raise OSError(1, "the cloud does not run as root: functions share its user")
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root, and the maps below cannot be written


def _own_users() -> None:
    new_users(root.INSIDE_UID, root.INSIDE_GID)


def new_users(inside_uid: int, inside_gid: int) -> None:
    """A user namespace in which there is but one user: this process's, under the ids given."""
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(linux.CLONE_NEWUSER)
    _write(b"/proc/self/setgroups", b"deny")
    for path, inside, outside in ((b"/proc/self/uid_map", inside_uid, uid), (b"/proc/self/gid_map", inside_gid, gid)):
        _write(path, b"%d %d 1" % (inside, outside))


def _write(path: bytes, text: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text)
    finally:
        os.close(file)


def _filter_calls() -> None:
    linux.seccomp(_filter())


@cache
def _filter() -> bytes:
    return seccomp.program()


def prepare() -> None:
    """What every worker needs alike is made once, before the fork."""
    with contextlib.suppress(OSError):  # the probe will tell
        _filter()
