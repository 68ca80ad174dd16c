"""The second argument of a handler.

https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
"""

import os
import time
from typing import Any


class Values:
    """Members by name; what was not sent is None."""

    def __init__(self, values: dict[str, Any], names: tuple[str, ...]) -> None:
        for name in names:
            setattr(self, name, values.get(name))


_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class LambdaContext:
    """What a function can know about this invocation and about itself."""

    def __init__(self, meta: dict[str, Any], client_context: dict[str, Any] | None) -> None:
        self.aws_request_id: str = meta["id"]
        self.invoked_function_arn: str = meta["arn"]
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.identity = Values({}, ("cognito_identity_id", "cognito_identity_pool_id"))
        self.client_context: Any = None
        if client_context is not None:
            self.client_context = Values(client_context, ("custom", "env", "client"))
            if self.client_context.client is not None:
                self.client_context.client = Values(self.client_context.client, _CLIENT)
        self._deadline_ms: int = meta["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out; 0 once it has."""
        return max(0, self._deadline_ms - time.time_ns() // 1_000_000)

    def log(self, message: object) -> None:
        print(message, end="")  # noqa: T201 - that is what it does

    def __repr__(self) -> str:
        return f"LambdaContext([aws_request_id={self.aws_request_id},function_name={self.function_name}])"
