"""The composition root: the only place where the parts of the cloud meet, and where a concrete backend is named."""

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from pilvi import services
from pilvi.config import MASTER_KEY_FILE, AccessKey, Config, Exit, StartError
from pilvi.core import caller as callers
from pilvi.core.caller import SessionCredentials
from pilvi.core.clock import RandomIds, SystemClock
from pilvi.core.context import Context, RequestInfo
from pilvi.core.effects import FunctionSpec
from pilvi.core.operation import Directory, Service
from pilvi.core.watched import Answered
from pilvi.events.worker import Counters, Worker
from pilvi.gateway import internal
from pilvi.gateway.cloud import LocalCloud
from pilvi.gateway.limits import DEFAULT
from pilvi.gateway.observe import Observer
from pilvi.gateway.pipeline import Gateway
from pilvi.gateway.server import Server
from pilvi.gateway.waits import Waits
from pilvi.identity.identity import Identity
from pilvi.runtime.supervisor import Runtime
from pilvi.services.iam import seed
from pilvi.services.iam.records import ROOT
from pilvi.services.iam.records import AccessKey as StoredKey
from pilvi.services.kms import proof
from pilvi.services.lambda_ import hints, logsink, role
from pilvi.services.s3.accesslogs import deliver as accesslogs
from pilvi.services.s3.accesslogs.gather import Batch, Gatherer
from pilvi.services.s3.lifecycle import delivery as aging
from pilvi.services.s3.lifecycle import round as rounds
from pilvi.state import masterkey
from pilvi.state.errors import FolderInUse, NewerData, UnusableData
from pilvi.state.sqlite import SqliteStore, tell
from pilvi.state.store import Record, Tx
from pilvi.state.writer import Delivered

log = logging.getLogger("pilvi.app")

LOG_LINES_SECONDS = 0.25
USES_SECONDS = 60.0
GARBAGE_OBJECTS = 10_000  # more made than let go, until somebody looks for cycles among them


class Ready(msgspec.Struct, frozen=True):
    """What the one who started the cloud wants to know.

    Attributes:
        created: the root key was made just now and has never been shown.
        layers: of the function sandbox: name -> "" when active, else why not.
    """

    endpoint: str
    access_key: AccessKey
    created: bool
    layers: dict[str, str]
    runtimes: list[str]


def serve(config: Config, ready: Callable[[Ready], None]) -> int:
    """Runs the cloud until SIGTERM or SIGINT; the process's exit code.

    Raises:
        StartError: it cannot start.
    """
    return uvloop.run(_serve(config, ready))


async def _serve(config: Config, ready: Callable[[Ready], None]) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    cloud = Cloud(config, loop)
    try:
        ready(await cloud.start())
        await stop.wait()
    finally:
        await cloud.stop()
    return Exit.OK


class Cloud:
    """Everything that runs, and in which order it starts and stops."""

    def __init__(self, config: Config, loop: asyncio.AbstractEventLoop) -> None:
        self.config = config
        self.loop = loop
        self.clock = SystemClock()
        self.ids = RandomIds()
        self.services = services.discover()
        records = [record for service in self.services.values() for record in service.records]
        self.store = _open_store(config.data, records, self.clock, self._deliver)
        self.store.on_commit(self._committed)
        try:
            self.master_key = master_key = _master_key(config, self.store)
        except BaseException:
            self.store.close()
            raise
        self.identity = Identity(master_key, _directory(self.services), self.ids)
        self.runtime = Runtime(
            config.data / "runtime",
            fetch_code=self._code,
            credentials=self._credentials,
            log_sink=self._log,
            on_endpoint_socket=self._adopt,
            clock=self.clock,
            idle_seconds=config.function_idle_seconds,
            concurrency=config.function_concurrency,
        )
        settings = {"s3_new_buckets": config.s3_new_buckets, "lifecycle_day_seconds": str(config.lifecycle_day_seconds)}
        self.cloud = LocalCloud(self.services, self.identity, self.runtime.runtimes, master_key, settings)
        self.waits = Waits(loop)
        self.access_logs = Gatherer()
        self.observer = Observer(config.data / "access.log")
        self.server = Server(self._gateway(), msgspec.structs.replace(DEFAULT, connections=config.connections_max))
        deliveries = [delivery for service in self.services.values() for delivery in service.deliveries]
        most = {delivery.topic: config.function_concurrency for delivery in deliveries}
        most[rounds.TOPIC] = aging.CONCURRENCY
        self.worker = Worker(self.store, deliveries, self.context, self.runtime.invoke, self.clock, concurrency=most)
        self._watch_server()
        self._watch_events()
        self.endpoint = ""
        self._sink = logsink.LogSink()
        self._warming: set[asyncio.Task[None]] = set()
        self._lines: list[tuple[FunctionSpec, str, list[tuple[int, str]]]] = []

    def _watch_server(self) -> None:
        server, gauge = self.server, self.observer.gauge
        gauge("pilvi_connections", "Open connections.", lambda: server.connections)
        gauge("pilvi_requests_in_flight", "Requests begun and not answered to the end.", lambda: server.in_flight)
        gauge("pilvi_bodies_bytes", "Bodies of requests held in memory.", lambda: server.bodies_bytes)
        gauge("pilvi_requests_refused", "What came and was no request, since the start.", lambda: server.refused)

    def _watch_events(self) -> None:
        worker, gauge = self.worker, self.observer.gauge
        gauge("pilvi_events_in_hand", "Events that are being delivered.", lambda: worker.in_hand)
        for name in Counters.__struct_fields__:
            gauge(f"pilvi_events_{name}", f"Deliveries that were {name} since the start.", partial(worker.total, name))

    def _gateway(self) -> Gateway:
        return Gateway(
            services=self.services,
            store=self.store,
            identity=self.identity,
            cloud=self.cloud,
            clock=self.clock,
            ids=self.ids,
            region=self.config.region,
            observer=self.observer,
            perform=self.runtime.invoke,
            perform_at_once=self.runtime.invoke_at_once,
            waits=self.waits,
            internal=internal.answer,
            watcher=self._watched,
        )

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> Ready:
        key, created = self.store.write(self._seed)
        self.endpoint = await self._listen()
        await self.runtime.start()
        self.worker.start()
        self.loop.call_later(USES_SECONDS, self._write_uses)
        self._time_access_logs()
        self.loop.call_soon(self._warm_known)
        _settle_memory()
        return Ready(self.endpoint, key, created, self.runtime.layers(), sorted(self.runtime.runtimes()))

    async def stop(self) -> None:
        """Finishes what was begun: requests, then deliveries, then the workers, and last what they had to say."""
        await self.server.stop(self.config.drain_seconds)
        if self.endpoint:
            await self.worker.stop(self.config.drain_seconds)
        await self.runtime.stop()
        self._write_lines()
        self._write_access_logs()
        self._write_uses()
        self.observer.close()
        self.store.close()

    async def _listen(self) -> str:
        config = self.config
        tls = _tls(config)
        try:
            host, port = await self.server.start(config.bind, config.port, tls)
        except OSError as error:
            raise _no_address(config, error) from None
        scheme = "https" if tls else "http"
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
        return f"{scheme}://{shown}:{port}"

    def _seed(self, tx: Tx) -> tuple[AccessKey, bool]:
        """The root key: as told, else the account's first one, else a new one. And the users that were named."""
        if not proof.kept(tx):
            proof.keep(tx, self.master_key)
        config, now_ms = self.config, self.clock.now_ms()
        known = next(tx[StoredKey].scan(config.account, ROOT, index="user", limit=1), None)
        created = config.root_key is None and known is None
        if config.root_key is not None:
            key = config.root_key
        elif known is not None:
            key = AccessKey(known.id, known.secret)
        else:
            key = AccessKey(f"AKIA{self.ids.base32(16)}", self.ids.base64(40))
        if config.root_key is not None or created:
            seed.seed_root_key(tx, config.account, key.id, key.secret, now_ms)
        for user in config.user_keys:
            seed.seed_user(tx, self.ids, user.account, user.name, user.key.id, user.key.secret, now_ms)
        return key, created

    # -- between the parts -------------------------------------------------------------------------------------------

    def context(self, tx: Tx) -> Context:
        """A context for work that no request asked for: events, functions' logs and credentials."""
        caller = callers.service("pilvi.internal", self.config.account)
        request = RequestInfo(self.ids.uuid(), self.config.region, self.endpoint, {})
        return Context(tx, caller, request, self.clock.now_ms(), self.ids, self.cloud)

    def _deliver(self, batch: Sequence[Delivered]) -> None:
        """From the writer's thread: answers are given on the loop's."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(tell, batch)

    def _committed(self, topics: frozenset[str]) -> None:
        self.waits.wake(topics)
        for topic in topics:
            if topic.startswith(hints.WARM):
                self._warm(topic.removeprefix(hints.WARM))

    def _warm_known(self) -> None:
        """Once the cloud is ready: what its functions run on, for those that are there from before."""
        with self.store.read() as tx:
            known = hints.runtimes_in_use(tx)
        for runtime in known & self.runtime.runtimes():
            self._warm(runtime)

    def _warm(self, runtime: str) -> None:
        task = self.loop.create_task(self.runtime.warm(runtime))
        self._warming.add(task)
        task.add_done_callback(self._warmed)

    def _warmed(self, task: asyncio.Task[None]) -> None:
        self._warming.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("a runtime could not be started ahead of time: %s", task.exception())

    async def _adopt(self, listening: socket.socket) -> asyncio.Server:
        """Functions reach the cloud through sockets inside their own network namespaces."""
        return await self.server.adopt(listening)

    def _code(self, blob: int) -> bytes:
        with self.store.read() as tx:
            return tx.blobs.read(blob)

    def _credentials(self, spec: FunctionSpec) -> SessionCredentials:
        """A session of the function's role.

        Raises:
            CloudError: the role is gone, or no longer trusts Lambda.
        """
        with self.store.read() as tx:
            given = role.session(self.context(tx), spec)["Credentials"]
        expires_ms = int(given["Expiration"].timestamp() * 1000)
        return SessionCredentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], expires_ms)

    def _log(self, spec: FunctionSpec, stream: str, lines: list[tuple[int, str]]) -> None:
        """What functions print is written together, a few times a second."""
        if not self._lines:
            self.loop.call_later(LOG_LINES_SECONDS, self._write_lines)
        self._lines.append((spec, stream, lines))

    def _write_lines(self) -> None:
        gathered, self._lines = self._lines, []
        if gathered:
            self.store.submit(partial(self._log_attempt, gathered), _report)

    def _write_uses(self) -> None:
        """When keys and roles were last used is kept once a minute."""
        uses = self.identity.take_uses()
        if uses:
            self.store.submit(lambda tx: self.identity.write_uses(tx, uses), _report_uses)
        self.loop.call_later(USES_SECONDS, self._write_uses)

    def _watched(self, seen: Answered, watched: Mapping[Any, Any]) -> None:
        """A request was answered whose bucket keeps a log."""
        self.access_logs.add(seen, watched)
        if self.access_logs.full:
            self._write_access_logs()

    def _time_access_logs(self) -> None:
        self.loop.call_later(self.config.access_log_seconds, self._access_logs_due)

    def _access_logs_due(self) -> None:
        self._write_access_logs()
        self._time_access_logs()

    def _write_access_logs(self) -> None:
        """Each batch is an attempt of its own: the writer has others to serve in between."""
        for batch in self.access_logs.take():
            self.store.submit(partial(self._access_log_attempt, [batch]), _report_access_log)
        with self.store.read() as tx:
            waiting = accesslogs.waiting(self.context(tx))
        if waiting:
            self.store.submit(partial(self._access_log_attempt, []), _report_access_log)

    def _access_log_attempt(self, batches: list[Batch], tx: Tx) -> list[str]:
        return accesslogs.deliver(self.context(tx), batches)

    def _log_attempt(self, gathered: list[tuple[FunctionSpec, str, list[tuple[int, str]]]], tx: Tx) -> None:
        ctx = self.context(tx)
        streams: dict[tuple[str, str], tuple[FunctionSpec, list[tuple[int, str]]]] = {}
        for spec, stream, lines in gathered:
            streams.setdefault((spec.arn, stream), (spec, []))[1].extend(lines)
        for (_, stream), (spec, lines) in streams.items():
            self._sink.write(ctx, spec, stream, lines)


def _settle_memory() -> None:
    """What is here now stays to the end: collections need not walk over it. Requests leave hardly any cycles behind."""
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    gc.enable()


def _report(_: object, error: BaseException | None) -> None:
    if error is not None:
        log.error("log lines of functions were lost", exc_info=error)


def _report_uses(_: object, error: BaseException | None) -> None:
    if error is not None:
        log.error("when keys were last used could not be kept", exc_info=error)


def _report_access_log(dropped: list[str] | None, error: BaseException | None) -> None:
    if error is not None:
        log.error("lines of access logs were lost", exc_info=error)
    for problem in dropped or ():
        log.warning("lines of an access log were dropped: %s", problem)


def _open_store(
    folder: Path, records: Iterable[type[Record]], clock: SystemClock, deliver: Callable[[Sequence[Delivered]], None]
) -> SqliteStore:
    try:
        return SqliteStore.open(folder, records, clock=clock, deliver=deliver)
    except FolderInUse:
        message = f"a cloud runs on {folder} already: stop it with `pilvi down`, or choose another folder with --data"
        raise StartError(message, Exit.FOLDER_IN_USE) from None
    except NewerData as error:
        raise StartError(f"{folder}: {error}", Exit.FOLDER_NEWER) from None
    except UnusableData as error:
        raise StartError(f"{folder}: {error}", Exit.FOLDER_UNUSABLE) from None


def _directory(found: Mapping[str, Service]) -> Directory:
    return next(service.directory for service in found.values() if service.directory is not None)


def _master_key(config: Config, store: SqliteStore) -> bytes:
    """The key under which this folder's data is encrypted.

    Raises:
        StartError: there is none, or it is another one.
    """
    folder, told = config.data, config.master_key
    with store.read() as tx:
        known = proof.kept(tx)
    try:
        in_file = None if told is not None and known else masterkey.read(folder)
    except masterkey.UnsafeKey as error:
        raise StartError(str(error), Exit.MASTER_KEY) from None
    key = in_file if told is None else told.secret
    if key is None:
        if known:
            advice = "put it back from a backup, or set PILVI_MASTER_KEY"
            raise StartError(
                f"{folder / MASTER_KEY_FILE}, the key of all that is encrypted, is gone: {advice}", Exit.MASTER_KEY
            )
        return masterkey.make(folder)
    if not (proof.fits(known, key) if known else in_file in (None, key)):
        where = folder / MASTER_KEY_FILE if told is None else "PILVI_MASTER_KEY (or master_key in the config file)"
        advice = "give the one that it was made with, or choose another folder with --data"
        raise StartError(f"{where} is not the master key of {folder}: {advice}", Exit.MASTER_KEY)
    return key


def _tls(config: Config) -> ssl.SSLContext | None:
    if config.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        files = f"--tls-cert {config.tls_cert} and --tls-key {config.tls_key}"
        raise StartError(f"{files} cannot be used: {error}", Exit.USAGE) from None
    return context


def _no_address(config: Config, error: OSError) -> StartError:
    where = f"[{config.bind}]:{config.port}" if ":" in config.bind else f"{config.bind}:{config.port}"
    if error.errno == errno.EADDRINUSE:
        advice = f"{where} is taken by another program: choose another port with --port (0 takes a free one)"
    elif error.errno == errno.EACCES:
        advice = f"{where} may not be used by you: choose a port above 1023 with --port"
    else:
        advice = f"{where} cannot be listened on ({os.strerror(error.errno) if error.errno else error}): choose another with --bind and --port"
    return StartError(advice, Exit.ADDRESS_TAKEN)
