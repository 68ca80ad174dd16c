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

from pilvi.core.effects import FunctionSpec
from pilvi.runtime import cgroups, environment, interpreters, memory
from pilvi.runtime.backend import OnOutput
from pilvi.runtime.errors import InvalidRuntime, ServiceException
from pilvi.runtime.package import Packages
from pilvi.runtime.process import PRIVATE_UIDS, PROVIDED, ProcessWorker
from pilvi.runtime.worker import sandbox
from pilvi.runtime.zygotes import Settings, Zygote, ZygoteFailed

FetchCode = Callable[[int], bytes]
OnSocket = Callable[[socket.socket], Awaitable[asyncio.Server]]

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
        self._unpacking: dict[str, asyncio.Task[str]] = {}
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
        except KeyError:
            raise ServiceException("The function's code is gone: it was replaced meanwhile.") from None

    async def unpacked(self, spec: FunctionSpec) -> str:
        """The name of the folder with the function's code; unpacked once, however many ask at the same time."""
        task = self._unpacking.get(spec.code_sha256)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            work = asyncio.to_thread(self.packages.prepare, spec.code_sha256, lambda: self._fetch_code(spec.code))
            task = self._unpacking[spec.code_sha256] = asyncio.create_task(work)
        return await asyncio.shield(task)

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

    async def start(self, spec: FunctionSpec, variables: Mapping[str, str], on_output: OnOutput) -> ProcessWorker:
        try:
            for attempt in (1, 2):
                zygote = await self.zygote(spec.runtime)
                try:
                    return await self._fork(zygote, spec, variables, on_output)
                except ZygoteFailed:
                    if zygote.alive or attempt == 2:  # a zygote that died is started again, once
                        raise
        except (ZygoteFailed, OSError) as error:
            raise ServiceException(f"A worker could not be started: {error}") from error
        raise AssertionError("the second attempt returns or raises")

    async def _fork(
        self, zygote: Zygote, spec: FunctionSpec, variables: Mapping[str, str], on_output: OnOutput
    ) -> ProcessWorker:
        worker = ProcessWorker(self, zygote, spec, self._take_number())
        self._workers.add(worker)
        try:
            await worker.fork({**variables, "AWS_ENDPOINT_URL": self._url(variables)}, on_output)
        except BaseException:
            worker.kill()
            raise
        return worker

    # -- for workers -------------------------------------------------------------------------------------------------

    def holds(self, layer: str) -> bool:
        return self._layers.get(layer) == ""

    async def serve_endpoint(self, listening: socket.socket) -> asyncio.Server:
        return await self._on_endpoint_socket(listening)

    def gone(self, worker: ProcessWorker) -> None:
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


def _function_packages() -> list[str]:
    """What AWS's runtime brings along, from our own installation: paths of packages and modules."""
    found = []
    for name in FUNCTION_PACKAGES:
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.origin is not None:
                found.append(str(Path(spec.origin).parent) if spec.submodule_search_locations else spec.origin)
    return found
