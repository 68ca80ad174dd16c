"""Limits of KMS. https://docs.aws.amazon.com/kms/latest/developerguide/limits.html

Lengths of single values are the model's.
"""

DAY_MS = 86_400_000
KEYS_MAX = 100_000
"""An account's own keys in one region."""
ALIASES_MAX = 50
"""Of one key."""
GRANTS_MAX = 50_000
"""Of one key."""
POLICY_BYTES_MAX = 32_768
CONTEXT_BYTES_MAX = 8_192
"""Of an encryption context: names and values."""
GRANT_CONTEXT_BYTES_MAX = 384
TAGS_MAX = 50
DELETION_DAYS = (7, 30)
ROTATION_DAYS_DEFAULT = 365
ROTATIONS_ON_DEMAND_MAX = 25
PAGE_DEFAULT = 50
KEYS_PAGE_DEFAULT = 100
TAGS_PAGE_MAX = 50
GRANTS_PAGE_MAX = 100
ALIASES_PAGE_MAX = 100
