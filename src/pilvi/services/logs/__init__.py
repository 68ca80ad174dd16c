"""Amazon CloudWatch Logs."""

from pilvi.core.operation import service
from pilvi.services.logs import groups, put, read, streams
from pilvi.services.logs.records import RECORDS
from pilvi.services.logs.sweep import Sweep

SERVICE = service("logs", [groups, put, read, streams], RECORDS, deliveries=[Sweep()])
