"""Limits of sessions. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html

AWS tells of the packed size only as a percentage; the bytes that make 100 % are ours.
"""

CHAINED_SECONDS_MAX = 3600
ROLE_SECONDS_DEFAULT = 3600
SESSION_SECONDS_DEFAULT = 43_200
ROOT_SESSION_SECONDS_MAX = 3600
POLICY_ARNS_MAX = 10
TAGS_MAX = 50
PACKED_BYTES_MAX = 4096
