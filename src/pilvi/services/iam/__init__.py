"""AWS Identity and Access Management: users, groups, roles, policies. Global: one per account, no region."""

from pilvi.core.operation import service
from pilvi.services.iam.directory import IamDirectory
from pilvi.services.iam.records import RECORDS

SERVICE = service("iam", [], RECORDS, directory=IamDirectory())
