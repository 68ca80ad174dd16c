"""Lambda's quotas, with AWS's values.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

from typing import Final

ZIP_BYTES_MAX: Final = 50 * 1024 * 1024  # uploaded in the request
REQUEST_BYTES_MAX: Final = 70_167_211  # AWS's number for the same in base64, with the rest of the request
UNZIPPED_BYTES_MAX: Final = 250 * 1024 * 1024
ZIP_DIRECTORY_BYTES_MAX: Final = 8 * 1024 * 1024  # ours, some 70,000 files: it is read inside a transaction
ACCOUNT_CODE_BYTES_MAX: Final = 75 * 1024**3
CONCURRENT_EXECUTIONS: Final = 1_000

ENVIRONMENT_BYTES_MAX: Final = 4 * 1024
TIMEOUT_SECONDS_MAX: Final = 900
MEMORY_MB_MAX: Final = 10_240
TMP_MB_MAX: Final = 10_240
TAGS_MAX: Final = 50
TAG_KEY_MAX: Final = 128
TAG_VALUE_MAX: Final = 256
POLICY_BYTES_MAX: Final = 20 * 1024

SYNC_PAYLOAD_BYTES_MAX: Final = 6 * 1024 * 1024
ASYNC_PAYLOAD_BYTES_MAX: Final = 1024 * 1024
CLIENT_CONTEXT_BYTES_MAX: Final = 3_583

# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
ASYNC_RETRIES: Final = 2
ASYNC_RETRY_DELAYS_MS: Final = (60_000, 120_000)  # after the first and the second function error
ASYNC_AGE_MS_MAX: Final = 6 * 3_600_000
BACKOFF_FIRST_MS: Final = 1_000  # throttles and system errors: doubled each time ...
BACKOFF_MS_MAX: Final = 300_000  # ... up to here

LIST_ITEMS_MAX: Final = 50  # a page of ListFunctions has at most so many
VERSIONS_PAGE_MAX: Final = 50
ROLE_SESSION_SECONDS: Final = 3_600
CODE_LINK_SECONDS: Final = 600
