"""The server's end of a zygote: starts the process, orders forks, hears of ends."""

import array
import asyncio
import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pilvi.runtime.worker import linux
from pilvi.runtime.worker import zygote as protocol

START_SECONDS_MAX = 60.0
FORK_SECONDS_MAX = 30.0

# The interpreter knows nothing of us: the worker folder becomes a package under a name that no function uses.
_BOOT = """
import sys, importlib.util as u
s = u.spec_from_file_location("_pilvi_worker", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]])
m = u.module_from_spec(s); sys.modules[s.name] = m; s.loader.exec_module(m)
from _pilvi_worker import zygote
zygote.main(int(sys.argv[2]))
"""
_WORKER_FOLDER = Path(__file__).with_name("worker")
_CREDENTIALS = struct.Struct("=iII")  # struct ucred


class ZygoteFailed(Exception):
    """The zygote could not start, or is gone."""


class Settings(msgspec.Struct, frozen=True):
    """What a zygote is told; see worker/zygote.py."""

    root: str
    code: str
    packages: list[str]
    links: str
    preload: list[str]
    services: list[str]
    probe: bool
    probe_uid: int | None


class ForkOrder(msgspec.Struct, frozen=True):
    """What a worker is told; see worker/zygote.py and worker/sandbox.py."""

    spawn: int
    uid: int | None
    code: str
    tmp_bytes: int
    data_bytes: int
    readable: list[str]
    writable: list[str]
    environment: dict[str, str]
    task_root: str
    bootstrap: str
    handler: str
    paths: list[str]


class Forked(msgspec.Struct, frozen=True):
    """A worker that wears its sandbox. `pid` as this process sees it."""

    pid: int
    sockets: list[socket.socket]


class Zygote:
    """One zygote process.

    Attributes:
        layers: the sandbox's, once started: name -> "" when it holds, else why not.
        alive: it runs; False from the moment it is known to be gone.
    """

    def __init__(self, interpreter: str, settings: Settings) -> None:
        self.interpreter = interpreter
        self.settings = settings
        self.layers: dict[str, str] = {}
        self.version = ""
        self.pid = 0
        self.alive = False
        self.pid = 0
        self._loop = asyncio.get_running_loop()
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._reaped: asyncio.Future[None] = self._gone
        self._forks: dict[int, asyncio.Future[Forked]] = {}
        self._ends: dict[int, Callable[[int], None]] = {}

    async def start(self) -> None:
        """Waits until it can fork.

        Raises:
            ZygoteFailed: with the reason.
        """
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)  # the zygote becomes our child when its launcher is gone
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._control = ours
        self.alive = True
        self._loop.add_reader(ours, self._readable)
        try:
            with theirs:
                launcher = await asyncio.to_thread(self._launch, theirs.fileno())
            self._send(msgspec.json.encode(self.settings), [])
            try:
                async with asyncio.timeout(START_SECONDS_MAX):
                    await asyncio.shield(self._ready)
            finally:
                if self._ready.cancelled() or not self._ready.done():
                    launcher.kill()
                await asyncio.to_thread(launcher.wait)
        except TimeoutError:
            self._lost()
            raise ZygoteFailed("it took too long to start") from None
        except BaseException:
            self._lost()
            raise

    def _launch(self, control: int) -> subprocess.Popen[bytes]:
        arguments = ["-I", "-S", "-X", "utf8", "-c", _BOOT, str(_WORKER_FOLDER), str(control)]
        return subprocess.Popen(  # noqa: S603 - an interpreter that we found
            [self.interpreter, *arguments],
            pass_fds=[control],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={"PATH": os.defpath, "LANG": "en_US.UTF-8", "TZ": ":UTC", "AWS_EC2_METADATA_DISABLED": "true"},
        )

    async def fork(self, order: ForkOrder, fds: Sequence[int], ended: Callable[[int], None]) -> Forked:
        """A new worker; `ended(status)` is called once when it has ended (minus the number of a signal).

        Raises:
            ZygoteFailed: no worker could be made.
        """
        if not self.alive:
            raise ZygoteFailed("it is gone")
        waiting: asyncio.Future[Forked] = self._loop.create_future()
        self._forks[order.spawn] = waiting
        self._ends[order.spawn] = ended
        self._send(msgspec.json.encode(order), fds)
        try:
            async with asyncio.timeout(FORK_SECONDS_MAX):
                return await waiting
        except TimeoutError:
            self.kill(order.spawn)
            raise ZygoteFailed("it took too long to fork a worker") from None
        finally:
            self._forks.pop(order.spawn, None)

    def kill(self, number: int) -> None:
        """Ends a worker and everything in its pid namespace."""
        if self.alive:
            self._send(msgspec.json.encode({"kill": number}), [])

    async def stop(self) -> None:
        """Ends the zygote, and with it every worker."""
        control = self._control
        if control is not None and self.alive:
            with contextlib.suppress(OSError):
                control.shutdown(socket.SHUT_WR)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FORK_SECONDS_MAX):
                    await asyncio.shield(self._gone)
        self._lost()
        await self._reaped

    def _reap(self) -> None:
        """Waits until the kernel has ended every process in the zygote's pid namespace."""
        pid, self.pid = self.pid, 0
        if pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    def _send(self, data: bytes, fds: Sequence[int]) -> None:
        assert self._control is not None
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._control.sendmsg([data], rights)
        except BlockingIOError:
            self._loop.call_later(0.005, self._send_again, data, [os.dup(fd) for fd in fds])
        except OSError:
            self._lost()

    def _send_again(self, data: bytes, fds: list[int]) -> None:
        try:
            if self.alive:
                self._send(data, fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _readable(self) -> None:
        for _ in range(64):
            control = self._control
            if control is None:
                return
            try:
                data, ancillary, _, _ = control.recvmsg(
                    protocol.MESSAGE_BYTES_MAX, 256, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
                )
            except BlockingIOError:
                return
            except OSError:
                data, ancillary = b"", []
            if not data:
                self._lost()
                return
            self._hear(msgspec.json.decode(data), *_beside(ancillary))

    def _hear(self, message: dict[str, Any], pid: int, fds: list[int]) -> None:
        sockets = [socket.socket(fileno=fd) for fd in fds]
        if "worker" in message:
            self._forked(message, pid, sockets)
        elif "exited" in message:
            ended = self._ends.pop(message["exited"], None)
            if ended is not None:
                ended(os.waitstatus_to_exitcode(message["status"]))
        elif "zygote" in message:
            self.pid = message["zygote"]
        elif "ready" in message:
            self.layers = message["ready"]
            self.version = message["version"]
            self.pid = pid
            self._ready.set_result(None)
        elif "failed" in message and not self._ready.done():
            self._ready.set_exception(ZygoteFailed(message["failed"]))

    def _forked(self, message: dict[str, Any], pid: int, sockets: list[socket.socket]) -> None:
        waiting = self._forks.get(message["worker"])
        if waiting is None or waiting.done():
            for listening in sockets:
                listening.close()
        elif "failed" in message:
            waiting.set_exception(ZygoteFailed(message["failed"]))
        else:
            waiting.set_result(Forked(pid, sockets))

    def _lost(self) -> None:
        """The process is gone, and with it every worker."""
        if self._control is not None:
            self._loop.remove_reader(self._control)
            self._control.close()
            self._control = None
        self.alive = False
        if self.pid:
            threading.Thread(target=_reap, args=(self.pid,), daemon=True).start()
            self.pid = 0
        if not self._ready.done():
            self._ready.set_exception(ZygoteFailed("it ended while it started"))
            self._ready.exception()
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)  # it ends by itself, unless it hangs
        if not self._gone.done():
            self._gone.set_result(None)
            self._reaped = self._loop.run_in_executor(None, self._reap)
        for waiting in self._forks.values():
            if not waiting.done():
                waiting.set_exception(ZygoteFailed("it is gone"))
        ends, self._ends = self._ends, {}
        for ended in ends.values():
            ended(-9)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _beside(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, list[int]]:
    """Who sent a message, and the descriptors that came with it."""
    pid, fds = 0, array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid = _CREDENTIALS.unpack(content)[0]
        elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return pid, list(fds)
