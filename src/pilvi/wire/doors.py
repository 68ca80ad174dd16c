"""Operations of S3 that AWS's model does not tell of, and the protocols in which they are spoken."""

from typing import Final

FORM_OPERATION: Final = "PostObject"
FORM_PROTOCOL: Final = "s3-form"
SITE_OPERATION: Final = "GetWebsite"
SITE_PROTOCOL: Final = "s3-website"
