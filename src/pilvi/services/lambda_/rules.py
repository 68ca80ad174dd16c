"""What a function's configuration may be. Pure.

https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

import json
import platform
import re
from collections.abc import Mapping
from typing import Any

from pilvi.core.errors import NotBuilt
from pilvi.services.lambda_ import limits
from pilvi.services.lambda_.errors import InvalidParameterValue, ValidationFailed

ARCHITECTURE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())

# Identifiers of AWS that may be current; all others that AWS ever had can no longer be created there.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
CURRENT_RUNTIMES = (
    "python3.10", "python3.11", "python3.12", "python3.13", "python3.14", "nodejs20.x", "nodejs22.x", "nodejs24.x",
    "java8.al2", "java11", "java17", "java21", "java25", "dotnet8", "dotnet10", "ruby3.2", "ruby3.3", "ruby3.4",
    "provided.al2", "provided.al2023",
)  # fmt: skip
PAST_RUNTIMES = frozenset(
    [
        "nodejs",
        "nodejs4.3",
        "nodejs4.3-edge",
        "nodejs6.10",
        "nodejs8.10",
        "nodejs10.x",
        "nodejs12.x",
        "nodejs14.x",
        "nodejs16.x",
        "nodejs18.x",
        "java8",
        "python2.7",
        "python3.6",
        "python3.7",
        "python3.8",
        "python3.9",
        "dotnetcore1.0",
        "dotnetcore2.0",
        "dotnetcore2.1",
        "dotnetcore3.1",
        "dotnet6",
        "go1.x",
        "ruby2.5",
        "ruby2.7",
        "provided",
    ]
)
_RECOMMENDED = {
    "python": "python3.13",
    "nodejs": "nodejs22.x",
    "java": "java21",
    "dotnet": "dotnet8",
    "ruby": "ruby3.4",
}

# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
RESERVED_VARIABLES = frozenset(
    [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
    ]
)
_VARIABLE_NAME = re.compile(r"[a-zA-Z]([a-zA-Z0-9_])+")

# Members that change nothing when they hold just this.
_INERT: Mapping[str, tuple[Any, ...]] = {
    "VpcConfig": ({}, {"SubnetIds": [], "SecurityGroupIds": []}),
    "DeadLetterConfig": ({}, {"TargetArn": ""}),
    "KMSKeyArn": ("",),
    "TracingConfig": ({}, {"Mode": "PassThrough"}),
    "Layers": ([],),
    "FileSystemConfigs": ([],),
    "ImageConfig": ({},),
    "CodeSigningConfigArn": ("",),
    "SnapStart": ({}, {"ApplyOn": "None"}),
    "PackageType": ("Zip",),
}
_BUILT = frozenset(
    [
        "FunctionName",
        "Runtime",
        "Role",
        "Handler",
        "Code",
        "Description",
        "Timeout",
        "MemorySize",
        "Publish",
        "Environment",
        "Tags",
        "Architectures",
        "EphemeralStorage",
        "LoggingConfig",
        "RevisionId",
    ]
)


def refuse_unknown(request: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raises NotBuilt, naming the first member that is not among `known`."""
    for member in request:
        if member not in known:
            raise NotBuilt(f"lambda: {member} is not built.")


def refuse_what_is_not_built(request: Mapping[str, Any]) -> None:
    """Nothing that a client asks for is passed over in silence.

    Raises:
        NotBuilt: naming the member.
    """
    for member, value in request.items():
        if member not in _BUILT and not any(_same(value, inert) for inert in _INERT.get(member, ())):
            raise NotBuilt(f"lambda: {member} is not built.")
    logging = request.get("LoggingConfig", {})
    if logging.get("LogFormat", "Text") != "Text":
        raise NotBuilt("lambda: LogFormat JSON is not built.")
    for member in ("ApplicationLogLevel", "SystemLogLevel"):
        if member in logging:
            raise InvalidParameterValue(
                f"To specify a value for {member}, first change the value of LogFormat to JSON, then try again."
            )


def _same(value: Any, inert: Any) -> bool:
    if isinstance(value, dict) and isinstance(inert, dict):
        return {name: held for name, held in value.items() if held not in ([], False)} == {
            name: held for name, held in inert.items() if held != []
        }
    return bool(value == inert)


def check_runtime(runtime: str, here: frozenset[str]) -> None:
    """Whether functions of this runtime can be made.

    `here` are the runtimes that this machine has.

    Raises:
        InvalidParameterValue: AWS has no such runtime, no longer has it, or no interpreter of it is here.
        NotBuilt: a runtime of another language.
    """
    if runtime in here:
        return
    if runtime in PAST_RUNTIMES:
        family = re.split(r"[\d.]", runtime.replace("core", ""), maxsplit=1)[0]
        raise InvalidParameterValue(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            f"We recommend you use a supported runtime while creating or updating functions."
            if family not in _RECOMMENDED
            else f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda "
            f"functions. We recommend you use {_RECOMMENDED[family]} while creating or updating functions."
        )
    if runtime not in CURRENT_RUNTIMES:
        raise InvalidParameterValue(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{', '.join(CURRENT_RUNTIMES)}] or be a valid ARN"
        )
    if not runtime.startswith("python"):
        raise NotBuilt(f"lambda: the runtime {runtime} is not built.")
    raise InvalidParameterValue(
        f"The runtime {runtime} needs a Python interpreter that is not on this machine. Available here: "
        f"{', '.join(sorted(here)) or 'none'}."
    )


def check_architecture(wanted: list[str]) -> str:
    """The architecture that the function runs on: this machine's.

    Raises:
        NotBuilt: another one.
    """
    for name in wanted:
        if name not in {"x86_64", "arm64"}:
            raise ValidationFailed(
                f"[{name}]",
                "architectures",
                "satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]",
            )
        if name != ARCHITECTURE:
            raise NotBuilt(f"lambda: {name} functions cannot run on this machine, which is {ARCHITECTURE}.")
    return ARCHITECTURE


def check_numbers(timeout_seconds: int, memory_mb: int, tmp_mb: int) -> None:
    """The quotas of today's ordinary functions (the model allows more, for managed instances)."""
    for value, member, least, most in (
        (timeout_seconds, "timeout", 1, limits.TIMEOUT_SECONDS_MAX),
        (memory_mb, "memorySize", 128, limits.MEMORY_MB_MAX),
        (tmp_mb, "ephemeralStorage.size", 512, limits.TMP_MB_MAX),
    ):
        if value < least:
            raise ValidationFailed(value, member, f"have value greater than or equal to {least}")
        if value > most:
            raise ValidationFailed(value, member, f"have value less than or equal to {most}")


def check_environment(variables: Mapping[str, str]) -> None:
    """Names, reserved names, and the 4 KB that all variables share.

    Raises:
        InvalidParameterValue: one of these.
    """
    for name in variables:
        if not _VARIABLE_NAME.fullmatch(name):
            raise ValidationFailed(
                name,
                "environment.variables",
                "satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
            )
    reserved = [name for name in variables if name in RESERVED_VARIABLES]
    if reserved:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    text = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > limits.ENVIRONMENT_BYTES_MAX:
        raise InvalidParameterValue(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the 4KB limit. String measured: {text}"
        )


def check_tags(tags: Mapping[str, str]) -> None:
    """Tags as they would stand on the function.

    Raises:
        InvalidParameterValue: too many, too long, or names that belong to AWS.
    """
    if len(tags) > limits.TAGS_MAX:
        raise InvalidParameterValue("Number of tags exceeds resource tag limit.")
    for key, value in tags.items():
        if not key or len(key) > limits.TAG_KEY_MAX:
            raise InvalidParameterValue(f"The tag key must have 1 to {limits.TAG_KEY_MAX} characters.")
        if len(value) > limits.TAG_VALUE_MAX:
            raise InvalidParameterValue(f"The tag value must have at most {limits.TAG_VALUE_MAX} characters.")
        if key.lower().startswith("aws:"):
            raise InvalidParameterValue("System tags cannot be added/updated by requester.")
