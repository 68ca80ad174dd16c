"""Lambda's errors. Each carries the member `Type`, "User", as AWS's do.

https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html
"""

from pilvi.core.errors import CloudError


class LambdaError(CloudError):
    def __init__(self, message: str) -> None:
        super().__init__(message, fields={"Type": "User"})


class InvalidParameterValue(LambdaError):
    code = "InvalidParameterValueException"


class ResourceNotFound(LambdaError):
    code = "ResourceNotFoundException"
    status = 404


class ResourceConflict(LambdaError):
    code = "ResourceConflictException"
    status = 409


class PreconditionFailed(LambdaError):
    code = "PreconditionFailedException"
    status = 412


class PolicyLengthExceeded(LambdaError):
    code = "PolicyLengthExceededException"


class InvalidRequestContent(LambdaError):
    code = "InvalidRequestContentException"


class RequestEntityTooLarge(LambdaError):
    code = "RequestEntityTooLargeException"
    status = 413


class TooManyRequests(LambdaError):
    code = "TooManyRequestsException"
    status = 429


class ValidationFailed(CloudError):
    """A limit that AWS checks like the model's own constraints."""

    code = "ValidationException"

    def __init__(self, value: object, member: str, constraint: str) -> None:
        super().__init__(
            f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
            f"Member must {constraint}"
        )
