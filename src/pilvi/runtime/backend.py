"""What a way of running functions has to offer. tests/runtime holds the suite that every backend passes."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol

import msgspec

from pilvi.core.effects import FunctionSpec

OnOutput = Callable[[bytes], None]
OnAnswer = Callable[["Answer"], None]


class Ending(Enum):
    """How a worker's turn ended."""

    READY = "ready"  # initialised; of `start` only
    INIT_ERROR = "init error"
    RESULT = "result"
    ERROR = "error"
    TIMEOUT = "timeout"  # it was killed for it
    MEMORY = "memory"  # it was killed for using more than it may
    EXIT = "exit"  # the process ended by itself, or by a signal


class Answer(msgspec.Struct, frozen=True):
    """
    Attributes:
        payload: of RESULT the handler's JSON, of ERROR and INIT_ERROR the error object.
        memory_kb: the most that the worker has used.
        status: of EXIT: the exit status, or minus the signal's number.
    """

    ending: Ending
    payload: bytes = b""
    memory_kb: int = 0
    status: int = 0


class Event(msgspec.Struct, frozen=True):
    """One call, as a worker sees it. `deadline_ms` is clock time."""

    request_id: str
    payload: bytes
    deadline_ms: int
    arn: str
    trace_id: str
    client_context: str = ""


class Worker(Protocol):
    """One execution environment: a sandbox with a function in it. It takes one event at a time."""

    @property
    def alive(self) -> bool: ...

    async def initialise(self, timeout_seconds: float) -> Answer:
        """Waits until the function's module is imported: READY, INIT_ERROR, TIMEOUT, MEMORY or EXIT."""

    def invoke(self, event: Event, timeout_seconds: float, told: OnAnswer) -> None:
        """`told` is called once. RESULT or ERROR leave the worker alive; after anything else it is gone."""

    def kill(self) -> None:
        """Ends it at once, with every process that it left behind."""


class Backend(Protocol):
    """A way of running functions."""

    async def prepare(self, spec: FunctionSpec) -> None:
        """Fetches and unpacks the code, gets the runtime ready. Raises CloudError when the function cannot run."""

    async def start(self, spec: FunctionSpec, environment: Mapping[str, str], on_output: OnOutput) -> Worker:
        """A new worker, which begins to initialise. `on_output` gets what it writes to stdout and stderr."""

    def layers(self) -> dict[str, str]:
        """The layers of the sandbox: name -> "" when it holds, else why it does not."""

    async def stop(self) -> None:
        """Ends every worker."""
