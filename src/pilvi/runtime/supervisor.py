"""Runs functions."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from pilvi.core.caller import SessionCredentials
from pilvi.core.clock import Clock
from pilvi.core.effects import FunctionSpec, Invocation, Outcome
from pilvi.core.errors import NotBuilt


class Runtime:
    def __init__(
        self,
        folder: Path,
        *,
        fetch_code: Callable[[int], bytes],
        credentials: Callable[[FunctionSpec], SessionCredentials],
        log_sink: Callable[[FunctionSpec, str, list[tuple[int, str]]], None],
        on_endpoint_socket: Callable[[socket.socket], Awaitable[asyncio.Server]],
        clock: Clock,
        idle_seconds: int,
        concurrency: int,
    ) -> None: ...

    def runtimes(self) -> frozenset[str]:
        return frozenset({"python3.11"})

    def layers(self) -> dict[str, str]:
        return {}

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def invoke(self, invocation: Invocation) -> Outcome:
        raise NotBuilt("functions do not run yet")
