"""STS's errors. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_Errors"""

from pilvi.core.errors import CloudError


class MalformedPolicyDocument(CloudError):
    code = "MalformedPolicyDocument"


class PackedPolicyTooLarge(CloudError):
    code = "PackedPolicyTooLarge"


class InvalidParameterValue(CloudError):
    code = "InvalidParameterValue"
