"""CloudWatch Logs' errors.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html
"""

from pilvi.core.errors import CloudError


class InvalidParameter(CloudError):
    code = "InvalidParameterException"


class ResourceNotFound(CloudError):
    code = "ResourceNotFoundException"


class ResourceAlreadyExists(CloudError):
    code = "ResourceAlreadyExistsException"


class TooManyTags(CloudError):
    code = "TooManyTagsException"
