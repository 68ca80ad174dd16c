"""What is stored, in AWS's words."""

from datetime import UTC, datetime

from pilvi.services.lambda_.find import Found
from pilvi.services.lambda_.names import LATEST, FunctionId
from pilvi.services.lambda_.records import Configuration
from pilvi.services.lambda_.types import FunctionConfiguration


def lambda_time(milliseconds: int) -> str:
    """2026-01-31T10:00:00.000+0000: Lambda's own form of a time."""
    return f"{_seconds(milliseconds)}.{milliseconds % 1000:03}+0000"


def iso_time(milliseconds: int) -> str:
    """2026-01-31T10:00:00.000Z"""
    return f"{_seconds(milliseconds)}.{milliseconds % 1000:03}Z"


def _seconds(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%dT%H:%M:%S}"


def configuration(name: FunctionId, found: Found, *, with_status: bool = True) -> FunctionConfiguration:
    """A version's configuration; its ARN is qualified when `name` is, or the version is a published one.

    Lists leave out State and LastUpdateStatus, as AWS's do: `with_status` is false for them.
    """
    c = found.configuration
    arn = name.arn if name.qualifier or found.version == LATEST else f"{name.unqualified_arn}:{found.version}"
    result: FunctionConfiguration = {
        "FunctionName": name.name,
        "FunctionArn": arn,
        "Runtime": c.runtime,
        "Role": c.role,
        "Handler": c.handler,
        "CodeSize": c.code_size,
        "Description": c.description,
        "Timeout": c.timeout_seconds,
        "MemorySize": c.memory_mb,
        "LastModified": lambda_time(c.modified_ms),
        "CodeSha256": c.code_sha256,
        "Version": found.version,
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": c.revision_id,
        "PackageType": "Zip",
        "Architectures": [c.architecture],
        "EphemeralStorage": {"Size": c.tmp_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": c.log_group or f"/aws/lambda/{name.name}"},
    }
    if with_status:
        result["State"] = "Active"
        result["LastUpdateStatus"] = "Successful"
    _environment(result, c)
    return result


def _environment(result: FunctionConfiguration, c: Configuration) -> None:
    if c.environment:
        result["Environment"] = {"Variables": dict(c.environment)}
