"""The zygote: a process that has imported what functions import, and forks their workers.

    server -- starts --> launcher -- forks --> zygote (pid 1 of its own pid namespace) -- forks --> workers (pid 1 of theirs)

The server never forks itself: it has threads. The launcher exists because a process cannot enter a new pid namespace
but only fork into it; then it is gone. When the server dies, the zygote reads the end of its control socket and exits;
when the zygote dies, however it does, the kernel kills every process of its pid namespace and of those below it.

Control messages are JSON, one a datagram (SOCK_SEQPACKET), file descriptors beside them (SCM_RIGHTS):

    server -> zygote   Settings first; then {"spawn": n, ...} with the worker's channel, log pipe and cgroup files;
                       {"kill": n}
    launcher -> server {"zygote": pid}, whose parent the server becomes when the launcher exits
    zygote -> server   {"ready": layers}, {"exited": n, "status": wait status}
    worker -> server   {"worker": n} with its listening sockets, or {"worker": n, "failed": why}
"""

import array
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from typing import Any, Final

from . import linux, loader, root, warm
from . import sandbox as sandboxes

MESSAGE_BYTES_MAX: Final = 160 * 1024  # below the smallest default socket buffer
FDS_MAX: Final = 8


def main(control_fd: int) -> None:
    """Runs the launcher, and in its child the zygote. Never returns."""
    control = socket.socket(fileno=control_fd)
    os.umask(0o022)
    try:
        settings, _ = _receive(control)
        zygote = Zygote(control, settings)
        zygote.enter_namespaces()
        zygote.prepare()
        try:
            zygote.serve()
        except (EOFError, ConnectionError):  # the server is gone
            zygote.end()
    except (EOFError, ConnectionError):
        pass
    except Exception as error:  # noqa: BLE001 - the server can tell it, this process cannot
        with contextlib.suppress(OSError):
            _send(control, {"failed": f"{type(error).__name__}: {error}"})
        os._exit(1)
    os._exit(0)


class Zygote:
    """
    Attributes:
        settings: root (an empty folder), code (the folder of unpacked functions), packages (paths that functions can
            import), preload (modules), services (whose boto3 clients are made once), probe (whether to report and end).
        layers: name -> "" when it holds, else why not.
        workers: pid, as this process sees it -> number.
    """

    def __init__(self, control: socket.socket, settings: dict[str, Any]) -> None:
        self.control = control
        self.settings = settings
        self.layers: dict[str, str] = {}
        self.workers: dict[int, int] = {}
        self.preloaded: list[str] = []
        self.own_pids = -1
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    # -- start -------------------------------------------------------------------------------------------------------

    def enter_namespaces(self) -> None:
        """Everything before the fork runs in the launcher; afterwards this is the zygote."""
        if os.geteuid() != 0:
            self._try(sandboxes.USERS, sandboxes.new_users, root.INSIDE_UID, root.INSIDE_GID)
        self._try(sandboxes.PIDS, linux.unshare, linux.CLONE_NEWPID)
        self._try(sandboxes.MOUNTS, linux.unshare, linux.CLONE_NEWNS)
        pid = os.fork()
        if pid:
            _send(self.control, {"zygote": pid})
            os._exit(0)
        linux.set_name("pilvi-zygote")

    def prepare(self) -> None:
        if not self._holds(sandboxes.PIDS):
            linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        else:
            self.own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        if self._holds(sandboxes.MOUNTS):
            folder, code, packages = (self.settings[name] for name in ("root", "code", "packages"))
            self._try(sandboxes.MOUNTS, root.build, folder, code, root.interpreter(), packages)
        sandboxes.prepare()
        if not self.settings["probe"]:
            self._preload()
        self._probe()
        _send(self.control, {"ready": self.layers, "version": ".".join(map(str, sys.version_info[:3]))})

    def _try(self, layer: str, put_on: Any, *args: Any) -> None:
        try:
            put_on(*args)
        except OSError as error:
            self.layers[layer] = error.strerror or str(error)
        else:
            self.layers[layer] = ""

    def _preload(self) -> None:
        """Imports what handlers import, and makes sure that it stays shared: nothing in it is ever collected."""
        before = set(sys.modules)
        sys.path.append(root.PACKAGES if self._holds(sandboxes.MOUNTS) else self.settings["links"])
        for name in self.settings["preload"]:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        warm.clients(self.settings["services"])
        standard = sys.stdlib_module_names
        new = {name.partition(".")[0] for name in set(sys.modules) - before}
        self.preloaded = sorted(new - standard)
        gc.collect()
        gc.freeze()

    def _probe(self) -> None:
        """One worker that puts on every layer and says which held."""
        reading, writing = os.pipe()
        pid = self._fork()
        if pid == 0:
            order = {"uid": self.settings["probe_uid"], "code": ".", "tmp_bytes": 1 << 20, "data_bytes": 0}
            worn = sandboxes.Sandbox(dict(self.layers), probing=True)
            worn.put_on(order | {"readable": ["/"], "writable": []})
            os.write(writing, json.dumps(worn.layers).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read()
        os.waitpid(pid, 0)
        if not told:
            raise RuntimeError("the sandbox could not be probed")
        self.layers = json.loads(told)

    # -- life --------------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Forks, kills and reaps as told, until the server is gone."""
        if self.settings["probe"]:
            return
        waking, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(waking, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == waking:
                    os.read(waking, 4096)
                    self._reap()
                else:
                    self._obey(*_receive(self.control))

    def _obey(self, order: dict[str, Any], fds: list[int]) -> None:
        if "kill" in order:
            for pid, number in self.workers.items():
                if number == order["kill"]:
                    os.kill(pid, signal.SIGKILL)
            return
        try:
            pid = self._fork()
            if pid == 0:
                _Worker(self, order, fds).run()
            self.workers[pid] = order["spawn"]
        except OSError as error:
            _send(self.control, {"worker": order["spawn"], "failed": str(error)})
            _send(self.control, {"exited": order["spawn"], "status": 256})
        finally:
            for fd in fds:
                os.close(fd)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number = self.workers.pop(pid, None)
            if number is not None:
                self._end_orphans()
                _send(self.control, {"exited": number, "status": status})

    def _end_orphans(self) -> None:
        """Where no pid namespace ends them with their worker: what it left behind has become our child."""
        if self._holds(sandboxes.PIDS):
            return
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123
            orphans = [int(word) for word in file.read().split() if int(word) not in self.workers]
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def end(self) -> None:
        """Ends every worker; the kernel does it where this is the first process of a pid namespace."""
        self.workers.clear()
        with contextlib.suppress(ChildProcessError):
            while not self._holds(sandboxes.PIDS):
                self._end_orphans()
                os.waitpid(-1, 0)

    def _fork(self) -> int:
        """A child in a pid namespace of its own, where there are such."""
        if self.own_pids < 0:
            return os.fork()
        linux.unshare(linux.CLONE_NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:  # not in the child
                linux.setns(self.own_pids, linux.CLONE_NEWPID)
        return pid

    def _holds(self, layer: str) -> bool:
        return self.layers[layer] == ""


class _Worker:
    """The child's way from the fork to the function's code."""

    def __init__(self, zygote: Zygote, order: dict[str, Any], fds: list[int]) -> None:
        self.zygote = zygote
        self.order = order
        self.fds = fds

    def run(self) -> None:
        """Never returns."""
        number = self.order["spawn"]
        control = self.zygote.control
        try:
            worn = self._put_on_sandbox()
            _send(control, {"worker": number}, [listening.fileno() for listening in worn.sockets])
        except Exception as error:  # noqa: BLE001 - whatever it is, the server must know it
            with contextlib.suppress(OSError):
                _send(control, {"worker": number, "failed": f"{type(error).__name__}: {error}"})
            os._exit(1)
        for listening in worn.sockets:
            listening.close()
        control.detach()
        os.closerange(loader.CHANNEL + 1, sandboxes.FILES_MAX)
        self._become_function()

    def _put_on_sandbox(self) -> sandboxes.Sandbox:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel, log, *cgroups = self.fds
        for fd in cgroups:
            os.write(fd, b"0")  # the writer itself
            os.close(fd)
        channel, log = _out_of_the_way(channel), _out_of_the_way(log)
        control = self.zygote.control
        if control.fileno() <= loader.CHANNEL:
            self.zygote.control = socket.socket(fileno=_out_of_the_way(control.detach()))
        os.dup2(self.zygote.null, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(channel, loader.CHANNEL, inheritable=False)
        os.setsid()
        worn = sandboxes.Sandbox(self.zygote.layers, probing=False)
        worn.put_on(self.order)
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)  # where the pid namespace does not see to it
        return worn

    def _become_function(self) -> None:
        order = self.order
        try:
            linux.set_name("function")
            os.environ.clear()
            os.environ.update(order["environment"])
            os.chdir(order["task_root"])
            if order["bootstrap"]:
                os.closerange(loader.CHANNEL, sandboxes.FILES_MAX)
                os.execve(order["bootstrap"], [order["bootstrap"]], dict(order["environment"]))  # noqa: S606
        except OSError as error:
            os.write(2, f"{error}\n".encode())
            os._exit(127)
        loader.run(order["handler"], order["paths"], self.zygote.preloaded)


def _out_of_the_way(fd: int) -> int:
    """The same file under a number above those that have a meaning."""
    if fd > loader.CHANNEL:
        return fd
    moved = fd
    passed = []
    while moved <= loader.CHANNEL:
        passed.append(moved)
        moved = os.dup(moved)
    for old in passed:
        os.close(old)
    return moved


def _send(control: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    control.sendmsg([json.dumps(message).encode()], rights)


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One message and the descriptors that came with it. Raises EOFError when the server has closed its end."""
    data, ancillary, _, _ = control.recvmsg(MESSAGE_BYTES_MAX, socket.CMSG_SPACE(4 * FDS_MAX), socket.MSG_CMSG_CLOEXEC)
    if not data:
        raise EOFError
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return json.loads(data), list(fds)
