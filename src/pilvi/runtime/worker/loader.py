"""Runs a Python function inside its sandbox: imports the handler, then one call after the other.

It speaks with the server over an inherited Unix socket, with the meaning of AWS's Runtime API and less of its cost:

    server -> worker    8 bytes: lengths of meta and payload (little endian), meta (JSON), payload (the event's JSON)
    worker -> server    9 bytes: kind, length of the payload, peak memory in KB; payload

The first answer is READY or INIT_ERROR, before any event is sent. Each event is answered with RESULT or ERROR.
"""

import atexit
import importlib
import json
import logging
import os
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final, TextIO

from . import marshal, warm
from .context import LambdaContext
from .errors import INNER_NEWLINE, Fault, log_text, report

READY: Final = 0
INIT_ERROR: Final = 1
RESULT: Final = 2
ERROR: Final = 3

EVENT_HEAD: Final = struct.Struct("<II")
ANSWER_HEAD: Final = struct.Struct("<BII")
CHANNEL: Final = 3  # the socket's file descriptor
PAYLOAD_BYTES_MAX: Final = 6 * 1024 * 1024  # of a synchronous response; AWS counts 6,291,556
RESPONSE_BYTES_MAX: Final = 6_291_556

_READ_BYTES: Final = 1 << 18
_OURS: Final = __file__.rpartition("/")[0]
_LOG_FORMAT: Final = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"

Handler = Callable[[Any, LambdaContext], Any]


class _Stop(Exception):
    """The server closed the channel: this worker is no longer needed."""


class _Current:
    """The invocation at hand, for log records."""

    request_id = ""


def run(handler_name: str, paths: list[str], preloaded: list[str]) -> None:
    """Serves until the server hangs up; never returns.

    Args:
        paths: what goes in front of sys.path; the first is the function's own folder.
        preloaded: top-level packages that the zygote imported, and that a function may bring in another version.
    """
    status = 1
    try:
        _prepare(paths, preloaded)
        status = _serve(handler_name)
    except SystemExit as exit_:
        status = _exit_status(exit_)
    except _Stop:
        status = 0
    except BaseException:  # noqa: BLE001 - KeyboardInterrupt, a broken channel: the log tells, the status follows
        traceback.print_exc()
    finally:
        _flush()
        os._exit(status)


def _serve(handler_name: str) -> int:
    try:
        handler = _find(handler_name)
    except Exception as error:  # noqa: BLE001 - whatever the function's module raises is its error
        _send_error(INIT_ERROR, report(error, "", _OURS))
        return 1
    _flush()
    _send(READY, b"")
    pending = bytearray()
    while True:
        meta, payload = _receive(pending)
        _invoke(handler, meta, payload)


def _invoke(handler: Handler, meta: dict[str, Any], payload: bytes) -> None:
    _Current.request_id = meta["id"]
    os.environ["_X_AMZN_TRACE_ID"] = meta["trace"]
    try:
        answer = _marshal(handler(_event(payload), _context(meta)))
    except Exception as error:  # noqa: BLE001 - whatever the handler raises is the answer
        _send_error(ERROR, report(error, meta["id"], _OURS))
        return
    if len(answer) > RESPONSE_BYTES_MAX:
        message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
        answer = json.dumps({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}).encode()
        _flush()
        _send(ERROR, answer)
        return
    _flush()
    _send(RESULT, answer)


def _event(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def _context(meta: dict[str, Any]) -> LambdaContext:
    text = meta["client_context"]
    try:
        client = json.loads(text) if text else None
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}") from None
    return LambdaContext(meta, client)


# -- the handler ---------------------------------------------------------------------------------------------------


def _find(handler_name: str) -> Handler:
    module_name, dot, name = handler_name.rpartition(".")
    if not dot:
        raise Fault(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler_name}': not enough values to unpack (expected 2, got 1)",
        )
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", trace) from None
    try:
        found: Handler = getattr(module, name)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'") from None
    return found


def _marshal(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return marshal.to_json(value)
    except Exception as error:  # noqa: BLE001 - __str__ of a value is the function's code
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


# -- the channel ---------------------------------------------------------------------------------------------------


def _receive(pending: bytearray) -> tuple[dict[str, Any], bytes]:
    while len(pending) < EVENT_HEAD.size:
        _read(pending)
    meta_length, payload_length = EVENT_HEAD.unpack_from(pending)
    end = EVENT_HEAD.size + meta_length
    while len(pending) < end + payload_length:
        _read(pending)
    meta = json.loads(pending[EVENT_HEAD.size : end].decode())
    payload = bytes(pending[end : end + payload_length])
    del pending[: end + payload_length]
    return meta, payload


def _read(pending: bytearray) -> None:
    data = os.read(CHANNEL, _READ_BYTES)
    if not data:
        raise _Stop
    pending += data


def _send_error(kind: int, found: dict[str, Any]) -> None:
    text = log_text(found)
    try:
        sys.stdout.write(text)
        _flush()
    except (OSError, ValueError, AttributeError):  # the function closed or replaced it
        os.write(1, text.encode(errors="replace"))
    _send(kind, json.dumps(found).encode())


def _send(kind: int, payload: bytes) -> None:
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    view = memoryview(ANSWER_HEAD.pack(kind, len(payload), memory_kb) + payload)
    while view:
        view = view[os.write(CHANNEL, view) :]


# -- the process ---------------------------------------------------------------------------------------------------


def _prepare(paths: list[str], preloaded: list[str]) -> None:
    """What a process has to forget after a fork, and what AWS sets up before the handler is imported."""
    time.tzset()
    sys.path[:0] = paths
    sys.stdout = sys.__stdout__ = _stream(1)  # type: ignore[misc,assignment]  # the zygote's were made for another file
    sys.stderr = sys.__stderr__ = _stream(2)  # type: ignore[misc,assignment]
    _new_entropy()
    _prefer_own(paths, set(preloaded))
    warm.forget(dict(os.environ))
    _set_up_logging()


def _new_entropy() -> None:
    """For what tells forks apart by pid: in namespaces of their own, zygote and workers are all number 1."""
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = None  # noqa: SLF001
    ssl: Any = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_add(os.urandom(64), 64.0)


def _stream(fd: int) -> TextIO:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _prefer_own(paths: list[str], preloaded: set[str]) -> None:
    """A function that brings its own boto3 gets that: nothing that the zygote imported stands in its way."""
    own: set[str] = set()
    for path in paths:
        try:
            own.update(name.partition(".")[0] for name in os.listdir(path))  # noqa: PTH208
        except OSError:
            continue
    if own & preloaded:
        for name in [name for name in sys.modules if name.partition(".")[0] in preloaded]:
            del sys.modules[name]
        importlib.invalidate_caches()


def _set_up_logging() -> None:
    """A root handler in AWS's format, as functions expect to find it."""
    logging.Formatter.converter = time.gmtime  # a function too: AWS's runtime does the same
    handler = _LogHandler()
    handler.setFormatter(logging.Formatter(_LOG_FORMAT, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(_with_request_id)
    logging.getLogger().addHandler(handler)


class _LogHandler(logging.Handler):
    """One record is one log event, whatever newlines it holds."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record).replace("\n", INNER_NEWLINE) + "\n")
        except Exception:  # noqa: BLE001 - as every handler: a broken record must not break the function
            self.handleError(record)


def _with_request_id(record: logging.LogRecord) -> bool:
    record.aws_request_id = _Current.request_id
    return True


def _exit_status(exit_: SystemExit) -> int:
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - os._exit, which ends a forked process, leaves them out
    finally:
        code = exit_.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    return 0 if code is None else code & 0xFF if isinstance(code, int) else 1


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # the function closed or replaced it
            continue
