"""Amazon Resource Names: arn:partition:service:region:account:resource.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from typing import NamedTuple

PARTITION = "aws"


class Arn(NamedTuple):
    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def make(service: str, region: str, account: str, resource: str) -> str:
    return f"arn:{PARTITION}:{service}:{region}:{account}:{resource}"


def parse(text: str) -> Arn:
    """The parts of an ARN.

    Raises:
        ValueError: the text is not an ARN.
    """
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise ValueError(f"not an ARN: {text!r}")
    return Arn(*parts[1:])
