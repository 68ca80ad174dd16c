"""Functions for tests: zips of handlers, and roles that Lambda may assume."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

TRUST_LAMBDA = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
BASIC_EXECUTION = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def zip_of(files: dict[str, str | bytes]) -> bytes:
    """A deployment package; the same files make the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


def handler(source: str) -> bytes:
    """A package whose handler is `main.handler`."""
    return zip_of({"main.py": source})


NOTHING = handler("def handler(event, context):\n    return event\n")


def allow(*actions: str, resource: str = "*") -> str:
    """A policy document."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
