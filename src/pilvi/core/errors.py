"""Errors that a client sees.

A CloudError carries AWS's code, HTTP status and fault; everything else that escapes an operation is our bug and is
answered as InternalFailure without its text. Services derive their own errors in `services/<name>/errors.py`.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal


class CloudError(Exception):
    """What the client did wrong, in AWS's words.

    `fields` are extra members of the error's shape, e.g. {"BucketName": "photos"}; protocols render them in their way.
    `headers` are HTTP headers that the answer carries, e.g. {"ETag": '"..."'} on a 304.
    """

    code: ClassVar[str]
    status: ClassVar[int] = 400
    fault: ClassVar[Literal["client", "server"]] = "client"

    def __init__(
        self,
        message: str = "",
        /,
        *,
        fields: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fields: Mapping[str, object] = fields or {}
        self.headers: Mapping[str, str] = headers or {}


class AccessDenied(CloudError):
    """Authenticated (or anonymous), and not allowed. Protocols rename it (AccessDeniedException) where AWS does."""

    code = "AccessDenied"
    status = 403


class NotBuilt(CloudError):
    """The operation, parameter or service exists on AWS and is not built here. Never a pretended success."""

    code = "NotImplemented"
    status = 501
    fault = "server"


class InternalFailure(CloudError):
    """Our bug. The message never carries inner text."""

    code = "InternalFailure"
    status = 500
    fault = "server"


class ServiceUnavailable(CloudError):
    """The request could not be carried out now (disk full, shutting down); nothing was changed."""

    code = "ServiceUnavailable"
    status = 503
    fault = "server"


class ValidationError(CloudError):
    """A value breaks the operation's constraints. JSON protocols call it ValidationException."""

    code = "ValidationError"
    status = 400


class MalformedRequest(CloudError):
    """The bytes do not form the request that the protocol describes (SerializationException, MalformedXML, ...)."""

    code = "SerializationException"
    status = 400
