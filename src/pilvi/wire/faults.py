"""What errors are called: each protocol, and some services, have names of their own for the same fault."""

from functools import cache

from pilvi.core.errors import CloudError
from pilvi.wire.model import ServiceModel, Shape

XML_FAMILY = frozenset({"query", "ec2", "rest-xml"})

# Codes that no service models, as JSON and CBOR services name them. XML services use the codes as they are.
JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "ValidationError": "ValidationException",
    "ServiceUnavailable": "ServiceUnavailableException",
    "ExpiredToken": "ExpiredTokenException",
    "Throttling": "ThrottlingException",
    "InvalidAction": "UnknownOperationException",
}

# Where a service departs from its protocol: (service, code as raised) -> (code, HTTP status or 0 for the same).
SERVICE_CODES: dict[tuple[str, str], tuple[str, int]] = {
    ("s3", "InternalFailure"): ("InternalError", 0),
    ("s3", "ValidationError"): ("InvalidArgument", 0),
    ("ec2", "AccessDenied"): ("UnauthorizedOperation", 403),
    ("ec2", "InternalFailure"): ("InternalError", 0),
    ("ec2", "ServiceUnavailable"): ("Unavailable", 0),
    ("lambda", "InternalFailure"): ("ServiceException", 0),
    ("dynamodb", "InternalFailure"): ("InternalServerError", 0),
    ("dynamodb", "AccessDenied"): ("AccessDeniedException", 400),
}

# The code for bytes that cannot be read.
MALFORMED = {
    "query": "MalformedInput",
    "ec2": "InvalidParameterValue",
    "json": "SerializationException",
    "rest-json": "SerializationException",
    "rest-xml": "MalformedXML",
    "smithy-rpc-v2-cbor": "SerializationException",
}
SERVICE_MALFORMED = {
    "lambda": "InvalidRequestContentException",
    "cloudfront": "MalformedInput",
    "route53": "MalformedInput",
}

# The code for a value that breaks a constraint of the model.
CONSTRAINT = {
    "logs": "InvalidParameterException",
    "events": "ValidationException",
    "ecs": "InvalidParameterException",
    "ecr": "InvalidParameterException",
    "cognito-idp": "InvalidParameterException",
    "kinesis": "ValidationException",
    "ec2": "InvalidParameterValue",
    "route53": "InvalidInput",
}


# Codes of the query protocol's time that the model of a service no longer tells: shape -> code.
QUERY_CODES: dict[str, dict[str, str]] = {
    "sqs": {
        "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists": "QueueAlreadyExists",
        **{
            name: f"AWS.SimpleQueueService.{name}"
            for name in (
                "BatchEntryIdsNotDistinct",
                "BatchRequestTooLong",
                "EmptyBatchRequest",
                "InvalidBatchEntryId",
                "MessageNotInflight",
                "PurgeQueueInProgress",
                "QueueDeletedRecently",
                "TooManyEntriesInBatchRequest",
                "UnsupportedOperation",
            )
        },
    },
}


def code_and_status(error: CloudError, service: str, protocol: str) -> tuple[str, int]:
    """How this service, in this protocol, names an error, and the HTTP status it answers with."""
    own = SERVICE_CODES.get((service, error.code))
    if own is not None:
        return own[0], own[1] or error.status
    if protocol in XML_FAMILY:
        return error.code, error.status
    code = JSON_CODES.get(error.code, error.code)
    if protocol == "json" and error.code == "AccessDenied":
        return code, 400
    return code, error.status


def malformed_code(service: str, protocol: str) -> str:
    return SERVICE_MALFORMED.get(service) or MALFORMED[protocol]


@cache
def named(base: type[CloudError], code: str, status: int) -> type[CloudError]:
    """A kind of error under another name."""
    return type(code, (base,), {"code": code, "status": status})


class Modelled:
    """The error shapes of a service, found by the code they travel under or by their own name."""

    def __init__(self, service: ServiceModel) -> None:
        self._shapes: dict[str, tuple[str, Shape]] = {}
        self._codes = QUERY_CODES.get(service.name, {})
        errors = {name: shape for name, shape in service.shapes.items() if shape.exception or shape.error}
        for name, shape in errors.items():
            self._shapes[name] = name, shape
        for name, shape in errors.items():
            self._shapes[self.query_code(name, shape)] = name, shape

    def get(self, code: str) -> tuple[str, Shape] | None:
        """The shape's name and the shape."""
        return self._shapes.get(code)

    def query_code(self, name: str, shape: Shape) -> str:
        """The code of a shape in the query protocol."""
        return self._codes.get(name) or (shape.error.code if shape.error else "") or name
