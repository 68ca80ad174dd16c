"""One forked process, as the server sees it."""

import asyncio
import itertools
import os
import shutil
import socket
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pilvi.core.effects import FunctionSpec
from pilvi.runtime import cgroups, environment, memory
from pilvi.runtime.backend import Answer, Ending, Event, OnAnswer, OnOutput
from pilvi.runtime.channel import Channel, Output
from pilvi.runtime.runtime_api import RuntimeApi
from pilvi.runtime.worker import sandbox
from pilvi.runtime.zygotes import Forked, ForkOrder, Zygote

if TYPE_CHECKING:
    from pilvi.runtime.processes import ProcessBackend

# A range that systemd's list of user ids leaves to nobody: https://systemd.io/UIDS-GIDS/
PRIVATE_UIDS = range(1_900_000_000, 1_900_065_536)
PROVIDED = ("provided.al2", "provided.al2023")  # a program named bootstrap
DATA_BYTES_SPARE = 512 * 1024 * 1024  # address space that an interpreter with its threads reserves and never uses

_numbers = itertools.count(1)


def _resolve(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


class ProcessWorker:
    """One forked process, as the server sees it."""

    def __init__(self, backend: "ProcessBackend", zygote: Zygote, spec: FunctionSpec, slot: int) -> None:
        self.backend = backend
        self.zygote = zygote
        self.spec = spec
        self.slot = slot
        self.number = next(_numbers)
        self.pid = 0
        self._doomed = False  # its end is ordered
        self._over = False  # and has come
        self._loop = asyncio.get_running_loop()
        self._tmp = backend.folder / "tmp" / str(self.number)  # for where /tmp cannot be a function's own
        self._is_program = spec.runtime in PROVIDED
        self._link: Channel | RuntimeApi = (
            RuntimeApi(self._answered) if self._is_program else Channel(self._answered, self._broken)
        )
        self._output: Output | None = None
        self._group: cgroups.Group | None = None
        self._server: asyncio.Server | None = None
        self._told: OnAnswer | None = None  # who waits for an answer
        self._timer: asyncio.TimerHandle | None = None
        self._first: Answer | None = None
        self._why: Ending | None = None  # of a kill
        self._status = 0
        self._memory_kb = 0

    async def fork(self, variables: dict[str, str], on_output: OnOutput) -> None:
        """
        Raises:
            ZygoteFailed: no worker could be made.
        """
        code = self.backend.packages.name(self.spec.code_sha256)
        limits = cgroups.Limits((self.spec.memory_mb + self.spec.tmp_mb) << 20, sandbox.PROCESSES_MAX)
        self._group = self.backend.groups.make(f"w{self.number}", limits)
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        joins = self._group.open() if self._group else []
        try:
            self._output = Output(reading, on_output, self._loop)
            order = self._order(code, variables)
            if order.uid is not None:
                os.fchown(writing, order.uid, order.uid)  # so that /dev/stdout can be opened
            forked = await self.zygote.fork(order, [theirs.fileno(), writing, *joins], self._ended)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            for fd in (writing, *joins):
                os.close(fd)
        await self._connect(ours, forked)

    def _order(self, code: str, variables: dict[str, str]) -> ForkOrder:
        spec, backend = self.spec, self.backend
        inside = backend.holds(sandbox.MOUNTS)
        if not inside:
            self._tmp.mkdir(parents=True)
        folder = str(backend.packages.folder / code)
        task_root = environment.TASK_ROOT if inside else folder
        limited = self._group is not None and backend.groups.limits_memory
        return ForkOrder(
            spawn=self.number,
            uid=PRIVATE_UIDS[self.slot % (len(PRIVATE_UIDS) - 1)] if os.geteuid() == 0 else None,
            code=code,
            tmp_bytes=spec.tmp_mb << 20,
            data_bytes=0 if limited else (spec.memory_mb << 21) + DATA_BYTES_SPARE,
            readable=[] if inside else [folder, *backend.shared],
            writable=[] if inside else [str(self._tmp)],
            environment={**variables, **({} if inside else {"LAMBDA_TASK_ROOT": task_root, "TMPDIR": str(self._tmp)})},
            task_root=task_root,
            bootstrap=f"{task_root}/bootstrap" if self._is_program else "",
            handler=spec.handler,
            paths=[task_root, "/opt/python"],
        )

    async def _connect(self, ours: socket.socket, forked: Forked) -> None:
        self.pid = forked.pid
        runtime_api, endpoint = forked.sockets or (None, None)
        if isinstance(self._link, Channel):
            channel = self._link
            ours.setblocking(False)
            await self._loop.create_connection(lambda: channel, sock=ours)
            if runtime_api is not None:
                runtime_api.close()
        else:
            ours.close()
            assert runtime_api is not None, "programs need a network namespace"
            await self._link.start(runtime_api)
        if endpoint is not None:
            self._server = await self.backend.serve_endpoint(endpoint)
        if self._over:  # it ended meanwhile
            self._close()

    # -- Worker ------------------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        return not self._doomed

    async def initialise(self, timeout_seconds: float) -> Answer:
        if self._first is not None:
            return self._first
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._listen(timeout_seconds, partial(_resolve, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            self._stop_listening()
            self.kill()
            raise

    def invoke(self, event: Event, timeout_seconds: float, told: OnAnswer) -> None:
        self._listen(timeout_seconds, told)
        if self.alive:
            self._link.send(event)

    def kill(self) -> None:
        if not self._doomed:
            self._doomed = True
            self.zygote.kill(self.number)
            if not self.zygote.alive:
                self._ended(-9)

    # -- what happens to it ------------------------------------------------------------------------------------------

    def _listen(self, timeout_seconds: float, told: OnAnswer) -> None:
        if self._over:
            told(self._end_answer(self._status))
            return
        self._told = told
        self.backend.watch.add(self.number, self._used_bytes, self.spec.memory_mb << 20, self._too_large)
        self._timer = self._loop.call_later(timeout_seconds, self._timed_out)

    def _stop_listening(self) -> None:
        self._told = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.backend.watch.remove(self.number)

    def _answered(self, answer: Answer) -> None:
        if not answer.memory_kb:  # programs do not tell
            answer = msgspec.structs.replace(answer, memory_kb=self._peak_kb())
        if answer.ending in (Ending.READY, Ending.INIT_ERROR):
            self._first = answer
        elif self._told is None:
            self.kill()  # nobody asked
            return
        self._tell(answer)

    def _tell(self, answer: Answer) -> None:
        told = self._told
        if told is not None:
            self._stop_listening()
            if self._output is not None:
                self._output.drain()
            told(answer)

    def _timed_out(self) -> None:
        self._why = Ending.TIMEOUT
        self._memory_kb = self._peak_kb()
        self.kill()
        self._tell(Answer(Ending.TIMEOUT, memory_kb=self._memory_kb))

    def _too_large(self, used_bytes: int) -> None:
        self._why = Ending.MEMORY
        self._memory_kb = used_bytes >> 10
        self.kill()

    def _broken(self) -> None:
        """The socket is closed: the process ends, or should."""
        self.kill()

    def _ended(self, status: int) -> None:
        """The process is gone."""
        if self._over:
            return
        self._doomed = self._over = True
        self._status = status
        if self._group is not None and status == -9 and self._why is None and self._group.out_of_memory():
            self._why = Ending.MEMORY
        answer = self._end_answer(status)
        self._close()
        self.backend.gone(self)
        self._tell(answer)

    def _end_answer(self, status: int) -> Answer:
        return Answer(self._why or Ending.EXIT, memory_kb=self._memory_kb or self._peak_kb(), status=status)

    def _used_bytes(self) -> int:
        counted = self._group.anonymous_bytes() if self._group is not None else -1
        return counted if counted >= 0 else memory.private_bytes(self.pid)

    def _peak_kb(self) -> int:
        """What the first process used at most; of one that is gone, what its group did."""
        return memory.peak_kb(self.pid) or (self._group.peak_bytes() >> 10 if self._group is not None else 0)

    def _close(self) -> None:
        self._link.close()
        if self._output is not None:
            self._output.close()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._group is not None:
            self.backend.groups.leave(self._group)
        if not self.backend.holds(sandbox.MOUNTS):
            shutil.rmtree(self._tmp, ignore_errors=True)
