"""How a real server says no, as boto3 tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError


class Refusal:
    """How a request was refused: `response` is boto3's."""

    response: Any = None

    @property
    def message(self) -> str:
        return str(self.response["Error"]["Message"])


@contextmanager
def refused(code: str, status: int) -> Iterator[Refusal]:
    """The request inside is answered with this error. HEAD has no body to name one: its code is the status."""
    refusal = Refusal()
    with pytest.raises(ClientError) as failure:
        yield refusal
    refusal.response = failure.value.response
    found = (refusal.response["Error"]["Code"], refusal.response["ResponseMetadata"]["HTTPStatusCode"])
    assert found == (code, status), failure.value


def refusal_of(code: str, call: Callable[..., Any], status: int = 400, **request: Any) -> str:
    """The message with which a call is refused."""
    with refused(code, status) as refusal:
        call(**request)
    return refusal.message
