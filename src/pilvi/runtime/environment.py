"""The environment variables of a function, as AWS sets them.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from pilvi.core.caller import SessionCredentials
from pilvi.core.effects import FunctionSpec

TASK_ROOT = "/var/task"
ENDPOINT = "http://127.0.0.1:4566"
RUNTIME_API = "127.0.0.1:9001"


def of_spec(spec: FunctionSpec) -> dict[str, str]:
    """What all workers of a function have in common. The function's own variables do not override AWS's."""
    return {
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "LD_LIBRARY_PATH": "/var/task:/var/task/lib:/opt/lib",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": "/var/runtime",
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_EC2_METADATA_DISABLED": "true",
        **spec.environment,
        "_HANDLER": spec.handler,
        "LAMBDA_TASK_ROOT": TASK_ROOT,
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "AWS_REGION": spec.region,
        "AWS_DEFAULT_REGION": spec.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_VERSION": spec.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": spec.log_group,
        "AWS_LAMBDA_RUNTIME_API": RUNTIME_API,
    }


def of_worker(credentials: SessionCredentials, stream: str) -> dict[str, str]:
    """What one worker has for itself."""
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret,
        "AWS_SESSION_TOKEN": credentials.token,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
    }
