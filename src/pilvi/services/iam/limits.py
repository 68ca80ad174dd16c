"""IAM's quotas, by AWS's names. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

from pilvi.services.iam.errors import LimitExceeded

USERS = "UsersPerAccount", 5000
GROUPS = "GroupsPerAccount", 300
ROLES = "RolesPerAccount", 1000
POLICIES = "PoliciesPerAccount", 1500
INSTANCE_PROFILES = "InstanceProfilesPerAccount", 1000
GROUPS_PER_USER = "GroupsPerUser", 10
ACCESS_KEYS_PER_USER = "AccessKeysPerUser", 2
ROLES_PER_INSTANCE_PROFILE = "InstanceSessionsPerInstanceProfile", 1
ATTACHED = {
    "user": ("PoliciesPerUser", 10),
    "group": ("PoliciesPerGroup", 10),
    "role": ("PoliciesPerRole", 10),
}
TAGS = {
    "user": ("TagsPerUser", 50),
    "role": ("TagsPerRole", 50),
    "policy": ("TagsPerPolicy", 50),
    "instance profile": ("TagsPerInstanceProfile", 50),
}
TRUST_CHARS = "ACLSizePerRole", 2048
POLICY_CHARS = "PolicySize", 6144
POLICY_VERSIONS_MAX = 5
INLINE_CHARS_MAX = {"user": 2048, "group": 5120, "role": 10240}
ITEMS_DEFAULT = 100


def within(quota: tuple[str, int], wanted: int) -> None:
    """Raises:
    LimitExceeded: `wanted` would be more than the quota.
    """
    name, most = quota
    if wanted > most:
        raise LimitExceeded(f"Cannot exceed quota for {name}: {most}")


def written_chars(document: str) -> int:
    """The size of a policy as quotas count it: without white space."""
    return len("".join(document.split()))
