"""CloudWatch Logs' quotas with AWS's values, and our own bounds of storage and work.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

from typing import Final

DAY_MS: Final = 86_400_000
BATCH_BYTES_MAX: Final = 1_048_576
EVENT_OVERHEAD_BYTES: Final = 26
BATCH_SPAN_MS_MAX: Final = DAY_MS
FUTURE_MS_MAX: Final = 2 * 3_600_000
PAST_MS_MAX: Final = 14 * DAY_MS

PAGE_EVENTS_MAX: Final = 10_000
PAGE_BYTES_MAX: Final = 1_048_576
DESCRIBE_MAX: Final = 50
TAGS_MAX: Final = 50
RETENTION_DAYS: Final = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)  # fmt: skip

# Ours. A chunk is what one row holds: its span bounds how far a reader must look back, its bytes what it decodes.
CHUNK_SPAN_MS_MAX: Final = 2_000
CHUNK_BYTES_MAX: Final = 256 * 1024
SEARCH_EVENTS_MAX: Final = 100_000  # one FilterLogEvents looks at so many events, then answers with a token
SWEEP_ROWS_MAX: Final = 500  # one step of a sweep removes so many rows
SWEEP_EVERY_MS: Final = 3_600_000
