"""KMS's errors. https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html and each operation's page."""

from pilvi.core.errors import CloudError


class NotFound(CloudError):
    code = "NotFoundException"


class AlreadyExists(CloudError):
    code = "AlreadyExistsException"


class Disabled(CloudError):
    code = "DisabledException"


class DryRun(CloudError):
    """Nothing was wrong; nothing was done."""

    code = "DryRunOperationException"


class IncorrectKey(CloudError):
    code = "IncorrectKeyException"


class InvalidAliasName(CloudError):
    code = "InvalidAliasNameException"


class InvalidArn(CloudError):
    code = "InvalidArnException"


class InvalidCiphertext(CloudError):
    code = "InvalidCiphertextException"


class InvalidGrantId(CloudError):
    code = "InvalidGrantIdException"


class InvalidGrantToken(CloudError):
    code = "InvalidGrantTokenException"


class InvalidKeyUsage(CloudError):
    code = "InvalidKeyUsageException"


class InvalidMac(CloudError):
    code = "KMSInvalidMacException"


class InvalidMarker(CloudError):
    code = "InvalidMarkerException"


class InvalidSignature(CloudError):
    code = "KMSInvalidSignatureException"


class InvalidState(CloudError):
    code = "KMSInvalidStateException"


class LimitExceeded(CloudError):
    code = "LimitExceededException"


class MalformedPolicyDocument(CloudError):
    code = "MalformedPolicyDocumentException"


class TagProblem(CloudError):
    code = "TagException"


class UnsupportedOperation(CloudError):
    code = "UnsupportedOperationException"
