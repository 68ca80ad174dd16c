"""IAM's errors. https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html and each operation's page."""

from pilvi.core.errors import CloudError


class NoSuchEntity(CloudError):
    code = "NoSuchEntity"
    status = 404


class EntityAlreadyExists(CloudError):
    code = "EntityAlreadyExists"
    status = 409


class DeleteConflict(CloudError):
    code = "DeleteConflict"
    status = 409


class LimitExceeded(CloudError):
    code = "LimitExceeded"
    status = 409


class InvalidInput(CloudError):
    code = "InvalidInput"


class MalformedPolicyDocument(CloudError):
    code = "MalformedPolicyDocument"
