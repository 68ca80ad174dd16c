"""Where buckets can be: the values of LocationConstraint.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
"""

from pilvi.services.s3.errors import IllegalLocationConstraintException, InvalidLocationConstraint

HOME = "us-east-1"
"""The region that needs no constraint, shows none, and may create buckets in every other."""

_ALIASES = {"EU": "eu-west-1"}
_REGIONS = frozenset(
    {
        "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
        "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
        "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "cn-north-1", "cn-northwest-1", "eu-central-1",
        "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1",
        "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-2", "us-gov-east-1", "us-gov-west-1",
        "us-west-1", "us-west-2",
    }
)  # fmt: skip


def region_of(constraint: str | None, here: str) -> str:
    """The region of a new bucket, from the request's LocationConstraint and the region it was signed for.

    Raises:
        InvalidLocationConstraint: there is no such place.
        IllegalLocationConstraintException: not from here.
    """
    if not constraint:
        if here != HOME:
            raise IllegalLocationConstraintException(
                "The unspecified location constraint is incompatible for the region specific endpoint this request was "
                "sent to."
            )
        return HOME
    region = _ALIASES.get(constraint, constraint)
    if region == HOME or (region not in _REGIONS and region != here):
        raise InvalidLocationConstraint(fields={"LocationConstraint": constraint})
    if here not in (HOME, region):
        raise IllegalLocationConstraintException(
            f"The {constraint} location constraint is incompatible for the region specific endpoint this request was "
            "sent to."
        )
    return region
