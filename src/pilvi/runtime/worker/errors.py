"""Errors of functions as AWS's Python runtime reports them: as JSON to the caller, and in the log."""

import traceback
from types import TracebackType
from typing import Any

# Stands for a newline inside one log event; the server puts the newline back (see logs.py there).
INNER_NEWLINE = "\x1e"


class Fault(Exception):
    """The function could not be called, or its result not be sent: an error that AWS's runtime names itself."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.trace = trace or []


def report(error: BaseException, request_id: str, ours: str) -> dict[str, Any]:
    """The error object.

    Args:
        ours: folder of our own code, whose frames say nothing to the function's author.
    """
    if isinstance(error, Fault):
        return _object(error.kind, error.message, request_id, error.trace)
    trace = traceback.format_list(_frames(error.__traceback__, ours))
    return _object(type(error).__name__, str(error), request_id, trace)


def log_text(found: dict[str, Any]) -> str:
    """What the log shows of it: one event of several lines, indented by no-break spaces as on AWS."""
    lines = [f"[ERROR] {found['errorType']}: {found['errorMessage']}", "Traceback (most recent call last):"]
    for part in found["stackTrace"]:
        for line in part.splitlines():
            text = line.lstrip(" ")
            lines.append("\u00a0" * (len(line) - len(text)) + text)
    return INNER_NEWLINE.join(lines) + "\n"


def _object(kind: str, message: str, request_id: str, trace: list[str]) -> dict[str, Any]:
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


def _frames(trace: TracebackType | None, ours: str) -> list[traceback.FrameSummary]:
    frames = list(traceback.extract_tb(trace))
    while frames and (frames[0].filename.startswith(ours) or frames[0].filename.startswith("<frozen importlib")):
        del frames[0]
    return frames
