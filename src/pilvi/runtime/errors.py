"""What a client sees when its function could not be run at all."""

from pilvi.core.errors import CloudError


class TooManyRequests(CloudError):
    """Rate Exceeded."""

    code = "TooManyRequestsException"
    status = 429


class InvalidRuntime(CloudError):
    """The function's runtime has no interpreter on this machine (any more)."""

    code = "InvalidRuntimeException"
    status = 502
    fault = "server"


class InvalidZipFile(CloudError):
    """The function's package cannot be unpacked."""

    code = "InvalidZipFileException"
    status = 502
    fault = "server"


class ServiceException(CloudError):
    """The sandbox could not be started."""

    code = "ServiceException"
    status = 500
    fault = "server"


class InvalidRequestContent(CloudError):
    """The client context is not what it should be."""

    code = "InvalidRequestContentException"
