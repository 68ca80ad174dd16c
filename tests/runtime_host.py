"""A process that runs functions as a cloud does, driven over its stdin and stdout by tests (see runtime_machine.py).

A process of its own, so that it can be an ordinary user, and so that tests can look at it, attack it and kill it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from pilvi.core.caller import SessionCredentials
from pilvi.core.clock import SystemClock
from pilvi.core.effects import FunctionSpec, Invocation
from pilvi.core.errors import CloudError
from pilvi.runtime import pool, supervisor
from pilvi.runtime.worker import sandbox

ENDPOINT_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nthe cloud!"


class Host:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.codes: dict[int, bytes] = {}
        self.logs: list[tuple[str, str, str]] = []
        self.credentials_ms = 3_600_000
        self.clock = ShiftedClock()
        self.runtime = supervisor.Runtime(
            folder / "runtime",
            fetch_code=self.codes.__getitem__,
            credentials=self._credentials,
            log_sink=self._log,
            on_endpoint_socket=self._adopt,
            clock=self.clock,
            idle_seconds=600,
            concurrency=200,
        )

    def _credentials(self, spec: FunctionSpec) -> SessionCredentials:
        return SessionCredentials("ASIA" + spec.name, "secret", "token", self.clock.now_ms() + self.credentials_ms)

    def _log(self, spec: FunctionSpec, stream: str, lines: list[tuple[int, str]]) -> None:
        self.logs += [(spec.name, stream, line) for _, line in lines]

    async def _adopt(self, listening: socket.socket) -> asyncio.Server:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(ENDPOINT_ANSWER)
                await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        return await asyncio.start_server(answer, sock=listening)

    async def obey(self, order: dict[str, Any]) -> Any:
        return await getattr(self, f"do_{order['do']}")(order)

    async def do_invoke(self, order: dict[str, Any]) -> Any:
        code = base64.b64decode(order["code"])
        number = len(self.codes) + 1
        self.codes[number] = code
        spec = msgspec.convert({**order["spec"], "code": number}, FunctionSpec)
        payload = base64.b64decode(order["payload"])
        invocation = Invocation(spec, payload, order["id"], order["client_context"], want_tail=order["want_tail"])
        try:
            outcome = await self.runtime.invoke(invocation)
        except CloudError as error:
            return {"refused": error.code, "message": error.message}
        return msgspec.to_builtins(outcome)

    async def do_about(self, order: dict[str, Any]) -> Any:
        return {"layers": self.runtime.layers(), "runtimes": sorted(self.runtime.runtimes()), "uid": os.getuid()}

    async def do_lines(self, order: dict[str, Any]) -> Any:
        return [[stream, line] for name, stream, line in self.logs if name == order["name"]]

    async def do_advance(self, order: dict[str, Any]) -> Any:
        self.clock.ahead_ms += order["ms"]

    async def do_expire(self, order: dict[str, Any]) -> Any:
        self.runtime._pool.expire()

    async def do_limit_memory(self, order: dict[str, Any]) -> Any:
        """From now on there is memory for so many further workers."""
        pool.MEMORY_LOOK_SECONDS = 1e9
        self.runtime._pool._looked_at = 1e12
        self.runtime._pool._available = pool.WORKER_BYTES_EXPECTED * order["workers"]

    async def do_unlimit_memory(self, order: dict[str, Any]) -> Any:
        pool.MEMORY_LOOK_SECONDS = 0.05
        self.runtime._pool._looked_at = 0.0

    async def do_limit_init(self, order: dict[str, Any]) -> Any:
        pool.INIT_SECONDS_MAX = order["seconds"]

    async def do_warm(self, order: dict[str, Any]) -> Any:
        await self.runtime.warm(order["runtime"])

    async def do_descriptors(self, order: dict[str, Any]) -> Any:
        return len(os.listdir("/proc/self/fd"))


class ShiftedClock(SystemClock):
    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


async def main(folder: Path) -> None:
    host = Host(folder)
    host.kept = ["SECRET-OF-THE-SERVERS-" + "MEMORY"]  # type: ignore[attr-defined]
    await host.runtime.start()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 28)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    running: set[asyncio.Task[None]] = set()
    lock = asyncio.Lock()

    async def answer(order: dict[str, Any]) -> None:
        try:
            result = {"id": order["id"], "result": await host.obey(order)}
        except Exception as error:  # noqa: BLE001 - the test shall see it
            result = {"id": order["id"], "raised": repr(error)}
        async with lock:
            await asyncio.to_thread(_write, msgspec.json.encode(result) + b"\n")

    while line := await reader.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    await host.runtime.stop()


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def without_namespaces() -> None:
    """As in many containers: an ordinary user on a machine that gives out no namespaces."""
    sandbox.new_users(1000, 1000)
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")


if __name__ == "__main__":
    if sys.argv[2:] == ["bare"]:
        without_namespaces()
    os.umask(0o077)  # as a careful administrator has it
    data = Path(sys.argv[1])
    data.mkdir(exist_ok=True)
    (data / "secret.db").write_text("SECRET-OF-THE-DATA-FOLDER")
    uvloop.run(main(data))
