"""AWS Security Token Service: who the caller is, and temporary credentials. Keeps nothing: a session is its token."""

from pilvi.core.operation import service
from pilvi.services.sts import assume_role, identity

SERVICE = service("sts", [assume_role, identity])
