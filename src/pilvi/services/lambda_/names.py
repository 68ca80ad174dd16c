"""The many ways to name a function.

    thumbnail   thumbnail:live   123456789012:function:thumbnail   arn:aws:lambda:eu-north-1:123456789012:function:thumbnail:7

https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html (FunctionName)
"""

import re

import msgspec

from pilvi.core import arn, marks
from pilvi.core.context import Context
from pilvi.services.lambda_.errors import InvalidParameterValue, ResourceNotFound, ValidationFailed

LATEST = "$LATEST"
NAME_LENGTH_MAX = 64
_PATTERN = (
    r"(?:arn:(?P<partition>aws[a-zA-Z-]*):lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d{1}):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[a-zA-Z0-9-_]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_FORMS = re.compile(_PATTERN)
_PLAIN = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_SHOWN_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)


class FunctionId(msgspec.Struct, frozen=True):
    """A function, and which of its versions.

    Attributes:
        qualifier: a version's number, an alias, "$LATEST", or "" when none was named.
    """

    account: str
    region: str
    name: str
    qualifier: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.account, self.region, self.name)

    @property
    def arn(self) -> str:
        """Qualified when a qualifier was named."""
        return f"{self.unqualified_arn}:{self.qualifier}" if self.qualifier else self.unqualified_arn

    @property
    def unqualified_arn(self) -> str:
        return f"arn:{arn.PARTITION}:lambda:{self.region}:{self.account}:function:{self.name}"

    @property
    def policy_qualifier(self) -> str:
        """Which resource policy applies: $LATEST has the function's own."""
        return "" if self.qualifier == LATEST else self.qualifier

    def not_found(self) -> ResourceNotFound:
        return ResourceNotFound(f"Function not found: {self.arn}")


def parse(ctx: Context, text: str, qualifier: str | None = None) -> FunctionId:
    """The function that a request names, in the caller's account and region unless it says otherwise.

    Raises:
        ValidationFailed: no form of a name.
        InvalidParameterValue: two different qualifiers.
        ResourceNotFound: an ARN of another region.
    """
    if _PLAIN.fullmatch(text):
        return FunctionId(ctx.account, ctx.region, text, qualifier or "")
    match = _FORMS.fullmatch(text)
    if match is None or len(match["name"]) > NAME_LENGTH_MAX:
        raise ValidationFailed(text, "functionName", f"satisfy regular expression pattern: {_SHOWN_PATTERN}")
    region = match["region"] or ctx.region
    if region != ctx.region:
        raise ResourceNotFound(f"Functions from '{region}' are not reachable in this region ('{ctx.region}')")
    own = match["qualifier"] or ""
    if own and qualifier and own != qualifier:
        raise InvalidParameterValue(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return FunctionId(match["account"] or ctx.account, region, match["name"], own or qualifier or "")


def from_arn(ctx: Context, text: str) -> FunctionId:
    """The function that a resource ARN names.

    Raises:
        InvalidParameterValue: not the ARN of a function.
    """
    match = _FORMS.fullmatch(text)
    if match is None or not (match["partition"] and match["region"] and match["account"]):
        raise InvalidParameterValue(f"The resource {text} is not the ARN of a function.")
    return parse(ctx, text)


def marker_after(text: str) -> str:
    """Where a list goes on: opaque to clients."""
    return marks.write(text)


def marker(text: str | None) -> str | None:
    """What `marker_after` was given.

    Raises:
        InvalidParameterValue: not one of our markers.
    """
    if text is None:
        return None
    try:
        return marks.read(text)
    except ValueError:
        raise InvalidParameterValue("The specified marker is invalid.") from None
