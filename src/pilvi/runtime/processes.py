"""The backend of this machine: one zygote per runtime, one forked and sandboxed process per worker."""

import asyncio
import contextlib
import heapq
import importlib.util
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from pilvi.core.effects import FunctionSpec
from pilvi.runtime import cgroups, environment, interpreters, memory
from pilvi.runtime.backend import Answer, Ending, Event, OnOutput
from pilvi.runtime.channel import Channel, Output
from pilvi.runtime.errors import InvalidRuntime, ServiceException
from pilvi.runtime.package import Packages
from pilvi.runtime.runtime_api import RuntimeApi
from pilvi.runtime.worker import sandbox
from pilvi.runtime.zygotes import Forked, ForkOrder, Settings, Zygote, ZygoteFailed

FetchCode = Callable[[int], bytes]
OnSocket = Callable[[socket.socket], Awaitable[asyncio.Server]]

PRIVATE_UIDS = range(200_000, 265_536)
PROVIDED = ("provided.al2", "provided.al2023")  # a program named bootstrap
FUNCTION_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
PRELOAD = (
    *("json", "logging", "base64", "collections", "concurrent.futures", "copy", "csv", "dataclasses", "datetime"),
    *("decimal", "email.message", "email.utils", "enum", "functools", "gzip", "hashlib", "hmac", "html", "http.client"),
    *("importlib.metadata", "inspect", "io", "itertools", "math", "mimetypes", "operator", "os", "pathlib", "pprint"),
    *("random", "re", "secrets", "shutil", "socket", "sqlite3", "ssl", "statistics", "string", "struct", "subprocess"),
    *("tempfile", "textwrap", "threading", "time", "traceback", "typing", "unicodedata", "urllib.parse"),
    *("urllib.request", "uuid", "xml.etree.ElementTree", "zipfile", "zlib", "zoneinfo", "asyncio"),
    *("boto3", "botocore.session", "botocore.client", "botocore.httpsession", "s3transfer", "urllib3"),
)
WARM_SERVICES = ("s3",)
DATA_BYTES_SPARE = 512 * 1024 * 1024  # address space that an interpreter with its threads reserves and never uses


class ProcessBackend:
    """
    Args:
        folder: for caches; nothing in it is precious.
        fetch_code: a blob's bytes; called in a thread.
        on_endpoint_socket: serves the cloud on a listening socket.
    """

    def __init__(self, folder: Path, fetch_code: FetchCode, on_endpoint_socket: OnSocket) -> None:
        self.folder = folder
        self.packages = Packages(folder / "code")
        self.groups = cgroups.Cgroups()
        self.watch = memory.Watch()
        self._fetch_code = fetch_code
        self._on_endpoint_socket = on_endpoint_socket
        self._zygotes: dict[str, asyncio.Task[Zygote]] = {}
        self._interpreters: dict[str, str] = {}
        self._layers: dict[str, str] = {}
        self._free: list[int] = []
        self._used = 0
        self._workers: set[ProcessWorker] = set()
        self._endpoint = environment.ENDPOINT
        self._servers: set[asyncio.Server] = set()
        self.shared: list[str] = []  # what all functions import, where they see the machine's own files

    # -- life --------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Looks what the machine offers. Starts no zygote that stays."""
        self._interpreters = interpreters.find()
        (self.folder / "root").mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        await asyncio.to_thread(self.packages.open)
        self.groups.open()
        own = next(iter(self._interpreters))
        self._layers = await self._probe(own)
        if self.holds(sandbox.NETWORK):
            self._interpreters |= dict.fromkeys(PROVIDED, self._interpreters[own])
        else:
            await self._listen_outside()

    async def stop(self) -> None:
        zygotes, self._zygotes = list(self._zygotes.values()), {}
        for task in zygotes:
            task.cancel()
        for ended in await asyncio.gather(*zygotes, return_exceptions=True):
            if isinstance(ended, Zygote):
                await ended.stop()
        for worker in list(self._workers):
            worker.kill()
        for server in self._servers:
            server.close()
        self.watch.stop()
        self.groups.close()

    def runtimes(self) -> frozenset[str]:
        return frozenset(self._interpreters)

    def layers(self) -> dict[str, str]:
        return self._layers | {sandbox.CGROUP: self.groups.missing}

    # -- functions ---------------------------------------------------------------------------------------------------

    async def prepare(self, spec: FunctionSpec) -> None:
        try:
            await asyncio.gather(self.unpacked(spec), self.zygote(spec.runtime))
        except (ZygoteFailed, OSError) as error:
            raise ServiceException(f"The runtime {spec.runtime} could not be started: {error}") from error

    async def unpacked(self, spec: FunctionSpec) -> str:
        """The name of the folder with the function's code."""
        return await asyncio.to_thread(self.packages.prepare, spec.code_sha256, lambda: self._fetch_code(spec.code))

    async def zygote(self, runtime: str) -> Zygote:
        """The zygote of a runtime, started if it does not run. Programs are forked by our own interpreter's.

        Raises:
            InvalidRuntime: there is no such interpreter.
            ZygoteFailed: it does not start.
        """
        if runtime in PROVIDED and runtime in self._interpreters:
            runtime = next(iter(self._interpreters))
        task = self._zygotes.get(runtime)
        if task is None or (task.done() and (task.cancelled() or task.exception() or not task.result().alive)):
            if runtime not in self._interpreters:
                raise InvalidRuntime(f"There is no interpreter for {runtime} on this machine.")
            task = self._zygotes[runtime] = asyncio.create_task(self._start_zygote(runtime))
        return await asyncio.shield(task)

    async def start(self, spec: FunctionSpec, variables: Mapping[str, str], on_output: OnOutput) -> "ProcessWorker":
        try:
            zygote = await self.zygote(spec.runtime)
            worker = ProcessWorker(self, zygote, spec, self._take_number())
            self._workers.add(worker)
            try:
                await worker.fork({**variables, "AWS_ENDPOINT_URL": self._url(variables)}, on_output)
            except BaseException:
                worker.kill()
                raise
        except (ZygoteFailed, OSError) as error:
            raise ServiceException(f"A worker could not be started: {error}") from error
        return worker

    # -- for workers -------------------------------------------------------------------------------------------------

    def holds(self, layer: str) -> bool:
        return self._layers.get(layer) == ""

    async def serve_endpoint(self, listening: socket.socket) -> asyncio.Server:
        return await self._on_endpoint_socket(listening)

    def gone(self, worker: "ProcessWorker") -> None:
        if worker in self._workers:
            self._workers.remove(worker)
            heapq.heappush(self._free, worker.slot)

    def _take_number(self) -> int:
        """The lowest that no living worker has: private user ids follow it."""
        if self._free:
            return heapq.heappop(self._free)
        self._used += 1
        return self._used - 1

    def _url(self, variables: Mapping[str, str]) -> str:
        return (
            self._endpoint if variables["AWS_ENDPOINT_URL"] == environment.ENDPOINT else variables["AWS_ENDPOINT_URL"]
        )

    # -- zygotes -----------------------------------------------------------------------------------------------------

    def _settings(self, *, probe: bool) -> Settings:
        packages = [] if probe else _function_packages()
        return Settings(
            root=str(self.folder / "root"),
            code=str(self.packages.folder),
            packages=packages,
            links=self._links(packages),
            preload=[] if probe else list(PRELOAD),
            services=[] if probe else list(WARM_SERVICES),
            probe=probe,
            probe_uid=PRIVATE_UIDS[-1] if os.geteuid() == 0 else None,
        )

    def _links(self, packages: list[str]) -> str:
        """Where there is no root of our own: the same packages under one folder."""
        folder = self.folder / "packages"
        folder.mkdir(exist_ok=True)
        for path in packages:
            link = folder / Path(path).name
            self.shared = [str(folder), *packages]
            if not link.is_symlink() or str(link.readlink()) != path:
                link.unlink(missing_ok=True)
                link.symlink_to(path)
        return str(folder)

    async def _start_zygote(self, runtime: str) -> Zygote:
        zygote = Zygote(self._interpreters[runtime], self._settings(probe=False))
        await zygote.start()
        return zygote

    async def _probe(self, runtime: str) -> dict[str, str]:
        """What a worker's sandbox can be made of here: a zygote that tries, tells and ends."""
        probe = Zygote(self._interpreters[runtime], self._settings(probe=True))
        try:
            await probe.start()
        except ZygoteFailed as error:
            return dict.fromkeys(sandbox.LAYERS, str(error))
        finally:
            await probe.stop()
        return probe.layers

    async def _listen_outside(self) -> None:
        """Without network namespaces functions reach the cloud through a port of the machine."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        self._endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._servers.add(await self._on_endpoint_socket(listening))


class ProcessWorker:
    """One forked process, as the server sees it."""

    def __init__(self, backend: ProcessBackend, zygote: Zygote, spec: FunctionSpec, slot: int) -> None:
        self.backend = backend
        self.zygote = zygote
        self.spec = spec
        self.slot = slot
        self.number = _next_number()
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
        self._waiting: asyncio.Future[Answer] | None = None
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
        return await self._wait(timeout_seconds)

    async def invoke(self, event: Event, timeout_seconds: float) -> Answer:
        if self.alive:
            self._link.send(event)
        return await self._wait(timeout_seconds)

    def kill(self) -> None:
        if not self._doomed:
            self._doomed = True
            self.zygote.kill(self.number)
            if not self.zygote.alive:
                self._ended(-9)

    # -- what happens to it ------------------------------------------------------------------------------------------

    async def _wait(self, timeout_seconds: float) -> Answer:
        if self._over:
            return self._end_answer(self._status)
        waiting = self._waiting = self._loop.create_future()
        watch = self.backend.watch
        watch.add(self.number, self._used_bytes, self.spec.memory_mb << 20, self._too_large)
        timer = self._loop.call_later(timeout_seconds, self._timed_out)
        try:
            answer: Answer = await waiting
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            timer.cancel()
            watch.remove(self.number)
            self._waiting = None
        if self._output is not None:
            self._output.drain()
        return answer

    def _answered(self, answer: Answer) -> None:
        if not answer.memory_kb:  # programs do not tell
            answer = msgspec.structs.replace(answer, memory_kb=self._peak_kb())
        if answer.ending in (Ending.READY, Ending.INIT_ERROR):
            self._first = answer
        elif self._waiting is None:
            self.kill()  # nobody asked
            return
        self._tell(answer)

    def _tell(self, answer: Answer) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)

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
        self._tell(answer)
        self.backend.gone(self)

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


_numbers = iter(range(1, 1 << 62))


def _next_number() -> int:
    return next(_numbers)


def _function_packages() -> list[str]:
    """What AWS's runtime brings along, from our own installation: paths of packages and modules."""
    found = []
    for name in FUNCTION_PACKAGES:
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                found.append(str(Path(spec.origin).parent) if spec.submodule_search_locations else spec.origin)
    return found
