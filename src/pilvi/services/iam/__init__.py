"""AWS Identity and Access Management: users, groups, roles, policies. Global: one per account, no region."""

from pilvi.core.operation import service
from pilvi.services.iam import (
    access_keys,
    account,
    attachments,
    boundaries,
    groups,
    inline,
    instance_profiles,
    policies,
    roles,
    simulation,
    tags,
    users,
)
from pilvi.services.iam.directory import IamDirectory
from pilvi.services.iam.records import RECORDS

MODULES = (
    access_keys, account, attachments, boundaries, groups, inline, instance_profiles, policies, roles, simulation, tags, users,
)  # fmt: skip

SERVICE = service("iam", MODULES, RECORDS, directory=IamDirectory())
